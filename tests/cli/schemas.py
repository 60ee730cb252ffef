"""The schemas of docs/reference/json.md and manifest.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES = (REFERENCE / "json.md", REFERENCE / "manifest.md")


def definitions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for page in PAGES:
        for block in re.findall(r"^```json\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            found |= json.loads(block)
    return found


def check(value: object, name: str) -> None:
    """Raise unless ``value`` is what the page says of ``name``."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/$defs/{name}"}
    jsonschema.validate(value, schema | {"$defs": definitions()})
