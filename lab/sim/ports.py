"""The engine's ports over the simulated estate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from automation.adapters.bitbucket import shapes
from automation.core.cluster import Cluster, InstanceState, NodeGroup, OwnView, Target
from automation.core.versions import same_version
from automation.ports.bitbucket import Application, HealthCheck, Licence, MeshNode
from automation.ports.clock import Clock
from automation.ports.cloud import Problem
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable, Unexpected
from automation.ports.world import World
from lab.bitbucket.records import Reply, State, build_number
from lab.bitbucket.surroundings import Surroundings
from lab.sim.cloud import Cloud
from lab.sim.witness import Witness


@dataclass
class SimBitbucket:
    """Port Bitbucket: whichever node the balancer picks answers, a lone one too."""

    cloud: Cloud
    clock: Clock
    witness: Witness

    def _asked(self) -> str:
        now = self.clock.now()
        ready = [m.id for m in self.cloud.machines.values() if self.cloud.is_serving(m, now)]
        if not ready:
            raise Unavailable("GET /rest/zdu/cluster: 503 from the balancer: no healthy node")
        return self.cloud.random.choice(ready)

    def _used(self) -> str:
        """Return the node that answers users; while it is locked for maintenance it answers nobody."""
        node, now = self._asked(), self.clock.now()
        if self.cloud.bitbucket.is_locked(node, now):
            raise Unavailable("503: Bitbucket is currently under maintenance")
        return node

    def cluster(self) -> Cluster:
        """GET /rest/zdu/cluster."""
        return shapes.cluster(self.cloud.bitbucket.cluster_view(self.clock.now(), self._used()))

    def start_upgrade(self) -> None:
        """POST /rest/zdu/start."""
        _raise(self.cloud.bitbucket.start_upgrade(self.clock.now(), self._asked()))
        self.witness.did("start_upgrade")

    def cancel_upgrade(self) -> None:
        """POST /rest/zdu/cancel."""
        _raise(self.cloud.bitbucket.cancel(self.clock.now(), self._asked()))
        self.witness.did("cancel")

    def approve_upgrade(self) -> None:
        """POST /rest/zdu/approve."""
        self.witness.approves(self.cloud, self.clock.now())
        _raise(self.cloud.bitbucket.approve(self.clock.now(), self._asked()))
        self.witness.did("approve")

    def application(self) -> Application:
        """Version of the node that answers."""
        node = self.cloud.bitbucket.nodes[self._used()]
        return Application(node.spec.version, build_number(node.spec.version))

    def status(self) -> str | None:
        """``state`` of /status."""
        try:
            reply = self.cloud.bitbucket.status(self._asked(), self.clock.now())
        except Unavailable:
            return None
        return str(reply.body["state"]) if reply and reply.body else None

    def licence(self) -> Licence:
        """The licence of the model's settings and faults."""
        reply = self._around().licence(self.clock.now(), users=0)
        if reply.status == 404:
            raise NotFound("Bitbucket has no licence")
        return shapes.licence(reply.body)

    def health_checks(self) -> tuple[HealthCheck, ...]:
        """The checks of the model's faults."""
        listed = self._around().health(self.clock.now())["statuses"]
        return tuple(shapes.health_check(each) for each in listed)

    def incompatible_apps(self, target: str) -> tuple[str, ...] | None:
        """Ask the model's app manager."""
        try:
            around, running = self._around(), self.application().version
        except Unavailable:
            return None
        build = shapes.build_of(around.updates(running), target)
        return None if build is None else shapes.apps_left_behind(around.compatibility(build))

    def mesh_nodes(self) -> tuple[MeshNode, ...]:
        """Mesh nodes of the model's settings and faults."""
        return tuple(shapes.mesh_node(each) for each in self._around().mesh(self.clock.now()))

    def inconsistent_replicas(self) -> int:
        """As many as the fault says; none without it."""
        return len(self._around().inconsistent_replicas())

    def _around(self) -> Surroundings:
        """Return what stands around the upgrade, where somebody answers."""
        self._used()
        return Surroundings(self.cloud.bitbucket)

    def repositories(self) -> int:
        """As many as the estate was made with."""
        self._used()
        return self.cloud.settings.repositories


def _raise(reply: Reply) -> None:
    if reply.status == 409:
        raise Conflict("409 with an empty body")
    if reply.status == 403:
        raise Refused("not_clustered", str(reply.body))
    if reply.status >= 500:
        raise Unavailable(f"{reply.status}")
    if reply.status != 200:
        raise Unexpected(f"{reply.status}")


@dataclass
class SimNodes:
    """Port Nodes: each node for itself."""

    cloud: Cloud
    clock: Clock

    def view(self, address: str) -> OwnView:
        """Ask the node that listens at ``address``."""
        node = next((n for n in self.cloud.bitbucket.nodes.values() if n.spec.address == address), None)
        reply = self.cloud.bitbucket.status(node.spec.id, self.clock.now()) if node else None
        if node is None or reply is None or reply.body is None:
            return OwnView(None, None)
        serves = node.state in (State.ACTIVE, State.DRAINING)
        members = frozenset(self.cloud.bitbucket.members(node.spec.id)) if serves else None
        return OwnView(str(reply.body["state"]), members)


