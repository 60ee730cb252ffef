"""A machine's line to the lab's daemon."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PATIENCE = 10.0


class Refused(Exception):
    """The daemon refused; the message says why."""


def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
    """Ask the daemon of the machine that LAB_MACHINE names.

    Raises:
        Refused: it said no.
        OSError: it does not answer.
    """
    document = json.loads((Path(os.environ["LAB_MACHINE"]) / "machine.json").read_text())
    token = Path(document["token_file"]).read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(document["control"] + path, data, headers, method=method)  # noqa: S310 - our own loopback URL
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        plain = error.headers.get_content_type() != "application/json"
        raise Refused(f"{error.code} {error.reason}" if plain else json.loads(text)["message"]) from error
