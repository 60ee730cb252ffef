"""A contract: scale sets in uniform orchestration, as azure-mgmt-compute drives them."""

from __future__ import annotations

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from lab.azure.world import GROUP
from tests.lab.azure.estate import IMAGE, WAIT, Estate, encoded


def data_of(estate: Estate, instance: str, name: str = "bb") -> str:
    """Return the user data of the machine that an instance has now."""
    path = f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}/virtualMachines/"
    vm = estate.world.resources.get(f"/subscriptions/{estate.world.subscription}{path}{instance}").own
    return estate.machines.specs[vm.machine].user_data


@pytest.fixture(scope="module")
def bb(estate: Estate) -> str:
    """A scale set of three nodes."""
    made = estate.scale_set("bb")
    assert (made.provisioning_state, made.sku.capacity) == ("Succeeded", 3)
    return "bb"


def test_each_instance_is_a_machine_in_a_zone_of_its_own(estate: Estate, bb: str) -> None:
    found = list(estate.members.list(GROUP, bb, expand="instanceView"))
    assert [vm.instance_id for vm in found] == ["0", "1", "2"]
    assert sorted(vm.zones[0] for vm in found) == ["1", "2", "3"]
    assert all(vm.latest_model_applied for vm in found)
    codes = [status.code for status in found[0].instance_view.statuses]
    assert codes == ["ProvisioningState/succeeded", "PowerState/running"]
    spec = estate.machines.specs["bb_0-1"]
    assert (spec.role, spec.zone, spec.instance_type) == ("node", "westeurope-1", "Standard_D4s_v5")
    assert spec.user_data == "BITBUCKET_VERSION=7.9.0\n"


def test_custom_data_is_never_shown_and_survives_a_put_without_it(estate: Estate, bb: str) -> None:
    shown = estate.sets.get(GROUP, bb)
    assert shown.virtual_machine_profile.os_profile.custom_data is None
    estate.sets.begin_create_or_update(GROUP, bb, shown, **WAIT).result()
    assert all(vm.latest_model_applied for vm in estate.members.list(GROUP, bb))


def test_the_network_interfaces_stand_under_an_old_version_only(estate: Estate, bb: str) -> None:
    cards = list(
        estate.clients.network.network_interfaces.list_virtual_machine_scale_set_vm_network_interfaces(GROUP, bb, "0")
    )
    assert [card.ip_configurations[0].private_ip_address for card in cards] == ["10.0.0.4"]
    every = estate.clients.network.network_interfaces.list_virtual_machine_scale_set_network_interfaces(GROUP, bb)
    assert len(list(every)) == 3


def test_a_new_model_leaves_instances_stale_until_each_is_upgraded_and_reimaged(estate: Estate) -> None:
    estate.scale_set("roll")
    change = {"osProfile": {"customData": encoded("BITBUCKET_VERSION=7.9.4\n")}}
    estate.sets.begin_update(GROUP, "roll", {"properties": {"virtualMachineProfile": change}}, **WAIT).result()
    assert [vm.latest_model_applied for vm in estate.members.list(GROUP, "roll")] == [False] * 3
    estate.sets.begin_update_instances(GROUP, "roll", {"instanceIds": ["1"]}, **WAIT).result()
    assert [vm.latest_model_applied for vm in estate.members.list(GROUP, "roll")] == [False, True, False]
    assert data_of(estate, "1", "roll") == "BITBUCKET_VERSION=7.9.0\n", "what runs on it stays until it is reimaged"
    address = estate.machines.specs["roll_1-1"].address
    estate.members.begin_reimage(GROUP, "roll", "1", **WAIT).result()
    assert data_of(estate, "1", "roll") == "BITBUCKET_VERSION=7.9.4\n"
    assert estate.machines.specs["roll_1-2"].address == address
    assert not estate.machines.running("roll_1-1")
    estate.members.begin_reimage(GROUP, "roll", "0", **WAIT).result()
    assert data_of(estate, "0", "roll") == "BITBUCKET_VERSION=7.9.0\n", "reimaging does not bring the new model"
    estate.sets.begin_update(GROUP, "roll", {"sku": {"capacity": 4}}, **WAIT).result()
    assert data_of(estate, "3", "roll") == "BITBUCKET_VERSION=7.9.4\n", "new ones have the new model"


