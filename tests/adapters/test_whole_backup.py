"""The engine over the real adapters: a cloud's vaults, the lock over HTTP, threads and the stored journal together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.maintenance import BitbucketMaintenance
from automation.adapters.http import Credentials, Http
from automation.adapters.journal import StoredJournal
from automation.adapters.logs import Redactor
from automation.adapters.runs.store import Store
from automation.adapters.together import Threads
from automation.core.backups.memory import BackupSettings, Ending, Memory
from automation.core.backups.retention import Retention
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.engine.backups import copies, plan, prune, verify
from automation.engine.backups.shelf import shelf
from automation.engine.backups.take import take
from automation.ports.errors import Refused
from automation.ports.safe import Safe
from automation.ports.vaults import Destination
from lab.sim.safe import SafeEstate
from tests.contracts.safe_aws import safe_aws
from tests.contracts.safe_azure import safe_azure
from tests.contracts.safe_sim import LockDoor
from tests.contracts.safe_subjects import SafeSubject, VaultHands

pytestmark = pytest.mark.lab
SETTINGS = BackupSettings(poll=1.0)


@dataclass
class BothClocks:
    """Whoever sleeps moves the cloud and Bitbucket alike."""

    cloud: VaultHands
    bitbucket: SafeEstate

    def now(self) -> float:
        """Return the cloud's time."""
        return self.cloud.now()

    def sleep(self, seconds: float) -> None:
        """Let time pass on both sides."""
        self.cloud.wait(max(seconds, 0.1))
        self.bitbucket.clock.sleep(seconds)


@dataclass
class Whole:
    """An estate with everything in it."""

    safe: Safe
    cloud: SafeSubject
    estate: SafeEstate

    def take(self, mode: Mode) -> Memory:
        """Take a set to its end."""
        survey = plan.survey(self.safe, cluster=self.cloud.cluster, mode=mode)
        return take(self.safe, SETTINGS, plan.begin(survey, name=str(mode), by="test"))


@pytest.fixture(scope="module", params=[safe_aws, safe_azure], ids=["aws", "azure"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    root: Path = tmp_path_factory.mktemp("whole")
    with request.param(root / "cloud") as cloud:
        estate = SafeEstate(cluster=cloud.cluster)
        credentials = Credentials(user="admin", password=SecretStr("hunter22"))
        http = Http(credentials=credentials, transport=httpx.MockTransport(LockDoor(estate)))
        journal = StoredJournal(Store(root / "state"))
        safe = replace(
            estate.safe,
            clock=BothClocks(cloud.hands, estate),
            maintenance=BitbucketMaintenance(http, "https://b.example.com", estate.clock, Redactor(), user="admin"),
            disks=cloud.disks,
            database=cloud.database,
            manifests=cloud.manifests,
            journal=journal,
            together=Threads(),
        )
        yield Whole(safe, cloud, estate)
        journal.close()
        http.close()


@pytest.mark.parametrize("mode", list(Mode))
def test_a_set_becomes_complete_and_passes_verification(whole, mode):
    memory = whole.take(mode)
    assert memory.outcome is not None
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.COMPLETE, "")
    assert len(memory.backup.members) == 4
    assert whole.estate.locked_by is None
    verified = verify.verify(whole.safe, SETTINGS, memory.backup.id).verified
    assert verified is not None
    assert [finding for finding in verified.findings if not finding.passed] == []
    assert whole.safe.journal.unfinished(whole.cloud.cluster) == ()
    there = shelf(whole.safe)
    assert there.orphans == ()
    assert there.find(str(mode)).state is SetState.COMPLETE


def test_a_database_that_is_restored_by_time_only_has_its_moment_under_the_lock(whole):
    if not any(source.by_time for source in whole.cloud.database.sources()):
        pytest.skip("this cloud restores snapshots by name")
    backup = whole.take(Mode.LOCKED).backup
    assert backup.lock is not None
    assert backup.lock.drained is not None
    assert backup.lock.released is not None
    assert backup.recover_to is not None
    assert backup.lock.drained <= backup.recover_to <= backup.lock.released
    assert [member.at for member in backup.of(MemberKind.DATABASE)] == [backup.recover_to]
    assert backup.lock.beyond_drain <= 3.0


def test_a_snapshot_that_fails_makes_the_set_invalid_and_bitbucket_free(whole):
    whole.cloud.hands.fail_next(MemberKind.DISK)
    memory = whole.take(Mode.LOCKED)
    assert memory.outcome is not None
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.INVALID, "snapshot_failed")
    assert whole.estate.locked_by is None
    snapshots = (*whole.cloud.disks.snapshots(memory.backup.id), *whole.cloud.database.snapshots(memory.backup.id))
    assert {snapshot.tags["backup-state"] for snapshot in snapshots} == {"invalid"}
    assert len(snapshots) == 4


def test_a_set_is_copied(whole):
    memory = whole.take(Mode.ZERO_DOWNTIME)
    to = Destination(whole.cloud.hands.elsewhere()[0])
    if not whole.cloud.database_copies:
        with pytest.raises(Refused) as refused:
            copies.copy(whole.safe, memory.backup.id, to, account="elsewhere", poll=1.0, timeout=100.0)
        assert (refused.value.name, whole.cloud.disks.copied(memory.backup.id, to)) == ("database_stays", ())
        return
    copied = copies.copy(whole.safe, memory.backup.id, to, account="123456789012", poll=1.0, timeout=100.0)
    (copy,) = copied.copies
    assert (copy.state, len(copy.members)) == (SetState.COMPLETE, 4)


def test_an_older_set_is_pruned(whole):
    memory = whole.take(Mode.ZERO_DOWNTIME)
    pruned = prune.prune(whole.safe, Retention(last=1, invalid_days=0.0))
    assert pruned.failures == ()
    # The manifest of a set with a copy elsewhere stays, so that the copy can be found.
    assert [each.id for each in shelf(whole.safe).sets if not each.copies] == [memory.backup.id]
    assert len(whole.cloud.disks.snapshots()) == 3
    assert len(whole.cloud.database.snapshots()) == 1
