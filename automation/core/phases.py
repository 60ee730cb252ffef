"""Where each node stands, in the words that board and report draw."""

from __future__ import annotations

from automation.core.cluster import InstanceState, Member, NodeState, Observation
from automation.core.roll import NodeLine, Phase

_BY_STATE = {
    NodeState.ERROR: Phase.ERROR,
    NodeState.STARTING: Phase.JOINING,
    NodeState.DRAINING: Phase.STOPPING,
    NodeState.TERMINATING: Phase.STOPPING,
    NodeState.OFFLINE: Phase.STOPPED,
}


def phase_of(member: Member, *, stopped: bool = False) -> Phase:
    """Name the phase of one node; ``stopped`` tells that this run has stopped its Bitbucket."""
    if member.is_leaving:
        return Phase.LEAVING
    if member.state in _BY_STATE:
        return _BY_STATE[member.state]
    if member.is_active:
        return _in_balancer(member)
    if stopped:
        return Phase.STOPPED
    answers = member.view is not None and member.view.status is not None
    return Phase.JOINING if answers else Phase.BOOTING


def _in_balancer(member: Member) -> Phase:
    if member.is_draining or not member.is_in_balancer:
        return Phase.DRAINING
    return Phase.IN_SERVICE if member.is_healthy else Phase.JOINING


def lines(seen: Observation, stopped: frozenset[str] = frozenset()) -> tuple[NodeLine, ...]:
    """Return one line for every machine of the group, oldest first."""
    members = sorted(seen.members, key=lambda m: (m.instance.launched or 0.0, m.id))
    return tuple(
        NodeLine(
            instance=m.id,
            address=m.instance.address,
            version=m.version,
            phase=phase_of(m, stopped=m.id in stopped),
            state=str(m.state) if m.state else str(_pending(m)),
            zone=m.instance.zone,
        )
        for m in members
    )


def _pending(member: Member) -> InstanceState:
    return member.instance.state