def test_an_upgrade_to_another_image_replaces_the_machine(estate: Estate) -> None:
    estate.scale_set("image", capacity=1)
    newer = {"storageProfile": {"imageReference": IMAGE | {"version": "24.04.202601010"}}}
    estate.sets.begin_update(GROUP, "image", {"properties": {"virtualMachineProfile": newer}}, **WAIT).result()
    estate.sets.begin_update_instances(GROUP, "image", {"instanceIds": ["0"]}, **WAIT).result()
    assert estate.machines.specs["image_0-2"].image.endswith("24.04.202601010")


def test_under_the_automatic_policy_a_new_model_replaces_all_together(estate: Estate) -> None:
    body = estate.model(capacity=2)
    body["properties"]["upgradePolicy"]["mode"] = "Automatic"
    estate.sets.begin_create_or_update(GROUP, "auto", body, **WAIT).result()
    change = {"osProfile": {"customData": encoded("BITBUCKET_VERSION=7.9.4\n")}}
    estate.sets.begin_update(GROUP, "auto", {"properties": {"virtualMachineProfile": change}}, **WAIT).result()
    assert [data_of(estate, one, "auto") for one in ("0", "1")] == ["BITBUCKET_VERSION=7.9.4\n"] * 2


def test_deleting_an_instance_lowers_the_capacity(estate: Estate) -> None:
    estate.scale_set("less")
    estate.sets.begin_delete_instances(GROUP, "less", {"instanceIds": ["1"]}, **WAIT).result()
    assert (estate.sets.get(GROUP, "less").sku.capacity, estate.ids("less")) == (2, ["0", "2"])
    estate.members.begin_delete(GROUP, "less", "0", **WAIT).result()
    assert (estate.sets.get(GROUP, "less").sku.capacity, estate.ids("less")) == (1, ["2"])
    estate.sets.begin_update(GROUP, "less", {"sku": {"capacity": 2}}, **WAIT).result()
    assert estate.ids("less") == ["2", "3"], "ids are not used again"
    assert not estate.machines.running("less_1-1")


@pytest.mark.parametrize("action", ["begin_restart", "begin_reimage", "begin_update_instances"])
def test_an_action_that_names_nobody_means_everybody(estate: Estate, action: str) -> None:
    name = f"all-{action.rsplit('_', 1)[1]}"
    estate.scale_set(name, capacity=2)
    nobody = [{}] if action == "begin_update_instances" else []
    getattr(estate.sets, action)(GROUP, name, *nobody, polling=False)
    assert [vm.provisioning_state for vm in estate.members.list(GROUP, name)] == ["Updating"] * 2
    estate.settle()
    assert [vm.provisioning_state for vm in estate.members.list(GROUP, name)] == ["Succeeded"] * 2


def test_fewer_instances_go_from_the_fullest_zone_and_the_newest_first(estate: Estate) -> None:
    estate.scale_set("shrink", capacity=4)
    estate.sets.begin_update(GROUP, "shrink", {"sku": {"capacity": 2}}, **WAIT).result()
    assert estate.ids("shrink") == ["0", "1"]


def test_power_states(estate: Estate) -> None:
    estate.scale_set("power", capacity=1)

    def power() -> str:
        return estate.members.get_instance_view(GROUP, "power", "0").statuses[1].code

    estate.members.begin_power_off(GROUP, "power", "0", **WAIT).result()
    assert power() == "PowerState/stopped"
    estate.members.begin_start(GROUP, "power", "0", **WAIT).result()
    assert power() == "PowerState/running"
    estate.members.begin_deallocate(GROUP, "power", "0", **WAIT).result()
    assert power() == "PowerState/deallocated"
    summary = estate.sets.get_instance_view(GROUP, "power").virtual_machine.statuses_summary
    assert {line.code: line.count for line in summary}["PowerState/deallocated"] == 1


