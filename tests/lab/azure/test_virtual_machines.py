"""A contract: single machines with disks, and commands that really run."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from lab.azure.world import GROUP
from tests.lab.azure.estate import WAIT, Estate


@pytest.fixture(scope="module")
def files(estate: Estate) -> Any:
    """A file server."""
    return estate.file_server()


def attached(estate: Estate) -> dict[str, str]:
    machine = estate.find("Microsoft.Compute/virtualMachines", "files").own.machine
    return {device: path.name for device, path in estate.storage.attached(machine).items()}


def volume(estate: Estate, disk: str) -> str:
    return str(estate.find("Microsoft.Compute/disks", disk).own.name)


def test_its_disks_are_attached_and_its_address_is_the_cards(estate: Estate, files: Any) -> None:
    assert files.provisioning_state == "Succeeded"
    assert attached(estate) == {
        "/dev/disk/azure/scsi1/lun0": volume(estate, "home"),
        "/dev/disk/azure/scsi1/lun1": volume(estate, "mesh"),
    }
    spec = estate.machines.specs["files-1"]
    card = estate.clients.network.network_interfaces.get(GROUP, "files")
    assert spec.address == card.ip_configurations[0].private_ip_address
    assert spec.role == "file-server"


def test_disks_are_swapped(estate: Estate, files: Any) -> None:
    compute = estate.clients.compute
    spare = estate.disk("spare")
    home = compute.disks.get(GROUP, "home").id
    body = {"dataDisksToDetach": [{"diskId": home}], "dataDisksToAttach": [{"diskId": spare.id, "lun": 0}]}
    compute.virtual_machines.begin_attach_detach_data_disks(GROUP, "files", body, **WAIT).result()
    assert attached(estate)["/dev/disk/azure/scsi1/lun0"] == volume(estate, "spare")
    assert (compute.disks.get(GROUP, "home").disk_state, compute.disks.get(GROUP, "spare").disk_state) == (
        "Unattached",
        "Attached",
    )
    vm = compute.virtual_machines.get(GROUP, "files")
    vm.storage_profile.data_disks[0].lun = 5
    compute.virtual_machines.begin_create_or_update(GROUP, "files", vm, **WAIT).result()
    assert len(attached(estate)) == 2


def test_a_disk_of_another_zone_or_machine_is_refused(estate: Estate, files: Any) -> None:
    compute = estate.clients.compute
    body = {
        "location": "westeurope",
        "zones": ["2"],
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
    }
    other = compute.disks.begin_create_or_update(GROUP, "zone2", body, **WAIT).result()
    missing = other.id.replace("zone2", "nowhere")
    for disk, status in ((other.id, 400), (missing, 404)):
        body = {"dataDisksToAttach": [{"diskId": disk, "lun": 9}]}
        with pytest.raises(HttpResponseError) as caught:
            compute.virtual_machines.begin_attach_detach_data_disks(GROUP, "files", body, **WAIT)
        assert caught.value.status_code == status


def run(estate: Estate, *lines: str, **more: Any) -> str:
    body = {"commandId": "RunShellScript", "script": list(lines)} | more
    made = estate.clients.compute.virtual_machines.begin_run_command(GROUP, "files", body, **WAIT).result()
    assert made.value[0].code == "ProvisioningState/succeeded"
    return str(made.value[0].message)


def test_a_script_really_runs_and_its_exit_status_is_not_told(estate: Estate, files: Any) -> None:
    assert run(estate, "systemctl stop bitbucket", "systemctl is-active bitbucket", "exit 3") == (
        "Enable succeeded: \n[stdout]\ninactive\n\n[stderr]\n"
    )
    assert "[stdout]\nhello you" in run(estate, 'echo "hello $1"', parameters=[{"name": "who", "value": "you"}])


def test_only_one_script_at_a_time(estate: Estate, files: Any) -> None:
    machines = estate.clients.compute.virtual_machines
    gate = estate.machines.directory("files-1") / "go"
    script = [f"while [ ! -e {gate} ]; do sleep 0.02; done"]
    machines.begin_run_command(GROUP, "files", {"commandId": "RunShellScript", "script": script}, polling=False)
    with pytest.raises(HttpResponseError) as caught:
        machines.begin_run_command(GROUP, "files", {"commandId": "RunShellScript", "script": ["true"]}, **WAIT)
    assert (caught.value.status_code, caught.value.error.code) == (409, "Conflict")
    assert len(estate.world.commands.pids()) == 1
    gate.touch()
    estate.world.commands.going[0].process.wait(10)
    estate.settle(1)
    assert "ok" in run(estate, "echo ok")


def test_no_script_on_a_machine_that_is_off(estate: Estate, files: Any) -> None:
    machines = estate.clients.compute.virtual_machines
    machines.begin_power_off(GROUP, "files", **WAIT).result()
    with pytest.raises(HttpResponseError, match="when the VM is not running"):
        run(estate, "true")
    machines.begin_start(GROUP, "files", **WAIT).result()
    states = [status.code for status in machines.instance_view(GROUP, "files").statuses]
    assert states == ["ProvisioningState/succeeded", "PowerState/running"]


def test_a_script_on_an_instance_of_a_scale_set(estate: Estate) -> None:
    estate.scale_set("scripts", capacity=1)
    body = {"commandId": "RunShellScript", "script": ["basename $LAB_MACHINE"]}
    made = estate.members.begin_run_command(GROUP, "scripts", "0", body, **WAIT).result()
    assert "[stdout]\nscripts_0-1\n" in made.value[0].message


def test_a_deleted_machine_leaves_its_data_disks(estate: Estate) -> None:
    compute = estate.clients.compute
    estate.file_server("brief", disks=("kept",))
    compute.virtual_machines.begin_delete(GROUP, "brief", **WAIT).result()
    assert compute.disks.get(GROUP, "kept").disk_state == "Unattached"
    estate.clients.network.network_interfaces.begin_delete(GROUP, "brief", **WAIT).result()
