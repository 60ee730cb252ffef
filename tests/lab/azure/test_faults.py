"""What goes wrong by name, as the SDKs see it: throttles, errors, lost replies, operations that fail after a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock, Timings
from lab.azure.world import GROUP, AzureWorld
from lab.data.storage import DirectoryStorage
from lab.faults import FaultBook
from tests.lab.azure.estate import WAIT, Estate


@pytest.fixture(scope="module")
def book() -> FaultBook:
    return FaultBook()


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory, book: FaultBook) -> Iterator[Estate]:
    """A world with faults, and a scale set of two."""
    clock, root = ManualClock(), tmp_path_factory.mktemp("faults")
    machines, storage = PlainMachines(root / "machines", clock), DirectoryStorage(root / "data")
    timings = Timings(instance=3, power=2, model=1)
    world = AzureWorld(machines, root / "tls", clock=clock, timings=timings, faults=book, storage=storage)
    with world, Clients(world) as clients:
        estate = Estate(world, clients, clock, machines, storage)
        estate.network()
        estate.scale_set("bb", capacity=2)
        yield estate
        book.clear()


@pytest.fixture(autouse=True)
def calm(book: FaultBook) -> Iterator[None]:
    yield
    book.clear()


def test_a_throttled_call_is_tried_again(shaken: Estate, book: FaultBook) -> None:
    before = shaken.clock.now()
    book.set("throttled", 2, service="compute")
    assert shaken.sets.get(GROUP, "bb").name == "bb"
    assert shaken.clock.now() - before >= 2, "Retry-After was minded"


def test_a_throttle_that_does_not_end(shaken: Estate, book: FaultBook) -> None:
    book.set("throttled", 1000, service="compute")
    with pytest.raises(HttpResponseError) as caught:
        shaken.sets.get(GROUP, "bb")
    assert (caught.value.status_code, caught.value.error.code) == (429, "TooManyRequests")


def test_an_error_of_the_service(shaken: Estate, book: FaultBook) -> None:
    book.set("error", service="compute", action="GET virtualMachineScaleSets")
    assert shaken.sets.get(GROUP, "bb").name == "bb", "GET is tried again"
    with Clients(shaken.world, retry_total=0) as clients:
        book.set("error", service="compute", action="GET virtualMachineScaleSets")
        with pytest.raises(HttpResponseError) as caught:
            clients.compute.virtual_machine_scale_sets.get(GROUP, "bb")
    assert (caught.value.status_code, caught.value.error.code) == (500, "InternalServerError")


def test_a_lost_reply_was_carried_out(shaken: Estate, book: FaultBook) -> None:
    with Clients(shaken.world, retry_total=0) as clients:
        members = clients.compute.virtual_machine_scale_set_vms
        book.set("lost-reply", service="compute", action="POST virtualMachineScaleSets/virtualMachines/reimage")
        with pytest.raises(ServiceResponseError):
            members.begin_reimage(GROUP, "bb", "0", **WAIT)
    assert shaken.members.get(GROUP, "bb", "0").provisioning_state == "Updating"
    shaken.settle(10)
    assert "bb_0-2" in shaken.machines.specs


def test_the_sdk_repeats_a_deletion_whose_reply_was_lost_and_one_machine_is_gone(
    shaken: Estate, book: FaultBook
) -> None:
    shaken.scale_set("lost", capacity=3)
    book.set("lost-reply", service="compute", action="DELETE virtualMachineScaleSets/virtualMachines")
    shaken.members.begin_delete(GROUP, "lost", "0", **WAIT).result()
    assert (shaken.ids("lost"), shaken.sets.get(GROUP, "lost").sku.capacity) == (["1", "2"], 2)


def test_an_operation_that_fails_after_minutes(shaken: Estate) -> None:
    shaken.world.disturbances.fail_operations("compute", "POST */reimage", seconds=300)
    before = shaken.clock.now()
    with pytest.raises(HttpResponseError) as caught:
        shaken.members.begin_reimage(GROUP, "bb", "1", **WAIT).result()
    assert caught.value.error.code == "InternalExecutionError"
    assert shaken.clock.now() - before >= 300
    assert "bb_1-2" not in shaken.machines.specs
    shaken.members.begin_reimage(GROUP, "bb", "1", **WAIT).result()


def test_no_capacity_in_a_zone(shaken: Estate, book: FaultBook) -> None:
    shaken.scale_set("full", capacity=1)
    book.set("launch-fails", zone="westeurope-2")
    with pytest.raises(HttpResponseError) as caught:
        shaken.sets.begin_update(GROUP, "full", {"sku": {"capacity": 2}}, **WAIT).result()
    assert caught.value.error.code == "ZonalAllocationFailed"
    assert shaken.sets.get(GROUP, "full").provisioning_state == "Failed"
    states = {vm.instance_id: vm.provisioning_state for vm in shaken.members.list(GROUP, "full")}
    assert states == {"0": "Succeeded", "1": "Failed"}
    shaken.sets.begin_delete_instances(GROUP, "full", {"instanceIds": ["1"]}, **WAIT).result()
    shaken.sets.begin_update(GROUP, "full", {"sku": {"capacity": 2}}, **WAIT).result()
    assert shaken.ids("full") == ["0", "2"]


def test_an_agent_that_is_not_heard(shaken: Estate, book: FaultBook) -> None:
    book.set("agent-lost", instance="bb_1-2")
    view = shaken.members.get_instance_view(GROUP, "bb", "1")
    assert view.vm_agent.statuses[0].display_status == "Not Ready"
    body = {"commandId": "RunShellScript", "script": ["true"]}
    with pytest.raises(HttpResponseError) as caught:
        shaken.members.begin_run_command(GROUP, "bb", "1", body, **WAIT).result()
    assert caught.value.error.code == "VMAgentStatusCommunicationError"


def test_sign_in_fails_too(shaken: Estate, book: FaultBook) -> None:
    book.set("error", 1, service="login")
    with Clients(shaken.world) as clients:
        assert list(clients.compute.disks.list()) == []