def test_a_protected_instance_is_passed_by_and_refused_when_named(estate: Estate) -> None:
    estate.scale_set("kept", capacity=2)
    vm = estate.members.get(GROUP, "kept", "0")
    vm.protection_policy = {"protectFromScaleSetActions": True}
    estate.members.begin_update(GROUP, "kept", "0", vm, **WAIT).result()
    with pytest.raises(HttpResponseError) as caught:
        estate.sets.begin_reimage(GROUP, "kept", {"instanceIds": ["0"]}, **WAIT)
    assert (caught.value.status_code, caught.value.error.code) == (409, "OperationNotAllowed")
    estate.sets.begin_reimage_all(GROUP, "kept", **WAIT).result()
    assert {"kept_0-2", "kept_1-2"} & set(estate.machines.specs) == {"kept_1-2"}
    estate.members.begin_reimage(GROUP, "kept", "0", **WAIT).result()
    assert "kept_0-2" in estate.machines.specs, "it is protected from actions on the set only"


def test_what_is_under_way_refuses_more(estate: Estate) -> None:
    estate.scale_set("busy", capacity=1)
    estate.sets.begin_update(GROUP, "busy", {"sku": {"capacity": 2}}, polling=False)
    with pytest.raises(ResourceExistsError) as caught:
        estate.sets.begin_update(GROUP, "busy", {"sku": {"capacity": 3}}, **WAIT)
    assert caught.value.error.code == "Conflict"
    estate.settle()
    estate.members.begin_reimage(GROUP, "busy", "0", polling=False)
    with pytest.raises(ResourceExistsError):
        estate.members.begin_restart(GROUP, "busy", "0", **WAIT)
    estate.settle()


def test_an_instance_that_is_gone(estate: Estate, bb: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        estate.members.begin_reimage(GROUP, bb, "77", **WAIT)
    with pytest.raises(HttpResponseError) as caught:
        estate.sets.begin_reimage(GROUP, bb, {"instanceIds": ["77"]}, **WAIT)
    assert caught.value.error.code == "InvalidParameter"
    estate.members.begin_delete(GROUP, bb, "77", **WAIT).result()


def test_an_outdated_etag_is_refused(estate: Estate, bb: str) -> None:
    seen = estate.sets.get(GROUP, bb)
    fresh = {"etag": seen.etag, "match_condition": MatchConditions.IfNotModified}
    estate.sets.begin_update(GROUP, bb, {"tags": seen.tags | {"seen": "1"}}, **fresh, **WAIT).result()
    with pytest.raises(HttpResponseError) as caught:
        estate.sets.begin_update(GROUP, bb, {"tags": {"seen": "2"}}, **fresh, **WAIT)
    assert caught.value.status_code == 412


REFUSED = {
    "no policy": ({"upgradePolicy": None}, "InvalidParameter"),
    "no network": ({"virtualMachineProfile": {"osProfile": {}}}, "InvalidParameter"),
    "flexible": ({"orchestrationMode": "Flexible"}, "NotImplemented"),
}


@pytest.mark.parametrize(("change", "code"), REFUSED.values(), ids=REFUSED)
def test_a_set_without_what_it_needs_is_refused(estate: Estate, change: dict[str, object], code: str) -> None:
    body = estate.model()
    body["properties"] |= change
    with pytest.raises(HttpResponseError) as caught:
        estate.sets.begin_create_or_update(GROUP, "bad", body, **WAIT)
    assert caught.value.error.code == code
    with pytest.raises(ResourceNotFoundError):
        estate.sets.get(GROUP, "bad")


def test_a_region_without_zones_and_one_that_does_not_exist(estate: Estate) -> None:
    for location, code in (
        ("westus", "LocationNotSupportAvailabilityZones"),
        ("mars", "LocationNotAvailableForResourceType"),
    ):
        with pytest.raises(HttpResponseError) as caught:
            estate.sets.begin_create_or_update(GROUP, "far", estate.model(location=location), **WAIT)
        assert caught.value.error.code == code


def test_the_quota(estate: Estate) -> None:
    estate.world.instances_at_most = sum(1 for _ in estate.world.instances.all()) + 1
    with pytest.raises(HttpResponseError) as caught:
        estate.scale_set("quota", capacity=2)
    assert "Cores quota" in str(caught.value)
    estate.world.instances_at_most = None


def test_a_deleted_set_takes_its_machines_along(estate: Estate) -> None:
    estate.scale_set("gone", capacity=1)
    estate.sets.begin_delete(GROUP, "gone", **WAIT).result()
    assert not estate.machines.running("gone_0-1")
    with pytest.raises(ResourceNotFoundError):
        estate.sets.get(GROUP, "gone")
