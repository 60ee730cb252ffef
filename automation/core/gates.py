"""The named gates of a roll: each asks one question, and its name is what log, board, report and docs say.

A gate returns None when it is open, or one sentence that says why it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automation.core.case import Case
from automation.core.cluster import ClusterState, Member, NodeState
from automation.core.notes import is_sick
from automation.core.roll import Approval


@dataclass(frozen=True, slots=True)
class NodeGate:
    """A named reason why a node must be left in service for now."""

    name: str
    closed: Callable[[Case, Member], str | None]


@dataclass(frozen=True, slots=True)
class EndGate:
    """A named reason why the upgrade must not be approved (or cancelled) yet."""

    name: str
    closed: Callable[[Case], str | None]


def _paused(case: Case, _: Member | None = None) -> str | None:
    return "an operator paused the roll; `bbdc resume` goes on" if case.memory.paused else None


def _stranger(case: Case, _: Member | None = None) -> str | None:
    for node in case.seen.strangers:
        if node.state is not NodeState.OFFLINE:
            return f"Bitbucket lists {node.address} as {node.state}, and no machine of the group has that address"
    return None


def _silent(case: Case, candidate: Member) -> str | None:
    for member in case.staying:
        if member.id != candidate.id and member.state in (NodeState.SILENT, NodeState.UNKNOWN):
            return f"node {member.id} does not tell its state"
    return None


def _capacity(case: Case, _: Member) -> str | None:
    wanted, have = case.seen.group.desired, len(case.staying)
    return None if have == wanted else f"the group holds {have} of {wanted} machines"


def too_few_left(case: Case, candidate: Member) -> str | None:
    """Say how many nodes would be left serving without the candidate, where that is too few.

    A node that Bitbucket calls silent may serve its users all the same: the balancer's word counts, not the state.
    """
    if not candidate.is_healthy:
        return None  # the balancer sends nobody there: taking it out takes nothing away
    left = sum(m.is_serving for m in case.staying if m.id != candidate.id)
    return None if left >= case.floor else f"only {left} other nodes serve, {case.floor} must"


ENOUGH = "enough_nodes_left_serving"

NODE_GATES: Sequence[NodeGate] = (
    NodeGate("paused_by_operator", _paused),
    NodeGate("capacity_settled", _capacity),
    NodeGate("no_silent_node", _silent),
    NodeGate("no_stranger", _stranger),
    NodeGate(ENOUGH, too_few_left),
)


def _count(case: Case) -> str | None:
    live, planned = len(case.memory.proven & {m.id for m in case.current}), case.plan.planned
    return None if live == planned else f"{live} of {planned} planned nodes are proven on {case.plan.target}"


def _nobody_sick(case: Case) -> str | None:
    sick = [m for m in case.seen.members if is_sick(m)]
    return f"node {sick[0].id} is {sick[0].state}" if sick else None


def _ghosts(case: Case) -> str | None:
    explained = set(case.memory.addresses.values()) | case.plan.known_addresses
    for node in case.seen.strangers:
        if node.address not in explained:
            return f"nobody knows what the OFFLINE node {node.address} was"
    return None


def _targets(case: Case) -> str | None:
    unwell = [t for t in case.seen.targets if t.instance in {m.id for m in case.current} and t.state != "healthy"]
    return f"{unwell[0].instance} is {unwell[0].state} in target group {unwell[0].group}" if unwell else None


def _ready(case: Case) -> str | None:
    wanted = ClusterState.READY_TO_UPGRADE if case.is_rollback else ClusterState.READY_TO_RUN_UPGRADE_TASKS
    state = case.seen.cluster.state
    return None if state is wanted else f"the cluster is {state}, not {wanted}"


def _stable(case: Case) -> str | None:
    have, wanted = case.memory.stable, case.settings.stable_readings
    return None if have >= wanted else f"{have} of {wanted} readings in a row were good"


def _approval(case: Case) -> str | None:
    if case.is_rollback or case.settings.approval is Approval.AUTOMATIC or case.memory.approved_by:
        return None
    return "everything is ready; `bbdc approve` passes the point of no return, `bbdc rollback` goes back"


END_GATES: Sequence[EndGate] = (
    EndGate("planned_nodes_live", _count),
    EndGate("no_sick_node", _nobody_sick),
    EndGate("no_stranger", _stranger),
    EndGate("ghosts_explained", _ghosts),
    EndGate("targets_healthy", _targets),
    EndGate("cluster_state_ready", _ready),
    EndGate("stable_readings", _stable),
    EndGate("paused_by_operator", _paused),
    EndGate("approval", _approval),
)
