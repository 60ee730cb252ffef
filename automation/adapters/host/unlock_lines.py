"""The lines in which Bitbucket's log tells an unlock token: how to find and to read them. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

LOG = "log/atlassian-bitbucket.log"
PHRASE = "may be unlocked with token"
NEWEST = 20
"""Lines read of each node; the newest lock is among the last of them."""
_LINE = re.compile(
    rf"^(?P<when>[\d-]+ [\d:,.]+)?.*{PHRASE}:?\s*(?P<token>[^\s\"'<>:][^\s\"'<>]*?)\.?\s*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One line; the newest is the greatest."""

    when: str
    token: str


def script(home: str) -> str:
    """Return what prints the newest lines on a node whose Bitbucket has this home."""
    file = f'"${{BBDC_ROOT:-}}{home}/{LOG}"'
    return f"if [ -r {file} ]; then grep -i '{PHRASE}' {file} | tail -n {NEWEST}; fi"


def read(output: str) -> tuple[Told, ...]:
    """Read what ``script`` printed; other lines are left out."""
    return tuple(Told(line["when"] or "", line["token"]) for line in map(_LINE.match, output.splitlines()) if line)
