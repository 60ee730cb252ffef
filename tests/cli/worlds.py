"""Restore commands against the pure world, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from automation import restoring as composition
from automation.adapters.restore_journal import StoredRestores
from automation.adapters.runs.store import Store
from automation.core.backups.sets import BackupSet, MemberKind
from automation.core.restores.drills import DrillSettings
from automation.core.restores.staging import Config, Setting
from automation.engine.restores.drill import Ground
from automation.ports.drills import Place
from automation.ports.errors import Conflict, NotFound, Refused
from automation.ports.restoring import Restoring
from automation.ports.shell import Result
from automation.ports.staging import Stage
from automation.restore_estate import RestoreEstate
from lab.sim.restore_ports import restoring
from lab.sim.restore_stories import QUICK, SET
from lab.sim.restores import RestoreWorld
from lab.sim.vaults import SimManifests

GOOD = (
    '{"rows": 3, "projects": 2, "users": 5, "directories": 3, "references": 9, '
    '"missing": [], "unreadable": [], "sampled": 3, "fsck_failed": []}\n'
)


@dataclass
class FakeDrills:
    """Port Drills: places that are ready at the second look and gone at the second close."""

    places: dict[str, int] = field(default_factory=dict)
    """How often each was looked at."""
    problem: str = ""
    going: set[str] = field(default_factory=set)
    """Places that were closed once."""

    def open(self, drill: str, found: BackupSet) -> None:
        """Begin."""
        if len(databases := found.of(MemberKind.DATABASE)) != 1:
            raise Refused("set_whole", f"set {found.id} holds {len(databases)} databases")
        self.places.setdefault(drill, 0)

    def look(self, drill: str) -> Place:
        """Say how far it is."""
        if drill not in self.places:
            return Place(ready=False, detail="the machine is missing")
        self.places[drill] += 1
        if self.problem or self.places[drill] < 2:
            return Place(ready=False, detail="database creating", problem=self.problem)
        return Place(ready=True, machine="i-drill", devices=("sdf",), database_host="db.example")

    def close(self, drill: str) -> bool:
        """Remove, at the second call."""
        if drill in self.places and drill not in self.going:
            self.going.add(drill)
            return False
        self.going.discard(drill)
        self.places.pop(drill, None)
        return True

    def leftovers(self) -> tuple[str, ...]:
        """What is there."""
        return tuple(sorted(self.places))


@dataclass
class FakeShell:
    """Port Shell of a drill's machine, whose agent comes late."""

    answer: str = GOOD
    code: int = 0
    late: int = 1

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        """Answer as the checks do."""
        assert "git" in script
        assert timeout > 0
        if self.late:
            self.late -= 1
            raise NotFound(f"machine {machine} cannot be commanded")
        return Result(self.code, self.answer, "")

    def file_server(self) -> str:
        """There is none."""
        raise NotFound("none")


SOURCE = {
    "bitbucket-dc:version": Setting("7.9.4"),
    "bitbucket-dc:name": Setting("sim"),
    "bitbucket-dc:license": Setting("AAAB-l1cence", secret=True),
}


@dataclass
class FakeStacks:
    """Port Stacks: stacks in memory."""

    there: dict[str, Config] = field(default_factory=lambda: {"prod": SOURCE})
    ups: list[str] = field(default_factory=list)
    password: str = "d8base"

    def project(self) -> str:
        """Return the project's name."""
        return "bitbucket-dc"

    def source(self) -> Config:
        """Return the source's config."""
        return self.there["prod"]

    def database_password(self) -> str:
        """Return the password of the source's database."""
        return self.password

    def config(self, stack: str) -> Config | None:
        """Return a stack's config."""
        return self.there.get(stack)

    def write(self, stack: str, config: Config) -> None:
        """Keep a config."""
        self.there[stack] = config

    def up(self, stack: str) -> str:
        """Bring it about."""
        self.ups.append(stack)
        return f"http://{stack}.example"


@dataclass
class FakeOutgoing:
    """Port Outgoing: a Bitbucket that serves at the third look."""

    looks: int = 0
    serves_at: int = 3
    mail: bool = True
    webhooks: int = 4
    known: tuple[str, ...] = ("mirror-1",)

    def status(self) -> str | None:
        """How far it is."""
        self.looks += 1
        return "RUNNING" if self.looks >= self.serves_at else "STARTING"

    def mail_off(self) -> bool:
        """Remove the mail server."""
        was, self.mail = self.mail, False
        return was

    def webhooks_off(self) -> int:
        """Switch webhooks off."""
        were, self.webhooks = self.webhooks, 0
        return were

    def mirrors(self) -> tuple[str, ...]:
        """The mirrors that it knows."""
        return self.known


@dataclass
class Worlds:
    """A pure world with one set, and what the commands make of it."""

    world: RestoreWorld
    at: Restoring
    estate: RestoreEstate
    drills: FakeDrills
    shell: FakeShell
    stacks: FakeStacks
    outgoing: FakeOutgoing

    @property
    def manifests(self) -> Any:
        """The manifests."""
        return self.at.manifests


def make(state: Path) -> Worlds:
    """Build one."""
    world, store = RestoreWorld(), Store(state)
    plain = restoring(world, (SET,))
    at = Restoring(**{name: getattr(plain, name) for name in Restoring.__slots__} | {"journal": StoredRestores(store)})
    drills, shell, manifests = FakeDrills(), FakeShell(), at.manifests
    assert isinstance(manifests, SimManifests)
    stacks, outgoing = FakeStacks(), FakeOutgoing()
    estate = RestoreEstate(
        cluster="sim",
        clock=world.clock,
        sets=manifests.all,
        restoring=lambda: at,
        ground=Ground(world.clock, drills, shell, manifests),
        staging=lambda: Stage(world.clock, stacks, manifests, lambda _: outgoing),
        store=store,
        limits=QUICK,
        drill=DrillSettings(poll=1.0),
    )
    return Worlds(world, at, estate, drills, shell, stacks, outgoing)


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Worlds:
    """A serving cluster; every command meets it."""
    made = make(tmp_path / "state")
    monkeypatch.setattr(composition, "estate_of", lambda *_, **__: made.estate)
    return made


class Held:
    """A program whose stack another update holds."""

    def __init__(self, program: Any) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def activate(self, name: str) -> None:
        """Refuse."""
        raise Conflict(f"updating stack lab failed: another update is in progress; {name} is not in use")
