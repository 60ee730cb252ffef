"""A contract: disks, snapshots and restore points hold data, and are refused as Azure refuses."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from lab.azure.world import GROUP
from tests.lab.azure.estate import WAIT, Estate


@pytest.fixture(scope="module")
def server(estate: Estate) -> Any:
    """A file server with two data disks, each with a file."""
    made = estate.file_server()
    for disk in ("home", "mesh"):
        (estate.content(disk) / "file").write_text(f"{disk} 1")
    return made


def snapshot(estate: Estate, name: str, source: str, *, location: str = "westeurope", **data: Any) -> Any:
    body = {
        "location": location,
        "properties": {
            "incremental": True,
            "creationData": {"createOption": "Copy", "sourceResourceId": source} | data,
        },
    }
    return estate.clients.compute.snapshots.begin_create_or_update(GROUP, name, body, **WAIT).result()


def restored(estate: Estate, name: str, source: str, option: str = "Copy", location: str = "westeurope") -> str:
    data = {"createOption": option, "sourceResourceId": source}
    body = {"location": location, "properties": {"creationData": data}}
    estate.clients.compute.disks.begin_create_or_update(GROUP, name, body, **WAIT).result()
    return (estate.content(name) / "file").read_text()


def code_of(caught: pytest.ExceptionInfo[HttpResponseError]) -> str:
    assert caught.value.error is not None
    return str(caught.value.error.code)


def test_a_snapshot_is_what_the_disk_was_at_the_call(estate: Estate, server: Any) -> None:
    made = snapshot(estate, "s1", estate.clients.compute.disks.get(GROUP, "home").id)
    (estate.content("home") / "file").write_text("home 2")
    assert (made.provisioning_state, made.incremental, made.completion_percent, made.disk_size_gb) == (
        "Succeeded",
        True,
        100,
        8,
    )
    assert restored(estate, "from-s1", made.id) == "home 1"


def test_a_copy_in_another_region_takes_its_time(estate: Estate, server: Any) -> None:
    source = snapshot(estate, "near", estate.clients.compute.disks.get(GROUP, "home").id)
    copy = snapshot(estate, "far", source.id, location="northeurope", createOption="CopyStart")
    assert copy.provisioning_state == "Succeeded"
    assert copy.completion_percent < 100
    with pytest.raises(HttpResponseError):
        restored(estate, "too-early", copy.id, location="northeurope")
    estate.settle(15)
    assert estate.clients.compute.snapshots.get(GROUP, "far").completion_percent == 100
    assert restored(estate, "from-far", copy.id, location="northeurope") == "home 2"


def test_a_plain_copy_stays_in_its_region(estate: Estate, server: Any) -> None:
    source = snapshot(estate, "stays", estate.clients.compute.disks.get(GROUP, "home").id)
    with pytest.raises(HttpResponseError, match="CopyStart"):
        snapshot(estate, "elsewhere", source.id, location="northeurope")
    with pytest.raises(HttpResponseError, match="region"):
        restored(estate, "elsewhere", source.id, location="northeurope")


def test_a_restore_point_has_all_disks_at_one_moment(estate: Estate, server: Any) -> None:
    compute = estate.clients.compute
    body = {"location": "westeurope", "properties": {"source": {"id": server.id}}}
    assert compute.restore_point_collections.create_or_update(GROUP, "rpc", body).provisioning_state == "Succeeded"
    (estate.content("home") / "file").write_text("home 3")
    system = {"id": server.storage_profile.os_disk.managed_disk.id}
    body = {"properties": {"consistencyMode": "CrashConsistent", "excludeDisks": [system]}}
    made = compute.restore_points.begin_create(GROUP, "rpc", "rp1", body, **WAIT).result()
    assert (made.provisioning_state, made.consistency_mode) == ("Succeeded", "CrashConsistent")
    (estate.content("home") / "file").write_text("home 4")
    disks = made.source_metadata.storage_profile.data_disks
    assert made.source_metadata.storage_profile.os_disk is None
    assert [disk.lun for disk in disks] == [0, 1]
    found = [restored(estate, f"rp-{n}", disk.disk_restore_point.id, "Restore") for n, disk in enumerate(disks)]
    assert found == ["home 3", "mesh 1"]
    with pytest.raises(HttpResponseError):
        compute.restore_points.begin_create(GROUP, "rpc", "rp1", body, **WAIT)


def test_a_restore_point_is_copied_to_another_region(estate: Estate, server: Any) -> None:
    compute = estate.clients.compute
    source = compute.restore_point_collections.get(GROUP, "rpc")
    point = compute.restore_points.get(GROUP, "rpc", "rp1")
    body = {"location": "northeurope", "properties": {"source": {"id": source.id}}}
    compute.restore_point_collections.create_or_update(GROUP, "rpc-far", body)
    body = {"properties": {"sourceRestorePoint": {"id": point.id}}}
    compute.restore_points.begin_create(GROUP, "rpc-far", "rp1", body, **WAIT).result()
    seen = compute.restore_points.get(GROUP, "rpc-far", "rp1", expand="instanceView")
    assert seen.instance_view.disk_restore_points[0].replication_status.completion_percent < 100
    estate.settle(15)
    disk = seen.source_metadata.storage_profile.data_disks[0].disk_restore_point.id
    assert restored(estate, "rp-far", disk, "Restore", "northeurope") == "home 3"
    compute.restore_point_collections.begin_delete(GROUP, "rpc", **WAIT).result()
    with pytest.raises(HttpResponseError):
        compute.restore_points.get(GROUP, "rpc", "rp1")


def test_what_is_attached_is_not_deleted_nor_attached_again(estate: Estate, server: Any) -> None:
    disks = estate.clients.compute.disks
    assert disks.get(GROUP, "home").managed_by == server.id
    with pytest.raises(HttpResponseError) as caught:
        disks.begin_delete(GROUP, "home", **WAIT)
    assert (caught.value.status_code, code_of(caught)) == (409, "OperationNotAllowed")


def test_a_disk_does_not_shrink_and_needs_a_size(estate: Estate) -> None:
    estate.disk("shrinking")
    for change in ({"diskSizeGB": 4}, {"diskSizeGB": None}):
        with pytest.raises(HttpResponseError):
            estate.disk("shrinking" if change["diskSizeGB"] else "sizeless", **change)
    assert estate.disk("shrinking", diskSizeGB=16).disk_size_gb == 16


def test_encryption_needs_a_set_in_the_region(estate: Estate) -> None:
    place = f"/subscriptions/{estate.world.subscription}/resourceGroups/{GROUP}/providers"
    keys = f"{place}/Microsoft.Compute/diskEncryptionSets/keys"
    with pytest.raises(HttpResponseError) as caught:
        estate.disk("secret", encryption={"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": keys})
    assert code_of(caught) == "NotFound"


def test_a_source_that_is_not_there(estate: Estate) -> None:
    with pytest.raises(HttpResponseError) as caught:
        snapshot(estate, "nothing", f"/subscriptions/{estate.world.subscription}/resourceGroups/x/providers/A/disks/d")
    assert (caught.value.status_code, code_of(caught)) == (404, "NotFound")
