"""Each outside library has one door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def importers(*libraries: str) -> set[str]:
    found = set()
    for path in (ROOT / "automation").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.partition(".")[0] for name in names} & set(libraries):
                found.add(str(path.relative_to(ROOT / "automation")))
    return found


@pytest.mark.parametrize(
    ("libraries", "doors"),
    [
        (("httpx",), {"adapters/http.py"}),
        (("boto3", "botocore"), {"adapters/aws/session.py", "adapters/aws/errors.py"}),
    ],
)
def test_a_library_is_known_to_its_door_only(libraries, doors):
    assert importers(*libraries) == doors
