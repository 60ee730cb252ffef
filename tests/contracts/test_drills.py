"""``ports.drills.Drills``: what every implementation must do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from automation.core.backups.sets import Member, MemberKind
from automation.ports.drills import Place
from automation.ports.errors import Refused
from tests.contracts.drill_subjects import DrillSubject, drills_aws, drills_azure, drills_in_memory

IMPLEMENTATIONS: Mapping[str, Callable[[Path], AbstractContextManager[DrillSubject]]] = {
    "aws": drills_aws,
    "azure": drills_azure,
    "memory": drills_in_memory,
}
LOOKS = 40
"""More than any place takes, at two seconds each."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=sorted(IMPLEMENTATIONS))
def estate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillSubject]:
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("drills")) as made:
        yield made


@pytest.fixture
def subject(estate: DrillSubject) -> Iterator[DrillSubject]:
    """One estate for all tests here; each leaves it as it was."""
    before = estate.everything()
    yield estate
    for drill in estate.drills.leftovers():
        closed(estate, drill)
    assert estate.everything() == before


@pytest.fixture
def name() -> str:
    """A drill's id; no two are the same, and clouds take a second use for a repetition."""
    return f"20261121-110000-000-{next(_numbers):05}"


def ready(subject: DrillSubject, name: str) -> Place:
    for _ in range(LOOKS):
        place = subject.drills.look(name)
        if place.ready:
            return place
        assert place.detail
        assert not place.problem
        subject.wait(2)
    pytest.fail(f"never ready: {place}")


def closed(subject: DrillSubject, name: str) -> None:
    for _ in range(LOOKS):
        if subject.drills.close(name):
            return
        subject.wait(2)
    pytest.fail(f"never closed: {subject.drills.leftovers()}")


def test_a_place_becomes_ready_and_says_what_there_is(subject, name):
    subject.drills.open(name, subject.found)
    first = subject.drills.look(name)
    assert (first.ready, first.problem, bool(first.detail)) == (False, "", True)
    place = ready(subject, name)
    assert place.machine
    assert place.database_host
    assert place.database_port == 5432
    assert len(place.devices) == len(subject.found.of(MemberKind.DISK))
    assert not subject.secret or subject.secret not in repr(place)
    assert subject.drills.look(name) == place


def test_opening_twice_makes_nothing_twice_and_what_is_there_stays(subject, name):
    subject.drills.open(name, subject.found)
    once = subject.everything()
    subject.drills.open(name, subject.found)
    assert subject.everything() == once
    place = ready(subject, name)
    subject.drills.open(name, subject.found)
    assert subject.drills.look(name) == place


def test_a_place_that_was_never_opened_is_not_ready(subject, name):
    place = subject.drills.look(name)
    assert (place.ready, place.problem) == (False, "")
    assert subject.drills.leftovers() == ()


def test_closing_removes_all_of_one_drill_and_may_be_repeated(subject, name):
    other = f"{name}-2"
    subject.drills.open(name, subject.found)
    subject.drills.open(other, subject.found)
    assert subject.drills.leftovers() == (name, other)
    assert subject.elsewhere.leftovers() == ()
    closed(subject, name)
    assert subject.drills.leftovers() == (other,)
    assert subject.drills.close(name)
    assert not subject.drills.look(name).ready
    assert ready(subject, other).machine


def test_closing_what_never_was_is_success(subject):
    assert subject.drills.close("never-was")


def test_several_databases_are_not_guessed_between(subject, name):
    two = replace(subject.found, members=(*subject.found.members, Member(MemberKind.DATABASE, "db-2", "snap-2")))
    with pytest.raises(Refused) as refused:
        subject.drills.open(name, two)
    assert refused.value.name == "set_whole"
