"""The Azure world: a subscription on loopback.

Everything that changes it happens under ``lock``; time passes in ``advance``, which every request calls and the
ticker between them. Nothing here is global: there may be any number of worlds in one process.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.azure import blob_answers, blobs, catalogue, certificates, custom_metrics, job_identities
from lab.azure.arm import Arm
from lab.azure.backends import Backends
from lab.azure.blobs import Blobs
from lab.azure.commands import Commands
from lab.azure.custom_metrics import CustomMetrics
from lab.azure.disturbances import Disturbances
from lab.azure.executions import JobExecutions
from lab.azure.gateway import Gateway
from lab.azure.groups import Group
from lab.azure.identities import MANAGEMENT, Identities, Principal
from lab.azure.instances import Instances
from lab.azure.kinds import Kind, Statuses
from lab.azure.messages import Answer, Request
from lab.azure.metrics import Figures
from lab.azure.operations import Condition, Operations
from lab.azure.polling import call_of
from lab.azure.ports import Clock, Faults, Machines, NoFaults, NoStorage, Storage, SystemClock, Timings
from lab.azure.resources import Resources
from lab.azure.roles import Assigned
from lab.azure.server import Server
from lab.azure.ticker import Ticker

TENANT = "7e4a7e4a-0000-4000-8000-000000000001"
SUBSCRIPTION = "5b5b5b5b-0000-4000-8000-000000000002"
CLIENT = "c11e0000-0000-4000-8000-000000000003"
GUEST, GUEST_OBJECT = "c11e0000-0000-4000-8000-000000000004", "0b1ec700-0000-4000-8000-000000000005"
GROUP = "bitbucket"
LOCATION = "westeurope"
LOCATIONS = {"westeurope": True, "northeurope": True, "germanywestcentral": True, "westus": False}
"""Regions, and whether they have availability zones."""


class AzureWorld:
    """A subscription of Azure on loopback.

    Args:
        machines: what stands under the instances; ``lab.aws.plain.PlainMachines`` needs no processes.
        directory: where the certificates are written; what jobs write is beside it, in ``tasks``.
        clock: the computer's when None; ``ManualClock`` in tests.
        timings: how long things take.
        faults: what should go wrong.
        storage: what disks and databases hold; nothing when None. ``lab.data.storage`` has one with real files.
        probe: asked for each backend with (pool id, address), where no balancer reports health: True healthy,
            False unhealthy, None unanswered yet. None when a balancer reports through ``backends.report``.
        location: the region of the world.
        instances_at_most: the quota on machines; None for no quota.
        page_size: how many resources a page of a listing holds.
        tick: seconds between two looks at the clock from a thread; None when every request is enough.
        port: of Azure Resource Manager and of sign-in; 0 for any free one.

    Attributes:
        listeners: called under the lock with every event: name and details.
        changes: grows with every request that may have changed something, and with every event.
        guest: who may do what role assignments allow, and nothing else; its secret is the principal's.
        principal: who may do everything. Whoever has its secret can run commands on machines, as this computer's user.
    """

    subscription = SUBSCRIPTION

    def __init__(
        self,
        machines: Machines,
        directory: Path,
        *,
        clock: Clock | None = None,
        timings: Timings | None = None,
        faults: Faults | None = None,
        storage: Storage | None = None,
        probe: Callable[[str, str], bool | None] | None = None,
        location: str = LOCATION,
        instances_at_most: int | None = None,
        page_size: int = 50,
        tick: float | None = None,
        port: int = 0,
    ) -> None:
        self.machines = machines
        self.directory = directory
        self.clock: Clock = clock or SystemClock()
        self.timings = timings or Timings()
        self.faults: Faults = faults or NoFaults()
        self.storage: Storage = storage or NoStorage()
        self.probe = probe
        self.location = location
        self.locations = dict(LOCATIONS)
        self.instances_at_most = instances_at_most
        self.page_size = page_size
        self.lock = threading.RLock()
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        self.changes = 0
        self.identities = Identities(self.clock)
        self.principal = self.identities.add(Principal(CLIENT, TENANT, secrets.token_urlsafe(24)))
        self.guest = self.identities.add(
            Assigned(GUEST, TENANT, self.principal.secret, object=GUEST_OBJECT, world=self)
        )
        self.subscriptions = {SUBSCRIPTION: TENANT}
        self.groups = {GROUP: Group(SUBSCRIPTION, GROUP, location, {})}
        self.resources = Resources()
        self.operations = Operations()
        self.disturbances = Disturbances()
        self._stand()
        self._kinds = self._install()
        self._port = port
        self._ticker = Ticker(self._tick, tick)
        self._server: Server | None = None
        self._url = ""

    def _stand(self) -> None:
        """Make what does the work behind the resources."""
        self.instances = Instances(self)
        self.commands = Commands(self)
        self.backends = Backends(self)
        self.figures = Figures(self)
        self.custom_metrics = CustomMetrics(self)
        self.executions = JobExecutions(self, self.directory.parent / "tasks")
        self.blobs = Blobs(self)

    def _install(self) -> dict[str, Kind]:
        """Return how the types of resources behave, by their names in lower case."""
        usual = Statuses()
        return {
            name.lower(): made(self, name, catalogue.STATUSES.get(name, usual))
            for name, made in catalogue.KINDS.items()
        }

    # --- life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start to serve."""
        self.certificates = certificates.issue(self.directory)
        self._server = Server(self.certificates.context())
        self._url = self._server.listen(Gateway(self, self._answer, call_of), self._port)
        self.blobs.url = self._server.listen(Gateway(self, self.blobs.answer, blobs.call_of, blob_answers.render))
        metrics = self.custom_metrics
        metrics.url = self._server.listen(Gateway(self, metrics.answer, custom_metrics.call_of))
        door = job_identities.Door(self)
        self.executions.url = self._server.listen(Gateway(self, door.answer, job_identities.call_of))
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._ticker.stop()
        self.executions.close()
        if self._server is not None:
            self._server.stop()
        self.commands.close()

    def _tick(self) -> None:
        with self.lock:
            self.advance()

    # --- use ----------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where Azure Resource Manager and sign-in are. Raises RuntimeError before the world has started."""
        if not self._url:
            raise RuntimeError("the world has not started")
        return self._url

    @property
    def audiences(self) -> frozenset[str]:
        """What a token for Azure Resource Manager may be meant for."""
        return MANAGEMENT | {self._url}

    def environment(self) -> dict[str, str]:
        """Return the variables that azure-identity, the SDKs and requests read, the secret among them."""
        return {
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": self.principal.tenant,
            "AZURE_CLIENT_ID": self.principal.client,
            "AZURE_CLIENT_SECRET": self.principal.secret,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "AZURE_RESOURCE_MANAGER_ENDPOINT": self.url,
            "REQUESTS_CA_BUNDLE": str(self.certificates.authority),
        }

    def listen(self, door: Gateway) -> str:
        """Open another port under the same certificate; return its URL."""
        if self._server is None:
            raise RuntimeError("the world has not started")
        return self._server.listen(door)

    def kind(self, name: str) -> Kind:
        """Return how a type of resource behaves; the plain kind for a type that nobody taught the lab."""
        return self.known_kind(name) or Kind(self, name)

    def known_kind(self, name: str) -> Kind | None:
        """Return how a type behaves that the lab knows; None for any other."""
        return self._kinds.get(name.lower())

    def after(self, seconds: float) -> Condition:
        """Return a condition that comes true when so many seconds have passed."""
        due = self.clock.now() + seconds
        return lambda: self.clock.now() >= due

    def emit(self, event: str, **details: Any) -> None:
        """Tell all listeners of an event."""
        self.changes += 1
        for listener in self.listeners:
            listener(event, details)

    def advance(self) -> None:
        """Let everything catch up with the clock; hold ``lock``."""
        now = self.clock.now()
        self.operations.advance(now)
        self.backends.advance(now)
        self.executions.advance(now)

    def _answer(self, request: Request) -> Answer:
        signed_in = self.identities.answer(request)
        if signed_in is not None:
            return signed_in
        if request.path == "/metadata/endpoints":
            return Answer(200, self._endpoints())
        return Arm(self).answer(request)

    def _endpoints(self) -> dict[str, Any]:
        """Return what clients ask for that learn a cloud's addresses from its resource manager."""
        return {
            "name": "lab",
            "resourceManager": self.url,
            "authentication": {
                "loginEndpoint": self.url,
                "audiences": sorted(self.audiences),
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "suffixes": {},
        }
