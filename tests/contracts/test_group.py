"""``ports.cloud.Group``: what every implementation must do."""

from __future__ import annotations

import pytest

from automation.core.cluster import InstanceState
from automation.ports.errors import Conflict
from tests.contracts.subjects import Subject


def one(subject: Subject) -> str:
    return subject.group.observe().instances[0].id


def settle(subject: Subject) -> None:
    subject.hands.wait(15)


def test_observe_three_nodes_in_service(subject):
    group = subject.group.observe()
    assert (group.desired, group.minimum, group.maximum, group.version) == (3, 3, 4, "7.9.0")
    assert [i.state for i in group.instances] == [InstanceState.IN_SERVICE] * 3
    assert {i.version for i in group.instances} == {"7.9.0"}
    assert len({i.address for i in group.instances} - {None}) == 3
    assert all(i.launched for i in group.instances)
    assert group.suspended == frozenset()


def test_a_changed_model_shows_and_leaves_the_machines_as_they_are(subject):
    subject.hands.set_model("7.9.4")
    group = subject.group.observe()
    assert group.version == "7.9.4"
    assert {i.version for i in group.instances} == {"7.9.0"}


def test_replace_brings_a_successor_of_the_current_model_and_keeps_capacity(subject):
    old = one(subject)
    subject.hands.set_model("7.9.4")
    subject.group.replace(old, "7.9.0")
    settle(subject)
    group = subject.group.observe()
    assert group.desired == 3
    assert old not in {i.id for i in group.instances}
    assert sorted(str(i.version) for i in group.instances) == ["7.9.0", "7.9.0", "7.9.4"]


def test_replace_shows_the_machine_on_its_way_out(subject):
    old = one(subject)
    subject.group.replace(old, "7.9.0")
    leaving = {i.id: i.state for i in subject.group.observe().instances}
    assert leaving.get(old, InstanceState.TERMINATING) is InstanceState.TERMINATING


def test_replace_twice_replaces_once(subject):
    old = one(subject)
    subject.group.replace(old, "7.9.0")
    subject.group.replace(old, "7.9.0")
    settle(subject)
    subject.group.replace(old, "7.9.0")
    settle(subject)
    group = subject.group.observe()
    assert (group.desired, len(group.instances)) == (3, 3)


def test_replace_refuses_a_machine_that_carries_another_version_than_observed(subject):
    with pytest.raises(Conflict, match=r"7\.9\.0"):
        subject.group.replace(one(subject), "7.9.4")
    assert all(i.state is InstanceState.IN_SERVICE for i in subject.group.observe().instances)


def test_replace_of_a_machine_that_was_never_ours_does_nothing(subject):
    before = subject.group.observe()
    subject.group.replace("i-00000000000000000", "7.9.0")
    assert {i.id for i in subject.group.observe().instances} == {i.id for i in before.instances}


def test_retire_lowers_capacity_by_one_however_often_it_is_called(subject):
    subject.group.resize(4, observed=3)
    settle(subject)
    old = one(subject)
    subject.group.retire(old, "7.9.0")
    subject.group.retire(old, "7.9.0")
    settle(subject)
    subject.group.retire(old, "7.9.0")
    group = subject.group.observe()
    assert (group.desired, len(group.instances)) == (3, 3)


def test_retire_refuses_a_machine_that_carries_another_version_than_observed(subject):
    with pytest.raises(Conflict):
        subject.group.retire(one(subject), "7.9.4")
    assert subject.group.observe().desired == 3


def test_resize_adds_a_machine_of_the_current_model(subject):
    subject.hands.set_model("7.9.4")
    subject.group.resize(4, observed=3)
    settle(subject)
    assert sorted(str(i.version) for i in subject.group.observe().instances) == ["7.9.0"] * 3 + ["7.9.4"]


def test_resize_raises_the_maximum_where_it_must(subject):
    subject.group.resize(6, observed=3)
    group = subject.group.observe()
    assert (group.desired, group.maximum) == (6, 6)


def test_resize_again_is_success_and_does_not_inflate(subject):
    subject.group.resize(4, observed=3)
    subject.group.resize(4, observed=3)
    assert subject.group.observe().desired == 4


def test_resize_refuses_when_somebody_else_changed_it(subject):
    subject.group.resize(4, observed=3)
    with pytest.raises(Conflict, match="4, not 3"):
        subject.group.resize(5, observed=3)
    assert subject.group.observe().desired == 4


def test_limits(subject):
    subject.group.limit(2, 5)
    group = subject.group.observe()
    assert (group.minimum, group.maximum, group.desired) == (2, 5, 3)


@pytest.mark.parametrize("limits", [(4, 6), (1, 2)])
def test_limits_never_change_the_capacity(subject, limits):
    with pytest.raises(Conflict):
        subject.group.limit(*limits)
    group = subject.group.observe()
    assert (group.minimum, group.maximum, group.desired) == (3, 4, 3)


def test_suspended_processes_show_and_go_again(subject):
    disturbing = subject.group.disturbing()
    assert disturbing
    subject.group.suspend(disturbing)
    subject.group.suspend(disturbing)
    assert subject.group.observe().suspended == disturbing
    subject.group.resume(disturbing)
    subject.group.resume(disturbing)
    assert subject.group.observe().suspended == frozenset()


def test_suspending_or_resuming_nothing_changes_nothing(subject):
    """The trap: to the cloud, an empty list can mean all of them."""
    some = min(subject.group.disturbing())
    subject.group.suspend(())
    assert subject.group.observe().suspended == frozenset()
    subject.group.suspend([some])
    subject.group.resume(())
    assert subject.group.observe().suspended == {some}


def test_replacing_works_while_everything_disturbing_is_suspended(subject):
    subject.group.suspend(subject.group.disturbing())
    old = one(subject)
    subject.group.replace(old, "7.9.0")
    settle(subject)
    ids = {i.id for i in subject.group.observe().instances}
    assert (len(ids), old in ids) == (3, False)


def test_a_lost_machine_is_never_in_service_and_can_be_replaced_without_error(subject):
    subject.group.suspend(subject.group.disturbing())
    lost = one(subject)
    subject.hands.lose(lost)
    seen = {i.id: i.state for i in subject.group.observe().instances}
    assert seen.get(lost) is not InstanceState.IN_SERVICE
    subject.group.replace(lost, "7.9.0")


def test_set_version_writes_the_model(subject):
    subject.group.set_version("7.9.4", observed="7.9.0")
    subject.group.replace(one(subject), "7.9.0")
    settle(subject)
    group = subject.group.observe()
    assert group.version == "7.9.4"
    assert sorted(str(i.version) for i in group.instances) == ["7.9.0", "7.9.0", "7.9.4"]


def test_set_version_again_is_success(subject):
    subject.group.set_version("7.9.4", observed="7.9.0")
    subject.group.set_version("7.9.4", observed="7.9.0")
    assert subject.group.observe().version == "7.9.4"


def test_set_version_and_back(subject):
    subject.group.set_version("7.9.4", observed="7.9.0")
    subject.group.set_version("7.9.0", observed="7.9.4")
    assert subject.group.observe().version == "7.9.0"


def test_set_version_refuses_when_somebody_else_changed_it(subject):
    subject.hands.set_model("7.9.3")
    with pytest.raises(Conflict, match=r"7\.9\.3"):
        subject.group.set_version("7.9.4", observed="7.9.0")
    assert subject.group.observe().version == "7.9.3"


def test_a_healthy_estate_has_no_problems(subject):
    assert subject.group.problems(surge=1) == ()
