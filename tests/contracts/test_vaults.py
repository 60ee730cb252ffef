"""``ports.vaults.Vault``: what every implementation must do, for disks and for databases."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, MemberKind, Mode, SetState, Snapshot, SnapshotState, Source
from automation.ports.errors import BbdcError, Conflict, NotFound, Refused
from automation.ports.vaults import Destination, Vault
from tests.contracts.safe_aws import safe_aws
from tests.contracts.safe_azure import safe_azure
from tests.contracts.safe_sim import safe_sim, safe_sim_by_time
from tests.contracts.safe_subjects import SafeSubject

SAFES: Mapping[str, Callable[[Path], AbstractContextManager[SafeSubject]]] = {
    "aws": safe_aws,
    "azure": safe_azure,
    "sim": safe_sim,
    "sim-by-time": safe_sim_by_time,
}
BOTH = pytest.mark.parametrize("kind", [MemberKind.DISK, MemberKind.DATABASE])


@pytest.fixture(scope="module", params=sorted(SAFES))
def safe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SafeSubject]:
    """One estate for all tests of this module: each takes sets of its own."""
    with SAFES[request.param](tmp_path_factory.mktemp("safe")) as made:
        yield made


_numbers = itertools.count(1)


@pytest.fixture
def new_set(safe: SafeSubject) -> Callable[[], BackupSet]:
    """Return a set that nobody has taken."""

    def make() -> BackupSet:
        number = next(_numbers)
        created = safe.hands.now()
        expected = tuple(s.id for vault in (safe.disks, safe.database) for s in vault.sources())
        identity = f"20261121-100000-{number:03}"
        return BackupSet(
            identity, safe.cluster, Mode.LOCKED, SetState.PENDING, created, "7.9.0", "nightly", expected=expected
        )

    return make


def first_group(vault: Vault) -> tuple[Source, ...]:
    """Return the sources of the machine with several disks; the database, which is alone."""
    sources = vault.sources()
    first = next((s for s in sources if s.role == "shared-home"), sources[0])
    return tuple(s for s in sources if s.group == first.group)


def begun(vault: Vault, of: BackupSet) -> tuple[Snapshot, ...]:
    return vault.begin(of, first_group(vault))


def test_sources_of_disks(safe):
    sources = safe.disks.sources()
    assert {s.kind for s in sources} == {MemberKind.DISK}
    assert len({s.id for s in sources}) == len(sources) >= 2
    groups = [s.group for s in sources if s.role == "shared-home"]
    assert len(groups) == 2
    assert len(set(groups)) == 1
    assert all(
        s.group and s.size and s.zone and s.encryption_key and s.facts["device"] and not s.problem for s in sources
    )


def test_the_database_is_one_source(safe):
    (source,) = safe.database.sources()
    assert (source.kind, source.role, source.problem) == ("database", "database", "")
    assert source.state.lower() in {"available", "ready"}
    assert source.size
    assert source.encryption_key


@BOTH
def test_a_snapshot_says_whose_it_is_from_its_beginning(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    made = begun(vault, of)
    assert {s.source for s in made} == {s.id for s in first_group(vault)}
    for snapshot in made:
        assert snapshot.kind is kind
        assert snapshot.state is not SnapshotState.FAILED
        words = labels.of_set(of)
        assert {key: snapshot.tags.get(key) for key in words} == words
        assert snapshot.tags[labels.STATE] == "pending"
        assert snapshot.tags[labels.ROLE] == first_group(vault)[0].role


@BOTH
def test_a_set_is_found_again_by_its_tags_and_only_that_set(safe, new_set, kind):
    vault, one, other = safe.vault(kind), new_set(), new_set()
    first, second = begun(vault, one), begun(vault, other)
    safe.hands.wait(1)
    assert {s.id for s in vault.snapshots(one.id)} == {s.id for s in first}
    assert {s.id for s in vault.snapshots(other.id)} == {s.id for s in second}
    assert {s.id for s in (*first, *second)} <= {s.id for s in vault.snapshots()}
    assert vault.snapshots("20200101-000000-000") == ()


def test_disks_of_one_machine_hold_one_instant(safe, new_set):
    before = safe.hands.now()
    made = begun(safe.disks, new_set())
    assert len(made) == 2
    assert len({s.at for s in made}) == 1
    assert before - 1 <= made[0].at <= safe.hands.now() + 1


@BOTH
def test_snapshots_complete_and_keep_their_instant(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    begun(vault, of)
    safe.hands.wait(1)
    early = {s.id: s.at for s in vault.snapshots(of.id)}
    safe.hands.wait(120)
    late = vault.snapshots(of.id)
    assert all((s.state, s.percent) == (SnapshotState.COMPLETED, 100) for s in late)
    assert {s.id: s.at for s in late} == early
    assert None not in early.values()


@BOTH
def test_labels_replace_the_state(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    begun(vault, of)
    safe.hands.wait(120)
    for snapshot in vault.snapshots(of.id):
        vault.label(snapshot, SetState.COMPLETE)
    found = vault.snapshots(of.id)
    assert {s.tags[labels.STATE] for s in found} == {"complete"}
    assert {s.tags[labels.SET] for s in found} == {of.id}


@BOTH
def test_deleting_is_guarded_and_may_be_repeated(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    begun(vault, of)
    safe.hands.wait(120)
    found = vault.snapshots(of.id)
    observed_otherwise = replace(found[0], tags={**found[0].tags, labels.SET: "another"})
    with pytest.raises(Conflict):
        vault.delete(observed_otherwise)
    assert len(vault.snapshots(of.id)) == len(found)
    for snapshot in (*found, *found):
        vault.delete(snapshot)
    assert vault.snapshots(of.id) == ()
    with pytest.raises(NotFound):
        vault.label(found[0], SetState.INVALID)


def test_the_database_has_one_snapshot_a_set(safe, new_set):
    of = new_set()
    (one,) = begun(safe.database, of)
    safe.hands.wait(120)
    (two,) = begun(safe.database, of)
    assert (two.id, two.source, two.tags[labels.SET]) == (one.id, one.source, of.id)
    assert len(safe.database.snapshots(of.id)) == 1


@BOTH
def test_a_source_that_cannot_be_taken_says_why(safe, new_set, kind):
    vault = safe.vault(kind)
    safe.hands.wait(120)
    safe.hands.break_source(kind)
    try:
        assert any(source.problem for source in vault.sources())
        if kind is MemberKind.DATABASE:
            of = new_set()
            with pytest.raises(Conflict):
                begun(vault, of)
            assert vault.snapshots(of.id) == ()
    finally:
        safe.hands.mend_source(kind)
    assert not any(source.problem for source in vault.sources())


@BOTH
def test_a_snapshot_that_fails_says_so(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    safe.hands.fail_next(kind)
    begun(vault, of)
    safe.hands.wait(120)
    failed = [s for s in vault.snapshots(of.id) if s.state is SnapshotState.FAILED]
    # A cloud that takes all disks of a machine together loses them together.
    assert len(failed) in {1, len(first_group(vault))}
    assert all(one.problem for one in failed)
    vault.delete(failed[0])


def completed(safe: SafeSubject, vault: Vault, of: BackupSet) -> tuple[Snapshot, ...]:
    begun(vault, of)
    safe.hands.wait(120)
    return vault.snapshots(of.id)


def stays(safe: SafeSubject, kind: MemberKind) -> bool:
    return kind is MemberKind.DATABASE and not safe.database_copies


@BOTH
def test_copies_to_another_region(safe, new_set, kind):
    vault, of = safe.vault(kind), new_set()
    originals = completed(safe, vault, of)
    region, key, _ = safe.hands.elsewhere()
    if stays(safe, kind):
        with pytest.raises(Refused) as refused:
            vault.copy(originals[0], Destination(region, key), labels.of_set(of))
        assert (refused.value.name, vault.copied(of.id, Destination(region, key))) == ("database_stays", ())
        return
    to = Destination(region, key)
    words = labels.of_set(replace(of, state=SetState.COMPLETE))
    made = [vault.copy(original, to, words) for original in originals]
    again = [vault.copy(original, to, words) for original in originals]
    assert [s.id for s in made] == [s.id for s in again]
    safe.hands.wait(120)
    copies = vault.copied(of.id, to)
    assert {s.source for s in copies} == {s.id for s in originals}
    for copy in copies:
        assert (copy.state, copy.region, copy.encryption_key) == (SnapshotState.COMPLETED, region, key)
        assert copy.tags.items() >= words.items()
    assert {s.id for s in vault.snapshots(of.id)} == {s.id for s in originals}
    assert vault.copied("20200101-000000-000", to) == ()


@BOTH
def test_a_copy_with_a_key_of_the_wrong_region_fails_and_can_be_tried_again(safe, new_set, kind):
    if stays(safe, kind):
        pytest.skip("this cloud copies no database")
    vault, of = safe.vault(kind), new_set()
    original = completed(safe, vault, of)[0]
    region, good, bad = safe.hands.elsewhere()
    words = labels.of_set(of)
    try:
        vault.copy(original, Destination(region, bad), words)
        safe.hands.wait(120)
        failed = vault.copied(of.id, Destination(region, bad))
    except BbdcError:  # some clouds refuse at once
        failed = ()
    assert all(s.state is SnapshotState.FAILED and s.problem for s in failed)
    vault.copy(original, Destination(region, good), words)
    safe.hands.wait(120)
    states = {s.state for s in vault.copied(of.id, Destination(region, good))}
    assert SnapshotState.COMPLETED in states
