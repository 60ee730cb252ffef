"""The roll, one pass at a time: observe, decide, act, record.

A pass never sleeps and keeps nothing: all that must survive is in the ``Memory`` it returns. Whoever drives the passes
(a durable run, a test in virtual time) waits as long as the step says, and may die between any two lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from automation.core.case import Case
from automation.core.cluster import Observation
from automation.core.decision import Act, ActName, Finish, Pause, Wait
from automation.core.notes import await_gate, heed, note
from automation.core.phases import lines
from automation.core.roll import (
    Ending,
    Failure,
    Memory,
    Message,
    Outcome,
    Plan,
    Record,
    RollSettings,
    Step,
)
from automation.core.upgrade import decide
from automation.core.versions import VersionRefusal, explain_refusal, refuse_upgrade
from automation.engine.acts import perform
from automation.engine.observe import observe
from automation.ports.errors import BbdcError, Forbidden, NotAuthenticated, NotFound, Refused, Unavailable
from automation.ports.world import World


def make_plan(
    world: World,
    settings: RollSettings,
    *,
    cluster: str,
    target: str,
    planned: int | None = None,
    owns_model: bool = False,
    by: str = "",
    previous: Plan | None = None,
) -> Plan:
    """Write down what the roll sets out to do, reading the world once.

    Args:
        world: the estate.
        settings: how to roll; ``surge`` goes into the plan.
        cluster: the cluster's name, as its machines are tagged.
        target: version that every node shall run; the original version rolls an open upgrade back.
        planned: nodes of the whole cluster; None takes the group's desired capacity.
        owns_model: True when the engine, and no Pulumi program, writes the version into the group's model.
        by: who asked for the roll.
        previous: plan of the last roll of this cluster if that did not finish: what it set out from, and what it
            switched off, is inherited, so that a roll in two halves still ends where it began.

    Raises:
        Refused: the version rule forbids the target, or no node tells its version.
        BbdcError: the world could not be read.
    """
    seen = observe(world)
    old = previous if previous and (seen.cluster.upgrade_mode or previous.target == target) else None
    ours = previous.suspend if previous else frozenset()
    original = seen.cluster.original_version or (old.original if old else _running(seen))
    _refuse(original, target)
    return Plan(
        cluster=cluster,
        original=original,
        target=target,
        planned=planned or (old.planned if old else seen.group.desired),
        minimum=old.minimum if old else seen.group.minimum,
        maximum=old.maximum if old else seen.group.maximum,
        suspend=(world.group.disturbing() - seen.group.suspended) | (ours & seen.group.suspended),
        owns_model=owns_model,
        known_addresses=_known(seen) | (old.known_addresses if old else frozenset()),
        started=seen.at,
        by=by,
        surge=settings.surge,
    )


def _refuse(original: str, target: str) -> None:
    """Hold the version rule here too, and not only in preflight: beyond it no node could ever join."""
    refusal = refuse_upgrade(original, target)
    if refusal and refusal is not VersionRefusal.SAME_VERSION:
        raise Refused(str(refusal), explain_refusal(refusal, original, target))


def _known(seen: Observation) -> frozenset[str]:
    nodes, machines = seen.cluster.nodes, seen.group.instances
    return frozenset(n.address for n in nodes) | frozenset(i.address for i in machines if i.address)


def _running(seen: Observation) -> str:
    versions = {m.node.version for m in seen.members if m.node and m.node.version}
    if len(versions) != 1:
        told = ", ".join(sorted(versions)) or "none"
        raise Refused("one_version", f"the nodes must run one version before a roll begins; they tell: {told}")
    return versions.pop()


def begin(plan: Plan) -> Memory:
    """Return the memory of a roll that has done nothing yet."""
    return Memory(plan)


def advance(world: World, settings: RollSettings, memory: Memory, messages: Sequence[Message] = ()) -> Step:
    """Make one pass: observe, decide, act, record.

    Ordinary trouble (nobody answers, throttling, a conflict) becomes a record and another pass; trouble that no
    waiting cures becomes a pause with a name.
    """
    memory = reduce(heed, messages, memory)
    try:
        seen = observe(world, memory)
    except BbdcError as error:
        return _trouble(world, settings, memory, error, doing="observe")
    memory = note(Case(seen, memory, settings))
    decision = decide(Case(seen, memory, settings))
    memory = await_gate(memory, decision, seen.at)
    if isinstance(decision, Act):
        return _act(world, settings, memory, seen, decision)
    return _no_act(settings, memory, seen, decision)


def _act(world: World, settings: RollSettings, memory: Memory, seen: Observation, act: Act) -> Step:
    try:
        perform(world, act, memory, seen)
    except BbdcError as error:
        return _trouble(world, settings, memory, error, doing=f"{act.name} {act.subject}".strip())
    again = act.key in memory.acted
    # Counted from its end: where a gateway takes minutes to let a node go, draining begins only then.
    memory = _after(memory, act, world.clock.now())
    subject = act.subject or " ".join(sorted(act.processes))
    record = _record(memory, seen, "act", act.name, subject=subject, detail=act.detail)
    # An act whose effect is not visible yet is repeated politely, not in a hot loop.
    return Step(memory, record, settings.poll if again else 0.0)


def _after(memory: Memory, act: Act, now: float) -> Memory:
    acted = {**memory.acted, act.key: memory.acted.get(act.key, now)}
    memory = replace(memory, acted=acted, trouble_since=None)
    if act.name is ActName.CONDEMN:
        memory = replace(memory, failures=(*memory.failures, Failure(act.subject, act.detail, now)))
    if act.name in {ActName.APPROVE, ActName.CANCEL}:
        memory = replace(memory, stable=0)
    return memory


def _no_act(settings: RollSettings, memory: Memory, seen: Observation, decision: Wait | Pause | Finish) -> Step:
    memory = replace(memory, trouble_since=None)
    if isinstance(decision, Pause):
        record = _record(memory, seen, "pause", decision.reason, detail=decision.detail)
        return Step(memory, record, 0.0, Outcome(Ending.PAUSED, decision.reason, decision.detail))
    if isinstance(decision, Finish):
        record = _record(memory, seen, "finish", decision.ending, subject=memory.approved_by or "")
        return Step(memory, record, 0.0, Outcome(decision.ending))
    record = _record(memory, seen, "wait", decision.gate, subject=decision.subject, detail=decision.detail)
    return Step(memory, record, settings.poll)


def _record(memory: Memory, seen: Observation, kind: str, name: str, *, subject: str = "", detail: str = "") -> Record:
    stopped = frozenset(k.partition(":")[2] for k in memory.acted if k.startswith(f"{ActName.STOP_BITBUCKET}:"))
    return Record(seen.at, kind, str(name), subject, detail, str(seen.cluster.state), lines(seen, stopped))


_HOPELESS = (NotAuthenticated, Forbidden, NotFound, Refused)


def _trouble(world: World, settings: RollSettings, memory: Memory, error: BbdcError, *, doing: str) -> Step:
    """Turn an error into another try, or, when no waiting cures it or it lasts too long, into a pause."""
    now = world.clock.now()
    since = memory.trouble_since if memory.trouble_since is not None else now
    memory = replace(memory, trouble_since=since, trouble=f"{doing}: {error}")
    # Even a refusal gets a second look: a node that is just starting can refuse good credentials.
    limit = 3 * settings.poll if isinstance(error, _HOPELESS) else settings.trouble_timeout
    name = _name_of(error)
    if now - since >= limit:
        outcome = Outcome(Ending.PAUSED, name, memory.trouble)
        return Step(memory, Record(now, "pause", name, detail=memory.trouble), 0.0, outcome)
    wait = error.after if isinstance(error, Unavailable) and error.after is not None else settings.poll
    return Step(memory, Record(now, "trouble", name, detail=memory.trouble), max(wait, settings.poll))


def _name_of(error: BbdcError) -> str:
    """Return the error's name as records spell it: ``NotAuthenticated`` is ``not_authenticated``."""
    if isinstance(error, Refused):
        return error.name
    text = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(text))
