"""Schedules that fire in virtual time, and tasks that run as processes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.plain import PlainMachines
from lab.aws.ports import Call, ManualClock, NoFaults, Reply
from lab.aws.world import AwsWorld

HOUR = 3600.0
WRITES = 'printf \'%s \' "$GREETING" "$PASSWORD" "$AWS_ENDPOINT_URL" "${BBDC_CLUSTER:-none}"; exit 3'


class Refusals(NoFaults):
    """Refuses calls of ECS while it is told to."""

    def __init__(self) -> None:
        self.left = 0

    def refuse(self, call: Call) -> Reply | None:
        if call.service == "ecs" and call.action == "RunTask" and self.left:
            self.left -= 1
            return Reply(400, "ThrottlingException", "Rate exceeded")
        return None


class Timer:
    """A world with a scheduler that fires."""

    def __init__(self, world: AwsWorld, clock: ManualClock, faults: Refusals) -> None:
        self.world, self.clock, self.faults = world, clock, faults
        self.containers, self.schedules = world.containers, world.schedules
        self.queue = str(world.client("sqs").create_queue(QueueName="letters")["QueueUrl"])
        self.cluster = str(world.client("ecs").create_cluster(clusterName="backups")["cluster"]["clusterArn"])

    def pass_time(self, seconds: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            with self.world.lock:
                self.schedules.advance(self.clock.now())
                self.containers.advance(self.clock.now())

    def define(self, command: list[str], **more: Any) -> str:
        container = {
            "name": "bbdc",
            "image": "bbdc:1",
            "memory": 512,
            "entryPoint": command[:1],
            "command": command[1:],
        }
        made = self.world.client("ecs").register_task_definition(
            family="backups",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[{**container, **more}],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def network(self) -> dict[str, Any]:
        ec2 = self.world.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="127.77.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.77.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="task", Description="task", VpcId=vpc)["GroupId"]
        return {"Subnets": [subnet], "SecurityGroups": [group], "AssignPublicIp": "DISABLED"}

    def schedule(self, task: str, *, expression: str = "cron(0 * * * ? *)", **policy: Any) -> None:
        letters = self.queue_arn()
        self.world.client("scheduler").create_schedule(
            Name="nightly",
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": self.cluster,
                "RoleArn": "arn:aws:iam::123456789012:role/schedule",
                "EcsParameters": {
                    "TaskDefinitionArn": task,
                    "LaunchType": "FARGATE",
                    "NetworkConfiguration": {"awsvpcConfiguration": self.network()},
                },
                "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600, **policy},
                "DeadLetterConfig": {"Arn": letters},
            },
        )
        self.pass_time(0)

    def queue_arn(self) -> str:
        wanted = {"QueueUrl": self.queue, "AttributeNames": ["QueueArn"]}
        return str(self.world.client("sqs").get_queue_attributes(**wanted)["Attributes"]["QueueArn"])

    def letters(self) -> list[dict[str, str]]:
        wanted = {"QueueUrl": self.queue, "MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
        found = self.world.client("sqs").receive_message(**wanted).get("Messages", [])
        return [{name: a["StringValue"] for name, a in m["MessageAttributes"].items()} for m in found]

    def tasks(self) -> list[dict[str, Any]]:
        ecs = self.world.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster)["taskArns"]
        return list(ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]) if arns else []

    def wait_for(self, word: str, task: str) -> None:
        """Wait until a task has written a word."""
        deadline = time.monotonic() + 30
        while word not in self.containers.log(task):
            assert time.monotonic() < deadline, self.containers.log(task)
            time.sleep(0.02)

    def ended(self) -> dict[str, Any]:
        """Wait for the one process, as the operating system tells of it, and return its task."""
        for one in self.containers.running.values():
            one.process.wait(30)
        self.pass_time(0)
        (task,) = self.tasks()
        return task


@pytest.fixture
def timer(tmp_path: Path) -> Iterator[Timer]:
    clock, faults = ManualClock(), Refusals()
    clock.advance(-(clock.now() % HOUR) + HOUR)
    machines = PlainMachines(tmp_path / "machines", clock)
    with AwsWorld(machines, clock=clock, faults=faults, probe=machines.probe, tasks=tmp_path / "tasks") as world:
        yield Timer(world, clock, faults)


def test_a_schedule_fires_when_it_is_due_and_not_before(timer: Timer) -> None:
    timer.schedule(timer.define(["true"]))
    timer.pass_time(HOUR - 1)
    assert timer.tasks() == []
    timer.pass_time(1)
    task = timer.ended()
    assert (task["lastStatus"], task["containers"][0]["exitCode"], task["startedBy"]) == ("STOPPED", 0, "scheduler")
    timer.pass_time(2 * HOUR)
    assert [due % HOUR for _, due in timer.schedules.fired] == [0.0] * 3


def test_a_task_has_its_containers_environment_and_secrets_and_an_end_of_its_own(timer: Timer) -> None:
    secret = timer.world.client("secretsmanager").create_secret(Name="password", SecretString="correct-horse")["ARN"]
    task = timer.define(
        ["sh", "-c", WRITES],
        environment=[{"name": "GREETING", "value": "hello"}],
        secrets=[{"name": "PASSWORD", "valueFrom": secret}],
    )
    timer.schedule(task)
    timer.pass_time(HOUR)
    ended = timer.ended()
    assert ended["containers"][0]["exitCode"] == 3
    assert timer.containers.log(ended["taskArn"]) == f"hello correct-horse {timer.world.url} none "
    assert timer.letters() == []  # the target was called; what became of it is not the schedule's business


def test_bbdc_is_this_checkouts_own(timer: Timer) -> None:
    timer.schedule(timer.define(["bbdc", "--version"]))
    timer.pass_time(HOUR)
    ended = timer.ended()
    assert ended["containers"][0]["exitCode"] == 0, timer.containers.log(ended["taskArn"])


def test_a_task_without_its_secret_stops_before_it_starts(timer: Timer) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone"
    timer.schedule(timer.define(["true"], secrets=[{"name": "PASSWORD", "valueFrom": arn}]))
    timer.pass_time(HOUR)
    (task,) = timer.tasks()
    assert task["lastStatus"] == "STOPPED"
    assert "unable to retrieve secret" in task["stoppedReason"]


def test_a_task_that_is_stopped_gets_term_and_then_kill(timer: Timer) -> None:
    task = timer.define(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], stopTimeout=10)
    timer.schedule(task)
    timer.pass_time(HOUR)
    (running,) = timer.tasks()
    assert running["lastStatus"] == "RUNNING"
    timer.wait_for("ready", running["taskArn"])
    timer.world.client("ecs").stop_task(cluster=timer.cluster, task=running["taskArn"], reason="enough")
    timer.pass_time(9)
    assert timer.tasks()[0]["lastStatus"] == "STOPPING"
    timer.pass_time(1)
    ended = timer.ended()
    assert (ended["containers"][0]["exitCode"], ended["stoppedReason"]) == (137, "enough")


def test_a_start_that_fails_is_tried_again(timer: Timer) -> None:
    timer.schedule(timer.define(["true"]))
    timer.faults.left = 2
    timer.pass_time(HOUR)
    assert timer.tasks() == []
    timer.pass_time(180, steps=6)
    assert timer.ended()["lastStatus"] == "STOPPED"
    assert timer.letters() == []


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({}, "MAXIMUM_RETRY_ATTEMPTS"),
        ({"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 300}, "MAXIMUM_EVENT_AGE_IN_SECONDS"),
    ],
)
def test_what_keeps_failing_becomes_a_dead_letter(timer: Timer, policy: dict[str, Any], why: str) -> None:
    timer.schedule(timer.define(["true"]), **policy)
    timer.faults.left = 100
    timer.pass_time(HOUR)
    timer.pass_time(600, steps=20)
    (letter,) = timer.letters()
    assert (letter["ERROR_CODE"], letter["EXHAUSTED_RETRY_CONDITION"]) == ("ThrottlingException", why)
    assert timer.tasks() == []


def test_a_task_definition_that_is_gone_is_a_failure_too(timer: Timer) -> None:
    timer.schedule("arn:aws:ecs:eu-west-1:123456789012:task-definition/none:1", MaximumRetryAttempts=0)
    timer.pass_time(HOUR)
    (letter,) = timer.letters()
    assert letter["RETRY_ATTEMPTS"] == "0"


def test_a_schedule_that_is_off_or_gone_is_silent(timer: Timer) -> None:
    timer.schedule(timer.define(["true"]))
    scheduler = timer.world.client("scheduler")
    found = scheduler.get_schedule(Name="nightly")
    kept = {key: found[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**kept, State="DISABLED")
    timer.pass_time(2 * HOUR)
    scheduler.update_schedule(**kept, State="ENABLED")
    timer.pass_time(0)
    assert timer.schedules.fired == []  # what was missed is not made up for
    scheduler.delete_schedule(Name="nightly")
    timer.pass_time(2 * HOUR)
    assert timer.schedules.fired == []


def test_an_expression_that_says_nothing_is_refused(timer: Timer) -> None:
    with pytest.raises(ClientError, match="Invalid Schedule Expression"):
        timer.schedule(timer.define(["true"]), expression="cron(every night)")


def test_a_queue_can_be_a_target(timer: Timer) -> None:
    timer.world.client("scheduler").create_schedule(
        Name="message",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": timer.queue_arn(), "RoleArn": "arn:aws:iam::1:role/x", "Input": json.dumps({"hello": 1})},
    )
    timer.pass_time(0)
    (message,) = timer.world.client("sqs").receive_message(QueueUrl=timer.queue)["Messages"]
    assert json.loads(message["Body"]) == {"hello": 1}
