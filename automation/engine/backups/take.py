"""Take a set: passes from the first act to the promotion, with the journal written around every act.

Nothing here resumes inside the lock: a set whose process died before the unlock is given up, because users wait. What
was begun and unlocked is finished by whoever comes next (``recover``, or the next backup).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from automation.core.backups import notes
from automation.core.backups.decide import decide
from automation.core.backups.memory import (
    Act,
    ActName,
    BackupSettings,
    Ending,
    Finish,
    Memory,
    Outcome,
    Sight,
    Step,
    Wait,
)
from automation.core.roll import Record
from automation.engine.backups.acts import perform
from automation.engine.backups.sight import look
from automation.ports.errors import BbdcError, Unavailable, Unexpected, Unreachable, name_of
from automation.ports.safe import Safe

SLICE = 1.0
"""Longest sleep in one piece, in seconds: a signal is heard after it."""
_OUTLIVES_TROUBLE = frozenset({ActName.UNLOCK, ActName.FIND_TOKEN})
"""Acts that are tried for as long as ``unlock_patience``: whatever went wrong, users come first."""
_MAY_PASS = (Unavailable, Unreachable, Unexpected)
"""Errors that time may cure; nobody waits for what comes after the unlock, so it is given that time."""

Wish = Callable[[], str]
"""Returns the name of the signal by which the operator asked to stop; empty while nobody did."""
Tell = Callable[[Record, Memory], None]


def nobody_stops() -> str:
    """Return that no signal came."""
    return ""


def take(
    safe: Safe,
    settings: BackupSettings,
    memory: Memory,
    *,
    stop: Wish = nobody_stops,
    tell: Tell = lambda _record, _memory: None,
) -> Memory:
    """Drive a set to its end; the memory that is returned has an outcome.

    Args:
        safe: the estate.
        settings: limits and pauses.
        memory: where to begin: from ``plan``, or out of the journal through ``notes.adopt``.
        stop: asked before every pass.
        tell: hears every record that says something new.
    """
    run = _Run(safe, settings, memory, stop, tell)
    try:
        run.to_end()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        run.free(f"{type(error).__name__}: {error}")
        raise
    return run.memory


def _unheard(_record: Record, _memory: Memory) -> None:
    """Hear nothing."""


@dataclass(slots=True)
class _Run:
    """One set on its way; the memory is the newest whatever happens."""

    safe: Safe
    settings: BackupSettings
    memory: Memory
    stop: Wish
    tell: Tell
    told: Record | None = None

    def to_end(self) -> None:
        """Make passes until there is an outcome."""
        self.memory = keep(self.safe, self.memory)
        while self.memory.outcome is None:
            if (signal := self.stop()) and not (self.memory.leave or self.memory.stopping):
                self.memory = keep(self.safe, notes.leave(self.memory, signal))
            wait = self._pass()
            if self.memory.outcome is None:
                hears = not (self.memory.leave or self.memory.stopping)
                _sleep(self.safe, wait, self.stop if hears else nobody_stops)

    def free(self, why: str) -> None:
        """Let users in again, whatever broke: a full disk, a closed pipe, a defect of ours."""
        self.tell = _unheard
        if self.memory.locked_out:
            self.memory = notes.stop(self.memory, "broken_off", why)
        while self.memory.locked_out and self.memory.outcome is None:
            self.safe.clock.sleep(self._pass())

    def _pass(self) -> float:
        step = advance(self.safe, self.settings, self.memory)
        self.memory = step.memory
        self.memory = keep(self.safe, self.memory)
        if not step.record.says_the_same_as(self.told) or (self.told and step.record.detail != self.told.detail):
            self.told = step.record
            self.tell(step.record, self.memory)
        return step.wait


def keep(safe: Safe, memory: Memory) -> Memory:
    """Write the journal; return the memory of a set that is given up where that fails under the lock.

    Without its journal nobody could free the lock after us: so it is freed now.

    Raises:
        BbdcError: the journal could not be written, nobody is locked out, and the set is not given up.
    """
    try:
        safe.journal.write(memory)
    except BbdcError as error:
        if not (memory.locked_out or memory.stopping):
            raise
        return notes.stop(memory, "journal_failed", str(error))
    return memory


def _sleep(safe: Safe, seconds: float, stop: Wish) -> None:
    while seconds > 0 and not stop():
        piece = min(seconds, SLICE)
        safe.clock.sleep(piece)
        seconds -= piece


def advance(safe: Safe, settings: BackupSettings, memory: Memory) -> Step:
    """Make one pass: look, decide, act, record.

    Ordinary trouble becomes a record and another pass; trouble that no waiting cures gives the set up, and never the
    unlock.
    """
    seen = Sight(safe.clock.now())
    try:
        seen = look(safe, memory)
    except BbdcError as error:
        memory = notes.note(memory, replace(seen, at=safe.clock.now()), settings)  # the budget runs on
        if not memory.stopping:
            return _trouble(safe, settings, memory, error, doing="look")
    memory = notes.note(memory, seen, settings)
    decision = decide(memory, seen, settings)
    if isinstance(decision, Act):
        return _act(safe, settings, memory, decision)
    return _no_act(settings, memory, seen, decision)


def _act(safe: Safe, settings: BackupSettings, memory: Memory, act: Act) -> Step:
    if act.name is ActName.LOCK and memory.asked is None:
        try:
            safe.timing.before_lock()
        except BbdcError as error:
            return _trouble(safe, settings, memory, error, doing="before_lock")
    intent = replace(memory, doing=act.name.value)
    if act.name is ActName.LOCK:
        safe.journal.write(intent)  # raises before anybody is locked out
        intent = replace(intent, asked=memory.asked or safe.clock.now())
    intent = keep(safe, intent)
    if intent.stopping and not memory.stopping:
        return Step(intent, Record(safe.clock.now(), "trouble", intent.stopping, memory.backup.id, intent.why), 0.0)
    try:
        done = perform(safe, act, intent)
    except BbdcError as error:
        return _trouble(safe, settings, _tried(intent, act), error, doing=act.name.value, act=act)
    if done.error is not None:
        return _trouble(safe, settings, done.memory, done.error, doing=act.name.value, act=act)
    after = replace(done.memory, doing="", trouble_since=None)
    detail = after.why if after.stopping and not memory.stopping else act.detail
    return Step(after, Record(safe.clock.now(), "act", act.name.value, after.backup.id, detail), 0.0)


def _tried(memory: Memory, act: Act) -> Memory:
    """Count an unlock whose answer was lost: that nothing is locked afterwards is then our own doing."""
    if act.name is ActName.UNLOCK:
        return replace(memory, unlock_tries=memory.unlock_tries + 1)
    return memory


def _no_act(settings: BackupSettings, memory: Memory, seen: Sight, decision: Wait | Finish) -> Step:
    memory = replace(memory, trouble_since=None)
    if isinstance(decision, Finish):
        outcome = decision.outcome
        memory = replace(memory, outcome=outcome)
        return Step(memory, Record(seen.at, "finish", outcome.ending.value, outcome.reason, outcome.detail), 0.0)
    record = Record(seen.at, "wait", decision.gate, memory.backup.id, decision.detail)
    return Step(memory, record, _pause(settings, memory))


def _pause(settings: BackupSettings, memory: Memory) -> float:
    """Hurry while users are locked out, and while members are half begun: every second sets them further apart."""
    half_begun = memory.doing == ActName.BEGIN_MEMBERS
    if memory.stopping and not memory.unlock_token:
        return settings.poll  # the token is looked for in the logs of all nodes: a slow search, not a hasty one
    return settings.lock_poll if memory.locked_out or half_begun else settings.poll


def _trouble(
    safe: Safe, settings: BackupSettings, memory: Memory, error: BbdcError, *, doing: str, act: Act | None = None
) -> Step:
    """Turn an error into another try, or into the end of the set when no waiting cures it; a lock is always freed."""
    now = safe.clock.now()
    since = memory.trouble_since if memory.trouble_since is not None else now
    memory = replace(memory, trouble_since=since, trouble=f"{doing}: {error}")
    wait = _pause(settings, memory)
    if isinstance(error, Unavailable) and error.after is not None:
        wait = max(wait, min(error.after, 5.0) if memory.locked_out else error.after)
    memory = _give_up(settings, memory, error, now, act)
    return Step(memory, Record(now, "trouble", name_of(error), memory.backup.id, memory.trouble), wait)


def _give_up(settings: BackupSettings, memory: Memory, error: BbdcError, now: float, act: Act | None) -> Memory:
    lasts = now - (memory.trouble_since if memory.trouble_since is not None else now)
    if act is not None and act.name in _OUTLIVES_TROUBLE:
        still = Outcome(Ending.LOCKED, "still_locked", memory.trouble)
        return memory if lasts < settings.unlock_patience else replace(memory, outcome=still)
    if memory.locked_out:
        # A look that fails is repeated while the budget lasts; an act that is refused is not.
        hopeless = act is not None and not isinstance(error, Unavailable)
        return notes.stop(memory, name_of(error), memory.trouble) if hopeless else memory
    if memory.stopping or memory.waits_for_cloud:
        given_up = memory.leave or lasts >= settings.trouble_timeout or not isinstance(error, _MAY_PASS)
        return _left(memory, error) if given_up else memory
    lasting = not isinstance(error, Unavailable) or lasts >= settings.trouble_timeout
    return notes.stop(memory, name_of(error), memory.trouble) if lasting else memory


def _left(memory: Memory, error: BbdcError) -> Memory:
    """Nobody is locked out: what is still to be done, the next run or ``recover`` does."""
    if memory.stopping:
        return replace(memory, outcome=Outcome(Ending.INVALID, memory.stopping, f"{memory.why}; {memory.trouble}"))
    return replace(memory, outcome=Outcome(Ending.PENDING, name_of(error), memory.trouble))
