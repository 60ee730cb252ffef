"""EventBridge Scheduler: schedules fire, a call that fails is tried again, and in the end becomes a dead letter.

moto keeps schedules and never fires them. The targets that are called are ECS (a task is run) and SQS (a message).
A task that runs and ends with an error has been called all the same: as in the cloud, its exit code is not looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend

from lab.aws.expressions import Expression, Rate, parse
from lab.aws.patches import Patches
from lab.aws.ports import Call, Reply

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

FIRST_RETRY = 60.0
"""Seconds until a call that failed is tried again; each further time twice as long."""


class CallFailed(Exception):
    """A target was not called; ``code`` is the service's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Known:
    """A schedule as it was when it was last looked at."""

    said: tuple[Any, ...]
    expression: Expression
    began: float
    looked: float


@dataclass(slots=True)
class Invocation:
    """One call of a target that is due."""

    schedule: str
    target: dict[str, Any]
    due: float
    next_try: float
    tries: int = 0


@dataclass(slots=True)
class Schedules:
    """What fires, and what is still to be called.

    Attributes:
        world: whose Scheduler this is.
        first_retry: seconds until the first retry.
        fired: every call that succeeded: (schedule's name, when it was due).
    """

    world: AwsWorld
    first_retry: float = FIRST_RETRY
    fired: list[tuple[str, float]] = field(default_factory=list)
    _known: dict[str, _Known] = field(default_factory=dict)
    _waiting: list[Invocation] = field(default_factory=list)

    def advance(self, now: float) -> None:
        """Let what is due fire; hold the world's lock."""
        found = {
            s.arn: s for g in self.world.backend("scheduler").schedule_groups.values() for s in g.schedules.values()
        }
        self._known = {arn: known for arn, known in self._known.items() if arn in found}
        for arn, schedule in found.items():
            self._look(arn, schedule, now)
        for invocation in sorted((i for i in self._waiting if i.next_try <= now), key=lambda i: i.next_try):
            self._call(invocation, now)

    def _look(self, arn: str, schedule: Any, now: float) -> None:
        said = (schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.state)
        known = self._known.get(arn)
        if known is None or known.said != said:
            # Made or changed just now: what would have been due before is not made up for. A rate begins at once.
            expression = parse(said[0], said[1])
            known = _Known(said, expression, now, now - 1 if isinstance(expression, Rate) else now)
            self._known[arn] = known
        while (due := known.expression.after(known.looked, known.began)) is not None and due <= now:
            known.looked = due
            if schedule.state == "ENABLED":
                self._waiting.append(Invocation(schedule.name, schedule.target, due, due))

    def _call(self, invocation: Invocation, now: float) -> None:
        invocation.tries += 1
        try:
            self._reach(invocation.target)
        except CallFailed as failure:
            self._again(invocation, failure, now)
            return
        self._waiting.remove(invocation)
        self.fired.append((invocation.schedule, invocation.due))
        self.world.emit("schedule", schedule=invocation.schedule, due=invocation.due)

    def _again(self, invocation: Invocation, failure: CallFailed, now: float) -> None:
        policy = invocation.target.get("RetryPolicy") or {}
        most, oldest = policy.get("MaximumRetryAttempts", 185), policy.get("MaximumEventAgeInSeconds", 86400)
        invocation.next_try = now + self.first_retry * 2 ** (invocation.tries - 1)
        exhausted = invocation.tries > most
        if exhausted or invocation.next_try > invocation.due + oldest:
            self._waiting.remove(invocation)
            self._bury(invocation, failure, "MAXIMUM_RETRY_ATTEMPTS" if exhausted else "MAXIMUM_EVENT_AGE_IN_SECONDS")

    def _reach(self, target: dict[str, Any]) -> None:
        reach = self._run_task if target.get("EcsParameters") else self._send
        try:
            reach(target)
        except CallFailed:
            raise
        except Exception as error:
            raise CallFailed(str(getattr(error, "error_type", "") or type(error).__name__), str(error)) from error

    def _run_task(self, target: dict[str, Any]) -> None:
        asked = target["EcsParameters"]
        body = {"cluster": target["Arn"], "taskDefinition": asked["TaskDefinitionArn"]}
        self._allowed(Call("ecs", "RunTask", json.dumps(body).encode()))
        self.world.backend("ecs").run_task(
            cluster_str=target["Arn"].rpartition("/")[2],
            task_definition_str=asked["TaskDefinitionArn"],
            count=int(asked.get("TaskCount") or 1),
            overrides=json.loads(target["Input"]) if target.get("Input") else None,
            started_by="scheduler",
            tags=None,
            launch_type=asked.get("LaunchType"),
            networking_configuration=_network(asked),
        )

    def _send(self, target: dict[str, Any]) -> None:
        if ":sqs:" not in target["Arn"]:
            raise CallFailed("ValidationException", f"the lab knows no target such as {target['Arn']}")
        self._allowed(Call("sqs", "SendMessage", target["Arn"].encode()))
        self.world.backend("sqs").send_message(target["Arn"].rpartition(":")[2], target.get("Input") or "{}")

    def _allowed(self, call: Call) -> None:
        """Ask the faults, as the gateway does for calls from outside."""
        reply: Reply | None = self.world.faults.refuse(call)
        if reply is not None:
            raise CallFailed(reply.code, reply.message)

    def _bury(self, invocation: Invocation, failure: CallFailed, why: str) -> None:
        queue = (invocation.target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is None:
            return
        texts = {
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": str(failure),
            "EXHAUSTED_RETRY_CONDITION": why,
            "RETRY_ATTEMPTS": str(invocation.tries - 1),
            "SCHEDULE_ARN": invocation.schedule,
            "TARGET_ARN": invocation.target["Arn"],
        }
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
        body = invocation.target.get("Input") or "{}"
        self.world.backend("sqs").send_message(queue.rpartition(":")[2], body, message_attributes=attributes)


def _network(asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return the network as ECS takes it; the Scheduler writes its inner names with a capital."""
    given = (asked.get("NetworkConfiguration") or {}).get("awsvpcConfiguration")
    if given is None:
        return None
    return {"awsvpcConfiguration": {key[:1].lower() + key[1:]: value for key, value in given.items()}}


def install(world: AwsWorld, patches: Patches) -> None:  # noqa: ARG001 - every part is installed alike
    """Refuse expressions that nothing understands, as the service does, when a schedule is made or changed."""
    for name in ("create_schedule", "update_schedule"):

        @patches.wrap(EventBridgeSchedulerBackend, name)
        def checked(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                parse(kwargs["schedule_expression"], kwargs.get("schedule_expression_timezone") or "UTC")
            except (ValueError, LookupError) as wrong:
                raise ValidationException(f"Invalid Schedule Expression {kwargs['schedule_expression']}.") from wrong
            return original(self, *args, **kwargs)
