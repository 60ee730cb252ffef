"""Secrets of the whole cluster in the shared home: the first node that needs one makes it, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def made_once(file: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content; write what ``make`` returns, readable to its owner only, when there is no file."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        mine = file.with_name(f".{file.name}.{os.getpid()}")
        mine.touch(0o600)
        mine.write_bytes(make())
        try:
            os.link(mine, file)  # atomic, and fails for all but the first
        except FileExistsError:
            pass  # another node was first: its secret is the cluster's
        finally:
            mine.unlink()
    return file.read_bytes()
