"""A small pure world for restores: machines whose Bitbucket runs on one generation of data, and a witness beside it.

It is one of two clouds: one that ends a machine and launches another, or one that renews machines where they stand
(``in_place``). There they keep their address, nobody puts them into the balancer's pool of addresses, a deleted one
lowers the capacity, what is switched off cannot be renewed, and renewing may fail minutes after it was accepted.

The world refuses what cannot be, and objects to what must not be: two nodes on different data at once, a node on the
old data while the new one is taken into use, a write into a generation that is not in use, a start of Bitbucket that
checks the data a second time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from automation.core.capabilities import AWS, AZURE, Capabilities
from automation.core.cluster import Instance, InstanceState, NodeGroup
from automation.core.restores.generations import ORIGINAL, Generation
from automation.ports.errors import NotFound
from lab.sim.clock import VirtualClock
from lab.sim.witness import InvariantBroken

LAUNCH = frozenset({"Launch"})
DISTURBING = frozenset({"AZRebalance", "ReplaceUnhealthy"})
AUTOSCALE = frozenset({"Autoscale"})
"""What disturbs where machines are renewed in place; there nothing launches by itself."""


@dataclass(frozen=True, slots=True)
class RestorePace:
    """How long things take, in seconds."""

    nodes: int = 3
    launch: float = 10.0
    """From the decision to launch until the machine is in service."""
    setup: float = 20.0
    """From there until its start-up script starts Bitbucket."""
    boot: float = 60.0
    """From Bitbucket's start until it serves."""
    check: float = 10.0
    """From there until the balancer calls it healthy."""
    terminate: float = 15.0
    create: float = 300.0
    """Until a generation of data is made."""
    move: float = 40.0
    """Until the file server runs again with other disks."""


@dataclass(slots=True)
class Data:
    """The content of one generation: writes into the home and into the database, counted."""

    home: int = 0
    rows: int = 0
    locks: int = 0
    """Stale lock files of Git."""
    checking: bool = False
    """``disaster.recovery`` in its properties."""
    taken: bool = False
    """It was taken into use in the place of other data."""
    served: bool = False
    """A node has served from it since then."""


@dataclass(slots=True, eq=False)
class SimNode:
    """One machine of the group."""

    id: str
    address: str
    launched: float
    database: str
    """Generation whose database its model names."""
    state: InstanceState = InstanceState.PENDING
    due: float | None = None
    unit: str = "absent"
    """absent, stopped, starting, running, broken."""
    unit_due: float | None = None
    unit_since: float = 0.0
    held: bool = False
    """Nothing starts Bitbucket here but the order to."""
    commandable: bool = True
    applied: str = ""
    """Generation whose database it will know once it is renewed; empty for the one it has."""
    renewing: bool = False
    """On its way out, and back."""
    fails: bool = False
    """Its renewing will fail."""

    @property
    def is_up(self) -> bool:
        """True while Bitbucket may read or write."""
        return self.unit in {"starting", "running"}


