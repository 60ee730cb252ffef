"""Each gate of a backup: it does no harm, and it does not get stuck; and what comes next in every state."""

from dataclasses import replace

import pytest

from automation.core.backups import notes
from automation.core.backups.decide import decide
from automation.core.backups.memory import (
    Act,
    ActName,
    BackupSettings,
    Ending,
    Finish,
    Lock,
    Memory,
    Outcome,
    Sight,
    Wait,
)
from automation.core.backups.sets import LockTimes, MemberKind, Mode, SetState, Snapshot, SnapshotState, Source
from tests.core.backups.sets import T0, good_set, member

SETTINGS = BackupSettings()
SOURCES = (
    Source(MemberKind.DISK, "vol-1"),
    Source(MemberKind.DATABASE, "db-1", recoverable_until=T0),
)
OPEN = (member(completed=None), member("db-1", MemberKind.DATABASE, completed=None))
HELD = LockTimes(asked=T0, held=T0 + 0.1)


def memory(mode=Mode.LOCKED, *, members=(), **more):
    """Return the memory of a set that has written its manifest and done nothing else."""
    backup = good_set(mode, SetState.PENDING, members=members, lock=None)
    return replace(Memory(backup, sources=SOURCES, written=SetState.PENDING), **more)


def locked(*, members=(), **more):
    """Return the memory of a set that holds the lock with a running task."""
    plain = memory(members=members, asked=T0, unlock_token="unlock-me", cancel_token="cancel-me")
    return replace(plain, backup=replace(plain.backup, lock=HELD), **more)


def released(mode=Mode.LOCKED, *, members=OPEN, **more):
    """Return the memory of a set that is begun, and locks nobody out."""
    plain = memory(mode, members=members, begun=True, looked=True)
    if mode is Mode.LOCKED:
        lock = replace(HELD, drained=T0 + 2.0, released=T0 + 3.0)
        plain = replace(plain, asked=T0, free=True, fixed=True, drained=T0 + 2.0, unlock_token="unlock-me")
        plain = replace(plain, backup=replace(plain.backup, lock=lock))
    return replace(plain, **more)


def sight(at=T0 + 5.0, **more):
    return Sight(at, **more)


def running(at=T0 + 5.0, *, drained=True, **more):
    return Sight(at, lock=Lock.OURS, task_running=True, drained=drained, **more)


def step(before, seen):
    """Note, then decide: what a pass does."""
    after = notes.note(before, seen, SETTINGS)
    return after, decide(after, seen, SETTINGS)


def name(decision):
    return decision.name if isinstance(decision, Act) else getattr(decision, "gate", None) or decision.outcome.ending


def shown(each, state=SnapshotState.COMPLETED, **more):
    return replace(Snapshot(each.kind, each.snapshot, each.source, state, at=each.at), **more)


@pytest.mark.parametrize(
    ("before", "seen", "next_one"),
    [
        (memory(written=None), sight(), ActName.WRITE_MANIFEST),
        (memory(), sight(), ActName.LOCK),
        (memory(Mode.ZERO_DOWNTIME), sight(), ActName.BEGIN_MEMBERS),
        (locked(cancel_token=""), sight(), ActName.START_TASK),
        (locked(), running(drained=False), "drained"),
        (locked(), running(), ActName.BEGIN_MEMBERS),
        (locked(members=OPEN, begun=True, drained=T0 + 2), running(), ActName.FINISH_TASK),
        (locked(members=OPEN, begun=True, drained=T0 + 2, fixed=True, finished=True), sight(), ActName.UNLOCK),
        (released(looked=False), sight(), ActName.LOOK_AGAIN),
        (released(), sight(), "members_completed"),
        (released(members=good_set().members), sight(), ActName.LABEL),
        (released(members=good_set().members, labelled=SetState.COMPLETE), sight(), ActName.WRITE_MANIFEST),
        (
            released(members=good_set().members, labelled=SetState.COMPLETE, written=SetState.COMPLETE),
            sight(),
            Ending.COMPLETE,
        ),
        (memory(stopping="x"), sight(), ActName.LABEL),
        (locked(stopping="x"), sight(), ActName.CANCEL_TASK),
        (locked(stopping="x", cancelled=True), sight(), ActName.UNLOCK),
        (locked(stopping="x", finished=True), sight(), ActName.UNLOCK),
        (locked(stopping="x", unlock_token=""), sight(), ActName.FIND_TOKEN),
        (memory(stopping="x", labelled=SetState.INVALID), sight(), ActName.WRITE_MANIFEST),
        (memory(stopping="x", labelled=SetState.INVALID, written=None), sight(), ActName.WRITE_MANIFEST),
        (memory(stopping="x", labelled=SetState.INVALID, written=SetState.INVALID), sight(), Ending.INVALID),
    ],
)
def test_what_comes_next(before, seen, next_one):
    assert name(step(before, seen)[1]) == next_one


