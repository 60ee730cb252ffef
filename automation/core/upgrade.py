"""Decide the next step of a rolling upgrade, or of its rollback.

Nothing here performs I/O, reads a clock or sleeps: one observation and the memory go in, one decision comes out.
The rules stand in the order in which they are asked; the first that has something to say decides. What is already in
motion is always finished before anything else is touched, and the sick come before the healthy: left for later they
would block the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automation.core.case import Case
from automation.core.cluster import ClusterState, Member, NodeState
from automation.core.decision import Act, ActName, Decision, Finish, Pause, Wait
from automation.core.gates import END_GATES, ENOUGH, NODE_GATES, too_few_left
from automation.core.notes import is_whole, name_of, subject_of
from automation.core.roll import Ending
from automation.core.versions import same_version

Rule = Callable[[Case], Decision | None]


def decide(case: Case) -> Decision:
    """Return the single next step; scaling processes are held while the roll works and let go when it ends."""
    decision = next((d for rule in RULES if (d := rule(case))), Wait("nothing_known"))
    decision = _give_up(case, decision)
    held = case.plan.suspend & case.seen.group.suspended
    if isinstance(decision, Pause | Finish):
        return Act(ActName.RESUME_PROCESSES, processes=held) if held else decision
    if case.plan.suspend - held:
        return Act(ActName.SUSPEND_PROCESSES, processes=case.plan.suspend - held)
    return decision


def _give_up(case: Case, decision: Decision) -> Decision:
    """Turn a wait that lasted too long, or an act that has no effect, into a pause under its own name."""
    last, name = case.memory.waiting, name_of(decision)
    if last is None or name in {"", "approval", "paused_by_operator"} or last.gate != name:
        return decision
    limit = case.settings.task_timeout if name == "upgrade_tasks" else case.settings.gate_timeout
    limit = case.settings.trouble_timeout if isinstance(decision, Act) else limit
    if last.subject != subject_of(decision) or case.now - last.since < limit:
        return decision
    reason = f"{name}_without_effect" if isinstance(decision, Act) else name
    return Pause(reason, f"tried for {limit:.0f} s: {getattr(decision, 'detail', '') or case.memory.trouble}")


def _aborted(case: Case) -> Decision | None:
    """End on request, but never with a node half out: what is in motion is finished first.

    A group that wants fewer machines than were planned is in motion too: one was deleted, its successor not ordered.
    """
    fewer = len(case.staying) < max(case.seen.group.desired, case.plan.planned)
    moving = case.unproven or _begun(case) or fewer
    if not case.memory.aborted or moving:
        return None
    return Pause("aborted_by_operator", "the upgrade stays open; run the upgrade again to go on, or roll back")


def _closed(case: Case) -> Decision | None:
    """Upgrade mode is off and everything is as planned: put the limits back, and end."""
    cluster, group, plan = case.seen.cluster, case.seen.group, case.plan
    if cluster.upgrade_mode or cluster.state is not ClusterState.STABLE or case.outdated:
        return None
    if not same_version(group.version, plan.target) or case.surplus > 0 or not is_whole(case):
        return None
    if (group.minimum, group.maximum) != (plan.minimum, plan.maximum):
        return Act(ActName.RESTORE_LIMITS)
    return Finish(Ending.ROLLED_BACK if case.is_rollback else Ending.UPGRADED)


def _opening(case: Case) -> Decision | None:
    """Upgrade mode must be on before any node changes."""
    cluster = case.seen.cluster
    if cluster.upgrade_mode:
        return _other_upgrade(case)
    if cluster.state is ClusterState.UPGRADE_TASKS_FAILED:
        return _tasks_failed()
    if cluster.state is ClusterState.UNKNOWN:
        return Wait("cluster_state_known", detail="Bitbucket told a state that this program does not know")
    return _switch_on(case) if case.outdated else None


def _other_upgrade(case: Case) -> Decision | None:
    before = case.seen.cluster.original_version
    if before is None or same_version(before, case.plan.original):
        return None
    return Pause("other_upgrade_open", f"upgrade mode was opened on {before}, this roll began on {case.plan.original}")


def _switch_on(case: Case) -> Decision:
    """With upgrade mode off and old nodes left: open it, unless it was open before."""
    plan = case.plan
    if case.is_rollback:
        return Pause("upgrade_mode_off", f"nodes left {plan.target} and upgrade mode is off: restore a backup instead")
    if case.memory.opened:
        return Pause("upgrade_mode_lost", "somebody switched upgrade mode off while old nodes were left")
    if any(node.state is NodeState.ERROR for node in case.seen.cluster.nodes):
        return Wait(
            "no_node_in_error", detail="upgrade mode cannot be enabled while a node is in ERROR: repair it first"
        )
    return Act(ActName.START_UPGRADE, detail=f"{plan.original} -> {plan.target}")


def _tasks_failed() -> Pause:
    return Pause("upgrade_tasks_failed", "see the log of the node that ran them; Bitbucket cannot go back from here")


def _model(case: Case) -> Decision | None:
    carried, target = case.seen.group.version, case.plan.target
    if same_version(carried, target):
        return None
    if case.plan.owns_model:
        return Act(ActName.SET_MODEL, version=carried, detail=target)
    return Wait("model_carries_target", detail=f"the group's model carries {carried}, the Pulumi program sets {target}")


def _alone(case: Case) -> Decision | None:
    """A node that runs alone writes to the shared database: out of the balancer and down, without any waiting."""
    for member in case.current:
        if not case.runs_alone(member):
            continue
        if not case.is_condemned(member):
            return _condemn(case, member, "runs_alone")
        if member.is_in_balancer:
            return Act(ActName.DEREGISTER, member.id, member.instance.version, detail="runs alone")
        return _stop(case, member)
    return None


def _newborn(case: Case) -> Decision | None:
    """See each new node through: condemned ones out, the others joined, healthy twice and soaked."""
    leaving = {m.id for m in case.surplus_members}
    for member in case.unproven:
        if member.id in leaving or _must_serve_on(case, member):
            continue
        return _out(case, member) if case.is_condemned(member) else _joining(case, member)
    return None


def _must_serve_on(case: Case, member: Member) -> bool:
    """Tell whether a failed node still has users and too few others could take them: the other sick ones go first."""
    return case.is_condemned(member) and member.is_in_balancer and too_few_left(case, member) is not None


def _joining(case: Case, member: Member) -> Decision:
    if member.state is NodeState.ERROR:
        return _condemn(case, member, "node_in_error")
    if member.node and member.node.version and not same_version(member.node.version, case.plan.target):
        return _condemn(case, member, "wrong_version")
    return _late(case, member) or _not_yet(case, member)


def _late(case: Case, member: Member) -> Decision | None:
    if case.seconds_unwell(member) > case.settings.boot_timeout:
        return _condemn(case, member, "never_healthy" if case.has_joined(member) else "never_joined")
    return None


def _not_yet(case: Case, member: Member) -> Decision:
    if not case.has_joined(member):
        return Wait(
            "joined", member.id, f"{member.state or 'not listed'}; every member must be seen by the node itself"
        )
    if member.is_missing and not case.seen.capabilities.registers_by_itself:
        return Act(ActName.REGISTER, member.id, member.instance.version)
    if not member.is_healthy:
        return Wait("healthy_in_balancer", member.id, _targets(member))
    if case.memory.healthy.get(member.id, 0) < case.settings.healthy_readings:
        return Wait("healthy_twice", member.id)
    return Wait("soak", member.id)


def _targets(member: Member) -> str:
    return (
        ", ".join(f"{t.group}: {t.state}{f' ({t.reason})' if t.reason else ''}" for t in member.targets) or "no target"
    )


def _condemn(case: Case, member: Member, reason: str) -> Decision:
    if len(case.memory.failures) < case.settings.failure_budget:
        return Act(ActName.CONDEMN, member.id, member.instance.version, detail=reason)
    if reason == "runs_alone" and not case.has_acted(ActName.STOP_BITBUCKET, member):
        # Pausing must not leave a second cluster on the database.
        name = ActName.DEREGISTER if member.is_in_balancer else ActName.STOP_BITBUCKET
        return Act(name, member.id, member.instance.version, detail=reason)
    spent = ", ".join(f"{f.instance} ({f.reason})" for f in case.memory.failures)
    return Pause(reason, f"new node {member.id} failed; the failure budget is spent{f' on {spent}' if spent else ''}")


def _successor(case: Case) -> Decision | None:
    have, wanted = len(case.staying), case.seen.group.desired
    if have >= wanted:
        return None
    return Wait("replacement_launched", detail=f"the group holds {have} of {wanted} machines")


def _moving(case: Case) -> Decision | None:
    """Finish what was begun on an old node: everything between leaving the balancer and the cloud taking it."""
    begun = _begun(case)
    return _out(case, begun[0]) if begun else None


def _begun(case: Case) -> list[Member]:
    begun = [m for m in case.outdated if not m.is_in_balancer or case.has_acted(ActName.DEREGISTER, m)]
    begun += [m for m in case.surplus_members if case.has_acted(ActName.DEREGISTER, m)]
    return sorted(begun, key=lambda m: (not m.is_down, m.is_draining, m.id))


def _out(case: Case, member: Member) -> Decision:
    """Out of the balancer, drained, stopped, replaced: the same way for every node that must go."""
    if member.is_in_balancer:
        return Act(ActName.DEREGISTER, member.id, member.instance.version)
    hurried = member.state in (None, NodeState.ERROR, NodeState.OFFLINE) or case.runs_alone(member)
    drained_for = case.seconds_since(ActName.DEREGISTER, member)
    if member.is_draining and not hurried and not case.settings.drain_timeout <= drained_for < float("inf"):
        return Wait("drained", member.id, _targets(member))
    return _taken_away(case, member) if member.is_down else _stop(case, member)


def _stop(case: Case, member: Member) -> Decision:
    if not case.has_acted(ActName.STOP_BITBUCKET, member):
        return Act(ActName.STOP_BITBUCKET, member.id, member.instance.version)
    if case.seconds_since(ActName.STOP_BITBUCKET, member) < case.settings.stop_timeout:
        return Wait("stopped", member.id, f"{member.state or 'not listed'}; a graceful stop finishes open work first")
    return _taken_away(case, member)  # "If you can't shut down Bitbucket gracefully, shut down the node altogether."


def _taken_away(case: Case, member: Member) -> Decision:
    going = len(case.outdated) if case.outdated else len(case.surplus_members)
    name = ActName.RETIRE if 0 < going <= case.surplus else ActName.REPLACE
    return Act(name, member.id, member.instance.version)


def _capacity(case: Case) -> Decision | None:
    """Bring the group to the planned size, or one above it for the time of a roll with a surge machine."""
    desired, plan = case.seen.group.desired, case.plan
    surge = plan.surge and case.outdated and not case.memory.aborted
    wanted = plan.planned + 1 if surge else plan.planned
    return Act(ActName.RESIZE, number=wanted) if desired < wanted else None


def _next(case: Case) -> Decision | None:
    """Choose the next old node: sick ones first, then the least busy; refuse by name while a gate is closed."""
    candidates = case.outdated or case.surplus_members
    if not candidates:
        return None
    candidate = min(candidates, key=lambda m: (m.is_serving, *busyness(m)))
    for gate in NODE_GATES:
        if why := gate.closed(case, candidate):
            return Wait(gate.name, candidate.id, why)
    return Act(ActName.DEREGISTER, candidate.id, candidate.instance.version)


def busyness(member: Member) -> tuple[float, float, str]:
    """Sort key: tasks and users together where Bitbucket counts them, then CPU, then id."""
    node = member.node
    counted = node is not None and node.tasks is not None and node.users is not None
    work = float((node.tasks or 0) + (node.users or 0)) if node is not None and counted else 0.0
    return work, member.cpu if member.cpu is not None else 0.0, member.id


def _ending(case: Case) -> Decision | None:
    """Every node is on the target: approve (or cancel, going back) once every end gate is open."""
    cluster = case.seen.cluster
    for member in case.unproven:
        if _must_serve_on(case, member):
            return Wait(ENOUGH, member.id, too_few_left(case, member) or "")
    if not cluster.upgrade_mode:
        return Wait("cluster_whole", detail="upgrade mode is off; waiting for every node to be proven")
    if cluster.state is ClusterState.RUNNING_UPGRADE_TASKS:
        return Wait("upgrade_tasks", detail="Bitbucket runs the tasks that approval started")
    if cluster.state is ClusterState.UPGRADE_TASKS_FAILED:
        return Pause(
            "upgrade_tasks_failed", "see the log of the node that ran them; Bitbucket cannot go back from here"
        )
    for gate in END_GATES:
        if why := gate.closed(case):
            return Wait(gate.name, detail=why)
    return Act(ActName.CANCEL if case.is_rollback else ActName.APPROVE)


RULES: Sequence[Rule] = (
    _alone,
    _aborted,
    _closed,
    _opening,
    _model,
    _newborn,
    _successor,
    _moving,
    _capacity,
    _next,
    _ending,
)
