"""The engine over the real adapters: AWS's vaults, the lock over HTTP, threads and the stored journal, put together."""

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
from automation.ports.safe import Safe
from automation.ports.vaults import Destination
from lab.sim.safe import SafeEstate
from tests.contracts.safe_aws import safe_aws
from tests.contracts.safe_sim import LockDoor
from tests.contracts.safe_subjects import SafeSubject, VaultHands

pytestmark = pytest.mark.lab
SETTINGS = BackupSettings(poll=1.0)


@dataclass
class BothClocks:
    """Whoever sleeps moves AWS and Bitbucket alike."""

    aws: VaultHands
    bitbucket: SafeEstate

    def now(self) -> float:
        """Return AWS's time."""
        return self.aws.now()

    def sleep(self, seconds: float) -> None:
        """Let time pass on both sides."""
        self.aws.wait(max(seconds, 0.1))
        self.bitbucket.clock.sleep(seconds)


@dataclass
class Whole:
    """An estate with everything in it."""

    safe: Safe
    aws: SafeSubject
    estate: SafeEstate

    def take(self, mode: Mode) -> Memory:
        """Take a set to its end."""
        survey = plan.survey(self.safe, cluster=self.aws.cluster, mode=mode)
        return take(self.safe, SETTINGS, plan.begin(survey, name=str(mode), by="test"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    root: Path = tmp_path_factory.mktemp("whole")
    with safe_aws(root / "aws") as aws:
        estate = SafeEstate(cluster=aws.cluster)
        credentials = Credentials(user="admin", password=SecretStr("hunter22"))
        http = Http(credentials=credentials, transport=httpx.MockTransport(LockDoor(estate)))
        journal = StoredJournal(Store(root / "state"))
        safe = replace(
            estate.safe,
            clock=BothClocks(aws.hands, estate),
            maintenance=BitbucketMaintenance(http, "https://b.example.com", estate.clock, Redactor(), user="admin"),
            disks=aws.disks,
            database=aws.database,
            manifests=aws.manifests,
            journal=journal,
            together=Threads(),
        )
        yield Whole(safe, aws, estate)
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
    assert whole.safe.journal.unfinished(whole.aws.cluster) == ()
    there = shelf(whole.safe)
    assert there.orphans == ()
    assert there.find(str(mode)).state is SetState.COMPLETE


def test_a_snapshot_that_fails_makes_the_set_invalid_and_bitbucket_free(whole):
    whole.aws.hands.fail_next(MemberKind.DISK)
    memory = whole.take(Mode.LOCKED)
    assert memory.outcome is not None
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.INVALID, "snapshot_failed")
    assert whole.estate.locked_by is None
    snapshots = (*whole.aws.disks.snapshots(memory.backup.id), *whole.aws.database.snapshots(memory.backup.id))
    assert {snapshot.tags["backup-state"] for snapshot in snapshots} == {"invalid"}
    assert len(snapshots) == 4


def test_a_set_is_copied_and_an_older_one_pruned(whole):
    memory = whole.take(Mode.ZERO_DOWNTIME)
    to = Destination("us-east-1")
    copied = copies.copy(whole.safe, memory.backup.id, to, account="123456789012", poll=1.0, timeout=100.0)
    (copy,) = copied.copies
    assert (copy.state, len(copy.members)) == (SetState.COMPLETE, 4)
    pruned = prune.prune(whole.safe, Retention(last=1, invalid_days=0.0))
    assert pruned.failures == ()
    assert [each.id for each in shelf(whole.safe).sets] == [memory.backup.id]
    assert len(whole.aws.disks.snapshots()) == 3
    assert len(whole.aws.database.snapshots()) == 1