# drained -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [running(drained=False), sight(), sight(T0 + 200)])
def test_drained_does_no_harm_nothing_is_begun_before_it(seen):
    _, decision = step(locked(), seen)
    assert isinstance(decision, Wait)
    assert decision.gate == "drained"


@pytest.mark.parametrize("seen", [running(T0 + 300.1, drained=False), sight(T0 + 300.1)])
@pytest.mark.parametrize("before", [locked(), locked(unlock_token="", cancel_token="")])
def test_drained_does_not_get_stuck_the_budget_ends_it_also_when_nobody_answers(before, seen):
    after, decision = step(before, seen)
    assert after.stopping == "lock_budget"
    assert name(decision) in {ActName.CANCEL_TASK, ActName.FIND_TOKEN}


# instants_fixed ------------------------------------------------------------------------------------------------------


def test_instants_fixed_does_no_harm_nobody_is_let_in_before_the_last_instant():
    unknown = (OPEN[0], replace(OPEN[1], at=None))
    before = locked(members=unknown, begun=True, drained=T0 + 2)
    after, decision = step(before, running(snapshots=(shown(OPEN[1], SnapshotState.PENDING),)))
    assert after.backup.members[1].at == OPEN[1].at
    assert name(decision) == "instants_fixed", "drained must be seen once more after the last instant"
    assert name(step(after, running(drained=False))[1]) == "instants_fixed"
    assert name(step(after, running(T0 + 6))[1]) == ActName.FINISH_TASK


def test_instants_fixed_does_not_get_stuck_the_budget_ends_it():
    before = locked(members=(replace(OPEN[0], at=None),), begun=True, drained=T0 + 2)
    after, decision = step(before, running(T0 + 300.1, snapshots=()))
    assert (after.stopping, name(decision)) == ("lock_budget", ActName.CANCEL_TASK)


# unlock --------------------------------------------------------------------------------------------------------------


def test_unlocking_does_no_harm_a_lock_that_is_not_ours_any_more_is_left_alone():
    for lock in (Lock.FREE, Lock.FOREIGN):
        after, decision = step(locked(), sight(lock=lock))
        assert (after.stopping, after.free) == ("lock_lost", True)
        assert name(decision) == ActName.LABEL


def test_unlocking_does_not_get_stuck_it_says_so_in_the_end():
    before = locked(stopping="interrupted", cancelled=True, trouble_since=T0, trouble="503")
    assert name(step(before, sight(T0 + 899))[1]) == ActName.UNLOCK
    _, decision = step(before, sight(T0 + 900))
    assert decision == Finish(Outcome(Ending.LOCKED, "still_locked", "unlocking failed: 503"))


# members_completed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
def test_members_completed_does_no_harm_no_set_is_complete_before_them(mode):
    one = (shown(OPEN[0]), shown(OPEN[1], SnapshotState.PENDING, percent=50))
    after, decision = step(released(mode), sight(snapshots=one))
    assert decision == Wait("members_completed", "1 of 2 members completed, 75 %")
    assert [m.completed for m in after.backup.members] == [T0 + 5.0, None]


