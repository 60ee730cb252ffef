"""The vault of disks over the lab's Azure, beyond the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from automation.adapters.azure.backups import AzureBackups
from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.session import Azure
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, Snapshot, SnapshotState
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable
from automation.ports.vaults import Destination
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.safe_azure import CLUSTER, ELSEWHERE, azure_estate, key, machine, session
from tests.lab.azure.estate import WAIT, Estate

POINT, COLLECTION = "PUT restorePointCollections/restorePoints", "PUT restorePointCollections"
NO_POINT = Reply(400, "InvalidParameter", "Restore points of this kind of disk are not supported.")


@pytest.fixture(scope="module")
def faults() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, faults: Scripted) -> Iterator[Estate]:
    """A file server with two disks and a Mesh node with one; somebody else's machine stands beside."""
    with azure_estate(tmp_path_factory.mktemp("disks"), faults) as made:
        machine(made, "file-server", "file-server", ("home-0", "home-1"))
        machine(made, "mesh-0", "mesh", ("mesh-0",))
        made.file_server("stranger", ("strange",))
        made.settle(5)
        yield made


@pytest.fixture
def azure(estate: Estate) -> Iterator[Azure]:
    with session(estate) as made:
        yield made


@pytest.fixture
def disks(azure: Azure, faults: Scripted) -> Iterator[AzureDisks]:
    yield AzureDisks(azure.caller(), CLUSTER)
    faults.refusals.clear()
    faults.lost.clear()
    faults.seen.clear()


_numbers = iter(range(1000))


@pytest.fixture
def of(estate: Estate) -> BackupSet:
    identity = f"20261121-100000-{next(_numbers):03}"
    return BackupSet(identity, CLUSTER, Mode.LOCKED, SetState.PENDING, estate.clock.now(), "7.9.0", expected=("a",))


def group_of(disks: AzureDisks, role: str) -> tuple[Any, ...]:
    return tuple(source for source in disks.sources() if source.role == role)


def taken(disks: AzureDisks, of: BackupSet, estate: Estate) -> tuple[Snapshot, ...]:
    disks.begin(of, disks.sources())
    estate.settle(5)
    return disks.snapshots(of.id)


def test_only_data_disks_of_machines_that_keep_data_are_sources(disks: AzureDisks) -> None:
    found = {source.id.rpartition("/")[2]: source for source in disks.sources()}
    assert set(found) == {"home-0", "home-1", "mesh-0"}
    assert (found["home-1"].role, found["home-1"].facts["lun"], found["mesh-0"].role) == ("shared-home", "1", "mesh")
    assert found["home-0"].facts["device"] == "/dev/disk/azure/scsi1/lun0"
    assert found["home-0"].encryption_key == "platform-managed"


def test_a_cluster_without_disks_is_not_found(azure: Azure) -> None:
    with pytest.raises(NotFound, match="has no data disks"):
        AzureDisks(azure.caller(), "another").sources()


def test_one_restore_point_a_machine_without_its_system_disk(
    disks: AzureDisks, of: BackupSet, estate: Estate, faults: Scripted
) -> None:
    sources = disks.sources()
    faults.seen.clear()
    begun = disks.begin(of, sources)
    assert len(begun) == 3
    assert faults.seen.count(POINT) == faults.seen.count(COLLECTION) == faults.seen.count("PUT snapshots") == 1
    assert len({each.at for each in begun if "home" in each.source}) == 1
    estate.settle(5)
    found = disks.snapshots(of.id)
    assert {each.state for each in found} == {SnapshotState.COMPLETED}
    assert ["/diskrestorepoints/" in each.id for each in found] == ["home" in each.source for each in found]
    assert not any("osdisk" in each.id for each in found)


