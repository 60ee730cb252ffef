"""What retention promises: it never removes what could save the company, and keeps exactly what its rules name."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.core.backups.retention import PRUNED, Retention, judge
from automation.core.backups.sets import Examination, Mode, SetState
from tests.core.backups.sets import T0, good_set

pytestmark = pytest.mark.property

DAY = 86_400.0
NOW = T0 + 1000 * DAY
thrifty = settings(max_examples=100, deadline=None)
numbers = st.none() | st.integers(0, 6)
policies = st.builds(Retention, last=numbers, daily=numbers, weekly=numbers, monthly=numbers, yearly=numbers)
drills = st.sampled_from(
    [None, None, Examination(T0, passed=True, findings=()), Examination(T0, passed=False, findings=())]
)


@st.composite
def shelves(draw):
    """Sets of some years, often several a day."""
    hours = draw(st.lists(st.integers(0, 24 * 800), max_size=25, unique=True))
    return tuple(
        good_set(
            draw(st.sampled_from(Mode)),
            draw(st.sampled_from([SetState.COMPLETE, SetState.COMPLETE, SetState.INVALID, SetState.PENDING])),
            id=f"set-{number}",
            created=T0 + hour * 3600.0,
            drilled=draw(drills),
            kept=draw(st.sampled_from([False, False, False, True])),
        )
        for number, hour in enumerate(hours)
    )


def kept(sets, policy, now=NOW):
    return {verdict.set_id for verdict in judge(sets, policy, now=now) if verdict.keep}


def complete(sets):
    return sorted((s for s in sets if s.state is SetState.COMPLETE), key=lambda s: s.created, reverse=True)


@thrifty
@given(shelves(), policies)
def test_what_is_promised_is_kept_whatever_the_policy(sets, policy):
    stays = kept(sets, policy)
    good = complete(sets)
    assert {s.id for s in sets if s.kept or s.state is SetState.PENDING} <= stays
    assert {s.id for s in good[:1]} <= stays
    assert {s.id for s in [s for s in good if s.was_drilled][:1]} <= stays


@thrifty
@given(shelves(), policies)
def test_every_set_has_one_verdict_with_a_reason_and_the_newest_comes_first(sets, policy):
    verdicts = judge(sets, policy, now=NOW)
    assert sorted(v.set_id for v in verdicts) == sorted(s.id for s in sets)
    assert all(v.reasons for v in verdicts)
    created = {s.id: s.created for s in sets}
    times = [created[v.set_id] for v in verdicts]
    assert times == sorted(times, reverse=True)


@thrifty
@given(shelves(), policies, st.sampled_from(["last", "daily", "weekly", "monthly", "yearly"]))
def test_a_policy_that_asks_for_more_keeps_no_less(sets, policy, rule):
    more = replace(policy, **{rule: (getattr(policy, rule) or 0) + 1})
    if policy.is_empty:  # without any rule everything is kept; the first rule begins to choose
        policy = replace(policy, last=0)
    assert kept(sets, policy) <= kept(sets, more)


@thrifty
@given(shelves(), policies)
def test_pruning_twice_removes_no_more_than_pruning_once(sets, policy):
    stays = kept(sets, policy)
    left = [s for s in sets if s.id in stays]
    assert kept(left, policy) == stays


@thrifty
@given(shelves(), policies, st.floats(0.0, 1e9))
def test_time_alone_takes_no_complete_set_away(sets, policy, later):
    good = {s.id for s in complete(sets)}
    assert kept(sets, policy) & good == kept(sets, policy, NOW + later) & good


PERIODS = {"daily": "%Y-%j", "weekly": "%G-%V", "monthly": "%Y-%m", "yearly": "%Y"}


@thrifty
@given(shelves(), st.sampled_from(sorted(PERIODS)), st.integers(1, 6))
def test_a_rule_of_the_calendar_keeps_the_newest_of_each_of_the_newest_periods(sets, rule, count):
    newest = {}
    for each in complete(sets):
        newest.setdefault(datetime.fromtimestamp(each.created, UTC).strftime(PERIODS[rule]), each.id)
    named = {v.set_id for v in judge(sets, Retention(**{rule: count}), now=NOW) if rule in v.reasons}
    assert named == set(list(newest.values())[:count])


@thrifty
@given(shelves(), st.integers(0, 30))
def test_the_rule_of_the_last_counts_complete_sets_alone(sets, count):
    named = {v.set_id for v in judge(sets, Retention(last=count), now=NOW) if "last" in v.reasons}
    assert named == {s.id for s in complete(sets)[:count]}


@thrifty
@given(shelves())
def test_without_a_rule_every_complete_set_stays(sets):
    assert {s.id for s in complete(sets)} <= kept(sets, Retention())


@pytest.mark.parametrize(("age", "stays"), [(6.9, True), (7.1, False)])
def test_an_invalid_set_stays_for_some_days_to_be_looked_at(age, stays):
    bad = good_set(state=SetState.INVALID, created=NOW - age * DAY)
    assert kept([bad], Retention(last=1)) == ({bad.id} if stays else set())


def test_a_set_whose_removal_was_begun_is_not_kept_for_being_young():
    half = good_set(state=SetState.INVALID, created=NOW - 60, reason=PRUNED)
    (verdict,) = judge([half], Retention(last=1), now=NOW)
    assert not verdict.keep


def test_a_failed_drill_promises_nothing():
    old = good_set(id="old", created=T0, drilled=Examination(T0, passed=False, findings=()))
    new = good_set(id="new", created=T0 + DAY)
    assert kept([old, new], Retention(last=1)) == {"new"}


def test_a_week_that_spans_two_years_is_one_week():
    days = [datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)]
    sets = [good_set(id=str(day.date()), created=day.timestamp()) for day in days]
    assert Counter(v.keep for v in judge(sets, Retention(weekly=4), now=NOW)) == {True: 1, False: 1}
