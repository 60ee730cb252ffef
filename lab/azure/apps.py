"""Container Apps: environments, jobs, and the executions of jobs.

An environment stands in a subnet that is delegated to it alone. A job starts executions by its cron expression or when
somebody asks for one; each is a local process (`lab.azure.executions`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, ClassVar

from lab.azure import crons, errors
from lab.azure.errors import ArmError
from lab.azure.job_identities import check_secrets
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps
from lab.azure.paths import key
from lab.azure.resources import STATE, Resource

ENVIRONMENT, JOB = "Microsoft.App/managedEnvironments", "Microsoft.App/jobs"
EXECUTION = f"{JOB}/executions"
DELEGATION = "Microsoft.App/environments"
VERSIONS = ("2022-11-01-preview", "2026-12-31")
SMALLEST = 27
"""Longest prefix of an environment's subnet."""
NAME = re.compile(r"[a-z]([a-z0-9]|-(?!-)){0,30}[a-z0-9]")
CORES = frozenset(step * 0.25 for step in range(1, 17))
"""What a container may have of the consumption profile; its memory is 2 GiB for each core."""


@dataclass(slots=True)
class Environments(Kind):
    """Environments."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True

    def accept(self, change: Change) -> Json:
        """Refuse a subnet that is not the environment's own."""
        document = Kind.accept(self, change)
        network = (document.get("properties") or {}).get("vnetConfiguration") or {}
        if network.get("infrastructureSubnetId"):
            self._check(change.target.path, str(network["infrastructureSubnetId"]))
        return document

    def _check(self, place: str, subnet: str) -> None:
        found = self.world.resources.find(subnet)
        if found is None:
            raise _invalid("ManagedEnvironmentInvalidNetworkConfiguration", f"The subnet '{subnet}' does not exist.")
        lines = found.properties.get("delegations") or []
        delegated = [str((one.get("properties") or {}).get("serviceName")) for one in lines]
        if delegated != [DELEGATION]:
            message = f"The subnet '{subnet}' must be delegated to {DELEGATION}, and to nothing else."
            raise _invalid("ManagedEnvironmentSubnetDelegationError", message)
        if IPv4Network(_prefix(found)).prefixlen > SMALLEST:
            raise _invalid("InvalidSubnetSize", f"The subnet '{subnet}' is smaller than /{SMALLEST}.")
        for other in self.world.resources.of(ENVIRONMENT):
            theirs = (other.properties.get("vnetConfiguration") or {}).get("infrastructureSubnetId", "")
            if key(str(theirs)) == key(subnet) and key(other.id) != key(place):
                raise _invalid("ManagedEnvironmentSubnetInUse", f"The subnet '{subnet}' is in use by {other.name}.")

    def check_removal(self, resource: Resource) -> None:
        """Refuse while there are jobs in it."""
        used = [
            job.name for job in self.world.resources.of(JOB) if _same(job.properties.get("environmentId"), resource)
        ]
        if used:
            raise errors.conflict(
                f"The environment still has jobs: {', '.join(used)}.", "ManagedEnvironmentHasContainerApps"
            )


@dataclass(slots=True)
class Jobs(Kind):
    """Jobs."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True

    def accept(self, change: Change) -> Json:
        """Refuse what Azure refuses of a job."""
        document = Kind.accept(self, change)
        if not NAME.fullmatch(change.target.names[-1]):
            raise _invalid("ContainerAppInvalidName", f"Invalid Job name '{change.target.names[-1]}'.")
        properties = document.get("properties") or {}
        environment = self.world.resources.find(str(properties.get("environmentId")))
        if environment is None or environment.target.kind.lower() != ENVIRONMENT.lower():
            raise _invalid("ManagedEnvironmentNotFound", "The environment of the job does not exist.")
        configuration = properties.get("configuration") or {}
        _check_trigger(configuration)
        _check_containers(properties.get("template") or {}, configuration)
        check_secrets(self.world, document)
        return document

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return the job without the values of its secrets."""
        document = Kind.show(self, resource, query)
        for secret in document["properties"].get("configuration", {}).get("secrets") or ():
            secret.pop("value", None)
        return document

    def remove(self, resource: Resource) -> Steps:
        """End what still runs."""
        self.world.executions.stop_all(resource)
        yield from ()
        return None

    def answer(self, act: Act) -> Json | None:
        """Start an execution; the template may be another one for this once."""
        if act.action != "start":
            return None
        made = self.world.executions.start(act.resource, act.body.get("containers"))
        return {"id": made.id, "name": made.name}


