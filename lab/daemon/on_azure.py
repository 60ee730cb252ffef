"""A lab in Azure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import certifi

from lab.azure import archives, databases, roles
from lab.azure.backends import Backend
from lab.azure.errors import ArmError
from lab.azure.gateways import GATEWAY
from lab.azure.models import SCALE_SET
from lab.azure.operations import Operation, Steps
from lab.azure.paths import key, name_of
from lab.azure.ports import Timings
from lab.azure.resources import Resource
from lab.azure.routes import Routes
from lab.azure.world import AzureWorld
from lab.daemon.clouds import MOMENT, TICK, Ground
from lab.pulumi.azure.client import Account
from lab.pulumi.azure.server import serve
from lab.state import Options

CLUSTER = "bitbucket-dc:cluster"
POOL = "http"
"""Name of the gateway's backend pool."""
BUSY = "Updating"
"""What a flexible server's state says while it works on something."""
ASK_AGAIN = 0.2
"""Seconds after which clients of an operation are told to ask again."""
TRUST = "ca-bundle.pem"
"""File in the lab's directory: the lab's authority, and those that everybody trusts."""


class AzureCloud:
    """Azure (lab.daemon.clouds.Cloud).

    Args:
        ground: what it stands on.
    """

    name = "azure"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self.archive_url = ""
        self.world = AzureWorld(
            ground.machines,
            ground.directory / "tls",
            timings=_timings(ground.options),
            faults=ground.faults,
            storage=ground.storage,
            tick=TICK,
        )
        self.routes = Routes(self.world, ground.record.http, ground.record.ssh, ground.options.tempo)

    @property
    def lock(self) -> threading.RLock:
        """Held while anything in the world changes."""
        return self.world.lock

    @property
    def listeners(self) -> list[Callable[[str, dict[str, Any]], None]]:
        """Told of every event."""
        return self.world.listeners

    @property
    def url(self) -> str:
        """Where Azure Resource Manager is."""
        return self.world.url

    def open(self) -> None:
        """Serve, and write whom to trust."""
        self._stack.enter_context(self.world)
        authorities = Path(certifi.where()).read_text() + self.world.certificates.authority.read_text()
        self._trust.write_text(authorities)
        self.world.executions.surroundings = {**self._own(), **self._trusted()}
        self.archive_url = archives.publish(self.world)

    def close(self) -> None:
        """Stop."""
        self._stack.close()

    @property
    def _trust(self) -> Path:
        return self._ground.directory / TRUST

    def _own(self) -> dict[str, str]:
        """Return what ``bbdc`` must know of this Azure, because it is not the public one."""
        return {
            "BBDC_AZURE_ENDPOINT": self.url,
            "BBDC_BACKUP__METRICS_ENDPOINT": self.world.custom_metrics.url,
            "BBDC_BACKUP__DATABASE_LOG_LAG": "2",  # the lab's log is at hand at once; Azure tells five minutes
        }

    def _trusted(self) -> dict[str, str]:
        return dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), str(self._trust))

    def environment(self) -> Mapping[str, str]:
        """Return what azure-identity, the SDKs, curl and ``bbdc`` read."""
        return self.world.environment() | {
            "ARM_SUBSCRIPTION_ID": self.world.subscription,
            "ARM_LOCATION_NAME": self.world.location,
            "BBDC_CLOUD": self.name,
            "BBDC_SUBSCRIPTION": self.world.subscription,
            "BBDC_RESOURCE_GROUP": self._ground.options.cluster,
            **self._own(),
            **self._trusted(),
        }

    def provider(self) -> int:
        """Start the provider for azure-native."""
        who = self.world.principal
        account = Account(
            endpoint=self.url,
            authority=self.url,
            tenant=who.tenant,
            client=who.client,
            secret=who.secret,
            subscription=self.world.subscription,
            ca=str(self.world.certificates.authority),
            object_id=who.object,
        )
        server = serve(account)
        self._stack.callback(server.stop)
        return server.port

    def pids(self) -> Sequence[int]:
        """Return the processes of Run Command and of jobs."""
        return [*self.world.commands.pids(), *self.world.executions.pids()]

    def report(self, line: Mapping[str, Any]) -> None:
        """Take in the health of a backend."""
        words = line.get("description") or line.get("reason") or ""
        with self.lock:
            self.world.backends.report(
                line["group"], line["id"], healthy=line["healthy"], reason=words, open_count=int(line.get("open", 0))
            )

    def targets(self) -> list[dict[str, Any]]:
        """Return every address of every pool, by the machine that has it."""
        with self.lock:
            machines = {one.address: one.machine for one in self.world.instances.all()}
            return [
                {
                    "group": name_of(pool),
                    "instance": machines.get(backend.address, backend.address),
                    "state": _state(backend),
                    "reason": backend.reason or None,
                    "open": backend.open,
                }
                for pool, backends in self.world.backends.pools.items()
                for backend in backends.values()
            ]

    def desired(self, cluster: str) -> int:
        """Return the capacity of the cluster's scale sets."""
        with self.lock:
            known = [one for one in self.world.resources.of(SCALE_SET) if one.state != "Deleting"]
            wanted = [one.document["sku"].get("capacity") for one in known if one.tags.get(CLUSTER) == cluster]
            return sum(int(capacity or 0) for capacity in wanted)

    def serving(self) -> int:
        """Return the healthy backends of the estate's own gateway."""
        with self.lock:
            known = self.world.resources.of(GATEWAY)
            own = tuple(key(one.id) + "/" for one in known if one.tags.get(CLUSTER) == self._ground.options.cluster)
            pools = [
                backends
                for pool, backends in self.world.backends.pools.items()
                if name_of(pool) == POOL and pool.startswith(own)
            ]
            counts = (sum(bool(one.healthy) and not one.draining for one in backends.values()) for backends in pools)
            return max(counts, default=0)

    def reach(self, host: str, user: str, password: str) -> str:
        """Return the flexible server behind an address."""
        with self.lock:
            return databases.reach(self.world, host, user, password)

    def keep_databases_busy(self, state: str, seconds: float) -> bool:
        """Let flexible servers be in a state such as Stopped; ``backing-up`` is Updating here."""
        with self.lock:
            found = [one for one in self.world.resources.of(databases.SERVER) if one.properties.get("state") == "Ready"]
            now = self.world.clock.now()
            if found:
                state = BUSY if state == "backing-up" else state
                self.world.operations.begin(Operation(found[0].id, self._busy(found, state, seconds), now), now)
            return bool(found)

    def _busy(self, servers: Sequence[Resource], state: str, seconds: float) -> Steps:
        for then, wait in ((state, seconds), ("Ready", 0.0)):
            for server in servers:
                server.properties["state"] = then
                server.touch()
            yield self.world.after(wait)
        return None

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> bool:
        """Let operations of Azure Resource Manager end badly."""
        with self.lock:
            self.world.disturbances.fail_operations(service, action, times=times, seconds=seconds)
        return True

    def keep_disks(self, *, keep: bool) -> bool:
        """Let reimaged machines show the same disk, or another one."""
        with self.lock:
            self.world.disturbances.keep_disks = keep
        return True

    def cpu(self, figures: Mapping[str, float]) -> None:
        """Record Percentage CPU."""
        with self.lock:
            for machine, percent in figures.items():
                self.world.figures.cpu(machine, percent)

    def machine_token(self, machine: str, resource: str, client: str) -> Mapping[str, str]:
        """Return a token of a managed identity."""
        with self.lock:
            try:
                return roles.machine_token(self.world, machine, resource, client)
            except ArmError as error:
                raise LookupError(str(error)) from error

    def machine_access(self) -> Mapping[str, str]:
        """Return where sign-in is, for programs of a machine; who they are depends on the machine."""
        return {"endpoint": self.url, "ca": str(self._trust)}


def _timings(options: Options) -> Timings:
    return Timings(
        retry_after=ASK_AGAIN,
        attach=MOMENT,
        disk=MOMENT,
        snapshot=options.snapshot,
        copying=options.snapshot,
        restore_point=options.snapshot,
        database=1.0,
        backup=options.database_snapshot,
    )


def _state(backend: Backend) -> str:
    """Return a backend's state in the words of ``bbdc lab status``."""
    if backend.draining:
        return "down" if backend.down else "draining"
    return {True: "healthy", False: "unhealthy", None: "initial"}[backend.healthy]