def test_members_completed_does_not_get_stuck_by_time_by_failure_and_by_leaving():
    late = sight(T0 + 2.5 + SETTINGS.complete_timeout + 0.1, snapshots=())
    assert step(released(), late)[0].stopping == "complete_timeout"
    failed = sight(snapshots=(shown(OPEN[0], SnapshotState.FAILED, problem="no space"),))
    assert step(released(), failed)[0].stopping == "snapshot_failed"
    assert name(step(released(leave=True), sight(snapshots=()))[1]) == Ending.PENDING


def test_the_failure_of_a_snapshot_that_is_no_member_spoils_nothing():
    twice = shown(OPEN[0], SnapshotState.FAILED, id="snap-twice")
    assert not step(released(), sight(snapshots=(twice,)))[0].stopping


# recoverable ---------------------------------------------------------------------------------------------------------


def aligned():
    after, decision = step(released(Mode.ZERO_DOWNTIME, members=good_set().members), sight())
    assert (after.backup.recover_to, name(decision)) == (T0 + 2.5, "recoverable")
    return after


def test_recoverable_does_no_harm_no_set_is_complete_before_its_log():
    for until in (None, T0 + 2.4):
        assert name(step(aligned(), sight(recoverable_until=until))[1]) == "recoverable"
    assert name(step(aligned(), sight(recoverable_until=T0 + 2.5))[1]) == ActName.LABEL


def test_recoverable_does_not_get_stuck_the_snapshot_stands_in_and_an_operator_may_leave():
    late = sight(T0 + 2.5 + SETTINGS.complete_timeout + 0.1)
    after, decision = step(aligned(), late)
    assert (after.backup.recover_to, name(decision)) == (None, ActName.LABEL)
    again, decision = step(replace(after, labelled=SetState.COMPLETE), late)
    assert (again.backup.recover_to, name(decision)) == (None, ActName.WRITE_MANIFEST)
    assert name(step(replace(aligned(), leave=True), sight())[1]) == Ending.PENDING


# What becomes of a set whose task, process or operator goes away -----------------------------------------------------


def test_a_task_that_ends_is_a_reason_to_stop_only_until_the_instants_are_fixed():
    over = Sight(T0 + 5, lock=Lock.OURS, task_running=False)
    assert step(locked(members=OPEN, begun=True, drained=T0 + 2), over)[0].stopping == "task_cancelled"
    fixed = locked(members=OPEN, begun=True, drained=T0 + 2, fixed=True, finish_tries=1)
    assert name(step(fixed, over)[1]) == ActName.FINISH_TASK


@pytest.mark.parametrize("wish", [lambda m: notes.leave(m, "TERM"), notes.adopt])
def test_only_what_waits_for_the_cloud_alone_goes_on(wish):
    for stays in (released(), released(Mode.ZERO_DOWNTIME)):
        assert not wish(stays).stopping
    gone = (memory(), locked(), locked(members=OPEN, begun=True), memory(Mode.ZERO_DOWNTIME))
    assert all(wish(each).stopping for each in gone)


def test_the_first_reason_stands_and_gives_the_unlock_its_own_patience():
    once = notes.stop(replace(locked(), trouble_since=T0), "first", "because")
    assert once.trouble_since is None
    assert notes.stop(once, "second", "also") == once


@pytest.mark.parametrize(
    ("ending", "written", "over"),
    [
        (Ending.COMPLETE, SetState.COMPLETE, True),
        (Ending.INVALID, SetState.INVALID, True),
        (Ending.INVALID, SetState.PENDING, False),
        (Ending.INVALID, None, False),
        (Ending.PENDING, SetState.PENDING, False),
        (Ending.LOCKED, SetState.PENDING, False),
        (Ending.LOCKED, SetState.INVALID, False),
    ],
)
def test_a_set_is_over_when_users_are_in_and_its_manifest_says_what_it_is_worth(ending, written, over):
    assert replace(memory(), written=written, outcome=Outcome(ending)).is_over is over


def test_a_set_without_an_outcome_is_not_over():
    assert not memory().is_over


def test_no_token_is_in_the_text_of_a_memory():
    assert "unlock-me" not in repr(locked())
    assert "cancel-me" not in repr(locked())
