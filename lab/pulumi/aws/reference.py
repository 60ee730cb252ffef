"""The table of resource types for the reference page; `python -m lab.pulumi.aws.reference` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from lab.pulumi.aws import schema
from lab.pulumi.aws.registry import RESOURCES
from lab.pulumi.aws.resource import ResourceType

_HEAD = ("| Type | Changed in place | Replaced when changed | Steers the provider only |", "|---|---|---|---|")


def table() -> str:
    """Return the Markdown table of all types and the inputs that each honours."""
    return "\n".join([*_HEAD, *(_row(RESOURCES[token]) for token in sorted(RESOURCES, key=_short))]) + "\n"


def _row(kind: ResourceType) -> str:
    updated = {name for update in kind.changes for name in update.properties}
    declared = schema.schema().resources[kind.type].inputs
    names = {kind.name.property, f"{kind.name.property}Prefix"} & set(declared) if kind.name else set()
    region = {"region"} & set(declared)
    cells = (_listed(updated), _listed(kind.replace_on | names | region), _listed(kind.state_only))
    return f"| `{_short(kind.type)}` | {' | '.join(cells)} |"


def _short(token: str) -> str:
    """Return a type as programs write it: `ec2.LaunchTemplate`."""
    _, where, name = token.split(":")
    return f"{where.partition('/')[0]}.{name}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


if __name__ == "__main__":
    sys.stdout.write(table())
