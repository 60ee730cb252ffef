"""A roller that keeps what it was asked to do; importable, so that a provider that refers to it can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automation.core.preflight import Check, Preflight
from automation.core.roll import Ending, Outcome
from automation.core.versions import refuse_upgrade
from automation.ports.errors import Unreachable


@dataclass
class FakeRoller:
    """Judges versions by the real rule, for a cluster at 7.9.0."""

    open_target: str | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome(Ending.UPGRADED))
    unreachable: bool = False
    fails_to_open: bool = False
    calls: list[str] = field(default_factory=list)

    def preflight(self, target: str) -> Preflight:
        self.calls.append(f"preflight {target}")
        if self.unreachable:
            raise Unreachable("GET /rest/zdu/cluster at bitbucket.example failed: no connection", hint="check url")
        refusal = refuse_upgrade("7.9.0", target) if target != "7.9.0" else None
        checks = (Check("version_rule", refusal is None, f"{refusal}: no"),)
        return Preflight("alpha", "7.9.0", target, checks, (), 0.0)

    def unfinished(self) -> str | None:
        return self.open_target

    def open(self, target: str) -> str:
        self.calls.append(f"open {target}")
        if self.fails_to_open:
            raise Unreachable("no connection")
        self.open_target = target
        return "alpha:1"

    def finish(self, run: str, target: str) -> Outcome:
        self.calls.append(f"finish {run} {target}")
        if self.outcome.ending is not Ending.PAUSED:
            self.open_target = None
        return self.outcome

    def admit(self) -> None:
        self.calls.append("admit")

    def close(self) -> None:
        self.calls.append("close")


THE = FakeRoller()


def fake_rollers(settings: Mapping[str, Any]) -> FakeRoller:
    assert settings["cluster"] == "alpha"
    return THE
