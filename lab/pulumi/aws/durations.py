"""Durations as Pulumi's AWS properties write them: `10m`, `1h30m`, `0`."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def seconds(text: object) -> float:
    """Return the number of seconds that a duration such as `1m30s` lasts.

    Raises:
        ValueError: It is no duration.
    """
    written = str(text).strip()
    if written == "0":
        return 0.0
    parts = _PART.findall(written)
    if not parts or "".join(number + unit for number, unit in parts) != written:
        raise ValueError(f"{written!r} is no duration; write for example 10m, 90s or 0")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
