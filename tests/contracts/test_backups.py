"""``ports.cloud.Backups``: what every implementation must do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from automation.adapters.aws.backups import AwsBackups
from automation.adapters.azure.backups import AzureBackups
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, Snapshot
from automation.ports.cloud import Backups
from automation.ports.vaults import Destination
from tests.contracts.safe_aws import safe_aws
from tests.contracts.safe_azure import safe_azure
from tests.contracts.safe_subjects import SafeSubject


@dataclass(frozen=True)
class BackupsSubject:
    """One implementation over an estate of which sets can be taken."""

    safe: SafeSubject
    of: Callable[[str], Backups]
    """Gives the port for a cluster."""
    region: str
    """Region of the estate."""

    @property
    def port(self) -> Backups:
        """The port for the estate's own cluster."""
        return self.of(self.safe.cluster)


def over(vaults: Any, made: Callable[[Any, str], Backups], region: str) -> Any:
    """Return what makes a subject: the port sends its calls as the disks' vault does."""

    @contextmanager
    def subject(root: Path) -> Iterator[BackupsSubject]:
        with vaults(root) as safe:
            yield BackupsSubject(safe, lambda cluster: made(safe.disks._caller, cluster), region)

    return subject


IMPLEMENTATIONS: Mapping[str, Callable[[Path], AbstractContextManager[BackupsSubject]]] = {
    "aws": over(safe_aws, AwsBackups, "eu-west-1"),
    "azure": over(safe_azure, AzureBackups, "westeurope"),
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=sorted(IMPLEMENTATIONS))
def estate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupsSubject]:
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("backups")) as made:
        yield made


@pytest.fixture
def subject(estate: BackupsSubject) -> Iterator[BackupsSubject]:
    """An estate without a snapshot."""
    assert estate.port.newest_complete() is None
    yield estate
    for snapshot in estate.safe.disks.snapshots():
        estate.safe.disks.delete(snapshot)


def taken(subject: BackupsSubject, state: SetState) -> tuple[Snapshot, ...]:
    """Take a set of all disks whose members end in a state."""
    safe = subject.safe
    identity = f"20261121-120000-{next(_numbers):03}"
    of = BackupSet(identity, safe.cluster, Mode.LOCKED, SetState.PENDING, safe.hands.now())
    sources = safe.disks.sources()
    for _, group in itertools.groupby(sources, key=lambda source: source.group):
        safe.disks.begin(of, tuple(group))
    safe.hands.wait(120)
    if state is not SetState.PENDING:
        for snapshot in safe.disks.snapshots(of.id):
            safe.disks.label(snapshot, state)
    return safe.disks.snapshots(of.id)


def newest(snapshots: tuple[Snapshot, ...]) -> float:
    return max(one.at for one in snapshots if one.at is not None)


@pytest.mark.parametrize("state", [SetState.PENDING, SetState.INVALID])
def test_a_set_that_is_not_complete_is_none(subject, state):
    taken(subject, state)
    assert subject.port.newest_complete() is None


def test_the_newest_complete_set_counts_and_no_later_one_that_failed(subject):
    first = taken(subject, SetState.COMPLETE)
    assert subject.port.newest_complete() == pytest.approx(newest(first), abs=1.0)
    second = taken(subject, SetState.COMPLETE)
    taken(subject, SetState.INVALID)
    assert newest(second) > newest(first) + 60
    assert subject.port.newest_complete() == pytest.approx(newest(second), abs=1.0)


def test_a_set_that_was_deleted_counts_no_more(subject):
    first, second = taken(subject, SetState.COMPLETE), taken(subject, SetState.COMPLETE)
    for snapshot in second:
        subject.safe.disks.delete(snapshot)
    assert subject.port.newest_complete() == pytest.approx(newest(first), abs=1.0)


def test_another_clusters_sets_do_not_count(subject):
    taken(subject, SetState.COMPLETE)
    assert subject.of("another").newest_complete() is None


def test_a_copy_is_as_old_as_what_it_was_made_from(subject):
    """A copy that is made today of an old set is no backup of today."""
    originals = taken(subject, SetState.COMPLETE)
    subject.safe.hands.wait(600)
    before = subject.port.newest_complete()
    words = dict(originals[0].tags) | {labels.STATE: SetState.COMPLETE}
    for original in originals:
        subject.safe.disks.copy(original, Destination(subject.region), words)
    subject.safe.hands.wait(240)
    copies = subject.safe.disks.copied(originals[0].tags[labels.SET], Destination(subject.region))
    assert len(copies) == len(originals)
    assert subject.port.newest_complete() == before
    for copy in copies:
        subject.safe.disks.delete(replace(copy))
