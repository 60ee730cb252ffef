"""What a group does by itself, and what keeps it from doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from lab.faults import FaultBook
from tests.lab.aws.estate import Estate
from tests.lab.aws.test_groups import asg, refused

Wait = Callable[[float], None]


def suspend(world: AwsWorld, estate: Estate, *processes: str) -> None:
    asg(world).suspend_processes(AutoScalingGroupName=estate.group, ScalingProcesses=list(processes))


def resume(world: AwsWorld, estate: Estate, *processes: str) -> None:
    asg(world).resume_processes(AutoScalingGroupName=estate.group, ScalingProcesses=list(processes))


def test_a_dead_machine_is_replaced(estate: Estate, machines: PlainMachines, wait: Wait) -> None:
    victim = estate.members()[0]
    machines.shut_down(victim)
    wait(8)
    assert victim not in estate.members()
    assert len(estate.members("InService")) == 3


@pytest.mark.parametrize("process", ["ReplaceUnhealthy", "HealthCheck", "Terminate"])
def test_a_dead_machine_stays_while_suspended(
    world: AwsWorld, estate: Estate, machines: PlainMachines, wait: Wait, process: str
) -> None:
    suspend(world, estate, process)
    victim = estate.members()[0]
    machines.shut_down(victim)
    wait(8)
    assert victim in estate.members("InService")
    resume(world, estate, process)
    wait(8)
    assert victim not in estate.members()


def test_launch_suspended_launches_nothing(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    suspend(world, estate, "Launch")
    asg(world).terminate_instance_in_auto_scaling_group(
        InstanceId=estate.members()[0], ShouldDecrementDesiredCapacity=False
    )
    wait(8)
    assert len(estate.members()) == 2
    resume(world, estate, "Launch")
    wait(3)
    assert len(estate.members("InService")) == 3


def test_add_to_load_balancer_suspended(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    suspend(world, estate, "AddToLoadBalancer")
    asg(world).set_desired_capacity(AutoScalingGroupName=estate.group, DesiredCapacity=4)
    wait(5)
    assert len(estate.members("InService")) == 4
    assert len(estate.health()) == 3
    resume(world, estate, "AddToLoadBalancer")
    wait(5)
    assert len(estate.health()) == 3  # AWS does not make up for it


def test_suspended_processes_are_shown(world: AwsWorld, estate: Estate) -> None:
    suspend(world, estate, "AZRebalance", "AlarmNotification")
    names = {line["ProcessName"] for line in estate.describe()["SuspendedProcesses"]}
    assert names == {"AZRebalance", "AlarmNotification"}
    resume(world, estate, "AZRebalance")
    assert [line["ProcessName"] for line in estate.describe()["SuspendedProcesses"]] == ["AlarmNotification"]
    assert refused(lambda: suspend(world, estate, "Sleeping"))[0] == "ValidationError"


def test_set_unhealthy_is_replaced(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    victim = estate.members()[1]
    asg(world).set_instance_health(InstanceId=victim, HealthStatus="Unhealthy")
    wait(8)
    assert victim not in estate.members()


def test_an_unhealthy_target_counts_only_with_elb_health_checks(
    world: AwsWorld, estate: Estate, machines: PlainMachines, wait: Wait
) -> None:
    victim = estate.members()[0]
    machines.silent.add(victim)
    wait(10)
    assert estate.health()[victim] == "unhealthy"
    assert victim in estate.members("InService")
    asg(world).update_auto_scaling_group(
        AutoScalingGroupName=estate.group, HealthCheckType="ELB", HealthCheckGracePeriod=5
    )
    wait(8)
    assert victim not in estate.members()


def test_a_terminating_hook_holds_the_machine(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    asg(world).put_lifecycle_hook(
        AutoScalingGroupName=estate.group,
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=60,
    )
    victim = estate.members()[0]
    asg(world).terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=False)
    wait(20)
    assert victim in estate.members("Terminating:Wait")
    asg(world).record_lifecycle_action_heartbeat(
        AutoScalingGroupName=estate.group, LifecycleHookName="drain", InstanceId=victim
    )
    wait(50)
    assert victim in estate.members("Terminating:Wait")
    asg(world).complete_lifecycle_action(
        AutoScalingGroupName=estate.group,
        LifecycleHookName="drain",
        InstanceId=victim,
        LifecycleActionResult="CONTINUE",
    )
    wait(2)
    assert victim not in estate.members()
    code, _ = refused(
        lambda: asg(world).complete_lifecycle_action(
            AutoScalingGroupName=estate.group,
            LifecycleHookName="drain",
            InstanceId=victim,
            LifecycleActionResult="CONTINUE",
        )
    )
    assert code == "ValidationError"


def test_a_launching_hook_that_times_out_abandons(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    asg(world).put_lifecycle_hook(
        AutoScalingGroupName=estate.group,
        LifecycleHookName="settle",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=30,
        DefaultResult="ABANDON",
    )
    asg(world).set_desired_capacity(AutoScalingGroupName=estate.group, DesiredCapacity=4)
    wait(5)
    (first,) = estate.members("Pending:Wait")
    wait(32)
    assert first not in estate.members("InService", "Pending:Wait")


def test_an_instance_refresh_replaces_one_after_the_other(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    before = set(estate.members())
    number = estate.set_version("7.9.4")
    asg(world).start_instance_refresh(AutoScalingGroupName=estate.group)
    code, _ = refused(lambda: asg(world).start_instance_refresh(AutoScalingGroupName=estate.group))
    assert code == "InstanceRefreshInProgress"
    for _ in range(40):
        wait(1)
        assert len(estate.members("InService")) >= 2
    (refresh,) = asg(world).describe_instance_refreshes(AutoScalingGroupName=estate.group)["InstanceRefreshes"]
    assert (refresh["Status"], refresh["PercentageComplete"]) == ("Successful", 100)
    assert not before & set(estate.members())
    assert {line["LaunchTemplate"]["Version"] for line in estate.describe()["Instances"]} == {number}


def test_a_refresh_can_be_cancelled(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    asg(world).start_instance_refresh(AutoScalingGroupName=estate.group)
    wait(1)
    asg(world).cancel_instance_refresh(AutoScalingGroupName=estate.group)
    wait(20)
    (refresh,) = asg(world).describe_instance_refreshes(AutoScalingGroupName=estate.group)["InstanceRefreshes"]
    assert refresh["Status"] == "Cancelled"
    code, _ = refused(lambda: asg(world).cancel_instance_refresh(AutoScalingGroupName=estate.group))
    assert code == "ActiveInstanceRefreshNotFound"


@pytest.fixture
def book() -> FaultBook:
    return FaultBook()


@pytest.fixture
def world_with_faults(tmp_path: Path, clock: ManualClock, book: FaultBook) -> Iterator[tuple[AwsWorld, Any]]:
    machines = PlainMachines(tmp_path, clock)
    with AwsWorld(machines, clock=clock, probe=machines.probe, faults=book) as world:
        yield world, machines


def test_a_launch_without_capacity_is_tried_again(
    world_with_faults: tuple[AwsWorld, Any], clock: ManualClock, book: FaultBook
) -> None:
    world, _ = world_with_faults
    book.set("launch-fails", times=2)
    estate = Estate.build(world, nodes=1, minimum=1)
    for _ in range(60):
        clock.advance(0.25)
        with world.lock:
            world.advance()
    lines = asg(world).describe_scaling_activities(AutoScalingGroupName=estate.group)["Activities"]
    assert [line["StatusCode"] for line in lines] == ["Successful", "Failed", "Failed"]
    assert "sufficient capacity" in lines[-1]["StatusMessage"]
    assert len(estate.members("InService")) == 1


def test_a_lost_zone_is_avoided(world_with_faults: tuple[AwsWorld, Any], clock: ManualClock, book: FaultBook) -> None:
    world, _ = world_with_faults
    book.set("az-loss", zone="eu-west-1b")
    estate = Estate.build(world)
    for _ in range(20):
        clock.advance(0.25)
        with world.lock:
            world.advance()
    zones = {line["AvailabilityZone"] for line in estate.describe()["Instances"]}
    assert zones == {"eu-west-1a", "eu-west-1c"}
