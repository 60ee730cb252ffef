"""Small files that other processes read: written whole or not at all, readable by nobody else."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, cast


def write_private(path: Path, text: str) -> None:
    """Write ``path`` atomically with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(path: Path, document: object) -> None:
    """Write ``document`` as JSON, atomically, with mode 0600."""
    write_private(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises OSError or ValueError when there is none."""
    return cast("dict[str, Any]", json.loads(path.read_text()))
