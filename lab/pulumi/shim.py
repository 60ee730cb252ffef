"""The `pulumi` script that stands in for the genuine command line."""

import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The directory that has `lab` in it: the shim works from any working directory."""

_SCRIPT = """#!/bin/sh
# Pulumi's command line, answered by the lab's own engine. -I: whatever PYTHONPATH says is for the program, not for us.
exec {python} -I -c {code} "$@"
"""
_CODE = "import sys; sys.path.insert(0, {root!r}); from lab.pulumi.__main__ import main; sys.exit(main())"


def write_shim(bin_dir: Path, python: str) -> Path:
    """Write an executable named `pulumi`.

    Args:
        bin_dir: where; made when it is not there.
        python: the interpreter that has this project's dependencies.

    Returns:
        The script's path.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    path = bin_dir / "pulumi"
    code = _CODE.format(root=str(ROOT))
    path.write_text(_SCRIPT.format(python=shlex.quote(python), code=shlex.quote(code)), encoding="utf-8")
    path.chmod(0o755)
    return path