@dataclass
class SimGroup:
    """Port Group over the simulated auto-scaling group."""

    cloud: Cloud
    clock: Clock
    witness: Witness

    def observe(self) -> NodeGroup:
        """Read the group."""
        return self.cloud.group()

    def replace(self, instance: str, version: str | None) -> None:
        """Terminate; the group launches a successor."""
        self._terminate(instance, version, "replace")

    def retire(self, instance: str, version: str | None) -> None:
        """Terminate and want one machine less."""
        if self._terminate(instance, version, "retire"):
            self.cloud.desired -= 1

    def _terminate(self, instance: str, version: str | None, act: str) -> bool:
        machine = self.cloud.machines.get(instance)
        if machine is None or machine.state is InstanceState.TERMINATING:
            return False
        if version is not None and not same_version(machine.version, version):
            raise Conflict(f"{instance} carries {machine.version}, not {version}")
        self.witness.takes(self.cloud, machine, self.clock.now())
        self.cloud.terminate(machine, self.clock.now())
        self.witness.did(act, instance)
        return True

    def resize(self, desired: int, *, observed: int) -> None:
        """Set the desired capacity."""
        if self.cloud.desired == desired:
            return
        if self.cloud.desired != observed:
            raise Conflict(f"desired capacity is {self.cloud.desired}, not {observed}")
        self.cloud.maximum = max(self.cloud.maximum, desired)
        self.cloud.desired = desired
        self.witness.did("resize")

    def limit(self, minimum: int, maximum: int) -> None:
        """Set the limits."""
        if not minimum <= self.cloud.desired <= maximum:
            raise Conflict(f"limits {minimum}..{maximum} would change the desired capacity of {self.cloud.desired}")
        self.cloud.minimum, self.cloud.maximum = minimum, maximum

    def suspend(self, processes: Collection[str]) -> None:
        """Switch processes off."""
        self.cloud.suspended |= set(processes)

    def resume(self, processes: Collection[str]) -> None:
        """Switch processes on."""
        self.cloud.suspended -= set(processes)

    def disturbing(self) -> frozenset[str]:
        """What could take a node during a roll."""
        return self.cloud.disturbing

    def set_version(self, version: str, *, observed: str | None) -> None:
        """Change the model."""
        if same_version(self.cloud.model, version):
            return
        if not same_version(self.cloud.model, observed):
            raise Conflict(f"the model carries {self.cloud.model}, not {observed}")
        self.witness.changes_model(self.cloud)
        self.cloud.model = version

    def problems(self, *, surge: int) -> tuple[Problem, ...]:  # noqa: ARG002 -- the port's signature
        """None here."""
        return ()


@dataclass
class SimBalancer:
    """Port Balancer over the simulated target groups."""

    cloud: Cloud
    clock: Clock
    witness: Witness

    def targets(self) -> tuple[Target, ...]:
        """Every registration."""
        return self.cloud.targets(self.clock.now())

    def groups(self) -> tuple[str, ...]:
        """All target groups."""
        return self.cloud.settings.target_groups

    def deregister(self, instance: str) -> None:
        """Begin to drain."""
        machine = self.cloud.machines.get(instance)
        if machine is None or not machine.registered:
            return
        self.witness.takes(self.cloud, machine, self.clock.now())
        self.cloud.deregister(machine, self.clock.now())
        self.witness.did("deregister", instance)

    def register(self, instance: str) -> None:
        """Put back."""
        machine = self.cloud.machines.get(instance)
        if machine is not None:
            machine.registered, machine.draining = set(self.cloud.settings.target_groups), {}
            self.witness.did("register", instance)


@dataclass
class SimHost:
    """Port Host: tells the machine to stop Bitbucket, once per key."""

    cloud: Cloud
    clock: Clock
    witness: Witness

    def stop_bitbucket(self, instance: str, *, key: str) -> None:
        """Begin a graceful stop."""
        machine = self.cloud.machines.get(instance)
        if machine is None or machine.is_off or not machine.commandable:
            raise NotFound(f"{instance} cannot be commanded")
        if key in machine.stops:
            return
        machine.stops.add(key)
        self.witness.stops(self.cloud, machine, self.clock.now())
        self.cloud.bitbucket.stop(instance, self.clock.now())
        self.witness.did("stop_bitbucket", instance)


@dataclass
class SimMetrics:
    """Port Metrics: seeded figures that do not change."""

    cloud: Cloud
    figures: dict[str, float] = field(default_factory=dict)

    def cpu(self, instances: Collection[str]) -> Mapping[str, float]:
        """CPU in percent."""
        return {i: self.figures.setdefault(i, self.cloud.random.random() * 100) for i in instances}


@dataclass
class SimArchive:
    """Port Archive: everything can be fetched, unless a test says otherwise."""

    missing: set[str] = field(default_factory=set)
    """Versions that are not there."""

    def problem(self, version: str) -> Problem | None:
        """Say whether a version is there."""
        return Problem("archive_unreachable", f"there is no {version}") if version in self.missing else None


@dataclass
class SimBackups:
    """Port Backups: as the test says."""

    newest: float | None = None

    def newest_complete(self) -> float | None:
        """When the newest complete set was made."""
        return self.newest


def world_of(cloud: Cloud, clock: Clock, witness: Witness) -> World:
    """Bundle the ports of one simulated estate."""
    return World(
        clock=clock,
        bitbucket=SimBitbucket(cloud, clock, witness),
        nodes=SimNodes(cloud, clock),
        group=SimGroup(cloud, clock, witness),
        balancer=SimBalancer(cloud, clock, witness),
        host=SimHost(cloud, clock, witness),
        metrics=SimMetrics(cloud),
        archive=SimArchive(),
        backups=SimBackups(),
    )