def test_what_is_held_of_a_disk_with_a_key_of_its_own_has_that_key(
    disks: AzureDisks, of: BackupSet, estate: Estate
) -> None:
    own = key(estate, "westeurope")
    disk = estate.find("Microsoft.Compute/disks", "mesh-0")
    disk.properties["encryption"] = {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": own}
    (source,) = group_of(disks, "mesh")
    (begun,) = disks.begin(of, (source,))
    assert source.encryption_key == begun.encryption_key == own
    del disk.properties["encryption"]


def test_disks_that_are_not_asked_for_are_left_out(disks: AzureDisks, of: BackupSet) -> None:
    home = group_of(disks, "shared-home")
    assert {each.source for each in disks.begin(of, home[:1])} == {home[0].id}


def test_a_lost_answer_is_looked_for_and_nothing_is_taken_twice(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    home = group_of(disks, "shared-home")
    faults.lost.extend([POINT] * 5)
    try:
        disks.begin(of, home)
    except Unavailable:  # either is right, as long as it is found
        faults.lost.clear()
    estate.settle(5)
    found = disks.snapshots(of.id)
    again = disks.begin(of, home)
    assert {each.id for each in again} == {each.id for each in found}
    assert len(disks.snapshots(of.id)) == 2


def test_where_no_restore_point_can_be_had_every_disk_gets_a_snapshot(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    home = group_of(disks, "shared-home")
    faults.refusals[POINT] = [NO_POINT]
    begun = disks.begin(of, home)
    estate.settle(5)
    found = disks.snapshots(of.id)
    assert {each.id for each in found} == {each.id for each in begun}
    assert all("/snapshots/" in each.id and each.state is SnapshotState.COMPLETED for each in found)
    assert {each.source for each in found} == {source.id for source in home}
    for each in found:
        assert each.tags.items() >= labels.of_set(of).items()
        disks.label(each, SetState.COMPLETE)
    assert {each.tags[labels.STATE] for each in disks.snapshots(of.id)} == {"complete"}
    stranger = replace(found[0], tags={**found[0].tags, labels.SET: "another"})
    with pytest.raises(Conflict):
        disks.delete(stranger)
    for each in (*found, *found):
        disks.delete(each)
    assert disks.snapshots(of.id) == ()


def test_a_snapshot_whose_answer_was_lost_is_taken_once(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    faults.lost.append("PUT snapshots")
    (begun,) = disks.begin(of, group_of(disks, "mesh"))
    (again,) = disks.begin(of, group_of(disks, "mesh"))
    estate.settle(5)
    assert [(each.id, each.at) for each in disks.snapshots(of.id)] == [(begun.id, begun.at)]
    assert (again.id, again.at) == (begun.id, begun.at)


@pytest.mark.parametrize("kind", ["PremiumV2_LRS", "UltraSSD_LRS"])
def test_disks_of_a_kind_without_restore_points_get_snapshots_at_once(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate, kind: str
) -> None:
    disk = estate.find("Microsoft.Compute/disks", "home-1")
    disk.document["sku"] = {"name": kind}
    disks.begin(of, group_of(disks, "shared-home"))
    estate.settle(5)
    assert [each.state for each in disks.snapshots(of.id)] == [SnapshotState.COMPLETED] * 2
    assert POINT not in faults.seen
    del disk.document["sku"]


def collections(estate: Estate) -> list[str]:
    listed = estate.clients.compute.restore_point_collections.list(GROUP)
    return [one.name for one in listed]


def test_the_collection_of_a_refused_restore_point_does_not_stay(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    before = collections(estate)
    faults.refusals[POINT] = [NO_POINT]
    disks.begin(of, group_of(disks, "shared-home"))
    estate.settle(2)
    assert collections(estate) == before


def test_such_snapshots_are_copied_to_another_region_with_its_key(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    faults.refusals[POINT] = [NO_POINT]
    disks.begin(of, group_of(disks, "mesh"))
    estate.settle(5)
    (original,) = disks.snapshots(of.id)
    to = Destination(ELSEWHERE, key(estate, ELSEWHERE))
    made = disks.copy(original, to, labels.of_set(of))
    assert made.state is SnapshotState.PENDING
    assert disks.copy(original, to, labels.of_set(of)).id == made.id
    estate.settle(30)
    (copy,) = disks.copied(of.id, to)
    assert (copy.source, copy.state, copy.percent, copy.region) == (
        original.id,
        SnapshotState.COMPLETED,
        100,
        ELSEWHERE,
    )
    assert copy.encryption_key == to.encryption_key
    assert [each.id for each in disks.snapshots(of.id)] == [original.id]


def test_a_source_in_trouble_gets_no_snapshot_in_place_of_its_restore_point(
    disks: AzureDisks, of: BackupSet, faults: Scripted, estate: Estate
) -> None:
    home = group_of(disks, "shared-home")
    found = estate.find("Microsoft.Compute/disks", "home-0")
    found.properties["diskState"] = "Detaching"
    faults.refusals[POINT] = [Reply(409, "OperationNotAllowed", "The disk is being detached.")]
    with pytest.raises(Conflict):
        disks.begin(of, home)
    found.properties["diskState"] = "Attached"
    assert disks.snapshots(of.id) == ()


def test_a_copy_tells_how_far_it_is(disks: AzureDisks, of: BackupSet, estate: Estate) -> None:
    originals = taken(disks, of, estate)
    to = Destination(ELSEWHERE)
    for original in originals:
        disks.copy(original, to, labels.of_set(of))
    estate.settle(4)
    assert {each.state for each in disks.copied(of.id, to)} == {SnapshotState.PENDING}
    assert all(0 < each.percent < 100 for each in disks.copied(of.id, to))
    estate.settle(10)
    copies = disks.copied(of.id, to)
    assert {each.state for each in copies} == {SnapshotState.COMPLETED}
    assert {each.source for each in copies} == {each.id for each in originals}
    assert {each.encryption_key for each in copies} == {"platform-managed"}
    for each in copies:
        disks.delete(each)
    assert disks.copied(of.id, to) == ()
    assert {each.id for each in disks.snapshots(of.id)} == {each.id for each in originals}


def test_no_copies_under_another_identity(disks: AzureDisks, of: BackupSet, estate: Estate) -> None:
    (original, *_) = taken(disks, of, estate)
    with pytest.raises(Refused) as refused:
        disks.copy(original, Destination(ELSEWHERE, role="somebody"), {})
    assert refused.value.name == "other_account"


def test_machines_are_gone_and_their_restore_points_are_found(
    disks: AzureDisks, of: BackupSet, estate: Estate, azure: Azure
) -> None:
    machine(estate, "brief", "mesh", ("brief-0",))
    before = taken(disks, of, estate)
    estate.clients.compute.virtual_machines.begin_delete(GROUP, "brief", **WAIT).result()
    estate.clients.compute.disks.begin_delete(GROUP, "brief-0", **WAIT).result()
    assert {each.id for each in AzureDisks(azure.caller(), CLUSTER).snapshots(of.id)} == {each.id for each in before}


def test_only_sets_that_are_called_complete_count_for_a_roll(
    disks: AzureDisks, of: BackupSet, estate: Estate, azure: Azure
) -> None:
    backups = AzureBackups(azure.caller(), CLUSTER)
    found = taken(disks, of, estate)
    before = backups.newest_complete()
    for each in found:
        disks.label(each, SetState.COMPLETE)
    newest = backups.newest_complete()
    assert newest == max(each.at or 0.0 for each in found)
    assert before is None or before < newest
    assert AzureBackups(azure.caller(), "another").newest_complete() is None
    assert backups.calls > 0


def test_under_the_lock_a_look_takes_few_calls(disks: AzureDisks, of: BackupSet, estate: Estate) -> None:
    taken(disks, of, estate)
    before = disks.calls
    disks.snapshots(of.id)
    assert disks.calls - before <= 4  # both listings, and each machine's collection
