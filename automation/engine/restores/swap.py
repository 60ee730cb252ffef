"""Drive a restore to its end: passes of look, decide, act, record, with the journal written around every act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from automation.core.cluster import InstanceState, TargetState
from automation.core.restores.decide import decide
from automation.core.restores.memory import (
    Act,
    ActName,
    Ending,
    Finish,
    Memory,
    Outcome,
    RestoreSettings,
    Sight,
    Step,
    Wait,
)
from automation.core.roll import Record
from automation.engine.backups.take import name_of
from automation.engine.restores import home
from automation.ports.errors import BbdcError, NotFound, Unavailable, Unexpected
from automation.ports.restoring import Restoring

Tell = Callable[[Record, Memory], None]
COMMAND_TIMEOUT = 300.0
"""Longest time for one script on a machine, in seconds."""


def drive(
    at: Restoring, settings: RestoreSettings, memory: Memory, *, tell: Tell = lambda _record, _memory: None
) -> Memory:
    """Carry a restore on until it ends or pauses; the memory that is returned has an outcome.

    Args:
        at: the estate.
        settings: limits and pauses.
        memory: from ``plan.begin``, or out of the journal after a pause or a crash.
        tell: hears every record that says something new.
    """
    memory, told = replace(memory, outcome=None, trouble_since=None, waiting_since=None), None
    at.journal.write(memory)
    while memory.outcome is None:
        step = advance(at, settings, memory)
        memory = step.memory
        at.journal.write(memory)
        if not step.record.says_the_same_as(told) or step.record.detail != (told.detail if told else ""):
            tell(step.record, memory)
            told = step.record
        if memory.outcome is None:
            at.clock.sleep(step.wait)
    return memory


def advance(at: Restoring, settings: RestoreSettings, memory: Memory) -> Step:
    """Make one pass."""
    try:
        seen = look(at, memory)
    except BbdcError as error:
        return _trouble(at, settings, memory, error, doing="look")
    memory = _note(memory, seen)
    decision = decide(memory, seen, settings)
    if isinstance(decision, Act):
        return _act(at, settings, memory, decision)
    return _no_act(settings, memory, seen, decision)


def look(at: Restoring, memory: Memory) -> Sight:
    """Observe the machines; each node is asked itself, because nobody may serve for it now."""
    group = at.group.observe()
    if not memory.suspended:
        return Sight(at.clock.now(), group)
    views = {i.id: at.nodes.view(i.address) for i in group.instances if i.address}
    healthy = _healthy(at) if memory.activated is not None else frozenset[str]()
    serving = frozenset(
        i.id
        for i in group.instances
        if i.state is InstanceState.IN_SERVICE
        and i.id in views
        and views[i.id].status == "RUNNING"
        and i.address in (views[i.id].members or ())
        and i.id in healthy
    )
    return Sight(at.clock.now(), group, {id_: view.status for id_, view in views.items()}, serving)


def _healthy(at: Restoring) -> frozenset[str]:
    targets, groups = at.balancer.targets(), set(at.balancer.groups())
    by_instance: dict[str, set[str]] = {}
    for target in targets:
        if target.state is TargetState.HEALTHY:
            by_instance.setdefault(target.instance, set()).add(target.group)
    return frozenset(instance for instance, seen in by_instance.items() if seen >= groups)


def _note(memory: Memory, seen: Sight) -> Memory:
    if memory.activated is None:
        since = memory.stopping_since if memory.stopped else None
        return replace(memory, stopping_since=since if since is not None or not memory.stopped else seen.at)
    waiting = any(
        i.id not in seen.serving and (i.launched is None or i.launched > memory.activated) for i in seen.group.instances
    ) or len(memory.replaced) > len([i for i in seen.group.instances if i.id in seen.serving])
    since = memory.waiting_since if memory.waiting_since is not None else seen.at
    return replace(memory, waiting_since=since if waiting else None)


def _act(at: Restoring, settings: RestoreSettings, memory: Memory, act: Act) -> Step:
    try:
        after = _ACTS[act.name](at, memory, act)
    except BbdcError as error:
        return _trouble(at, settings, memory, error, doing=f"{act.name} {act.subject}".strip())
    after = replace(after, trouble_since=None)
    return Step(after, Record(at.clock.now(), "act", act.name.value, act.subject), 0.0)


def _no_act(settings: RestoreSettings, memory: Memory, seen: Sight, decision: Wait | Finish) -> Step:
    memory = replace(memory, trouble_since=None)
    if isinstance(decision, Finish):
        outcome = decision.outcome
        kind = "pause" if outcome.ending is Ending.PAUSED else "finish"
        record = Record(seen.at, kind, outcome.reason or outcome.ending.value, detail=outcome.detail)
        return Step(replace(memory, outcome=outcome), record, 0.0)
    return Step(memory, Record(seen.at, "wait", decision.gate, detail=decision.detail), settings.poll)


def _trouble(at: Restoring, settings: RestoreSettings, memory: Memory, error: BbdcError, *, doing: str) -> Step:
    now = at.clock.now()
    since = memory.trouble_since if memory.trouble_since is not None else now
    memory = replace(memory, trouble_since=since, trouble=f"{doing}: {error}")
    hopeless = not isinstance(error, Unavailable)
    if hopeless or now - since >= settings.trouble_timeout:
        outcome = Outcome(Ending.PAUSED, name_of(error), memory.trouble)
        return Step(replace(memory, outcome=outcome), Record(now, "pause", name_of(error), detail=memory.trouble), 0.0)
    wait = error.after if isinstance(error, Unavailable) and error.after is not None else 0.0
    return Step(memory, Record(now, "trouble", name_of(error), detail=memory.trouble), max(wait, settings.poll))


# --- acts: each may be repeated after a crash ------------------------------------------------------------------------


def _declare(at: Restoring, memory: Memory, _: Act) -> Memory:
    if memory.plan.generation is not None:
        at.program.declare(memory.plan.generation)
    return replace(memory, declared=True)


def _suspend(at: Restoring, memory: Memory, _: Act) -> Memory:
    at.group.suspend(memory.plan.suspend)
    return replace(memory, suspended=True)


def _stop(at: Restoring, memory: Memory, act: Act) -> Memory:
    result = at.shell.run(act.subject, home.stop(at.service), timeout=COMMAND_TIMEOUT)
    if result.code != 0:
        raise Unexpected(
            f"stopping Bitbucket on {act.subject} failed: {(result.errors or result.output).strip()[-300:]}"
        )
    return replace(memory, stopped=(*memory.stopped, act.subject))


def _activate(at: Restoring, memory: Memory, act: Act) -> Memory:
    at.program.activate(act.subject)
    return replace(memory, activated=at.clock.now())


def _prepare(at: Restoring, memory: Memory, _: Act) -> Memory:
    _on_file_server(at, home.prepare(at.home))
    return replace(memory, prepared=True)


def _replace(at: Restoring, memory: Memory, act: Act) -> Memory:
    at.group.replace(act.subject, act.version)
    return replace(memory, replaced=(*(i for i in memory.replaced if i != act.subject), act.subject))


def _end_checking(at: Restoring, memory: Memory, _: Act) -> Memory:
    _on_file_server(at, home.end_checking(at.home))
    return replace(memory, checking_ended=True)


def _resume(at: Restoring, memory: Memory, _: Act) -> Memory:
    at.group.resume(memory.plan.suspend)
    return replace(memory, resumed=True)


def _on_file_server(at: Restoring, script: str) -> None:
    try:
        result = at.shell.run(at.shell.file_server(), script, timeout=COMMAND_TIMEOUT)
    except NotFound as error:  # it restarts with the new disk: its agent comes back
        raise Unavailable(error.message, hint=error.hint) from error
    if result.code != 0:  # the disk may not be mounted yet
        raise Unavailable(f"the file server said: {(result.errors or result.output).strip()[-300:]}")


_ACTS: Mapping[ActName, Callable[[Restoring, Memory, Act], Memory]] = {
    ActName.DECLARE: _declare,
    ActName.SUSPEND_PROCESSES: _suspend,
    ActName.STOP_BITBUCKET: _stop,
    ActName.ACTIVATE: _activate,
    ActName.PREPARE_HOME: _prepare,
    ActName.REPLACE: _replace,
    ActName.END_CHECKING: _end_checking,
    ActName.RESUME_PROCESSES: _resume,
}
