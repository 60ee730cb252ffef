"""What a pass remembers of what it saw, before it decides: counts of good readings, first sights, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from automation.core.case import Case
from automation.core.cluster import ClusterState, Member, NodeState
from automation.core.decision import Act, ActName, Decision, Wait
from automation.core.roll import Memory, Message, MessageKind, Waiting


def heed(memory: Memory, message: Message) -> Memory:
    """Return the memory after an operator's word."""
    match message.kind:
        case MessageKind.APPROVE:
            return replace(memory, approved_by=message.by)
        case MessageKind.PAUSE:
            return replace(memory, paused=True)
        case MessageKind.RESUME:
            return _afresh(memory)
        case MessageKind.ABORT:
            return replace(memory, aborted=True)


def _afresh(memory: Memory) -> Memory:
    """Go on after a pause: what led to it was seen by a person, and counts no more."""
    return replace(
        memory, paused=False, aborted=False, failures=(), waiting=None, trouble_since=None, trouble="", stable=0
    )


def note(case: Case) -> Memory:
    """Return the memory after this observation."""
    memory, well = case.memory, {m.id for m in case.current if case.has_joined(m) and m.is_healthy}
    healthy = {i: memory.healthy.get(i, 0) + 1 for i in well}
    since = {i: memory.healthy_since.get(i, case.now) for i in well}
    noted = replace(
        memory,
        opened=memory.opened or case.seen.cluster.upgrade_mode,
        first_seen=_first(memory.first_seen, case),
        addresses={**memory.addresses, **{m.id: m.instance.address for m in case.seen.members if m.instance.address}},
        healthy=healthy,
        healthy_since=since,
        last_healthy={**memory.last_healthy, **dict.fromkeys(well, case.now)},
        proven=frozenset(i for i in well if _is_proven(case, i, healthy[i], since[i])),
    )
    whole = is_whole(Case(case.seen, noted, case.settings))
    return replace(noted, stable=memory.stable + 1 if whole else 0)


def _first(first_seen: Mapping[str, float], case: Case) -> dict[str, float]:
    return {m.id: first_seen.get(m.id, case.now) for m in case.seen.members}


def _is_proven(case: Case, instance: str, readings: int, since: float) -> bool:
    if instance in case.memory.proven:
        return True
    return readings >= case.settings.healthy_readings and case.now - since >= case.settings.soak


def is_whole(case: Case) -> bool:
    """Tell whether the cluster is complete: the planned count, all proven on the target, nobody sick or strange."""
    return (
        not case.outdated
        and len(case.current) == len(case.seen.members) == case.plan.planned == case.seen.group.desired
        and all(m.id in case.memory.proven for m in case.current)
        and not any(is_sick(m) for m in case.seen.members)
        and all(node.state is NodeState.OFFLINE for node in case.seen.strangers)
        and case.seen.cluster.state is not ClusterState.UNKNOWN
    )


def is_sick(member: Member) -> bool:
    """Tell whether Bitbucket lists the node in a state that nobody may build upon."""
    return member.state in (NodeState.ERROR, NodeState.SILENT, NodeState.UNKNOWN)


def name_of(decision: Decision) -> str:
    """Return the name under which a decision is waited for: the gate's, or the act's while it takes effect."""
    match decision:
        case Wait():
            return decision.gate
        case Act():
            return str(decision.name)
        case _:
            return ""


def subject_of(decision: Decision) -> str:
    """Return the instance that a decision is about, or nothing."""
    return decision.subject if isinstance(decision, Wait | Act) else ""


def await_gate(memory: Memory, decision: Decision, now: float) -> Memory:
    """Return the memory that knows which gate (or effect of an act) is waited for, and since when."""
    if isinstance(decision, Act) and decision.name is ActName.RESUME_PROCESSES:
        return memory  # letting go before a pause: what is being given up must still be known at the next pass
    name, subject, last = name_of(decision), subject_of(decision), memory.waiting
    if not name:
        return replace(memory, waiting=None)
    if last is not None and (last.gate, last.subject) == (name, subject):
        return memory
    return replace(memory, waiting=Waiting(name, subject, now))
