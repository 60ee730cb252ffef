"""InstanceState: whether a machine runs."""

from __future__ import annotations

from typing import Any

from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_RUNNING, _STOPPED = "running", "stopped"
_ON_THE_WAY = {"pending": _RUNNING, "stopping": _STOPPED}


def _state(aws: Aws, machine: str) -> str:
    found: Any = aws.call("ec2", "DescribeInstances", InstanceIds=[machine])["Reservations"]
    return str(found[0]["Instances"][0]["State"]["Name"])


def _settle(task: Task) -> None:
    """Start or stop the machine when it is not what is asked for, and wait until it is."""
    machine, wanted = task.news["instanceId"], task.news["state"]
    task.aws.wait(f"instance {machine} to settle", lambda: _state(task.aws, machine) not in _ON_THE_WAY, task.seconds)
    if _state(task.aws, machine) != wanted:
        if wanted == _RUNNING:
            task.aws.call("ec2", "StartInstances", InstanceIds=[machine])
        else:
            task.aws.call("ec2", "StopInstances", InstanceIds=[machine], Force=task.news.get("force"))
    task.aws.wait(f"instance {machine} to be {wanted}", lambda: _state(task.aws, machine) == wanted, task.seconds)


def _read(aws: Aws, machine: str, _: Properties) -> Properties | None:
    state = _state(aws, machine)
    return None if state in ("terminated", "shutting-down") else {"instanceId": machine, "state": state}


def _check(inputs: Properties) -> list[Failure]:
    wrong = inputs.get("state") not in (_RUNNING, _STOPPED)
    return [Failure("state", f"Expected {_RUNNING} or {_STOPPED}, got {inputs.get('state')!r}")] if wrong else []


def _forget(_: Task) -> None:
    """Leave the machine as it is: a state is not deleted, it is only no longer asked for."""


STATE = ResourceType(
    type="aws:ec2transitgateway/instanceState:InstanceState",
    create=lambda _aws, inputs: str(inputs["instanceId"]),
    finish=_settle,
    read=_read,
    updates=[Update.of(_settle, "state")],
    delete=_forget,
    replace_on=frozenset({"instanceId"}),
    state_only=frozenset({"force"}),
    defaults={"force": False},
    check=_check,
    gone=frozenset({"InvalidInstanceID.NotFound"}),
)
