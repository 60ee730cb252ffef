"""The references of a bare repository, read from its files: no process is needed for that."""

from __future__ import annotations

import os
from pathlib import Path


def read_refs(path: Path, prefix: str) -> dict[str, str]:
    """Return object id by short name of the references under ``prefix``, loose ones over packed ones."""
    found: dict[str, str] = {}
    packed = path / "packed-refs"
    if packed.exists():
        for line in packed.read_text().splitlines():
            value, _, name = line.partition(" ")
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = value
    root = path / prefix.rstrip("/")
    for folder, _, files in os.walk(root):
        for file in files:
            if not file.endswith(".lock"):
                loose = Path(folder, file)
                found[str(loose.relative_to(root))] = loose.read_text().strip()
    return dict(sorted(found.items()))
