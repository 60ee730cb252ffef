"""Executions of Container Apps jobs: a replica is a local process that runs the container's command.

The image is not looked at: ``bbdc`` at the command's head is this checkout's own. The process has the container's
environment and secrets, the way to the job's managed identities as Container Apps gives it, the address of this Azure,
a directory of its own, and nothing of ours besides.
"""

from __future__ import annotations

import copy
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.aws.containers import CHECKOUT, own_command, signal_all, spawn
from lab.aws.expressions import Cron
from lab.azure import apps, crons, paths
from lab.azure.errors import ArmError
from lab.azure.job_identities import value_of
from lab.azure.messages import Json
from lab.azure.operations import iso
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

GRACE = 30.0
"""Seconds that a replica gets between TERM and KILL."""
SUFFIX = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True, eq=False)
class Replica:
    """The process of an execution."""

    job: Resource
    execution: Resource
    process: subprocess.Popen[bytes]
    header: str
    began: float
    restarts: int = 0
    asked_to_stop: float | None = None
    ending: str = "Failed"
    """Status of the execution, should its process not end well."""


@dataclass(slots=True)
class Timer:
    """When a job is due next, by the expression that it had when that was found out."""

    said: str
    cron: Cron
    due: float | None


@dataclass(slots=True)
class JobExecutions:
    """Everything that jobs started.

    Attributes:
        world: whose jobs these are.
        directory: where each execution gets a directory of its own, with its log in it.
        surroundings: further variables of every process, such as where it finds this Azure.
        url: where processes get tokens of their job's identities.
        fired: what the clock started: (name of the job, when it was due).
    """

    world: AzureWorld
    directory: Path
    surroundings: dict[str, str] = field(default_factory=dict)
    url: str = ""
    fired: list[tuple[str, float]] = field(default_factory=list)
    running: list[Replica] = field(default_factory=list)
    _timers: dict[str, Timer] = field(default_factory=dict)

    # --- the clock -----------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Start what is due and take in what has ended; hold the world's lock."""
        for job in self.world.resources.of(apps.JOB):
            expression = apps.cron_of(job)
            if expression and not job.busy:
                self._look(job, expression, now)
        for replica in list(self.running):
            self._mind(replica, now)

    def _look(self, job: Resource, expression: str, now: float) -> None:
        known = self._timers.get(paths.key(job.id))
        if known is None or known.said != expression:
            # Made or changed just now: what would have been due before is not made up for.
            cron = crons.parse(expression)
            known = self._timers[paths.key(job.id)] = Timer(expression, cron, cron.after(now, now))
        while known.due is not None and known.due <= now:
            self.start(job)
            self.fired.append((job.name, known.due))
            self.world.emit("job", job=job.name, due=known.due)
            known.due = known.cron.after(known.due, now)

    def _mind(self, replica: Replica, now: float) -> None:
        code = replica.process.poll()
        configuration = replica.job.properties["configuration"]
        if code is not None:
            self._ended(replica, code, int(configuration.get("replicaRetryLimit") or 0))
        elif replica.asked_to_stop is None and now >= replica.began + configuration["replicaTimeout"]:
            self._end(replica)
        elif replica.asked_to_stop is not None and now >= replica.asked_to_stop + GRACE:
            signal_all(replica.process, signal.SIGKILL)

    def _ended(self, replica: Replica, code: int, retries: int) -> None:
        if code != 0 and replica.asked_to_stop is None and replica.restarts < retries:
            replica.restarts += 1
            replica.process = self._process(replica.job, replica.execution, replica.header)
            return
        self.running.remove(replica)
        status = "Succeeded" if code == 0 and replica.asked_to_stop is None else replica.ending
        _finish(replica.execution, status, self.world.clock.now())
        self.world.emit("execution", execution=replica.execution.name, code=code, status=status)

    # --- use -----------------------------------------------------------------------------------------------------

    def start(self, job: Resource, containers: list[Json] | None = None) -> Resource:
        """Start an execution; return it. One whose process cannot start has failed."""
        now, name = self.world.clock.now(), f"{job.name}-{''.join(secrets.choice(SUFFIX) for _ in range(7))}"
        template = copy.deepcopy(job.properties["template"])
        template |= {"containers": containers} if containers else {}
        document = {"properties": {"status": "Running", "startTime": iso(now), "template": template}}
        execution = Resource(paths.parse(f"{job.id}/executions/{name}"), document)
        self.world.resources.put(execution)
        header = secrets.token_hex(16)
        try:
            process = self._process(job, execution, header)
        except (ArmError, LookupError, OSError) as error:
            self._home(execution).joinpath("log").write_text(f"{error}\n")
            _finish(execution, "Failed", now)
        else:
            self.running.append(Replica(job, execution, process, header, now))
        return execution

    def stop(self, execution: Resource) -> None:
        """Ask an execution's process to end."""
        for replica in self.running:
            if replica.execution is execution and replica.asked_to_stop is None:
                replica.ending = "Stopped"
                self._end(replica)

    def stop_all(self, job: Resource) -> None:
        """End whatever a job has started, and forget when it is due."""
        self._timers.pop(paths.key(job.id), None)
        for replica in [one for one in self.running if one.job is job]:
            signal_all(replica.process, signal.SIGKILL)
            replica.process.wait()
            self.running.remove(replica)

    def close(self) -> None:
        """End everything."""
        for replica in self.running:
            signal_all(replica.process, signal.SIGKILL)
            replica.process.wait()
        self.running.clear()

    def log(self, execution: str) -> str:
        """Return what an execution has written so far, by its name."""
        return (self.directory / execution / "log").read_text("utf-8", "replace")

    def pids(self) -> list[int]:
        """Return the processes that run."""
        return [replica.process.pid for replica in list(self.running)]

    def headers(self) -> Iterator[tuple[str, Json]]:
        """Yield for each process the header that it shows, and its job's document."""
        for replica in self.running:
            yield replica.header, replica.job.document

    # --- processes -----------------------------------------------------------------------------------------------

    def _end(self, replica: Replica) -> None:
        replica.asked_to_stop = self.world.clock.now()
        signal_all(replica.process, signal.SIGTERM)

    def _home(self, execution: Resource) -> Path:
        home = self.directory / execution.name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _process(self, job: Resource, execution: Resource, header: str) -> subprocess.Popen[bytes]:
        container = execution.properties["template"]["containers"][0]
        home = self._home(execution)
        environment = {**self._own(home, job, execution, header), **self._environment(job, container)}
        return spawn(_command(container), environment, home)

    def _own(self, home: Path, job: Resource, execution: Resource, header: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(CHECKOUT),
            "CONTAINER_APP_JOB_NAME": job.name,
            "CONTAINER_APP_JOB_EXECUTION_NAME": execution.name,
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": header,
            "AZURE_AUTHORITY_HOST": self.world.url,
            "REQUESTS_CA_BUNDLE": str(self.world.certificates.authority),
            **self.surroundings,
        }

    def _environment(self, job: Resource, container: Json) -> dict[str, str]:
        """Look the secrets up, as Container Apps does before it starts a replica."""
        known = {one["name"]: one for one in job.properties["configuration"].get("secrets") or ()}
        found = {}
        for one in container.get("env") or ():
            reference = one.get("secretRef")
            secret = known[reference] if reference else {"value": one.get("value", "")}
            found[one["name"]] = value_of(self.world, job.document, secret)
        return found


def _command(container: Mapping[str, Any]) -> list[str]:
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not container.get("command"):
        raise LookupError("the container has no command, and the lab does not look into images")
    return own_command(command)


def _finish(execution: Resource, status: str, now: float) -> None:
    execution.properties |= {"status": status, "endTime": iso(now)}
    execution.touch()
