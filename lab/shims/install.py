"""Put the programs that stand in for real ones into a machine's ``bin``."""

from __future__ import annotations

import sys
from pathlib import Path

SHIM = """#!/bin/sh
# {name} of this machine: asks the lab's daemon.
LAB_MACHINE="{machine}" PYTHONPATH="{root}" exec "{python}" -m {module} "$@"
"""
SHIMS = {
    "systemctl": "lab.systemctl",
    "psql": "lab.shims.psql",
    "aws": "lab.shims.aws",
    "curl": "lab.shims.curl",
}
"""Program -> module that stands in for it."""
ROOT = Path(__file__).resolve().parents[2]


def install(machine: Path) -> None:
    """Make ``bin`` in a machine's directory."""
    (machine / "bin").mkdir()
    for name, module in SHIMS.items():
        shim = machine / "bin" / name
        shim.write_text(SHIM.format(name=name, module=module, machine=machine, python=sys.executable, root=ROOT))
        shim.chmod(0o755)
