"""Credentials by reference, so that no setting, argument or file of ours has to contain one.

A reference is ``env:NAME``, ``file:/path``, ``aws-sm:<arn or name>[#key]`` or ``azure-kv:VAULT/SECRET[#key]``; anything
else is the credential itself. Values travel as ``SecretStr``: neither ``repr`` nor a log line shows them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from automation.ports.errors import BbdcError, NotFound, Refused

Reader = Callable[[str], str]
"""Reads one secret from a store by its name; raises a ``BbdcError`` of the store."""


def resolve(secret: SecretStr, *, stores: Mapping[str, Reader] | None = None) -> SecretStr:
    """Return the credential that ``secret`` is, or refers to.

    Args:
        secret: a reference or the credential itself.
        stores: readers by scheme, such as ``{"aws-sm": read_secret}``.

    Raises:
        NotFound: the reference leads nowhere.
        Refused: the file is open to others, or the scheme belongs to a cloud that is not in use.
    """
    scheme, separator, name = secret.get_secret_value().partition(":")
    if not separator:
        return secret
    readers = {"env": _from_environment, "file": _from_file} | dict(stores or {})
    if scheme in readers:
        return SecretStr(_not_empty(readers[scheme](name), f"{scheme}:{name}"))
    if scheme in {"aws-sm", "azure-kv"}:
        message = f"the credential reference {scheme}:{name} needs a cloud that this configuration does not use"
        raise Refused("secret_store", message, hint="set BBDC_CLOUD, or use env: or file:")
    return secret


def pick(text: str, key: str | None, reference: str) -> str:
    """Return ``text``, or the value under ``key`` when ``text`` is a JSON object.

    Raises:
        NotFound: there is no such key.
    """
    if key is None:
        return text
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get(key), str):
        # `from None`: the decoder's error would carry the secret's text.
        raise NotFound(f"the secret {reference} has no text under the key '{key}'") from None
    return str(fields[key])


def _not_empty(value: str, reference: str) -> str:
    if not value.strip():
        raise NotFound(f"the credential behind {reference} is empty")
    return value.strip()


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise NotFound(f"the credential reference env:{name} names a variable that is not set") from None


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        mode = path.stat().st_mode
        _refuse_open_file(path, mode)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"the credential file {path} does not exist") from error
    except OSError as error:
        raise BbdcError(f"the credential file {path} cannot be read: {error.strerror}") from error


def _refuse_open_file(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Refused("secret_file", f"the credential file {path} is no regular file")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refused(
            "secret_file", f"the credential file {path} is open to other users", hint=f"run: chmod 600 {path}"
        )
