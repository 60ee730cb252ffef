"""Run Command really runs, and tells how it went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from lab.faults import FaultBook
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import CLUSTER, Estate
from tests.lab.aws.test_groups import refused


def send(world: AwsWorld, instance: str, *commands: str, **options: Any) -> str:
    timeout = options.pop("execution", "60")
    answer = world.client("ssm").send_command(
        InstanceIds=[instance],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": list(commands), "executionTimeout": [timeout]},
        **options,
    )
    return str(answer["Command"]["CommandId"])


def end(world: AwsWorld, command: str, instance: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found: dict[str, Any] = world.client("ssm").get_command_invocation(CommandId=command, InstanceId=instance)
        if found["Status"] not in {"Pending", "InProgress"}:
            return found
        time.sleep(0.02)
    raise AssertionError("the command did not end")


def test_a_command_runs_in_the_machines_directory(world: AwsWorld, estate: Estate, machines: PlainMachines) -> None:
    one = estate.members()[0]
    found = end(world, send(world, one, "pwd", "echo oops >&2", "systemctl stop bitbucket"), one)
    assert (found["Status"], found["ResponseCode"]) == ("Success", 0)
    assert found["StandardOutputContent"].strip() == str(machines.directory(one))
    assert found["StandardErrorContent"] == "oops\n"
    assert (machines.directory(one) / "systemctl.log").read_text() == "stop bitbucket\n"
    assert not machines.serving(one)


def test_a_failing_command_keeps_its_code(world: AwsWorld, estate: Estate) -> None:
    one = estate.members()[0]
    found = end(world, send(world, one, "exit 7"), one)
    assert (found["Status"], found["ResponseCode"]) == ("Failed", 7)


def test_a_command_runs_out_of_time(world: AwsWorld, estate: Estate, clock: ManualClock) -> None:
    one = estate.members()[0]
    command = send(world, one, "sleep 60", execution="5")
    assert world.client("ssm").get_command_invocation(CommandId=command, InstanceId=one)["Status"] == "InProgress"
    clock.advance(6)
    found = end(world, command, one)
    assert (found["Status"], found["StatusDetails"]) == ("TimedOut", "Execution Timed Out")


def test_a_machine_that_goes_takes_its_answer_along(
    world: AwsWorld, estate: Estate, machines: PlainMachines, clock: ManualClock
) -> None:
    one = estate.members()[0]
    command = send(world, one, "sleep 0.2", execution="30")
    machines.shut_down(one)
    time.sleep(0.4)
    found = world.client("ssm").get_command_invocation(CommandId=command, InstanceId=one)
    assert found["Status"] == "InProgress"
    clock.advance(31)
    assert end(world, command, one)["Status"] == "TimedOut"


def test_a_command_can_be_cancelled(world: AwsWorld, estate: Estate) -> None:
    one = estate.members()[0]
    command = send(world, one, "sleep 60")
    world.client("ssm").cancel_command(CommandId=command)
    assert end(world, command, one)["Status"] == "Cancelled"


def test_the_comment_finds_the_command_again(world: AwsWorld, estate: Estate) -> None:
    one, other, _ = estate.members()
    command = send(world, one, "true", Comment="bitbucket-dc key-1")
    send(world, other, "true", Comment="bitbucket-dc key-2")
    end(world, command, one)
    ssm = world.client("ssm")
    (listed,) = ssm.list_commands(InstanceId=one)["Commands"]
    assert (listed["CommandId"], listed["Comment"], listed["Status"]) == (command, "bitbucket-dc key-1", "Success")
    assert len(ssm.list_commands()["Commands"]) == 2
    (line,) = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert (line["InstanceId"], line["CommandPlugins"][0]["Status"]) == (one, "Success")
    failed = [{"key": "Status", "value": "Failed"}]
    assert ssm.list_command_invocations(Filters=failed)["CommandInvocations"] == []


def test_targets_by_tag(world: AwsWorld, estate: Estate) -> None:
    answer = world.client("ssm").send_command(
        Targets=[{"Key": "tag:bitbucket-dc:cluster", "Values": [CLUSTER]}],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["true"]},
    )
    assert set(answer["Command"]["InstanceIds"]) == set(estate.members())


def test_what_cannot_be_commanded_is_refused(world: AwsWorld, estate: Estate, machines: PlainMachines) -> None:
    one = estate.members()[0]
    machines.shut_down(one)
    assert refused(lambda: send(world, one, "true"))[0] == "InvalidInstanceId"
    assert refused(lambda: send(world, "i-0123456789abcdef0", "true"))[0] == "InvalidInstanceId"
    ssm = world.client("ssm")
    code, _ = refused(lambda: ssm.send_command(InstanceIds=[estate.members()[1]], DocumentName="Nonsense"))
    assert code == "InvalidDocument"
    code, _ = refused(lambda: ssm.get_command_invocation(CommandId="0" * 36, InstanceId=one))
    assert code == "InvocationDoesNotExist"


@pytest.fixture
def lost(tmp_path: Path, clock: ManualClock) -> Iterator[tuple[AwsWorld, Estate, FaultBook]]:
    book, machines = FaultBook(), PlainMachines(tmp_path, clock)
    with AwsWorld(machines, clock=clock, probe=machines.probe, faults=book) as world:
        estate = Estate.build(world)
        pass_time(world, clock, 6)
        yield world, estate, book


def test_a_lost_agent_is_not_online(lost: tuple[AwsWorld, Estate, FaultBook]) -> None:
    world, estate, book = lost
    one = estate.members()[0]
    book.set("agent-lost", instance=one)
    filters = [{"Key": "InstanceIds", "Values": [one]}]
    (line,) = world.client("ssm").describe_instance_information(Filters=filters)["InstanceInformationList"]
    assert line["PingStatus"] == "ConnectionLost"
    assert refused(lambda: send(world, one, "true"))[0] == "InvalidInstanceId"
    online = [{"key": "PingStatus", "valueSet": ["Online"]}]
    found = world.client("ssm").describe_instance_information(InstanceInformationFilterList=online)
    assert len(found["InstanceInformationList"]) == 2
    book.clear()
    end(world, send(world, one, "true"), one)