@dataclass(eq=False)
class RestoreWorld:
    """The true world."""

    pace: RestorePace = field(default_factory=RestorePace)
    clock: VirtualClock = field(default_factory=VirtualClock)
    data: dict[str, Data] = field(default_factory=lambda: {ORIGINAL: Data(home=100, rows=100, locks=2)})
    declared: dict[str, Generation] = field(default_factory=dict)
    wanted: str = ORIGINAL
    """The generation that the stack's config calls active."""
    attached: str = ORIGINAL
    """The one whose disks the file server has."""
    model: str = ORIGINAL
    """The one whose database new machines are told."""
    server_due: float | None = None
    """When the file server runs again; None while it does."""
    machines: dict[str, SimNode] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    launches: int = 0
    broken_starts: int = 0
    """How many of the next starts end broken."""
    hanging_stops: int = 0
    """How many of the next stops do not stop anything."""
    failing_renewals: int = 0
    """How many of the next orders to renew a machine are accepted, and fail later."""
    in_place: bool = False
    """Machines are renewed where they stand."""
    pool: set[str] = field(default_factory=set)
    """Addresses in the balancer, where they are put there by hand."""

    def __post_init__(self) -> None:
        self.desired = self.pace.nodes
        self.clock.on_move(self.live)
        while len(self.serving()) < self.desired:
            self.clock.sleep(5.0)
            self.pool |= {machine.address for machine in self.machines.values()}

    @property
    def capabilities(self) -> Capabilities:
        """What this cloud does by itself."""
        return AZURE if self.in_place else AWS

    @property
    def launching(self) -> frozenset[str]:
        """The processes that make machines."""
        return frozenset() if self.in_place else LAUNCH

    @property
    def disturbing(self) -> frozenset[str]:
        """The processes that could take a node."""
        return AUTOSCALE if self.in_place else DISTURBING

    # -- life ---------------------------------------------------------------------------------------------------------

    def live(self, now: float) -> None:
        """Live through everything that happens until ``now``, each thing at its own time."""
        while (due := min(self._dues(), default=None)) is not None and due <= now:
            self._tick(due)
        self._tick(now)

    def _dues(self) -> Iterator[float]:
        for machine in self.machines.values():
            yield from (due for due in (machine.due, machine.unit_due) if due is not None)
        if self.server_due is not None:
            yield self.server_due

    def _tick(self, now: float) -> None:
        if self.server_due is not None and self.server_due <= now:
            self.server_due = None
        for machine in list(self.machines.values()):
            if machine.due is not None and machine.due <= now:
                self._machine_moves(machine, now)
            if machine.unit_due is not None and machine.unit_due <= now:
                self._unit_moves(machine, now)
        self._work()
        while "Launch" not in self.suspended and self._counted() < self.desired:
            self.launch(now)

    def _counted(self) -> int:
        """Return how many machines the group believes to have: one that is being renewed is one of them."""
        return sum(m.renewing or m.state is not InstanceState.TERMINATING for m in self.machines.values())

    def _machine_moves(self, machine: SimNode, now: float) -> None:
        machine.due = None
        if machine.state is InstanceState.PENDING:
            machine.state, machine.unit_due = InstanceState.IN_SERVICE, now + self.pace.setup
        elif machine.state is InstanceState.TERMINATING and machine.fails:
            machine.state, machine.renewing, machine.fails = InstanceState.IN_SERVICE, False, False
        elif machine.state is InstanceState.TERMINATING:
            del self.machines[machine.id]
            if machine.renewing:
                number, _, _ = machine.id.partition("-")
                self._make(f"{number}-{self.launches + 1:04}", machine.address, machine.applied or machine.database)

    def _unit_moves(self, machine: SimNode, now: float) -> None:
        machine.unit_due = None
        if machine.unit == "absent":
            machine.unit = "stopped"
            if not machine.held:
                self.start(machine)
        elif machine.unit == "starting" and self.server_due is not None:
            machine.unit_due = self.server_due  # its mount hangs until then
        elif machine.unit == "starting":
            machine.unit, machine.unit_since = ("broken" if self.broken_starts else "running"), now
            self.broken_starts = max(0, self.broken_starts - 1)

    def launch(self, now: float) -> None:
        """Make one machine of the current model."""
        number = self.launches + 1
        name = f"{number}-{number:04}" if self.in_place else f"i-{number:04}"
        self._make(name, f"10.0.0.{number}", self.model, now)

    def _make(self, name: str, address: str, database: str, now: float | None = None) -> None:
        """Make one machine."""
        self.launches += 1
        launched = self.clock.now() if now is None else now
        self.machines[name] = SimNode(name, address, launched, database, due=launched + self.pace.launch)

    def start(self, machine: SimNode) -> None:
        """Start Bitbucket; it reads its properties now."""
        if machine.is_up:
            return
        now = self.clock.now()
        machine.unit, machine.unit_due = "starting", now + self.pace.boot
        data = self.data[self.attached]
        if data.taken and not data.served and not data.checking:
            raise InvariantBroken(f"{machine.id} starts on fresh data, and nothing checks it")
        self._work()

    def _work(self) -> None:
        """Let every node write, and object to nodes that are where they must not be."""
        for node in self.machines.values():
            if not node.is_up:
                continue
            place = (node.database, self.attached, self.wanted)
            if len(set(place)) > 1:
                raise InvariantBroken(f"{node.id} is up with database, home and active data {place}")
            if node.unit == "running" and self.server_due is None:
                data = self.data[self.attached]
                data.home, data.rows = data.home + 1, data.rows + 1

    # -- acts ---------------------------------------------------------------------------------------------------------

    def terminate(self, machine: SimNode) -> None:
        """Begin to take a machine away; Bitbucket on it works until the machine is gone."""
        machine.state, machine.due = InstanceState.TERMINATING, self.clock.now() + self.pace.terminate

    def renew(self, machine: SimNode) -> None:
        """Begin to give a machine another disk, where it stands; what it knows then is the model applied to it."""
        machine.renewing, machine.fails = True, self.failing_renewals > 0
        self.failing_renewals = max(0, self.failing_renewals - 1)
        self.terminate(machine)

    def lose(self, machine: SimNode) -> None:
        """Let somebody delete a machine."""
        self.desired -= 1 if self.in_place and machine.state is not InstanceState.TERMINATING else 0
        machine.renewing = machine.fails = False
        self.terminate(machine)

    def switch_off(self, machine: SimNode) -> None:
        """Let a machine fall silent; nobody switches it on again."""
        machine.state, machine.due, machine.unit, machine.unit_due = InstanceState.UNKNOWN, None, "stopped", None

    def attach(self, name: str) -> None:
        """Give the file server another generation's disks; it restarts."""
        self._nobody_up(f"the disks of {name} are attached")
        self.attached, self.server_due = name, self.clock.now() + self.pace.move
        self.data[name].taken, self.data[name].served = True, False

    def want(self, name: str) -> None:
        """Write into the stack's config which generation is active."""
        self._nobody_up(f"{name} is made the active data")
        self.wanted = name

    def _nobody_up(self, what: str) -> None:
        up = [node.id for node in self.machines.values() if node.is_up]
        if up:
            raise InvariantBroken(f"{what} while Bitbucket is up on {up}")

    def orders_a_successor(self) -> None:
        """Object to a second node that would check the data, and to one that comes before the first serves."""
        data = self.data[self.attached]
        if data.taken and data.served and data.checking:
            raise InvariantBroken("a further node is ordered while integrity checking is on")
        coming = [m.id for m in self.staying() if m.database == self.wanted and m not in self.serving()]
        if data.taken and coming:
            raise InvariantBroken(f"a further node is ordered while {coming} is on its way")

    def disk_in_use(self) -> Data:
        """Return what lies under the shared home. Raises NotFound while the file server restarts."""
        if self.server_due is not None:
            raise NotFound("machine fs cannot be commanded: its agent is not connected")
        if self.attached != self.wanted:
            raise InvariantBroken(f"the home of {self.attached} is written to while {self.wanted} is in use")
        return self.data[self.attached]

    # -- what can be seen ---------------------------------------------------------------------------------------------

    def staying(self) -> list[SimNode]:
        """Return the machines that are not on their way out."""
        return [m for m in self.machines.values() if m.state is not InstanceState.TERMINATING]

    def registered(self) -> list[SimNode]:
        """Return the machines that the balancer knows."""
        return [m for m in self.staying() if not self.in_place or m.address in self.pool]

    def serving(self) -> list[SimNode]:
        """Return the nodes that serve users."""
        ready = self.clock.now() - self.pace.check
        found = [m for m in self.registered() if m.unit == "running" and m.unit_since <= ready]
        for node in found:
            self.data[node.database].served = True
        return found

    def group(self) -> NodeGroup:
        """Return the group as the port shows it."""
        instances = (Instance(m.id, m.address, m.state, "7.9.0", launched=m.launched) for m in self.machines.values())
        suspended = frozenset(self.suspended)
        return NodeGroup("sim", self.desired, 0, self.desired + 1, "7.9.0", tuple(instances), suspended)

    def switch(self, processes: Collection[str], *, on: bool) -> None:
        """Switch scaling processes on or off."""
        self.suspended = self.suspended - set(processes) if on else self.suspended | set(processes)
