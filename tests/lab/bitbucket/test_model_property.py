"""Hypothesis drives the model through whatever it likes; the stated rules, written again here, must hold throughout."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab.bitbucket.consistency import problems
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import NodeSpec, Reply, Settings

VERSIONS = st.sampled_from(["7.9.0", "7.9.2", "7.9.4", "7.8.9", "7.10.0", "8.0.0"])
HARMS = st.sampled_from(
    ["alone", "never_joins", "boot_error", "error", "collide", "wedged_drain", "tasks_fail", "approve_error", "silent"]
)


def expected_state(view: dict[str, Any], *, running: bool, failed: bool) -> str:
    """State by the text of the rules, from nothing but the listing."""
    if running:
        return "RUNNING_UPGRADE_TASKS"
    if not view["upgradeModeEnabled"]:
        return "UPGRADE_TASKS_FAILED" if failed else "STABLE"
    live = [node for node in view["nodes"] if node["state"] != "OFFLINE"]
    versions = {node["version"] for node in live}
    if any(node["state"] == "ERROR" for node in live) or len(versions) > 1:
        return "MIXED"
    return "READY_TO_UPGRADE" if versions == {view["originalVersion"]} else "READY_TO_RUN_UPGRADE_TASKS"


class Clusters(RuleBasedStateMachine):
    """A cluster of at most seven machines, and everything that can happen to it."""

    @initialize(seed=st.integers(0, 10_000))
    def begin(self, seed: int) -> None:
        self.cluster = Cluster(Settings(), seed)
        self.now = 0.0
        self.machines = 0

    @rule(version=VERSIONS, reuse=st.booleans())
    @precondition(lambda self: len(self.cluster.nodes) < 7)
    def boot(self, version: str, *, reuse: bool) -> None:
        self.machines += 1
        taken = {node.spec.address for node in self.cluster.nodes.values() if not node.dead}
        free = [f"127.9.0.{n}" for n in range(1, 10) if f"127.9.0.{n}" not in taken]
        address = free[0] if reuse else f"127.9.{1 + self.machines // 200}.{1 + self.machines % 200}"
        if address not in taken:
            self.cluster.boot(NodeSpec(f"i-{self.machines}", address, version), self.now)

    @rule(data=st.data(), how=st.sampled_from(["stop", "kill", "forget", "drained", "revive"]))
    @precondition(lambda self: self.cluster.nodes)
    def happen(self, data: st.DataObject, how: str) -> None:
        node = data.draw(st.sampled_from(sorted(self.cluster.nodes)))
        getattr(self.cluster, how)(node, self.now)

    @rule(seconds=st.floats(0.0, 200.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.tick(self.now)

    @rule()
    def jump_to_the_next_event(self) -> None:
        due = self.cluster.next_event()
        if due is not None:
            assert due > self.now
            self.now = due
            self.cluster.tick(due)

    @rule(name=HARMS)
    def harm(self, name: str) -> None:
        self.cluster.fault(name)
        self.cluster.tick(self.now)

    @rule()
    def heal(self) -> None:
        self.cluster.faults.clear()

    @rule(call=st.sampled_from(["start_upgrade", "cancel", "approve"]), data=st.data())
    @precondition(lambda self: any(node.answers for node in self.cluster.nodes.values()))
    def ask(self, call: str, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(sorted(n for n, node in self.cluster.nodes.items() if node.answers)))
        before = self.cluster.cluster_view(self.now, asked)
        broken = any(node["state"] == "ERROR" for node in before["nodes"])
        wanted = {
            "start_upgrade": "STABLE",
            "cancel": "READY_TO_UPGRADE",
            "approve": "READY_TO_RUN_UPGRADE_TASKS",
        }[call]
        allowed = before["state"] == wanted and not (call == "start_upgrade" and broken)
        reply: Reply = getattr(self.cluster, call)(self.now, asked)
        if allowed:
            assert reply.status in (200, 500)
        else:
            assert reply == Reply(409, None)
            assert self.cluster.cluster_view(self.now, asked) == before

    @invariant()
    def the_world_can_exist(self) -> None:
        assert problems(self.cluster, self.now) == []

    @invariant()
    def every_nodes_view_follows_the_rules(self) -> None:
        for asked in self.cluster.nodes:
            view = self.cluster.cluster_view(self.now, asked)
            running, failed = self.cluster.tasks_due is not None, self.cluster.finalization_failed
            assert view["state"] == expected_state(view, running=running, failed=failed)
            keys = [(node["ipAddress"], node["portNumber"]) for node in view["nodes"]]
            assert len(keys) == len(set(keys))
            ghosts = [node for node in view["nodes"] if node["state"] == "OFFLINE"]
            assert view["upgradeModeEnabled"] or not ghosts
            assert all(node["version"] is None for node in ghosts)
            assert (view["originalVersion"] is not None) == view["upgradeModeEnabled"]

    @invariant()
    def who_sees_whom_is_mutual(self) -> None:
        for node_id, node in self.cluster.nodes.items():
            for address in self.cluster.members(node_id):
                other = next(n for n in self.cluster.nodes.values() if n.spec.address == address)
                assert node.spec.address in self.cluster.members(other.spec.id)


TestClusters = pytest.mark.property(Clusters.TestCase)
TestClusters.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
