"""A whole roll: engine and real adapters over the lab's Azure, and the lab's model of Bitbucket on its machines."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from automation.adapters.azure.host import AzureHost
from automation.adapters.azure.load_balancer import AzureBalancer
from automation.adapters.azure.metrics import AzureMetrics
from automation.adapters.azure.nodes import AzureGroup
from automation.adapters.azure.session import Azure
from automation.core.capabilities import AZURE
from automation.core.roll import Ending, Memory, Record
from automation.engine.upgrade import advance, begin, make_plan
from automation.ports.world import World
from lab.aws.plain import PlainMachines
from lab.aws.ports import MachineSpec
from lab.azure.clients import Clients
from lab.azure.instances import STOPPED
from lab.azure.operations import Operation
from lab.azure.ports import Call, ManualClock, Reply
from lab.azure.world import GROUP, AzureWorld
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import NodeSpec, State
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.sim.ports import SimArchive, SimBackups, SimBitbucket, SimNodes
from lab.sim.rolls import QUICK
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.azure import TIMINGS
from tests.contracts.azure_estate import CLUSTER, AzureEstate
from tests.contracts.sim import Lenient

GATEWAY, SET = "PUT applicationGateways", "PATCH virtualMachineScaleSets"
REIMAGE, UPGRADE = "POST virtualMachineScaleSets/virtualMachines/reimage", "POST virtualMachineScaleSets/manualupgrade"
COMMAND, DELETE = (
    "POST virtualMachineScaleSets/virtualMachines/runCommand",
    "DELETE virtualMachineScaleSets/virtualMachines",
)
POOL, POLL = "PUT loadBalancers/backendAddressPools", "GET locations/operations"
THROTTLED, CHANGED = Reply(429, "TooManyRequests", "slow down"), Reply(412, "PreconditionFailed", "changed")
BROKEN = Reply(500, "InternalServerError", "not now")
PACE = BitbucketSettings(
    boot_seconds=4.0, drain_seconds=1.0, terminate_seconds=1.0, tasks_seconds=2.0, collision_chance=0.0
)


Hear = Callable[[Record], None]


class Died(Exception):
    """The process is gone, while it waited for an operation."""


@dataclass
class Wire(Scripted):
    """Scripted faults, the times of all calls, and chance."""

    site: Site | None = None
    dice: Random | None = None
    times: list[tuple[float, str]] = field(default_factory=list)

    def refuse(self, call: Call) -> Reply | None:
        found = Scripted.refuse(self, call)
        if self.site is not None:
            self.times.append((self.site.now(), call.action))
            self.site.heard(call.action)
        if found is None and self.dice is not None and self.dice.random() < 0.02:
            return self.dice.choice((THROTTLED, BROKEN, CHANGED if call.action in {SET, GATEWAY} else BROKEN))
        return found

    def lose_reply(self, call: Call) -> bool:
        return Scripted.lose_reply(self, call) or (self.dice is not None and self.dice.random() < 0.02)

    def waited(self, action: str, seconds: float) -> bool:
        """Tell whether nobody came again too early, after the last refusal of an action at the latest."""
        moments = [at for at, name in self.times if name == action]
        return any(later - earlier >= seconds for earlier, later in itertools.pairwise(moments))


@dataclass(slots=True)
class Nodes(PlainMachines):
    """Machines with a node of the model on each."""

    bitbucket: Cluster = field(default_factory=lambda: Cluster(PACE, 1))
    stopped: list[str] = field(default_factory=list)

    def launch(self, spec: MachineSpec) -> None:
        PlainMachines.launch(self, spec)
        found = re.search(r"BITBUCKET_VERSION='([^']+)'", spec.user_data)
        assert found is not None
        self.bitbucket.boot(NodeSpec(spec.id, spec.address, found[1]), self.clock.now())

    def shut_down(self, instance: str) -> None:
        PlainMachines.shut_down(self, instance)
        self.bitbucket.kill(instance, self.clock.now())

    def serving(self, instance: str) -> bool:
        reply, node = self.bitbucket.status(instance, self.clock.now()), self.bitbucket.nodes.get(instance)
        return bool(reply and reply.status == 200 and node and node.state is State.ACTIVE)

    def obey(self) -> None:
        """Do what systemctl was asked."""
        for instance in self.up:
            state = (self.directory(instance) / "bitbucket.state").read_text()
            if state == "inactive\n" and instance not in self.stopped:
                self.stopped.append(instance)
                self.bitbucket.stop(instance, self.clock.now(), drain=1.0, terminate=1.0)


@dataclass
class Site:
    """Azure, Bitbucket, and the clock that moves both; the clock port and what the simulated Bitbucket looks at."""

    world: AzureWorld
    nodes: Nodes
    clock: ManualClock
    least: int = 99
    seen_stopped: int = 0
    dies_in: str = ""
    """The process dies when it waits for an operation of this action."""
    dying: bool = False
    wrong: list[str] = field(default_factory=list)

    random: Random = field(default_factory=lambda: Random(3))
    settings: Any = field(default_factory=lambda: SimpleNamespace(repositories=6))

    @property
    def bitbucket(self) -> Cluster:
        return self.nodes.bitbucket

    @property
    def machines(self) -> dict[str, Any]:
        return {one: SimpleNamespace(id=one) for one in self.nodes.up}

    def behind(self) -> dict[str, bool]:
        """Address -> whether it drains, as the gateway's data path has it."""
        pools = [known for pool, known in self.world.backends.pools.items() if pool.endswith("/http")]
        return {one.address: one.draining for known in pools for one in known.values()}

    def is_serving(self, machine: Any, _: float) -> bool:
        address = self.nodes.specs[machine.id].address
        return self.nodes.serving(machine.id) and self.behind().get(address) is False

    def serving(self) -> int:
        return sum(self.is_serving(one, 0.0) for one in self.machines.values())

    def now(self) -> float:
        return self.clock.now()

    def heard(self, action: str) -> None:
        """Note that a call arrived."""
        if action == self.dies_in:
            self.dies_in, self.dying = "", True

    def sleep(self, seconds: float) -> None:
        """Live through the time in small steps, and watch."""
        if self.dying:
            self.dying = False
            raise Died
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(min(0.5, end - self.clock.now()))
            with self.world.lock:
                self.world.advance()
                self.nodes.obey()
                self.bitbucket.tick(self.clock.now())
                self._watch()

    def _watch(self) -> None:
        self.least = min(self.least, self.serving())
        for instance in self.nodes.stopped[self.seen_stopped :]:
            if self.nodes.specs[instance].address in self.behind():
                self.wrong.append(f"{instance} was stopped while the gateway still knew it")
        self.seen_stopped = len(self.nodes.stopped)


