"""Tags alone tell what a set is worth: never better than it is, and as good as it is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.core.backups import labels
from automation.core.backups.sets import Mode, SetState, Snapshot, SnapshotState
from tests.core.backups.sets import good_set, member

pytestmark = pytest.mark.property

thrifty = settings(max_examples=60, deadline=None)


@st.composite
def told(draw):
    """A complete set, and its snapshots as the cloud shows them."""
    sources = draw(st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=5, unique=True))
    found = good_set(
        draw(st.sampled_from(Mode)),
        members=tuple(member(source) for source in sources),
        expected=tuple(sources),
        name=draw(st.sampled_from(["", "before the upgrade"])),
    )
    return found, snapshots_of(found)


def snapshots_of(found):
    words = labels.of_set(found)
    return [
        Snapshot(m.kind, m.snapshot, m.source, SnapshotState.COMPLETED, at=m.at, size=m.size, tags=words)
        for m in found.members
    ]


def changed(snapshot, **words):
    return replace(snapshot, tags={**snapshot.tags, **words})


@thrifty
@given(told())
def test_a_complete_set_is_rebuilt_from_its_members_alone(case):
    found, snapshots = case
    (rebuilt,) = labels.rebuild(snapshots)
    for name in ("id", "cluster", "mode", "state", "created", "version", "name"):
        assert getattr(rebuilt, name) == getattr(found, name), name
    assert {m.snapshot for m in rebuilt.members} == {m.snapshot for m in found.members}
    assert set(rebuilt.expected) == set(found.expected)


@thrifty
@given(told(), st.data())
def test_it_is_never_called_complete_with_a_member_missing_or_in_doubt(case, data):
    _, snapshots = case
    at = data.draw(st.integers(0, len(snapshots) - 1))
    doubts = [
        [],
        [changed(snapshots[at], **{labels.STATE: "pending"})],
        [changed(snapshots[at], **{labels.STATE: "invalid"})],
        [replace(snapshots[at], state=SnapshotState.PENDING)],
        [replace(snapshots[at], state=SnapshotState.FAILED)],
    ]
    rest = [*snapshots[:at], *data.draw(st.sampled_from(doubts)), *snapshots[at + 1 :]]
    for rebuilt in labels.rebuild(rest):
        assert (rebuilt.state, rebuilt.reason) == (SetState.INVALID, labels.LOST)


@thrifty
@given(told(), st.data())
def test_one_more_that_was_begun_twice_takes_nothing_from_it(case, data):
    found, snapshots = case
    twice = data.draw(st.sampled_from(snapshots))
    more = replace(changed(twice, **{labels.STATE: "invalid"}), id="snap-twice")
    (rebuilt,) = labels.rebuild(data.draw(st.permutations([*snapshots, more])))
    assert rebuilt.state is SetState.COMPLETE
    assert {m.snapshot for m in rebuilt.members} == {m.snapshot for m in found.members}


def test_sets_are_told_apart_and_snapshots_of_others_left_out():
    one, two = good_set(id="one"), good_set(id="two", created=good_set().created - 60)
    stranger = Snapshot(one.members[0].kind, "snap-x", "vol-x", SnapshotState.COMPLETED)
    rebuilt = labels.rebuild([*snapshots_of(one), stranger, *snapshots_of(two)])
    assert [each.id for each in rebuilt] == ["two", "one"]


def test_a_time_that_nobody_can_read_is_replaced_by_the_snapshots_own():
    snapshots = [changed(s, **{labels.CREATED: "yesterday"}) for s in snapshots_of(good_set())]
    (rebuilt,) = labels.rebuild(snapshots)
    assert rebuilt.created == min(s.at for s in snapshots)


def test_words_that_are_empty_are_no_tags():
    assert labels.NAME not in labels.of_set(good_set())
