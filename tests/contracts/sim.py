"""The lab's virtual-time estate as a subject of the contract suites: its own ports, and the REST adapter over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from lab.bitbucket.calls import Asked, carry_out
from lab.bitbucket.records import Json, Reply
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.bitbucket.surroundings import Surroundings
from lab.sim.cloud import Cloud, Machine
from lab.sim.estate import Estate
from lab.sim.flavours import AWS_LIKE, AZURE_LIKE, Flavour
from lab.sim.scale_set import ScaleSet
from lab.sim.settings import SimSettings
from lab.sim.witness import Witness
from tests.contracts.subjects import BitbucketSubject, Subject

QUICK = SimSettings(
    launch=1.0,
    terminate=1.0,
    deregistration=4.0,
    check=1.0,
    model=0.2,
    reimage=1.0,
    gateway=1.0,
    bitbucket=BitbucketSettings(
        boot_seconds=4.0, drain_seconds=1.0, terminate_seconds=1.0, tasks_seconds=2.0, collision_chance=0.0
    ),
)


class Lenient(Witness):
    """Objects to nothing: contract tests call ports one by one, out of a roll's order."""

    def takes(self, cloud: Cloud, machine: Machine, now: float) -> None:
        """Let it happen."""

    def stops(self, cloud: Cloud, machine: Machine, now: float) -> None:
        """Let it happen."""

    def lets_in(self, cloud: Cloud, machine: Machine) -> None:
        """Let it happen."""

    def changes_model(self, cloud: Cloud) -> None:
        """Let it happen."""

    def approves(self, cloud: Cloud, now: float) -> None:
        """Let it happen."""


def lenient(flavour: Flavour = AWS_LIKE) -> Estate:
    """Return a quick estate whose witness does not object."""
    estate = flavour.estate(QUICK, seed=7)
    estate.witness = Lenient(0)
    for name in ("bitbucket", "group", "balancer", "host"):
        getattr(estate.world, name).witness = estate.witness
    return estate


@dataclass
class SimHands:
    """``subjects.Hands`` over the simulated estate."""

    estate: Estate

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.estate.clock.sleep(seconds)

    def set_model(self, version: str) -> None:
        """Change the group's model."""
        self.estate.cloud.model = version

    def lose(self, instance: str) -> None:
        """Let the host fail; where machines are not made anew by themselves, it is listed on and does not run."""
        if isinstance(self.estate.cloud, ScaleSet):
            self.estate.cloud.power_off(self.estate.cloud.machines[instance], self.estate.clock.now())
            return
        del self.estate.cloud.machines[instance]
        self.estate.bitbucket.kill(instance, self.estate.clock.now())

    def lose_agent(self, instance: str) -> None:
        """Disconnect the agent."""
        self.estate.cloud.machines[instance].commandable = False

    def record_cpu(self, instance: str, percent: float) -> None:
        """Nobody measures here: the figures are seeded."""
        raise NotImplementedError

    def stops(self, instance: str) -> int:
        """Count the stop commands that reached the machine."""
        return self.estate.witness.done["stop_bitbucket", instance]


@contextmanager
def sim(_: Path, flavour: Flavour = AWS_LIKE) -> Iterator[Subject]:
    """Yield the ports of a quick virtual estate."""
    estate = lenient(flavour)
    world = estate.world
    yield Subject(
        group=world.group,
        balancer=world.balancer,
        host=world.host,
        metrics=None,
        hands=SimHands(estate),
        capabilities=world.capabilities,
    )


def sim_in_place(root: Path) -> AbstractContextManager[Subject]:
    """Yield the same of an estate whose machines are renewed in their places."""
    return sim(root, AZURE_LIKE)


# Bitbucket: the simulated ports, and the real adapters over the same model -------------------------------------------


