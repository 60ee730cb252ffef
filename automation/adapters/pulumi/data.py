"""The generations of data that a stack declares (``ports.program.Program``), written into its config and brought about.

The config is the only book: whoever runs ``pulumi up`` afterwards, by hand or from CI, declares the same and changes
nothing. Keys as docs/reference/configuration.md has them: ``data.active``, ``data.generations.NAME``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pulumi.automation import ConfigValue

from automation.adapters.pulumi.stack import EstateStack
from automation.core.backups.manifest import moment, seconds_of
from automation.core.restores.generations import ORIGINAL, DataState, Generation
from automation.ports.errors import Conflict, NotFound, Refused

KEY = "data"


class StackProgram:
    """Implements ``ports.program.Program`` over one Pulumi stack."""

    def __init__(self, stack: EstateStack, *, on_event: Callable[[Any], None] | None = None) -> None:
        self._stack = stack
        self._on_event = on_event

    def data(self) -> DataState:
        """Return what the stack's config declares."""
        plain = json.loads(self._stack.value(KEY) or "{}")
        declared: Mapping[str, Mapping[str, Any]] = plain.get("generations") or {}
        return DataState(
            active=plain.get("active") or ORIGINAL,
            generations=tuple(_read(name, each) for name, each in declared.items()),
            retired=frozenset(plain.get("retired") or ()),
        )

    def version(self) -> str:
        """Return the Bitbucket version that the stack's config wants."""
        return self._stack.version()

    def declare(self, generation: Generation) -> None:
        """Write the generation into the config and run ``pulumi up``."""
        there = self.data().find(generation.name)
        if there is not None and there != generation:
            raise Conflict(
                f"data {generation.name} is declared, and made from something else", hint="choose a new name"
            )
        root = f"{KEY}.generations.{generation.name}"
        if there is None:
            self._stack.put_all({f"{root}.{path}": value for path, value in _written(generation).items()})
        try:
            self._stack.up(self._on_event)
        except (Conflict, Refused):  # nothing was begun: then nothing is declared either
            if there is None:
                self._stack.drop(root)
            raise

    def activate(self, name: str) -> None:
        """Write the active generation into the config and run ``pulumi up``."""
        before = self.data()
        if name not in before.there:
            raise NotFound(f"the stack declares no data called {name}")
        self._stack.put(f"{KEY}.active", ConfigValue(name))
        try:
            self._stack.up(self._on_event)
        except (Conflict, Refused):
            self._stack.put(f"{KEY}.active", ConfigValue(before.active))
            raise


def _written(generation: Generation) -> dict[str, str]:
    values = {f"homeSnapshots[{number}]": each for number, each in enumerate(generation.home_snapshots)}
    if generation.database_snapshot:
        return values | {"databaseSnapshot": generation.database_snapshot}
    return values | {
        "databaseSource": generation.database_source,
        "databaseTime": moment(generation.database_time) or "",
    }


def _read(name: str, plain: Mapping[str, Any]) -> Generation:
    return Generation(
        name=name,
        home_snapshots=tuple(plain.get("homeSnapshots") or ()),
        database_snapshot=plain.get("databaseSnapshot") or "",
        database_source=plain.get("databaseSource") or "",
        database_time=seconds_of(plain.get("databaseTime")),
    )
