"""Target health as AWS words it, and the routing table that the balancer follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.routes import Routes
from lab.aws.world import AwsWorld
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import Estate
from tests.lab.aws.test_groups import refused

Wait = Callable[[float], None]


def elb(world: AwsWorld) -> Any:
    return world.client("elbv2")


def lines(world: AwsWorld, arn: str, *ids: str) -> dict[str, tuple[str, str | None]]:
    targets = [{"Id": one} for one in ids]
    found = elb(world).describe_target_health(TargetGroupArn=arn, **({"Targets": targets} if ids else {}))
    return {
        line["Target"]["Id"]: (line["TargetHealth"]["State"], line["TargetHealth"].get("Reason"))
        for line in found["TargetHealthDescriptions"]
    }


@pytest.fixture
def silent_world(tmp_path: Path, clock: ManualClock) -> Iterator[AwsWorld]:
    """A world whose health only a balancer reports."""
    with AwsWorld(PlainMachines(tmp_path, clock), clock=clock) as world:
        yield world


def report(world: AwsWorld, arn: str, identity: str, **words: Any) -> None:
    with world.lock:
        world.targets.report(arn, identity, **words)


def test_health_follows_the_balancers_reports(silent_world: AwsWorld, clock: ManualClock) -> None:
    world = silent_world
    estate = Estate.build(world, nodes=1)
    pass_time(world, clock, 2)
    arn, (one,) = estate.target_groups["http"], estate.members()
    assert lines(world, arn)[one] == ("initial", "Elb.RegistrationInProgress")
    report(world, arn, one, healthy=None)
    assert lines(world, arn)[one] == ("initial", "Elb.InitialHealthChecking")
    report(world, arn, one, healthy=True, open_count=3)
    assert lines(world, arn)[one] == ("healthy", None)
    words = "Health checks failed with these codes: [503]"
    report(world, arn, one, healthy=False, reason="Target.ResponseCodeMismatch", description=words)
    found = elb(world).describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert found == {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch", "Description": words}


def test_draining_lasts_for_the_delay_and_then_the_target_is_gone(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    arn, one = estate.target_groups["http"], estate.members()[0]
    elb(world).deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert lines(world, arn)[one] == ("draining", "Target.DeregistrationInProgress")
    wait(3.5)
    assert lines(world, arn)[one][0] == "draining"
    wait(1)
    assert one not in lines(world, arn)
    assert lines(world, arn, one)[one] == ("unused", "Target.NotRegistered")


def test_deregistering_twice_does_not_begin_anew(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    arn, one = estate.target_groups["http"], estate.members()[0]
    for _ in range(2):
        elb(world).deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
        wait(3)
    assert one not in lines(world, arn)


def test_registering_again_ends_the_draining(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    arn, one = estate.target_groups["http"], estate.members()[0]
    elb(world).deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    elb(world).register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    wait(6)
    assert lines(world, arn)[one] == ("healthy", None)


def test_a_target_group_without_a_listener_is_unused(world: AwsWorld, estate: Estate) -> None:
    made = elb(world).create_target_group(Name="spare", Protocol="HTTP", Port=7990, VpcId=estate.vpc)
    arn, one = made["TargetGroups"][0]["TargetGroupArn"], estate.members()[0]
    elb(world).register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert lines(world, arn)[one] == ("unused", "Target.NotInUse")


def test_a_stopped_instance_is_unused_and_cannot_be_registered(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    world.client("autoscaling").suspend_processes(AutoScalingGroupName=estate.group)
    arn, one = estate.target_groups["http"], estate.members()[0]
    world.client("ec2").stop_instances(InstanceIds=[one])
    wait(1)
    assert lines(world, arn)[one] == ("unused", "Target.InvalidState")
    targets = [{"Id": one}]
    code, _ = refused(lambda: elb(world).register_targets(TargetGroupArn=arn, Targets=targets))
    assert code == "InvalidTarget"


def test_a_terminated_instance_drains_and_vanishes(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    arn, one = estate.target_groups["http"], estate.members()[0]
    world.client("ec2").terminate_instances(InstanceIds=[one])
    assert lines(world, arn)[one][0] == "draining"
    wait(6)
    assert one not in lines(world, arn)


def test_the_routing_table(world: AwsWorld, estate: Estate) -> None:
    table = Routes(world, 20_100, 20_101, tempo=5).read()
    assert {line["name"]: (line["protocol"], line["port"]) for line in table["listeners"]} == {
        "http": ("HTTP", 20_100),
        "ssh": ("TCP", 20_101),
    }
    groups = {group["name"]: group for group in table["groups"]}
    assert groups["http"]["stickiness"] == {"cookie": "BITBUCKETSESSIONID", "seconds": 86400.0}
    assert groups["ssh"]["stickiness"] is None
    assert groups["ssh"]["health"] | {"timeout": 0} == {
        "path": "/status",
        "port": 7990,
        "matcher": "200",
        "interval": 5.0,
        "timeout": 0,
        "healthy": 2,
        "unhealthy": 2,
    }
    hosts = {target["id"]: (target["host"], target["port"]) for target in groups["ssh"]["targets"]}
    assert set(hosts) == set(estate.members())
    assert all(host.startswith("127.250.") and port == 7999 for host, port in hosts.values())


def test_the_routing_tables_version_grows_with_changes_only(world: AwsWorld, estate: Estate) -> None:
    routes = Routes(world, 20_100, 20_101, tempo=5)
    first = routes.read()["version"]
    estate.describe()
    assert routes.read()["version"] == first
    arn, one = estate.target_groups["http"], estate.members()[0]
    elb(world).deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    table = routes.wait(first, 5)
    assert table["version"] > first
    states = {t["id"]: t["state"] for group in table["groups"] if group["name"] == "http" for t in group["targets"]}
    assert states[one] == "draining"
