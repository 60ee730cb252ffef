"""The latch across nodes, whatever happens in whichever order: nothing runs while everything is said to be drained."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab.bitbucket.gate import Gate, Latched
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Busy, NodeSpec, Settings

pytestmark = pytest.mark.property
NAMES = ("i-1", "i-2", "i-3")
PACE = Settings(
    boot_seconds=1.0,
    silent_seconds=3.0,
    collision_chance=0.0,
    database_drain_seconds=1.0,
    scm_drain_seconds=1.0,
    lock_check_seconds=50.0,
)


@dataclass
class Process:
    """A node's process, as far as the latch goes: its gate, what runs behind it, an answer that is on its way."""

    gate: Gate = field(default_factory=Gate)
    state: str = "STARTING"
    running: list[ExitStack] = field(default_factory=list)
    answer: dict[str, Any] | None = None

    def end_all(self) -> None:
        while self.running:
            self.running.pop().close()


class Latches(RuleBasedStateMachine):
    """Heartbeats are sent and answered at their own time, Git processes begin and end in between."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster(PACE)
        self.now = 1000.0
        self.processes: dict[str, Process] = {}
        self.token = self.cancel_token = ""

    @initialize()
    def begin(self) -> None:
        for name in NAMES[:2]:
            self.start(name)
        self.wait(2.0)
        for name in NAMES[:2]:
            self.send(name)
            self.receive(name)

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        if name not in self.processes and name not in self.cluster.nodes:
            self.cluster.boot(NodeSpec(name, f"127.9.0.{name[-1]}", "7.9.0"), self.now)
            self.processes[name] = Process()

    @rule(name=st.sampled_from(NAMES))
    def send(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None or process.answer is not None:
            return
        busy = Busy(**process.gate.counts())
        if not self.cluster.revive(name, self.now):
            self.cluster.boot(NodeSpec(name, f"127.9.0.{name[-1]}", "7.9.0"), self.now)
            return
        self.cluster.report(name, tasks=0, users=0, busy=busy)
        told = self.cluster.maintenance.told(self.now, locked=False)
        process.answer = {"latch": told["latch"], "state": self.cluster.nodes[name].state.value}

    @rule(name=st.sampled_from(NAMES))
    def receive(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and process.answer is not None:
            process.gate.latch(process.answer["latch"])
            process.state, process.answer = process.answer["state"], None

    @rule(silent=st.sampled_from(["", *NAMES]))
    def everybody_beats(self, silent: str) -> None:
        """All but one, at most: without this a drain would hardly ever come about by chance."""
        for name in [each for each in self.processes if each != silent]:
            self.receive(name)
            self.send(name)
            self.receive(name)

    @rule(writes=st.booleans())
    def work_begins_everywhere(self, *, writes: bool) -> None:
        for process in self.processes.values():
            if process.state == "ACTIVE":
                self.begin_work(process, writes=writes)

    @rule(name=st.sampled_from(NAMES), writes=st.booleans())
    def work_begins(self, name: str, *, writes: bool) -> None:
        process = self.processes.get(name)
        if process is not None and process.state == "ACTIVE":
            self.begin_work(process, writes=writes)

    def begin_work(self, process: Process, *, writes: bool) -> None:
        stack = ExitStack()
        try:
            stack.enter_context(process.gate.git(writes=writes))
        except Latched:
            return
        process.running.append(stack)

    @rule(name=st.sampled_from(NAMES))
    def work_ends(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and process.running:
            process.running.pop(0).close()

    @rule(name=st.sampled_from(NAMES), crashed=st.booleans())
    def fall_silent(self, name: str, *, crashed: bool) -> None:
        """A crash ends what ran; a node that is only held up goes on with it."""
        process = self.processes.get(name)
        if process is None:
            return
        self.cluster.kill(name, self.now)
        if crashed:
            process.end_all()
            del self.processes[name]

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.tick(self.now)
        for name, process in self.processes.items():
            if name not in self.cluster.nodes:  # the others have dropped it: its storage has to be fenced off
                process.end_all()
                process.state, process.answer = "FENCED", None

    @rule()
    def lock_and_back_up(self) -> None:
        reply = self.cluster.maintenance.lock("admin", "Administrator", self.now)
        if reply.body is not None and reply.ok:
            self.token = reply.body["unlockToken"]
        task = self.cluster.maintenance.start_backup(self.token, self.now)
        if task.body is not None and task.ok:
            self.cancel_token = task.body["cancelToken"]

    @rule(how=st.sampled_from(["complete", "cancel", "unlock"]))
    def end_it(self, how: str) -> None:
        maintenance = self.cluster.maintenance
        if how == "complete":
            maintenance.progress(self.token, 100)
        elif how == "cancel":
            maintenance.cancel(self.cancel_token)
        else:
            maintenance.unlock(self.token)

    @invariant()
    def nothing_runs_while_all_is_drained(self) -> None:
        if self.cluster.maintenance.drained(self.now):
            assert not any(process.running for process in self.processes.values())

    def teardown(self) -> None:
        """Safety is half of it: with all work done and every heartbeat answered a drain does get there."""
        if not self.cluster.maintenance.latched():
            return
        for process in self.processes.values():
            process.end_all()
        for _ in range(4):
            self.wait(4.0)
            for name in self.processes:
                self.send(name)
                self.receive(name)
        lost = not self.cluster.maintenance.latched()  # all had dropped each other: that is a restart of all
        assert lost or self.cluster.maintenance.drained(self.now)


TestLatches = Latches.TestCase
TestLatches.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
