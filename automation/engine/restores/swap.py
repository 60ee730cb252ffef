"""Drive a restore to its end: passes of look, decide, act, record, with the journal written around every act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from automation.core.restores.decide import decide
from automation.core.restores.memory import Act, Ending, Finish, Memory, Outcome, RestoreSettings, Sight, Step, Wait
from automation.core.roll import Record
from automation.engine.restores.acts import perform
from automation.engine.restores.sight import look, note
from automation.ports.errors import BbdcError, Unavailable, name_of
from automation.ports.restoring import Restoring

Tell = Callable[[Record, Memory], None]


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
    memory, told = _anew(memory), None
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


def _anew(memory: Memory) -> Memory:
    """Give every wait its whole time again, and repeat what a person may have undone during the pause."""
    fresh = replace(memory, outcome=None, trouble_since=None, waiting_since=None, replaced=(), started=())
    if memory.activated is None:
        return replace(fresh, stopped=(), stopping_since=None)
    return fresh


def advance(at: Restoring, settings: RestoreSettings, memory: Memory) -> Step:
    """Make one pass."""
    try:
        seen = look(at, memory)
    except BbdcError as error:
        return _trouble(at, settings, memory, error, doing="look")
    memory = note(memory, seen)
    decision = decide(memory, seen, settings)
    if isinstance(decision, Act):
        return _act(at, settings, memory, decision)
    return _no_act(settings, memory, seen, decision)


def _act(at: Restoring, settings: RestoreSettings, memory: Memory, act: Act) -> Step:
    try:
        after = perform(at, memory, act)
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