@dataclass(slots=True)
class Executions(Kind):
    """Executions: made by their job only."""

    versions: ClassVar[tuple[str, str]] = VERSIONS

    def accept(self, change: Change) -> Json:  # noqa: ARG002 - refused whatever it is
        """Refuse: nobody writes one."""
        raise ArmError(405, "MethodNotAllowed", "An execution is made by starting its job.")

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return it: it has a status, and no provisioning state."""
        document = Kind.show(self, resource, query)
        del document["properties"][STATE]
        return document

    def act(self, act: Act) -> Steps:
        """Stop it."""
        if act.action != "stop":
            raise errors.no_action(self.name, act.action)
        self.world.executions.stop(act.resource)
        yield lambda: act.resource.properties["status"] != "Running"
        return None


def _check_trigger(configuration: Json) -> None:
    kind, timeout = configuration.get("triggerType"), configuration.get("replicaTimeout")
    if kind not in {"Manual", "Schedule", "Event"}:
        raise _invalid("ContainerAppJobInvalidTriggerType", f"Invalid trigger type '{kind}'.")
    if not isinstance(timeout, int) or timeout < 1:
        raise _invalid("ContainerAppJobInvalidReplicaTimeout", "replicaTimeout is required, in seconds.")
    if kind == "Schedule":
        try:
            crons.parse(str((configuration.get("scheduleTriggerConfig") or {}).get("cronExpression")))
        except ValueError as error:
            raise _invalid("ContainerAppJobInvalidCronExpression", f"Invalid cron expression: {error}.") from error


def _check_containers(template: Json, configuration: Json) -> None:
    containers = template.get("containers") or []
    if not containers:
        raise _invalid("ContainerAppInvalidTemplate", "A job needs a container.")
    secrets = {secret["name"] for secret in configuration.get("secrets") or ()}
    for container in containers:
        if not container.get("image") or not container.get("name"):
            raise _invalid("InvalidContainer", "A container needs a name and an image.")
        wanted = {one["secretRef"] for one in container.get("env") or () if one.get("secretRef")}
        if not wanted <= secrets:
            message = f"SecretRef '{min(wanted - secrets)}' defined for container '{container['name']}' not found."
            raise _invalid("ContainerAppSecretRefNotFound", message)
        _check_size(container.get("resources") or {"cpu": 0.5, "memory": "1Gi"})


def _check_size(asked: Mapping[str, Any]) -> None:
    cores, memory = float(asked.get("cpu") or 0), str(asked.get("memory") or "")
    if cores not in CORES or memory.removesuffix("Gi") not in {f"{2 * cores:g}", f"{2 * cores:.1f}"}:
        message = f"The combination of cpu {cores} and memory {memory} is invalid: 0.25 to 4 cores with 2Gi for each."
        raise _invalid("ContainerAppInvalidResourceTotal", message)


def _prefix(subnet: Resource) -> str:
    return str(subnet.properties.get("addressPrefix") or subnet.properties["addressPrefixes"][0])


def _same(identity: object, resource: Resource) -> bool:
    return key(str(identity)) == key(resource.id)


def _invalid(code: str, message: str) -> ArmError:
    return errors.invalid(message, code)


def cron_of(job: Resource) -> str:
    """Return when a job is due; empty for one that only people start."""
    schedule = (job.properties.get("configuration") or {}).get("scheduleTriggerConfig") or {}
    return str(schedule.get("cronExpression") or "")


KINDS: Mapping[str, type[Kind]] = {ENVIRONMENT: Environments, JOB: Jobs, EXECUTION: Executions}
