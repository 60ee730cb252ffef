# ruff: noqa: SLF001 - the parameters of a call are read through names private to moto
"""SSM Run Command: AWS-RunShellScript really runs, with /bin/sh in the machine's directory.

The machine's own ``bin`` comes first on PATH: its ``systemctl`` controls Bitbucket on that machine.
Repairs in moto: commands succeeded at once without running; there was no describe_instance_information.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from lab.aws.instances import tags_of
from lab.aws.invocations import Command, Invocation
from lab.aws.members import moment
from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

SCRIPT = "AWS-RunShellScript"


@dataclass(slots=True)
class Commands:
    """Everything that was sent, oldest first."""

    world: AwsWorld
    sent: list[Command] = field(default_factory=list)

    def advance(self, now: float) -> None:
        """Start what was delivered; take in what ended or ran out of time."""
        for command in self.sent:
            for invocation in command.invocations:
                if not invocation.over:
                    self._move(invocation, now)

    def _move(self, invocation: Invocation, now: float) -> None:
        if not self.connected(invocation.instance):
            invocation.lose()
        if invocation.status == "Pending" and self.connected(invocation.instance):
            invocation.start(self.world.machines.directory(invocation.instance), now)
            self.world.emit("command", instance=invocation.instance, comment=invocation.command.comment)
        invocation.advance(now)

    def connected(self, instance: str) -> bool:
        """Say whether the machine's agent answers."""
        found = self.world.backend("ec2").get_instance_by_id(instance)
        running = found is not None and found.state == "running" and self.world.machines.running(instance)
        return running and not self.world.faults.agent_lost(instance)

    def pids(self) -> list[int]:
        """Return the process of every command that runs."""
        found = (invocation.pid for command in list(self.sent) for invocation in command.invocations)
        return [pid for pid in found if pid is not None]

    def close(self) -> None:
        """End every process that still runs."""
        for command in self.sent:
            for invocation in command.invocations:
                invocation.kill()


def install(world: AwsWorld, patches: Patches) -> None:
    """Let moto's SSM run commands."""

    @patches.replace(SimpleSystemManagerResponse, "send_command")
    def send(self: Any) -> Any:
        command = _command(world, self)
        world.commands.sent.append(command)
        return ActionResult({"Command": command.wire()})

    @patches.replace(SimpleSystemManagerResponse, "get_command_invocation")
    def get(self: Any) -> Any:
        identity, instance = self._get_param("CommandId"), self._get_param("InstanceId")
        for invocation in _invocations(world, identity, instance):
            return ActionResult(invocation.wire())
        raise SSMException("InvocationDoesNotExist", "")

    @patches.replace(SimpleSystemManagerResponse, "list_commands")
    def commands(self: Any) -> Any:
        identity, instance = self._get_param("CommandId"), self._get_param("InstanceId")
        filters = self._get_param("Filters", [])
        found = [command for command in reversed(world.commands.sent) if command.matches(identity, instance, filters)]
        return ActionResult({"Commands": [command.wire() for command in found]})

    @patches.add(SimpleSystemManagerResponse, "list_command_invocations")
    def invocations(self: Any) -> Any:
        found = _invocations(world, self._get_param("CommandId"), self._get_param("InstanceId"))
        filters = self._get_param("Filters", [])
        details = bool(self._get_param("Details", False))
        lines = [line.listed(details=details) for line in found if line.matches(filters)]
        return ActionResult({"CommandInvocations": lines})

    @patches.add(SimpleSystemManagerResponse, "cancel_command")
    def cancel(self: Any) -> Any:
        for invocation in _invocations(world, self._get_param("CommandId"), None):
            if invocation.instance in (self._get_param("InstanceIds") or [invocation.instance]):
                invocation.cancel(world.clock.now())
        return EmptyResult()

    @patches.add(SimpleSystemManagerResponse, "describe_instance_information")
    def information(self: Any) -> Any:
        filters = _filters(self)
        lines = [_information(world, instance) for instance in _managed(world)]
        return ActionResult({"InstanceInformationList": [line for line in lines if _wanted(world, line, filters)]})


def _command(world: AwsWorld, response: Any) -> Command:
    document, parameters = response._get_param("DocumentName"), response._get_param("Parameters", {})
    if document != SCRIPT:
        raise SSMException("InvalidDocument", f"Document with name {document} does not exist.")
    if not parameters.get("commands"):
        raise SSMException("InvalidParameters", "The parameter commands is required.")
    named = list(dict.fromkeys(response._get_param("InstanceIds", [])))
    bad = [instance for instance in named if not world.commands.connected(instance)]
    if bad:
        message = f"Instances [[{', '.join(bad)}]] not in a valid state for account {response.current_account}"
        raise SSMException("InvalidInstanceId", message)
    targets = response._get_param("Targets", [])
    return Command(
        instances=tuple(named + [i for i in _targeted(world, targets) if i not in named]),
        script="\n".join(parameters["commands"]),
        parameters=parameters,
        comment=response._get_param("Comment", ""),
        delivery=float(response._get_param("TimeoutSeconds") or 3600),
        execution=float(parameters.get("executionTimeout", ["3600"])[0]),
        requested=world.clock.now(),
        targets=targets,
    )


def _targeted(world: AwsWorld, targets: list[dict[str, Any]]) -> list[str]:
    found = []
    for instance in _managed(world) if targets else []:
        tags = tags_of(instance)
        facts = {f"tag:{name}": value for name, value in tags.items()} | {"InstanceIds": instance.id}
        if all(facts.get(target["Key"]) in target["Values"] for target in targets):
            found.append(instance.id)
    return found


def _invocations(world: AwsWorld, command: str | None, instance: str | None) -> list[Invocation]:
    return [
        invocation
        for known in reversed(world.commands.sent)
        if command in {None, known.id}
        for invocation in known.invocations
        if instance in {None, invocation.instance}
    ]


def _managed(world: AwsWorld) -> list[Any]:
    return [i for i in world.backend("ec2").all_instances() if i.state not in {"terminated", "pending"}]


def _information(world: AwsWorld, instance: Any) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "PingStatus": "Online" if world.commands.connected(instance.id) else "ConnectionLost",
        "LastPingDateTime": moment(world.clock.now()),
        "AgentVersion": "3.3.3050.0",
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip,
        "ComputerName": instance.private_dns_name,
    }


def _filters(response: Any) -> list[tuple[str, list[str]]]:
    new = [(line["Key"], line["Values"]) for line in response._get_param("Filters", [])]
    old = [(line["key"], line["valueSet"]) for line in response._get_param("InstanceInformationFilterList", [])]
    return new + old


def _wanted(world: AwsWorld, line: dict[str, Any], filters: list[tuple[str, list[str]]]) -> bool:
    tags = tags_of(world.backend("ec2").get_instance_by_id(line["InstanceId"]))
    facts = {f"tag:{name}": value for name, value in tags.items()}
    facts |= {"InstanceIds": line["InstanceId"]} | {name: str(value) for name, value in line.items()}
    return all(facts.get(key) in values for key, values in filters)
