"""A scale set: each act on exactly one machine, whatever happens in the middle of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automation.adapters.azure.machines import number_of, renewed_of, renewed_tag
from automation.adapters.azure.nodes import AzureGroup
from automation.core.cluster import InstanceState
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import REIMAGE, UPGRADE, Rolling
from tests.contracts.azure_estate import CLUSTER, IMAGE, SET, WAIT

RENEWED = "bitbucket-dc:renewed"
POLL, PATCH = "GET locations/operations", "PATCH virtualMachineScaleSets"
BROKEN = Reply(500, "InternalServerError", "not now")


@pytest.fixture(params=[False, True], ids=["another-disk", "same-disk"])
def either(request: pytest.FixtureRequest, rolling: Rolling) -> Rolling:
    """Azure that gives a reimaged machine a disk of another name, and one that does not."""
    rolling.hands.world.disturbances.keep_disks = request.param
    return rolling


def after_reimaging(rolling: Rolling, action: str, reply: Reply, *, times: int) -> list[Reply]:
    """Refuse an action so many times from the first reimaging on; what is left of the refusals is returned."""
    left, refuse = [reply] * times, rolling.faults.refuse

    def meddle(call: Any) -> Reply | None:
        found = refuse(call)
        return left.pop() if call.action == action and REIMAGE in rolling.faults.seen and left else found

    rolling.faults.refuse = meddle  # type: ignore[method-assign]  # the test listens in
    return left


def test_a_node_is_renewed_in_its_place(either: Rolling) -> None:
    before = either.instances()["1"]
    either.hands.set_model("7.9.4")
    either.group.replace(before.id, "7.9.0")
    either.hands.wait(15)
    after = either.instances()["1"]
    assert after.address == before.address
    assert after.id != before.id
    assert (after.version, after.state) == ("7.9.4", InstanceState.IN_SERVICE)
    assert after.launched is not None
    assert before.launched is not None
    assert after.launched > before.launched
    assert either.hands.estate.machines.specs[f"{SET}_1-2"].user_data.endswith("'7.9.4'\n")
    assert {one.id for one in either.instances().values() if one.version == "7.9.0"} == {
        one.id for name, one in either.instances().items() if name != "1"
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


def test_cut_short_between_the_model_and_the_reimaging(either: Rolling) -> None:
    """The tags tell the new version already; the machine is still the old one, and the next try finishes."""
    old = either.instances()["0"]
    either.hands.set_model("7.9.4")
    either.faults.refusals[REIMAGE] = [Reply(500, "InternalServerError", "not now")]
    with pytest.raises(Unavailable):
        either.group.replace(old.id, "7.9.0")
    seen = either.instances()["0"]
    assert (seen.id, seen.version, seen.state) == (old.id, "7.9.0", InstanceState.IN_SERVICE)
    another = AzureGroup(either.session.caller(), CLUSTER)
    another.replace(old.id, "7.9.0")
    either.hands.wait(15)
    assert either.instances()["0"].version == "7.9.4"
    assert either.faults.seen.count(UPGRADE) == 1
    assert old.id not in {one.id for one in either.instances().values()}


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


@pytest.mark.parametrize("code", ["InternalExecutionError", "OSProvisioningTimedOut"])
def test_a_reimaging_that_fails_after_minutes(either: Rolling, code: str) -> None:
    """It can be told again, whatever Azure calls the failure."""
    old = either.instances()["0"]
    either.hands.set_model("7.9.4")
    fail = either.hands.world.disturbances.fail_operations
    fail("compute", "POST */reimage", seconds=60, code=code, message="not in time")
    with pytest.raises(Unavailable, match=code):
        either.group.replace(old.id, "7.9.0")
    failed = either.instances()["0"]
    assert (failed.id, failed.version) == (old.id, "7.9.0")
    assert failed.state is not InstanceState.TERMINATING
    either.group.replace(old.id, "7.9.0")
    either.hands.wait(15)
    assert either.instances()["0"].version == "7.9.4"


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


def test_what_was_put_down_on_a_renewed_machine_goes_with_the_last_act(either: Rolling) -> None:
    """Only then: while one of them still has its disk, the note says what it really carries."""
    sets = either.hands.estate.sets
    before = sets.get(GROUP, SET).tags
    old, other = either.instances()["0"], either.instances()["1"]
    either.faults.refusals[REIMAGE] = [Reply(500, "InternalServerError", "not now")]
    with pytest.raises(Unavailable):
        either.group.replace(old.id, "7.9.0")
    either.group.resume(either.group.disturbing())
    assert f"{old.id}=7.9.0" in sets.get(GROUP, SET).tags["bitbucket-dc:replacing"]
    for one in (old, other):
        either.group.replace(one.id, "7.9.0")
        either.hands.wait(15)
    assert f"{other.id}=7.9.0" in sets.get(GROUP, SET).tags["bitbucket-dc:replacing"]
    either.group.resume(either.group.disturbing())
    assert {name: text for name, text in sets.get(GROUP, SET).tags.items() if name != RENEWED} == before
    either.faults.seen.clear()
    either.group.resume(either.group.disturbing())
    assert "PATCH virtualMachineScaleSets" not in either.faults.seen


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


def test_a_process_that_dies_during_the_reimaging_loses_nothing_and_invents_nothing(either: Rolling) -> None:
    """Without another disk nobody knows afterwards that the machine is another one: it is reimaged once more."""
    keeps = either.hands.world.disturbances.keep_disks
    old = either.instances()["0"]
    either.hands.set_model("7.9.4")
    left = after_reimaging(either, POLL, BROKEN, times=4)
    with pytest.raises(Unavailable):
        either.group.replace(old.id, "7.9.0")
    assert left == []
    either.hands.wait(15)
    another, seen = AzureGroup(either.session.caller(), CLUSTER), either.instances()["0"]
    assert (seen.id == old.id, seen.version) == (keeps, "7.9.0" if keeps else "7.9.4")
    another.replace(old.id, "7.9.0")
    seen = either.instances()["0"]
    assert (seen.id == old.id, seen.version, seen.state) == (False, "7.9.4", InstanceState.IN_SERVICE)
    done = either.faults.seen.count(REIMAGE)
    assert done == (2 if keeps else 1)
    another.replace(old.id, "7.9.0")
    assert either.faults.seen.count(REIMAGE) == done, "what was decided for the old machine does nothing to the new one"


def test_a_renewal_is_put_down_however_often_somebody_changes_the_set_meanwhile(rolling: Rolling) -> None:
    rolling.hands.world.disturbances.keep_disks = True
    old = rolling.instances()["0"]
    left = after_reimaging(rolling, PATCH, Reply(412, "PreconditionFailed", "changed"), times=2)
    rolling.group.replace(old.id, "7.9.0")
    assert left == []
    assert rolling.instances()["0"].id != old.id
    assert rolling.faults.seen.count(REIMAGE) == 1


def test_nothing_but_reimaging_makes_another_machine(either: Rolling) -> None:
    """Restarts, a move to another host, tags, a model that is applied and not reimaged: the ids stay."""
    before = {one.id for one in either.instances().values()}
    members, sets = either.hands.estate.members, either.hands.estate.sets
    members.begin_restart(GROUP, SET, "0", **WAIT).result()
    members.begin_redeploy(GROUP, SET, "1", **WAIT).result()
    either.hands.set_model("7.9.4")
    sets.begin_update(GROUP, SET, {"tags": sets.get(GROUP, SET).tags | {"owner": "somebody"}}, **WAIT).result()
    sets.begin_update_instances(GROUP, SET, {"instanceIds": ["2"]}, **WAIT).result()
    either.hands.wait(15)
    assert {one.id for one in either.instances().values()} == before


def test_a_machine_is_renewed_as_often_as_it_is_told(either: Rolling) -> None:
    ids = [either.instances()["1"].id]
    for _ in range(3):
        either.group.replace(ids[-1], "7.9.0")
        ids.append(either.instances()["1"].id)
    assert len(set(ids)) == 4
    assert {number for number, _, _ in (one.partition("-") for one in ids)} == {"1"}


def test_the_tag_keeps_the_renewals_that_fit() -> None:
    known = {str(number): 1_764_000_000 + number for number in range(30)}
    tag = renewed_tag(known)
    assert len(tag) <= 256
    kept = renewed_of({"tags": {RENEWED: tag}})
    assert kept == {number: moment for number, moment in known.items() if number in kept}
    assert sorted(map(int, kept)) == list(range(12, 30))
    assert renewed_of({"tags": {RENEWED: "junk 3= x=y 7=12"}}) == {"7": 12}
