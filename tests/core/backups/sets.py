"""Backup sets for tests: any that hypothesis can think of, and one good one of each mode to break."""

from dataclasses import replace

from hypothesis import strategies as st

from automation.core.backups.sets import (
    BackupSet,
    Copy,
    Counts,
    Examination,
    Finding,
    LockTimes,
    Member,
    MemberKind,
    Mode,
    SetState,
)

T0 = 1_700_000_000.0

words = st.text(max_size=12)
ids = st.text("abcdef0123456789-", min_size=1, max_size=10)
moments = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
maybe = moments | st.none()
spans = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
sizes = st.integers(0, 2**50)

members = st.builds(
    Member,
    kind=st.sampled_from(MemberKind),
    source=ids,
    snapshot=ids,
    role=words,
    at=maybe,
    begun=maybe,
    answered=maybe,
    size=sizes,
    zone=words,
    encryption_key=words,
    completed=maybe,
    facts=st.dictionaries(words, words, max_size=3),
)
findings = st.builds(Finding, name=words, passed=st.booleans(), detail=words)
examinations = st.builds(
    Examination,
    at=moments,
    passed=st.booleans(),
    findings=st.lists(findings, max_size=3).map(tuple),
    seconds=spans,
    by=words,
)
copies = st.builds(
    Copy,
    region=words,
    account=words,
    encryption_key=words,
    state=st.sampled_from(SetState),
    members=st.dictionaries(ids, ids, max_size=3),
    at=moments,
    problem=words,
)
counts = st.builds(
    Counts,
    repositories_before=st.none() | st.integers(0, 10**6),
    repositories_after=st.none() | st.integers(0, 10**6),
)
sets = st.builds(
    BackupSet,
    id=ids,
    cluster=words,
    mode=st.sampled_from(Mode),
    state=st.sampled_from(SetState),
    created=moments,
    version=words,
    name=words,
    by=words,
    region=words,
    account=words,
    members=st.lists(members, max_size=4).map(tuple),
    expected=st.lists(ids, max_size=4).map(tuple),
    lock=st.none() | st.builds(LockTimes, asked=moments, held=moments, drained=maybe, released=maybe),
    counts=counts,
    ended=maybe,
    reason=words,
    detail=words,
    recover_to=maybe,
    copies=st.lists(copies, max_size=2).map(tuple),
    verified=st.none() | examinations,
    drilled=st.none() | examinations,
    kept=st.booleans(),
)


def member(source="vol-1", kind=MemberKind.DISK, **more):
    """Return a member that was begun half a second after the drain and completed a minute later."""
    plain = Member(
        kind, source, f"snap-{source}", at=T0 + 2.5, begun=T0 + 2.5, answered=T0 + 2.6, completed=T0 + 60, size=1
    )
    return replace(plain, **more)


def good_set(mode=Mode.LOCKED, state=SetState.COMPLETE, **more):
    """Return a set that breaks no rule."""
    held = LockTimes(asked=T0, held=T0 + 0.1, drained=T0 + 2.0, released=T0 + 3.0) if mode is Mode.LOCKED else None
    plain = BackupSet(
        id="20231114-221320-000",
        cluster="prod",
        mode=mode,
        state=state,
        created=T0,
        version="9.4.1",
        members=(member(), member("db-1", MemberKind.DATABASE)),
        expected=("vol-1", "db-1"),
        lock=held,
    )
    return replace(plain, **more)
