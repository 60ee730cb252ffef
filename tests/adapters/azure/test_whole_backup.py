"""A whole backup: engine and real adapters over the lab's Azure, with refusals, lost replies and failed operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from automation.adapters.azure.database import AzureDatabase
from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.manifests import BlobManifests
from automation.core.backups.memory import BackupSettings, Ending, Memory
from automation.core.backups.sets import Mode
from automation.engine.backups import plan, verify
from automation.engine.backups.take import take
from automation.ports.errors import BbdcError
from automation.ports.safe import Safe
from lab.azure.ports import Call, Reply
from lab.sim.safe import SafeEstate
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.safe_azure import CLUSTER, LAG, WorldClock, azure_estate, database, machine, session, store
from tests.lab.azure.estate import Estate

POINT, COLLECTION = "PUT restorePointCollections/restorePoints", "PUT restorePointCollections"
SNAPSHOT, BACKUP = "PUT snapshots", "PUT flexibleServers/backups"
SERVER, DISKS, BLOB = "GET flexibleServers", "GET disks", "PUT blob"
THROTTLED, BROKEN = Reply(429, "TooManyRequests", "slow down"), Reply(500, "InternalServerError", "not now")
BUSY = Reply(409, "AnotherOperationInProgress", "another operation is under way")
SETTINGS = BackupSettings(poll=1.0)


@dataclass
class Wire(Scripted):
    """Scripted faults, and chance."""

    dice: Random | None = None

    def refuse(self, call: Call) -> Reply | None:
        found = Scripted.refuse(self, call)
        if found is None and self._falls(call):
            return Random(len(self.seen)).choice((THROTTLED, BROKEN))
        return found

    def lose_reply(self, call: Call) -> bool:
        return Scripted.lose_reply(self, call) or self._falls(call)

    def _falls(self, call: Call) -> bool:
        """Throw the dice; spared are sign-in and blobs, whose clients wait between their tries by the real clock."""
        return self.dice is not None and call.service not in {"login", "blob"} and self.dice.random() < 0.04


@dataclass
class BothClocks(WorldClock):
    """Whoever sleeps moves Azure and Bitbucket alike."""

    bitbucket: SafeEstate

    def sleep(self, seconds: float) -> None:
        WorldClock.sleep(self, max(seconds, 0.1))
        self.bitbucket.clock.sleep(max(seconds, 0.1))


@dataclass
class Whole:
    """An estate with a file server of two disks, a database and a store."""

    safe: Safe
    azure: Estate
    bitbucket: SafeEstate
    faults: Wire

    def take(self, mode: Mode = Mode.LOCKED) -> Memory:
        self.faults.seen.clear()
        return take(self.safe, SETTINGS, plan.begin(plan.survey(self.safe, cluster=CLUSTER, mode=mode), by="test"))

    def check(self, memory: Memory) -> None:
        """Look at a set that must be good: complete, once each, verified, nobody locked out, nothing left."""
        outcome = memory.outcome
        assert outcome is not None
        assert (outcome.ending, outcome.reason) == (Ending.COMPLETE, ""), outcome
        assert self.bitbucket.locked_by is None
        assert len(memory.backup.members) == 3
        held = (*self.safe.disks.snapshots(memory.backup.id), *self.safe.database.snapshots(memory.backup.id))
        assert {one.id for one in held} == {one.snapshot for one in memory.backup.members}, "nothing twice"
        verified = verify.verify(self.safe, SETTINGS, memory.backup.id).verified
        assert verified is not None
        assert verified.passed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    root: Path = tmp_path_factory.mktemp("whole")
    faults = Wire()
    with azure_estate(root, faults) as azure, session(azure) as own:
        machine(azure, "file-server", "file-server", ("home-0", "home-1"))
        database(azure)
        store(azure)
        azure.settle(120)
        bitbucket = SafeEstate(cluster=CLUSTER)
        safe = replace(
            bitbucket.safe,
            clock=BothClocks(azure, bitbucket),
            disks=AzureDisks(own.caller(), CLUSTER),
            database=AzureDatabase(own.caller(), CLUSTER, lag=LAG),
            manifests=BlobManifests(own.caller(), CLUSTER),
        )
        yield Whole(safe, azure, bitbucket, faults)


@pytest.fixture
def whole(made: Whole) -> Iterator[Whole]:
    """The estate, calm, and past the hour in which Azure makes no second restore point."""
    made.safe.clock.sleep(3700.0)
    yield made
    made.faults.dice = None
    made.faults.lost.clear()
    made.faults.refusals.clear()
    made.azure.world.disturbances.dooms.clear()


def test_lost_replies_take_nothing_twice(whole: Whole) -> None:
    whole.faults.lost += [POINT, COLLECTION, BACKUP, SERVER, DISKS]
    memory = whole.take()
    assert whole.faults.lost == []
    whole.check(memory)


def test_who_is_throttled_waits_and_a_refused_restore_point_is_made_of_snapshots(whole: Whole) -> None:
    whole.azure.world.disturbances.retry_after = 3
    whole.faults.refusals = {
        POINT: [THROTTLED, BUSY],
        BACKUP: [THROTTLED, BUSY],
        SERVER: [THROTTLED],
        SNAPSHOT: [BROKEN],
    }
    memory = whole.take()
    assert not any(whole.faults.refusals.values())
    whole.check(memory)
    assert all("/snapshots/" in one.snapshot for one in memory.backup.members if one.kind == "disk")


def test_an_on_demand_backup_that_fails_after_minutes_costs_no_set(whole: Whole) -> None:
    whole.azure.world.disturbances.fail_operations("dbforpostgresql", BACKUP, seconds=120)
    memory = whole.take()
    whole.check(memory)
    whole.safe.clock.sleep(300.0)
    whole.check(memory)


def test_a_restore_point_that_never_comes_to_be_is_made_of_snapshots_under_the_same_lock(whole: Whole) -> None:
    whole.azure.world.disturbances.fail_operations("compute", POINT, seconds=20)
    memory = whole.take()
    whole.check(memory)
    assert all("/snapshots/" in one.snapshot for one in memory.backup.members if one.kind == "disk")
    assert whole.faults.seen.count("DELETE restorePointCollections") == 1, "nothing empty stays"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", list(Mode))
def test_random_faults_at_every_call(whole: Whole, mode: Mode, seed: int) -> None:
    """Whatever is refused or lost: nobody stays locked out, and no set is called good that is not."""
    whole.faults.dice = Random(seed)
    for _ in range(8):
        try:
            memory = whole.take(mode)
        except BbdcError:  # refused before anything was begun: somebody sends it again
            continue
        assert whole.bitbucket.locked_by is None
        outcome = memory.outcome
        assert outcome is not None
        if outcome.ending is Ending.COMPLETE:
            break
        assert outcome.reason
        whole.safe.clock.sleep(3700.0)
    whole.faults.dice = None
    whole.check(memory)
