"""Each rule that makes a set good, broken by exactly the fact that it is about."""

from dataclasses import replace

import pytest

from automation.core.backups.sets import LockTimes, MemberKind, Mode
from automation.core.backups.validity import judge, refuse
from tests.core.backups.sets import T0, good_set, member

LIMIT = 5.0
DATABASE = member("db-1", MemberKind.DATABASE)


def times(**more):
    return replace(LockTimes(asked=T0, held=T0 + 0.1, drained=T0 + 2.0, released=T0 + 3.0), **more)


def with_disk(**more):
    return {"members": (member(**more), DATABASE)}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_good_set_breaks_no_rule(mode):
    assert refuse(good_set(mode), skew_limit=LIMIT) is None
    assert all(finding.passed for finding in judge(good_set(mode), skew_limit=LIMIT))


@pytest.mark.parametrize(
    ("mode", "broken", "name"),
    [
        (Mode.LOCKED, {"members": (member(),)}, "whole"),
        (Mode.LOCKED, {"members": (), "expected": ()}, "whole"),
        (Mode.ZERO_DOWNTIME, {"members": (DATABASE,)}, "whole"),
        (Mode.LOCKED, with_disk(at=None), "instants_known"),
        (Mode.LOCKED, with_disk(completed=None), "members_completed"),
        (Mode.LOCKED, {"lock": None}, "unlocked_cleanly"),
        (Mode.LOCKED, {"lock": times(released=None)}, "unlocked_cleanly"),
        (Mode.LOCKED, {"lock": times(drained=None)}, "unlocked_cleanly"),
        (Mode.LOCKED, with_disk(begun=T0 + 1.9), "begun_under_lock"),
        (Mode.LOCKED, with_disk(answered=T0 + 3.1), "begun_under_lock"),
        (Mode.LOCKED, with_disk(begun=None), "begun_under_lock"),
        (Mode.LOCKED, with_disk(answered=None), "begun_under_lock"),
        (Mode.LOCKED, with_disk(begun=T0 + 2.9, answered=T0 + 2.8), "begun_under_lock"),
        (Mode.ZERO_DOWNTIME, with_disk(at=T0 + 2.5 + LIMIT + 0.1), "skew"),
    ],
)
def test_each_rule_is_broken_by_its_own_fact(mode, broken, name):
    found = refuse(good_set(mode, **broken), skew_limit=LIMIT)
    assert found is not None
    assert found.name == name
    assert found.detail


def test_a_set_taken_without_a_lock_needs_none_and_one_taken_with_it_has_no_skew_limit():
    assert refuse(good_set(Mode.ZERO_DOWNTIME, lock=None), skew_limit=LIMIT) is None
    assert refuse(good_set(Mode.LOCKED, **with_disk(at=T0 + 100)), skew_limit=LIMIT) is None, "clouds' clocks differ"


def test_members_at_the_very_limit_are_near_enough():
    assert refuse(good_set(Mode.ZERO_DOWNTIME, **with_disk(at=T0 + 2.5 + LIMIT)), skew_limit=LIMIT) is None


def test_a_database_that_will_be_restored_to_the_disks_instant_may_have_been_snapshotted_late():
    late = with_disk(at=T0 + 2.5 + LIMIT + 60)
    found = good_set(Mode.ZERO_DOWNTIME, **late)
    assert refuse(found, skew_limit=LIMIT).name == "skew"
    aligned = good_set(Mode.ZERO_DOWNTIME, **late, recover_to=T0 + 2.5 + LIMIT + 60)
    assert refuse(aligned, skew_limit=LIMIT) is None
    assert aligned.skew > LIMIT, "the manifest still tells how far they lie apart"
