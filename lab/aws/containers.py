"""ECS: a Fargate task is a local process that runs the container's command.

The image is not looked at: ``bbdc`` at the command's head is this checkout's own. The process has the container's
environment and secrets, the address of this AWS, a directory of its own, and nothing of ours besides.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ecs.models import EC2ContainerServiceBackend, Task

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

CHECKOUT = Path(__file__).parents[2]
STOP_SECONDS = 30.0
"""So long does a task get between TERM and KILL when its definition does not say."""


@dataclass(slots=True)
class Running:
    """A task and its process."""

    task: Any
    process: subprocess.Popen[bytes]
    log: Path
    patience: float
    asked_to_stop: float | None = None


@dataclass(slots=True)
class Containers:
    """All tasks that were started here.

    Attributes:
        world: whose ECS this is.
        directory: where each task gets a directory of its own, with its log in it.
        access_key, secret_key: what a task signs its calls with.
    """

    world: AwsWorld
    directory: Path
    access_key: str
    secret_key: str = field(repr=False)
    running: dict[str, Running] = field(default_factory=dict)

    def start(self, task: Any, definition: Any) -> None:
        """Start the process of a new task; hold the world's lock. One that cannot start has stopped."""
        container = definition.container_definitions[0]
        home = self.directory / task.id
        home.mkdir(parents=True)
        try:
            environment = {**self._own(home), **_plain(container), **self._secrets(container)}
            process = spawn(_command(container), environment, home)
        except (LookupError, OSError) as error:
            _stopped(task, None, f"CannotStartContainerError: {error}")
            return
        patience = float(container.get("stopTimeout") or STOP_SECONDS)
        self.running[task.id] = Running(task, process, home / "log", patience)
        task.containers[0].last_status = "RUNNING"

    def advance(self, now: float) -> None:
        """Take in which processes have ended; end those that do not follow TERM."""
        for identity, one in list(self.running.items()):
            code = one.process.poll()
            if code is not None:
                del self.running[identity]
                # As a container reports it: 128 and the signal that ended it.
                _stopped(one.task, code if code >= 0 else 128 - code, "Essential container in task exited")
                self.world.emit("task", task=one.task.task_arn, code=one.task.containers[0].exitCode)
            elif one.asked_to_stop is not None and now >= one.asked_to_stop + one.patience:
                signal_all(one.process, signal.SIGKILL)

    def stop(self, task: Any) -> None:
        """Ask the process of a task to end."""
        if one := self.running.get(task.id):
            one.asked_to_stop = self.world.clock.now()
            signal_all(one.process, signal.SIGTERM)

    def log(self, task_arn: str) -> str:
        """Return what a task has written so far."""
        return (self.directory / task_arn.rpartition("/")[2] / "log").read_text("utf-8", "replace")

    def close(self) -> None:
        """End every process that still runs."""
        for one in self.running.values():
            signal_all(one.process, signal.SIGKILL)
            one.process.wait()
        self.running.clear()

    def _own(self, home: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(CHECKOUT),
            "AWS_ENDPOINT_URL": self.world.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _secrets(self, container: dict[str, Any]) -> dict[str, str]:
        """Look the secrets up, as ECS does before it starts a container."""
        kept = self.world.backend("secretsmanager").secrets
        found = {}
        for secret in container.get("secrets") or ():
            where = secret["valueFrom"]
            one = next((s for s in kept.values() if where in (s.arn, s.name)), None)
            if one is None:
                raise LookupError(f"unable to retrieve secret {where}")
            found[secret["name"]] = one.versions[one.default_version_id]["secret_string"]
        return found


def install(world: AwsWorld, patches: Patches, containers: Containers) -> None:
    """Let moto's ECS start processes; a task's state is its process's, and not a wheel that turns when looked at."""
    del world

    def state(self: Any) -> Any:
        return self._status

    # A task reads this name of its network interface, which has none in a VPC without host names.
    patches.put(NetworkInterface, "private_dns_name", "")
    patches.put(Task, "last_status", property(state, lambda self, value: setattr(self, "_status", value)))

    @patches.wrap(EC2ContainerServiceBackend, "run_task")
    def run(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        tasks = original(self, *args, **kwargs)
        for task in tasks:
            containers.start(task, self.describe_task_definition(task.task_definition_arn))
        return tasks

    @patches.wrap(EC2ContainerServiceBackend, "stop_task")
    def stop(original: Any, self: Any, cluster: str, task: str, reason: str) -> Any:
        found = original(self, cluster, task, reason)
        if found.id in containers.running:
            found.last_status = "STOPPING"
            containers.stop(found)
        return found


def _plain(container: dict[str, Any]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container.get("environment") or ()}


def _command(container: dict[str, Any]) -> list[str]:
    command = [*(container.get("entryPoint") or ()), *(container.get("command") or ())]
    if not command:
        raise LookupError("the container has no command, and the lab does not look into images")
    return own_command(command)


def own_command(command: list[str]) -> list[str]:
    """Return a container's command with this checkout's ``bbdc`` at its head where the image has one."""
    return [sys.executable, "-m", "automation.cli", *command[1:]] if command[0] == "bbdc" else command


def spawn(command: list[str], environment: Mapping[str, str], home: Path) -> subprocess.Popen[bytes]:
    """Start a container's process in a directory of its own; what it writes goes into ``log`` there."""
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def signal_all(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    """Signal the process and its children, if there are any left."""
    if process.poll() is None:
        os.killpg(process.pid, what)


def _stopped(task: Any, code: int | None, reason: str) -> None:
    task.last_status = task.desired_status = task.containers[0].last_status = "STOPPED"
    task.containers[0].exitCode = code
    task.stopped_reason = task.stopped_reason or reason
