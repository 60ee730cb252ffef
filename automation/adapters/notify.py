"""Notifications through apprise: chat, mail, pagers and some hundred others behind one kind of URL.

The URLs carry keys and passwords: no message and no log of ours shows one, only its number and its service's name.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from automation.adapters.secrets import Reader, resolve
from automation.ports.errors import BbdcError, Refused, Unavailable


def notify(urls: Sequence[str], title: str, body: str, *, stores: Mapping[str, Reader] | None = None) -> None:
    """Tell everybody, each once.

    Args:
        urls: apprise URLs, or references to them (``env:``, ``file:``, ``aws-sm:``).
        title: one line.
        body: plain text.
        stores: readers for references into a cloud's secret store.

    Raises:
        Refused: apprise is not installed.
        Unavailable: somebody could not be told; the others were.
    """
    failed = [problem for number, url in enumerate(urls, 1) if (problem := _told(number, url, title, body, stores))]
    if failed:
        raise Unavailable(f"not everybody was notified: {'; '.join(failed)}", hint="check BBDC_BACKUP__NOTIFY")


def _told(number: int, url: str, title: str, body: str, stores: Mapping[str, Reader] | None) -> str:
    """Tell one service; return why it could not be told, empty when it was."""
    try:
        plain = resolve(SecretStr(url), stores=stores).get_secret_value()
    except BbdcError as error:
        return f"URL {number}: {error}"
    service = _service(plain)
    if service is None:
        return f"URL {number} is none that apprise knows"
    name = str(service.service_name)
    try:
        sent = service.notify(body=body, title=title)
    except TypeError:  # apprise's word for a title and body that this service cannot carry
        sent = False
    return "" if sent else f"URL {number} ({name}) did not take it"


def _service(url: str) -> Any:
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what it would log shows parts of the URL
    with warnings.catch_warnings():
        # Its mail plug-in loads a module that Python is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import apprise  # noqa: PLC0415 (an extra, and slow to import)
        except ModuleNotFoundError as error:
            hint = "pip install 'bitbucket-dc[notify]'"
            raise Refused(
                "missing_extra", "notifications need a package that is not installed: apprise", hint=hint
            ) from (error)
        return apprise.Apprise.instantiate(url, suppress_exceptions=True)
