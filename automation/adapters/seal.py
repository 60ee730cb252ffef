"""Seal what is stored: encrypted, so that a stolen file tells nothing, and authenticated, so that pickle is safe.

Whoever can write a database of pickles could run code in the next process that reads it; a sealed value that was not
written with our key is refused before it is unpickled.
"""

from __future__ import annotations

import dataclasses
import io
import os
import pickle
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from automation.ports.errors import Forbidden

KEY_VARIABLE = "BBDC_KEY"


def rebuild(kind: type, fields: dict[str, object]) -> object:
    """Make a dataclass again from its fields' names; those that ``kind`` no longer has are left out.

    A run may outlive the version of this program that began it. By position, as pickle stores slots, a field added or
    removed since would move all others; by name, a new field takes its default.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in fields.items() if name in known})


class _ByName(pickle.Pickler):
    """Pickles our frozen dataclasses by the names of their fields."""

    def reducer_override(self, value: object) -> Any:
        """Return how to rebuild ``value``; everything but a frozen dataclass is pickled as usual."""
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return NotImplemented
        if not type(value).__module__.startswith("automation."):
            return NotImplemented
        return rebuild, (type(value), {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})


class Seal:
    """Fernet around pickle."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def serialize(self, data: object) -> str:
        """Return ``data`` pickled, encrypted and signed."""
        packed = io.BytesIO()
        _ByName(packed).dump(data)
        return self._fernet.encrypt(packed.getvalue()).decode()

    def deserialize(self, serialized_data: str) -> object:
        """Return the value again.

        Raises:
            Forbidden: another key wrote the text.
        """
        try:
            return pickle.loads(self._fernet.decrypt(serialized_data.encode()))  # noqa: S301 (signed with our key)
        except InvalidToken as error:
            raise Forbidden(
                "reading a run failed: it was stored with another key",
                hint=f"set {KEY_VARIABLE}, or use the state directory's key file, of the machine that began the run",
            ) from error


def load_key(state: Path) -> bytes:
    """Return the key from ``BBDC_KEY``, else from ``state/key``, made at the first call (0600)."""
    if given := os.environ.get(KEY_VARIABLE):
        return _checked(given.encode(), KEY_VARIABLE)
    path = state / "key"
    if not path.exists():
        _create_once(path)
    return _checked(path.read_bytes().strip(), str(path))


def _create_once(path: Path) -> None:
    """Write a new key; when two processes race, both end up with the first one's."""
    draft = path.with_name(f"key.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)  # unlike rename, this never replaces a key that is in use
    draft.unlink()


def _checked(key: bytes, source: str) -> bytes:
    try:
        Fernet(key)
    except ValueError as error:
        raise Forbidden(
            f"{source} holds no key", hint="a key is 32 bytes, URL-safe base64; delete the file to make a new one"
        ) from error
    return key