@dataclass
class Estate:
    """What a test has in its hands."""

    site: Site
    ports: World
    faults: Wire
    session: Azure

    def stopped(self) -> list[Path]:
        """The logs of systemctl on machines whose Bitbucket was told to stop."""
        return sorted(self.site.nodes.root.glob("*/systemctl.log"))

    def another(self) -> World:
        """The ports of another process."""
        return ports_of(self.site, self.session)


def ports_of(site: Site, session: Azure) -> World:
    witness: Any = Lenient(0)
    cloud: Any = site
    return World(
        clock=site,
        bitbucket=SimBitbucket(cloud, site, witness),
        nodes=SimNodes(cloud, site),
        group=AzureGroup(session.caller(), CLUSTER),
        balancer=AzureBalancer(session.caller(), CLUSTER, site),
        host=AzureHost(session.caller(), CLUSTER),
        metrics=AzureMetrics(session.caller(), CLUSTER, site),
        archive=SimArchive(),
        backups=SimBackups(),
        capabilities=AZURE,
    )


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Three nodes at 7.9.0 that serve."""
    clock, faults = ManualClock(), Wire()
    nodes = Nodes(tmp_path / "machines", clock)

    def probe(_: str, address: str) -> bool | None:
        found = next((one.machine for one in world.instances.all() if one.address == address), None)
        return None if found is None else nodes.serving(found)

    world = AzureWorld(nodes, tmp_path / "tls", clock=clock, timings=TIMINGS, faults=faults, probe=probe)
    with world, patch.dict(os.environ, world.environment()), Clients(world) as clients:
        AzureEstate(world, clients, clock, nodes).build()
        site = faults.site = Site(world, nodes, clock)
        site.sleep(20)
        session = Azure(world.subscription, GROUP, endpoint=world.url, clock=site)
        ports = ports_of(site, session)
        for instance in ports.group.observe().instances:
            ports.balancer.register(instance.id)
        site.sleep(5)
        assert site.serving() == 3
        site.least = 99
        faults.seen.clear()
        faults.times.clear()
        yield Estate(site, ports, faults, session)
        session.close()


def play(
    estate: Estate, *, dies_after: tuple[str, ...] = (), surge: bool = False, hear: Hear = lambda _: None
) -> tuple[Any, list[Record]]:
    """Roll to 7.9.4; the process dies once after each of these acts, before it is recorded, and wherever it must."""
    settings, ports, left = replace(QUICK, poll=5.0, soak=5.0, surge=surge), estate.ports, list(dies_after)
    plan = make_plan(ports, settings, cluster=CLUSTER, target="7.9.4", owns_model=True)
    memory: Memory = begin(plan)
    records: list[Record] = []
    for _ in range(600):
        try:
            step = advance(ports, settings, memory, ())
        except Died:
            step = None
        if step is None or (step.record.kind == "act" and step.record.name in left):
            left = [name for name in left if step is None or name != step.record.name]
            ports = estate.another()
            estate.site.sleep(1)
            continue
        memory = step.memory
        records.append(step.record)
        hear(step.record)
        if step.outcome:
            return step.outcome, records
        estate.site.sleep(step.wait)
    raise AssertionError([(one.name, one.subject, one.detail) for one in records[-5:]])


def check(estate: Estate, outcome: Any, records: list[Record], least: int = 2) -> None:
    story = "\n".join(f"{one.at:.0f} {one.kind} {one.name} {one.subject} {one.detail}" for one in records)
    assert outcome.ending is Ending.UPGRADED, f"{outcome}\n{story}"
    group = estate.ports.group.observe()
    assert [one.version for one in group.instances] == ["7.9.4"] * 3, story
    assert (group.desired, group.minimum, group.maximum, group.suspended) == (3, 3, 4, frozenset())
    assert estate.site.serving() == 3
    assert estate.site.least >= least, story
    assert estate.site.wrong == [], story


@pytest.fixture(params=[False, True], ids=["another-disk", "same-disk"])
def either(request: pytest.FixtureRequest, estate: Estate) -> Estate:
    """Azure that gives a reimaged machine a disk of another name, and one that does not."""
    estate.site.world.disturbances.keep_disks = request.param
    return estate


def test_three_nodes_are_renewed_in_their_places(estate: Estate) -> None:
    before = {one.address for one in estate.ports.group.observe().instances}
    outcome, records = play(estate)
    check(estate, outcome, records)
    assert {one.address for one in estate.ports.group.observe().instances} == before
    assert estate.faults.seen.count(REIMAGE) == 3
    done = [one.name for one in records if one.kind == "act"]
    assert [done.count(name) for name in ("deregister", "stop_bitbucket", "replace", "register")] == [3, 3, 3, 3]


def test_with_a_surge_machine_three_serve_always_and_a_deletion_whose_reply_is_lost_takes_one(estate: Estate) -> None:
    estate.faults.lost.append(DELETE)
    estate.faults.refusals[SET] = [CHANGED]
    outcome, records = play(estate, surge=True)
    check(estate, outcome, records, least=3)
    assert (estate.faults.seen.count(DELETE), estate.faults.lost) == (2, []), "azure-core sent it again"


def test_processes_that_died_after_an_act_or_during_an_update_are_followed_by_one_that_goes_on(estate: Estate) -> None:
    estate.site.dies_in = GATEWAY
    outcome, records = play(estate, dies_after=("deregister", "replace", "register"))
    check(estate, outcome, records)
    assert estate.site.dies_in == "", "the trap was set"
    assert estate.faults.seen.count(REIMAGE) == 3


def test_lost_replies_cost_no_machine_and_no_user(estate: Estate) -> None:
    estate.faults.lost += [REIMAGE, UPGRADE, GATEWAY, POOL, SET, COMMAND]
    outcome, records = play(estate)
    check(estate, outcome, records)
    assert estate.faults.lost == []
    assert estate.faults.seen.count(REIMAGE) == 3, "a machine was reimaged once"
    stops = [len(one.read_text().splitlines()) for one in estate.stopped()]
    assert stops == [1, 1, 1], "each node was stopped once"


def test_operations_that_fail_after_minutes_and_half_way(estate: Estate) -> None:
    """The gateway fails to let the first node go, and to take its successor in; then machines fail to be renewed."""
    estate.site.world.disturbances.keep_disks = True
    fail, doomed = estate.site.world.disturbances.fail_operations, []

    def hear(record: Record) -> None:
        if record.kind == "act" and record.name == "replace" and not doomed:
            doomed.append(record.subject)
            fail("network", GATEWAY, seconds=20)

    fail("network", GATEWAY, seconds=20)
    fail("compute", UPGRADE, seconds=40)
    fail("compute", REIMAGE, seconds=40, times=2)
    fail("compute", SET, seconds=20)
    outcome, records = play(estate, hear=hear)
    check(estate, outcome, records)
    assert estate.site.world.disturbances.dooms == []
    assert estate.faults.seen.count(REIMAGE) == 5, "two failed"
    assert "condemn" not in {one.name for one in records}, "no node is to blame"
    told = [one.detail for one in records if one.kind == "trouble"]
    assert [any(name in detail for detail in told) for name in ("deregister", "register", "replace")] == [True] * 3
    assert all("InternalExecutionError" in detail for detail in told), told


def test_who_is_throttled_waits_as_told_and_what_has_changed_is_looked_at_anew(estate: Estate) -> None:
    estate.site.world.disturbances.retry_after = 37
    throttled = (REIMAGE, UPGRADE, COMMAND, GATEWAY, POOL, POLL, "GET virtualMachineScaleSets")
    estate.faults.refusals = {action: [THROTTLED] for action in throttled}
    estate.faults.refusals |= {SET: [CHANGED], GATEWAY: [CHANGED, THROTTLED]}
    outcome, records = play(estate)
    check(estate, outcome, records)
    assert not any(estate.faults.refusals.values())
    assert [action for action in throttled if not estate.faults.waited(action, 37)] == []
    assert sum(one.name == "conflict" for one in records) == 2
    assert estate.faults.seen.count(REIMAGE) == 4, "one was not carried out"


def test_processes_that_die_while_a_machine_is_reimaged(either: Estate) -> None:
    """Where its disk shows nothing, the machine is reimaged once more: it serves nobody then."""
    either.site.dies_in = REIMAGE
    outcome, records = play(either)
    check(either, outcome, records)
    assert either.site.dies_in == "", "the trap was set"
    assert either.faults.seen.count(REIMAGE) == (4 if either.site.world.disturbances.keep_disks else 3)


def test_a_machine_that_is_switched_off_is_exchanged_by_a_process_that_dies_before_there_is_a_new_one(
    estate: Estate,
) -> None:
    """The capacity is one less then; the roll knows how many there were."""
    off = estate.ports.group.observe().instances[1]
    with estate.site.world.lock:
        number = off.id.partition("-")[0]
        found = next(one for one in estate.site.world.instances.all() if one.resource.name == number)
        estate.site.world.operations.begin(
            Operation(found.resource.id, estate.site.world.instances.halt(found, STOPPED), estate.site.now()),
            estate.site.now(),
        )
    estate.site.sleep(5)
    estate.site.least, estate.site.dies_in = 99, DELETE
    outcome, records = play(estate)
    check(estate, outcome, records)
    assert estate.site.dies_in == "", "the trap was set"
    assert [one.name for one in records if one.kind == "act"].count("resize") == 1
    assert estate.faults.seen.count(DELETE) == 1


@pytest.mark.parametrize("seed", range(2))
def test_random_faults_at_every_call(estate: Estate, seed: int) -> None:
    """Whatever is refused, lost or fails later: each machine is renewed, users are served, and it comes to an end."""
    dice = Random(seed)
    estate.site.world.disturbances.keep_disks = bool(seed)
    estate.faults.dice = dice
    for service, action in (("network", GATEWAY), ("compute", REIMAGE), ("compute", UPGRADE), ("compute", SET)):
        estate.site.world.disturbances.fail_operations(service, action, times=dice.choice((1, 2)), seconds=30)
    outcome, records = play(estate, dies_after=tuple(dice.sample(("deregister", "replace", "register"), 2)))
    while outcome.ending is Ending.PAUSED:  # a person looks, and sends the command again
        assert outcome.reason
        outcome, more = play(estate)
        records += more
    estate.faults.dice = None
    check(estate, outcome, records)
