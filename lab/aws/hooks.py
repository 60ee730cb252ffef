"""Lifecycle hooks: a member waits in ``…:Wait`` until somebody completes the action or the heartbeat runs out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError

from lab.aws.members import PENDING_WAIT, TERMINATING_WAIT, Member

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

LAUNCHING, ENDING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
CONTINUE, ABANDON = "CONTINUE", "ABANDON"


@dataclass(slots=True)
class Wait:
    """One member waiting for one hook."""

    hook: Any
    deadline: float
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    result: str | None = None


@dataclass(slots=True)
class Hooks:
    """Who waits for what: instance id -> the hooks still open."""

    world: AwsWorld
    waits: dict[str, list[Wait]] = field(default_factory=dict)

    def begin(self, member: Member, transition: str, now: float) -> bool:
        """Start the group's hooks of this transition; say whether there are any."""
        hooks = [hook for hook in self._of(member.group) if transition in str(hook.lifecycle_transition)]
        if hooks:
            self.waits[member.instance_id] = [Wait(hook, now + hook.heartbeat_timeout) for hook in hooks]
        return bool(hooks)

    def outcome(self, member: Member, now: float) -> str | None:
        """Return CONTINUE or ABANDON once all hooks are answered or timed out; None while one is open."""
        results = []
        for wait in self.waits.get(member.instance_id, []):
            if wait.result is None and now >= wait.deadline:
                wait.result = wait.hook.default_result
            results.append(wait.result)
        if None in results:
            return None
        self.waits.pop(member.instance_id, None)
        return ABANDON if ABANDON in results else CONTINUE

    def find(self, group: Any, hook: str, instance: str | None, token: str | None) -> Wait:
        """Return the open wait that a caller means. Raises ValidationError when there is none."""
        for member in group.instance_states:
            if member.lifecycle_state not in {PENDING_WAIT, TERMINATING_WAIT}:
                continue
            for wait in self.waits.get(member.instance_id, []):
                if wait.hook.name == hook and (wait.token == token if token else member.instance_id == instance):
                    return wait
        raise ValidationError(f"No active Lifecycle Action found with instance ID {instance or token}")

    def _of(self, group: Any) -> list[Any]:
        hooks = self.world.backend("autoscaling").lifecycle_hooks.values()
        return [hook for hook in hooks if hook.auto_scaling_group_name == group.name]
