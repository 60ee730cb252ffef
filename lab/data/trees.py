"""Copy and remove directory trees: whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PART = ".part"


def copy(source: Path, target: Path) -> None:
    """Copy a tree with owners, modes, times and links; real copies, so that damage to one does not reach the other.

    Raises:
        OSError: it could not be copied; nothing is left at ``target``.
    """
    part = target.with_name(target.name + PART)
    remove(part)
    part.mkdir(parents=True, mode=0o700)
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", f"{source}/.", str(part)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        remove(part)
        raise OSError(f"copying {source} failed: {done.stderr.strip()}")
    part.rename(target)


def remove(path: Path) -> None:
    """Remove a tree; nothing happens when there is none."""
    if path.exists():
        shutil.rmtree(path)


def blank(path: Path) -> bool:
    """Say whether a directory is empty."""
    return next(path.iterdir(), None) is None
