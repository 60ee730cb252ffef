"""A scale set: each act on exactly one machine, whatever happens in the middle of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automation.adapters.azure.machines import number_of
from automation.adapters.azure.nodes import AzureGroup
from automation.core.cluster import InstanceState
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import REIMAGE, UPGRADE, Rolling
from tests.contracts.azure_estate import CLUSTER, IMAGE, SET, WAIT


def test_a_node_is_renewed_in_its_place(rolling: Rolling) -> None:
    before = rolling.instances()["1"]
    rolling.hands.set_model("7.9.4")
    rolling.group.replace(before.id, "7.9.0")
    rolling.hands.wait(15)
    after = rolling.instances()["1"]
    assert after.address == before.address
    assert after.id != before.id
    assert (after.version, after.state) == ("7.9.4", InstanceState.IN_SERVICE)
    assert after.launched is not None
    assert before.launched is not None
    assert after.launched > before.launched
    assert rolling.hands.estate.machines.specs[f"{SET}_1-2"].user_data.endswith("'7.9.4'\n")
    assert {one.id for one in rolling.instances().values() if one.version == "7.9.0"} == {
        one.id for name, one in rolling.instances().items() if name != "1"
    }


def test_every_act_names_exactly_one_machine(rolling: Rolling) -> None:
    bodies: list[Any] = []
    refuse = rolling.faults.refuse

    def watch(call: Any) -> Reply | None:
        if call.action.startswith("POST virtualMachineScaleSets"):
            bodies.append((call.action, json.loads(call.body or b"{}")))
        return refuse(call)

    rolling.faults.refuse = watch  # type: ignore[method-assign]  # the test listens in
    rolling.hands.set_model("7.9.4")
    rolling.group.replace(rolling.instances()["2"].id, "7.9.0")
    assert bodies == [(UPGRADE, {"instanceIds": ["2"]}), (REIMAGE, {})]


@pytest.mark.parametrize("wrong", ["", "-", "*", "-abcd", "x-abcd", "1", "1,2-ab", "../0-ab"])
def test_an_act_without_exactly_one_id_cannot_be_sent(rolling: Rolling, wrong: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        number_of(wrong)
    group = rolling.session.caller().call("compute", "virtual_machine_scale_sets.get", GROUP, SET)
    rolling.faults.seen.clear()
    for act in (rolling.group._reimage, rolling.group._delete):
        with pytest.raises(ValueError, match="no id"):
            act(group, wrong)
    if not wrong.isdigit():
        with pytest.raises(ValueError, match="all of them"):
            rolling.group._apply(group, wrong)
    rolling.group.replace(wrong, "7.9.0")
    rolling.group.retire(wrong, "7.9.0")
    assert not [one for one in rolling.faults.seen if one.startswith(("POST", "DELETE"))]


def test_cut_short_between_the_model_and_the_reimaging(rolling: Rolling) -> None:
    """The tags tell the new version already; the machine is still the old one, and the next try finishes."""
    old = rolling.instances()["0"]
    rolling.hands.set_model("7.9.4")
    rolling.faults.refusals[REIMAGE] = [Reply(500, "InternalServerError", "not now")]
    with pytest.raises(Unavailable):
        rolling.group.replace(old.id, "7.9.0")
    seen = rolling.instances()["0"]
    assert (seen.id, seen.version, seen.state) == (old.id, "7.9.0", InstanceState.IN_SERVICE)
    another = AzureGroup(rolling.session.caller(), CLUSTER)
    another.replace(old.id, "7.9.0")
    rolling.hands.wait(15)
    assert rolling.instances()["0"].version == "7.9.4"
    assert rolling.faults.seen.count(UPGRADE) == 1


@pytest.mark.parametrize("action", [REIMAGE, UPGRADE])
def test_a_lost_reply_is_not_sent_again_by_the_sdk(rolling: Rolling, action: str) -> None:
    old = rolling.instances()["0"]
    rolling.hands.set_model("7.9.4")
    rolling.faults.lost.append(action)
    with pytest.raises(Unavailable):
        rolling.group.replace(old.id, "7.9.0")
    assert rolling.faults.seen.count(action) == 1
    rolling.hands.wait(15)
    rolling.group.replace(old.id, "7.9.0")
    rolling.hands.wait(15)
    assert rolling.instances()["0"].version == "7.9.4"
    assert rolling.faults.seen.count(REIMAGE) == 1, "the machine was reimaged once"


def test_a_reimaging_that_fails_after_minutes(rolling: Rolling) -> None:
    old = rolling.instances()["0"]
    rolling.hands.set_model("7.9.4")
    rolling.hands.world.disturbances.fail_operations("compute", "POST */reimage", seconds=60)
    rolling.group.replace(old.id, "7.9.0")
    rolling.hands.wait(70)
    failed = rolling.instances()["0"]
    assert (failed.id, failed.version) == (old.id, "7.9.0")
    assert failed.state is not InstanceState.TERMINATING
    rolling.group.replace(old.id, "7.9.0")
    rolling.hands.wait(15)
    assert rolling.instances()["0"].version == "7.9.4"


def test_a_model_with_another_image_renews_the_machine_by_itself(rolling: Rolling) -> None:
    old = rolling.instances()["0"]
    newer = {"storageProfile": {"imageReference": IMAGE | {"version": "24.04.202601010"}}}
    body = {"properties": {"virtualMachineProfile": newer}}
    rolling.hands.estate.sets.begin_update(GROUP, SET, body, **WAIT).result()
    rolling.group.replace(old.id, "7.9.0")
    rolling.hands.wait(15)
    assert old.id not in {one.id for one in rolling.instances().values()}
    assert REIMAGE not in rolling.faults.seen


def test_what_was_put_down_on_a_renewed_machine_goes_with_the_first_act_of_whoever_comes_next(rolling: Rolling) -> None:
    before = rolling.hands.estate.sets.get(GROUP, SET).tags
    rolling.group.replace(rolling.instances()["0"].id, "7.9.0")
    rolling.hands.wait(15)
    assert rolling.hands.estate.sets.get(GROUP, SET).tags != before
    rolling.group.suspend([])
    assert rolling.hands.estate.sets.get(GROUP, SET).tags == before


def test_what_was_put_down_on_a_renewed_machine_goes_with_the_last_act(rolling: Rolling) -> None:
    """Only then: while one of them still has its disk, the note says what it really carries."""
    sets = rolling.hands.estate.sets
    before = sets.get(GROUP, SET).tags
    old, other = rolling.instances()["0"], rolling.instances()["1"]
    rolling.faults.refusals[REIMAGE] = [Reply(500, "InternalServerError", "not now")]
    with pytest.raises(Unavailable):
        rolling.group.replace(old.id, "7.9.0")
    rolling.group.resume(rolling.group.disturbing())
    assert f"{old.id}=7.9.0" in sets.get(GROUP, SET).tags["bitbucket-dc:replacing"]
    for one in (old, other):
        rolling.group.replace(one.id, "7.9.0")
        rolling.hands.wait(15)
    assert f"{other.id}=7.9.0" in sets.get(GROUP, SET).tags["bitbucket-dc:replacing"]
    rolling.group.resume(rolling.group.disturbing())
    assert sets.get(GROUP, SET).tags == before
    rolling.faults.seen.clear()
    rolling.group.resume(rolling.group.disturbing())
    assert "PATCH virtualMachineScaleSets" not in rolling.faults.seen


def test_a_machine_that_does_not_run_is_exchanged(rolling: Rolling) -> None:
    lost = rolling.instances()["1"]
    rolling.hands.lose(lost.id)
    rolling.hands.set_model("7.9.4")
    rolling.group.replace(lost.id, "7.9.0")
    rolling.hands.wait(15)
    found = rolling.group.observe()
    assert (found.desired, sorted(rolling.instances())) == (3, ["0", "2", "3"])
    assert rolling.instances()["3"].version == "7.9.4"


def test_a_lost_reply_of_a_deletion_takes_one_machine(rolling: Rolling) -> None:
    rolling.faults.lost.append("DELETE virtualMachineScaleSets/virtualMachines")
    rolling.group.retire(rolling.instances()["2"].id, "7.9.0")
    rolling.hands.wait(15)
    assert (rolling.group.observe().desired, sorted(rolling.instances())) == (2, ["0", "1"])


def test_a_change_in_between_is_a_conflict(rolling: Rolling) -> None:
    rolling.faults.refusals["PATCH virtualMachineScaleSets"] = [Reply(412, "PreconditionFailed", "changed")]
    with pytest.raises(Conflict):
        rolling.group.resize(4, observed=3)
    assert rolling.group.observe().desired == 3


def test_an_automatic_policy_is_refused(rolling: Rolling) -> None:
    body = {"properties": {"upgradePolicy": {"mode": "Automatic"}}}
    rolling.hands.estate.sets.begin_update(GROUP, SET, body, **WAIT).result()
    with pytest.raises(Refused) as caught:
        rolling.group.observe()
    assert caught.value.name == "upgrade_policy"


def test_custom_data_cannot_be_changed(rolling: Rolling) -> None:
    profile = {"userData": None, "osProfile": {"customData": "QklUQlVDS0VUX1ZFUlNJT049JzcuOS4wJwo="}}
    body = {"properties": {"virtualMachineProfile": profile}}
    rolling.hands.estate.sets.begin_update(GROUP, SET, body, **WAIT).result()
    with pytest.raises(Refused) as caught:
        rolling.group.set_version("7.9.4", observed="7.9.0")
    assert caught.value.name == "model_unreadable"
    assert rolling.group.observe().version == "7.9.0"


def test_a_cluster_that_is_not_there(rolling: Rolling) -> None:
    with pytest.raises(NotFound, match="BBDC_CLUSTER"):
        AzureGroup(rolling.session.caller(), "nobody").observe()


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"automaticRepairsPolicy": {"enabled": True}}, "automatic_repairs"),
        (
            {"upgradePolicy": {"mode": "Manual", "automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}},
            "automatic_os_upgrade",
        ),
        (
            {"virtualMachineProfile": {"storageProfile": {"osDisk": {"diffDiskSettings": {"option": "Local"}}}}},
            "ephemeral_disk",
        ),
    ],
)
def test_what_would_disturb_a_roll_is_a_problem(rolling: Rolling, properties: dict[str, Any], name: str) -> None:
    rolling.hands.estate.sets.begin_update(GROUP, SET, {"properties": properties}, **WAIT).result()
    assert [one.name for one in rolling.group.problems(surge=0)] == [name]