@dataclass
class SimBitbucketHands:
    """``subjects.BitbucketHands`` over the simulated estate."""

    estate: Estate

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.estate.clock.sleep(seconds)

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all machines."""
        return tuple(machine.address for machine in self.estate.cloud.machines.values())

    def replace(self, address: str, version: str) -> None:
        """Replace a machine by one of ``version``, and wait until that is joined."""
        cloud = self.estate.cloud
        cloud.model = version
        machine = next(one for one in cloud.machines.values() if one.address == address)
        cloud.terminate(machine, self.estate.clock.now())
        self.wait(60)

    def break_it(self, fault: str, **params: Any) -> None:
        """Switch a fault of the model on."""
        self.estate.bitbucket.faults.set(fault, **params)

    def stop_all(self) -> None:
        """Let every host fail at once, without successors."""
        self.estate.cloud.desired = 0
        for instance in list(self.estate.cloud.machines):
            SimHands(self.estate).lose(instance)


PATHS = {
    ("GET", "/rest/zdu/cluster"): "zdu.cluster",
    ("POST", "/rest/zdu/start"): "zdu.start",
    ("POST", "/rest/zdu/cancel"): "zdu.cancel",
    ("POST", "/rest/zdu/approve"): "zdu.approve",
    ("GET", "/rest/api/latest/admin/cluster"): "admin.cluster",
    ("GET", "/rest/api/latest/admin/license"): "admin.license",
    ("GET", "/rest/api/latest/admin/git/mesh/nodes"): "admin.mesh",
    ("GET", "/rest/troubleshooting/1.0/check/"): "health",
    ("GET", "/rest/ui/latest/admin/git/mesh/inconsistent-replicas"): "admin.mesh.inconsistent",
    ("GET", "/rest/plugins/1.0/product-updates/"): "apps.updates",
}


@dataclass
class Door:
    """HTTP in front of the model: through the balancer by name, to one node by address. It asks for the token."""

    estate: Estate

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        node = self._node(urlsplit(str(request.url)).hostname or "")
        if node is None:
            return httpx.Response(503, html="<title>503 Service Temporarily Unavailable</title>")
        now, path = self.estate.clock.now(), request.url.path
        if path == "/status":
            return _response(self.estate.bitbucket.status(node, now) or Reply(503, None))
        if path == "/rest/api/latest/application-properties":
            version = self.estate.bitbucket.nodes[node].spec.version
            return httpx.Response(200, json={"version": version, "buildNumber": "1", "displayName": "Bitbucket"})
        if request.headers.get("Authorization") != "Bearer tok-hunter22":
            return httpx.Response(401)
        if path == "/rest/api/latest/repos":
            return _response(Reply(200, _page(self.estate.settings.repositories, int(request.url.params["start"]))))
        around = Surroundings(self.estate.bitbucket)
        args: Json = {"users": 10, "version": self.estate.bitbucket.nodes[node].spec.version}
        name = PATHS.get((request.method, path))
        if name is None:
            name, args = "apps.compatibility", {"build": path.split("/")[-2]}
        reply, _ = carry_out(name, Asked(self.estate.bitbucket, around, node, now, args))
        return _response(reply)

    def _node(self, host: str) -> str | None:
        machines, now = self.estate.cloud.machines.values(), self.estate.clock.now()
        if host == "bitbucket.example.com":
            return next((one.id for one in machines if self.estate.cloud.is_serving(one, now)), None)
        found = next((node for node in self.estate.bitbucket.nodes.values() if node.spec.address == host), None)
        if found is None:
            message = "refused"
            raise httpx.ConnectError(message)
        return found.spec.id


def _page(total: int, start: int) -> Json:
    """Return a page of repositories; there are four on each."""
    found: Json = {"values": [{"id": number} for number in range(start, min(start + 4, total))]}
    last = start + 4 >= total
    return found | {"size": len(found["values"]), "isLastPage": last} | ({} if last else {"nextPageStart": start + 4})


def _response(reply: Reply) -> httpx.Response:
    return httpx.Response(reply.status) if reply.body is None else httpx.Response(reply.status, json=reply.body)


@contextmanager
def sim_bitbucket(_: Path) -> Iterator[BitbucketSubject]:
    """Yield the simulated ports."""
    estate = lenient()
    yield BitbucketSubject(estate.world.bitbucket, estate.world.nodes, SimBitbucketHands(estate))


@contextmanager
def rest_bitbucket(_: Path) -> Iterator[BitbucketSubject]:
    """Yield the REST adapters over the same model, through HTTP."""
    estate = lenient()
    http = Http(credentials=Credentials(token=SecretStr("tok-hunter22")), transport=httpx.MockTransport(Door(estate)))
    client = Client(http, "https://bitbucket.example.com", estate.clock, Redactor())
    nodes = NodeViews(http, "http://{address}:7990", estate.clock, Redactor())
    yield BitbucketSubject(BitbucketRest(client), nodes, SimBitbucketHands(estate))
    http.close()
