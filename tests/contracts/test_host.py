"""``ports.cloud.Host``: what every implementation must do."""

from __future__ import annotations

import pytest

from automation.core.cluster import TargetState
from automation.ports.errors import NotFound
from tests.contracts.subjects import Subject

KEY = "bitbucket-dc-lab:1700000000:stop"


def one(subject: Subject) -> str:
    return subject.group.observe().instances[0].id


def test_a_stop_reaches_the_machine(subject):
    instance = one(subject)
    subject.host.stop_bitbucket(instance, key=KEY)
    subject.hands.wait(15)
    states = {t.state for t in subject.balancer.targets() if t.instance == instance}
    assert TargetState.HEALTHY not in states
    assert subject.hands.stops(instance) == 1


def test_the_same_act_twice_is_one_command(subject):
    instance = one(subject)
    subject.host.stop_bitbucket(instance, key=KEY)
    subject.host.stop_bitbucket(instance, key=KEY)
    subject.hands.wait(5)
    subject.host.stop_bitbucket(instance, key=KEY)
    assert subject.hands.stops(instance) == 1


def test_another_act_is_another_command(subject):
    first, second = [i.id for i in subject.group.observe().instances][:2]
    subject.host.stop_bitbucket(first, key=KEY)
    subject.host.stop_bitbucket(first, key=KEY + ":2")
    subject.host.stop_bitbucket(second, key=KEY)
    assert (subject.hands.stops(first), subject.hands.stops(second)) == (2, 1)


def test_keys_of_any_length_are_kept_apart(subject):
    instance = one(subject)
    for last in "ab":
        subject.host.stop_bitbucket(instance, key="k" * 300 + last)
        subject.host.stop_bitbucket(instance, key="k" * 300 + last)
    assert subject.hands.stops(instance) == 2


def test_a_machine_that_cannot_be_commanded_is_not_found(subject):
    instance = one(subject)
    subject.hands.lose_agent(instance)
    with pytest.raises(NotFound, match=instance):
        subject.host.stop_bitbucket(instance, key=KEY)
    assert subject.hands.stops(instance) == 0


def test_a_machine_that_is_gone_is_not_found(subject):
    with pytest.raises(NotFound):
        subject.host.stop_bitbucket("i-00000000000000000", key=KEY)
