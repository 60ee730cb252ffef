"""What all commands of ``bbdc lab`` share: where the lab is, and how they print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lab.state import default_directory

Directory = Annotated[Path | None, Parameter(name="--dir", help="The lab's directory. Default: $BBDC_LAB_DIR.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]


def place_of(directory: Path | None) -> Path:
    """Return the lab's directory."""
    return (directory or default_directory()).expanduser().absolute()


def print_json(document: object) -> None:
    """Print one JSON document on a line."""
    sys.stdout.write(json.dumps(document) + "\n")
