"""Signatures with an account's key, as blob storage checks them (scheme SharedKey)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from lab.azure.errors import ArmError
from lab.azure.messages import Request

SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
"""Headers whose values are signed, in this order."""


def check(account: str, keys: Sequence[str], request: Request) -> None:
    """Check the signature of a request.

    Raises:
        ArmError: none of the account's keys made it.
    """
    _, _, shown = request.headers["authorization"].partition(" ")
    name, _, signature = shown.partition(":")
    text = _text(account, request).encode()
    made = [base64.b64encode(hmac.digest(base64.b64decode(key), text, hashlib.sha256)).decode() for key in keys]
    if name != account or not any(hmac.compare_digest(signature, one) for one in made):
        message = "Server failed to authenticate the request. Make sure the value of Authorization header is correct."
        raise ArmError(403, "AuthenticationFailed", message)


def _text(account: str, request: Request) -> str:
    """Return what is signed."""
    values = [request.headers.get(name, "") for name in SIGNED]
    values[2] = "" if values[2] == "0" else values[2]
    own = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-ms-"))
    lines = [request.method, *values, *(f"{name}:{value.strip()}" for name, value in own)]
    query = sorted(request.query.items())
    path = urlsplit(request.raw).path
    return "\n".join(lines) + f"\n/{account}{path}" + "".join(f"\n{name}:{value}" for name, value in query)
