"""The AWS world: moto in this process with the behaviour that it lacks.

One world a process: moto's state and classes are global. Everything that changes it happens under ``lock``; time
passes in ``advance``, which the gateway calls around every request and the ticker between them.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # 500 ms for each describe_images otherwise; we register our own

import boto3
from moto.backends import get_backend
from moto.core.base_backend import BackendDict

from lab.aws import (
    backup_plans,
    buckets,
    commands,
    containers,
    database_snapshots,
    databases,
    disturbances,
    endpoints,
    groups,
    images,
    instances,
    metrics,
    policies,
    progress,
    scaling,
    schedules,
    snapshots,
    targets,
    templates,
    volumes,
)
from lab.aws.gateway import Gateway
from lab.aws.patches import Patches
from lab.aws.ports import Call, Clock, Faults, Machines, NoFaults, NoStorage, Storage, Timings
from lab.aws.server import Server, dispatcher

ACCOUNT = "123456789012"
REGION = endpoints.REGION
ACCESS_KEY = "AKIALABLABLABLABLAB0"
SECRET_KEY = "lab"  # noqa: S105 - signatures are not checked; the access key names the lab

_alive = threading.Lock()
_log = logging.getLogger(__name__)


@functools.cache
def _session() -> Any:
    """Return one session for all worlds: it keeps the service models that cost 100 ms to read."""
    return boto3.Session()


class RealClock:
    """The computer's clock."""

    def now(self) -> float:
        """Return the time."""
        return time.time()


class AwsWorld:
    """A region of AWS on loopback.

    Args:
        machines: what stands under the instances; ``lab.aws.plain.PlainMachines`` needs no processes.
        clock: the computer's when None; ``ManualClock`` in tests.
        timings: how long things take.
        faults: what should go wrong.
        storage: what volumes and databases hold; nothing when None. ``lab.data.storage`` has one with real files.
        probe: asked for each target with (group ARN, instance id), where no balancer reports health: True healthy,
            False unhealthy, None unanswered yet. None when a balancer reports through ``targets.report``.
        access_key: the only access key accepted; None accepts all.
        tick: seconds between two looks at the clock from a thread; None when every request is enough.
        reuse_addresses: give a terminated instance's address to the next one, as a small subnet does.
        tasks: directory of ECS tasks, which then run as local processes; None leaves ECS as moto has it.
    """

    def __init__(
        self,
        machines: Machines,
        *,
        clock: Clock | None = None,
        timings: Timings | None = None,
        faults: Faults | None = None,
        storage: Storage | None = None,
        probe: Callable[[str, str], bool | None] | None = None,
        access_key: str | None = None,
        tick: float | None = None,
        reuse_addresses: bool = False,
        tasks: Path | None = None,
        port: int = 0,
    ) -> None:
        self.machines = machines
        self.clock: Clock = clock or RealClock()
        self.timings = timings or Timings()
        self.faults: Faults = faults or NoFaults()
        self.storage: Storage = storage or NoStorage()
        self.reuse_addresses = reuse_addresses
        self.lock = threading.RLock()
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        """Called under the lock with every event: name and details."""
        self.changes = 0
        """Grows with every request that may have changed something, and with every event."""
        self.instances = instances.Instances(self)
        self.targets = targets.Targets(self, probe)
        self.scaling = scaling.Scaling(self)
        self.commands = commands.Commands(self)
        self.metrics = metrics.Metrics(self)
        self.progress = progress.Progress(self)
        self.databases = databases.DatabaseInstances(self)
        self.database_snapshots = database_snapshots.DatabaseSnapshots(self)
        self.disturbances = disturbances.Disturbances(self)
        self.schedules = schedules.Schedules(self)
        self.containers = containers.Containers(self, tasks or Path(), access_key or ACCESS_KEY, SECRET_KEY)
        self._tasks = tasks
        self._tick = tick
        self._port = port
        self._access_key = access_key
        self._patches = Patches()
        self._closing = threading.Event()
        self._ticker = threading.Thread(target=self._tick_on, name="aws-clock", daemon=True)
        self._server: Server | None = None
        self._clients: dict[str, Any] = {}

    # --- life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start. Raises RuntimeError when this process has a world already."""
        if not _alive.acquire(blocking=False):
            raise RuntimeError("one AWS world a process: moto's state is global")
        BackendDict.reset()
        for part in (
            instances,
            templates,
            targets,
            groups,
            commands,
            metrics,
            images,
            policies,
            buckets,
            volumes,
            snapshots,
            databases,
            database_snapshots,
            disturbances,
            backup_plans,
            schedules,
        ):
            part.install(self, self._patches)
        if self._tasks is not None:
            containers.install(self, self._patches, self.containers)
        gateway = Gateway(
            dispatcher(),
            lock=self.lock,
            advance=self.advance,
            touched=self._touched,
            faults=self.faults,
            access_key=self._access_key,
        )
        self._server = Server(gateway, self._port)
        self._server.start()
        if self._tick is not None:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; moto is as it was before."""
        self._closing.set()
        if self._ticker.is_alive():
            self._ticker.join()
        if self._server is not None:
            self._server.stop()
        self.commands.close()
        self.containers.close()
        self._patches.undo()
        BackendDict.reset()
        _alive.release()

    def _touched(self, call: Call) -> None:
        if not call.reads:
            self.changes += 1

    def _tick_on(self) -> None:
        while not self._closing.wait(self._tick):
            with self.lock:
                try:
                    self.advance()
                except Exception:  # noqa: BLE001 - the next tick tries again; the daemon's log keeps the reason
                    _log.exception("the AWS world stumbled")

    # --- use ----------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL has to be. Raises RuntimeError before the world has started."""
        if self._server is None:
            raise RuntimeError("the world has not started")
        return self._server.url

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of this world; without options always the same one."""
        if service in self._clients and not options:
            return self._clients[service]
        usual = {
            "region_name": REGION,
            "endpoint_url": self.url,
            "aws_access_key_id": self._access_key or ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
        }
        client = _session().client(service, **{**usual, **options})
        if not options:
            self._clients[service] = client
        return client

    def backend(self, service: str) -> Any:
        """Return moto's backend of a service; hold ``lock`` while using it."""
        return get_backend(service)[ACCOUNT][REGION]

    def global_backend(self, service: str) -> Any:
        """Return moto's backend of a service that knows no regions, such as IAM."""
        return get_backend(service)[ACCOUNT]["aws"]

    def emit(self, event: str, **details: Any) -> None:
        """Tell all listeners of an event."""
        self.changes += 1
        for listener in self.listeners:
            listener(event, details)

    def advance(self) -> None:
        """Let everything catch up with the clock; hold ``lock``."""
        now = self.clock.now()
        self.instances.advance(now)
        self.progress.advance(now)
        self.targets.advance(now)
        self.disturbances.advance(now)
        self.scaling.advance(now)
        self.commands.advance(now)
        self.schedules.advance(now)
        self.containers.advance(now)
