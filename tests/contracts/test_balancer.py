"""``ports.cloud.Balancer``: what every implementation must do."""

from __future__ import annotations

from automation.core.cluster import TargetState
from tests.contracts.subjects import Subject


def states(subject: Subject, instance: str) -> dict[str, TargetState]:
    return {t.group: t.state for t in subject.balancer.targets() if t.instance == instance}


def one(subject: Subject) -> str:
    return subject.group.observe().instances[0].id


HEALTHY = {"http": TargetState.HEALTHY, "ssh": TargetState.HEALTHY}
DRAINING = {"http": TargetState.DRAINING, "ssh": TargetState.DRAINING}


def test_all_machines_are_healthy_in_all_groups(subject):
    assert set(subject.balancer.groups()) == {"http", "ssh"}
    assert all(states(subject, i.id) == HEALTHY for i in subject.group.observe().instances)
    assert len(subject.balancer.targets()) == 6


def test_deregister_drains_and_then_the_target_is_gone(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    assert states(subject, instance) == DRAINING
    subject.hands.wait(6)
    assert states(subject, instance) == {}


def test_deregister_touches_nobody_else(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    others = [t for t in subject.balancer.targets() if t.instance != instance]
    assert [t.state for t in others] == [TargetState.HEALTHY] * 4


def test_deregister_again_while_draining_does_not_begin_anew(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    subject.hands.wait(2)
    subject.balancer.deregister(instance)
    subject.hands.wait(3)
    assert states(subject, instance) == {}


def test_deregister_of_a_target_that_is_gone_or_was_never_there(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    subject.hands.wait(6)
    subject.balancer.deregister(instance)
    subject.balancer.deregister("i-00000000000000000")
    assert len(subject.balancer.targets()) == 4


def test_register_brings_it_back_healthy(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    subject.hands.wait(6)
    subject.balancer.register(instance)
    assert set(states(subject, instance)) == {"http", "ssh"}
    subject.hands.wait(5)
    assert states(subject, instance) == HEALTHY


def test_register_ends_draining(subject):
    instance = one(subject)
    subject.balancer.deregister(instance)
    subject.balancer.register(instance)
    subject.hands.wait(6)
    assert states(subject, instance) == HEALTHY


def test_register_of_a_healthy_target_changes_nothing(subject):
    instance = one(subject)
    subject.balancer.register(instance)
    assert states(subject, instance) == HEALTHY


def test_a_new_machine_is_not_healthy_before_it_serves(subject):
    old = {i.id for i in subject.group.observe().instances}
    subject.group.resize(4, observed=3)
    seen = []
    for _ in range(60):
        subject.hands.wait(0.5)
        new = {i.id for i in subject.group.observe().instances if i.address} - old
        if not subject.capabilities.registers_by_itself:
            for instance in new:
                subject.balancer.register(instance)
        seen += [states(subject, instance).get("http") for instance in new]
        if seen[-3:] == [TargetState.HEALTHY] * 3:
            break
    first = seen.index(TargetState.HEALTHY)
    assert set(seen[:first]) & {TargetState.INITIAL, TargetState.UNHEALTHY}
    assert set(seen[first:]) == {TargetState.HEALTHY}
