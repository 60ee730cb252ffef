"""The rules of a restore by name, each refused and passed; and what a set becomes."""

from dataclasses import replace

import pytest

from automation.core.backups.sets import BackupSet, Copy, Member, MemberKind, Mode, SetState
from automation.core.restores.generations import ORIGINAL, DataState, Generation, is_name
from automation.core.restores.plan import Circumstances, generation_of, judge, usable_copy

HOME = Member(MemberKind.DISK, "vol-1", "snap-1", role="shared-home")
MESH = Member(MemberKind.DISK, "vol-2", "snap-2", role="mesh")
DATABASE = Member(MemberKind.DATABASE, "db-1", "db-snap-1", role="database")
FOUND = BackupSet(
    id="20261121-100000-000",
    cluster="alpha",
    mode=Mode.LOCKED,
    state=SetState.COMPLETE,
    created=1.0,
    version="7.9.0",
    region="eu-west-1",
    account="1",
    members=(HOME, DATABASE),
)
HERE = Circumstances("alpha", "eu-west-1", "1", "7.9.2", DataState(ORIGINAL, (Generation("april", ("snap-9",), "d"),)))
COPY = Copy("eu-west-1", "1", "key", SetState.COMPLETE, {"snap-1": "snap-8", "db-snap-1": "arn:db-8"}, 2.0)
AWAY = replace(FOUND, region="us-east-1")


def refused(found, name="march", here=HERE):
    return {finding.name: finding.detail for finding in judge(found, name, here) if not finding.passed}


def test_a_good_set_passes_every_rule():
    assert refused(FOUND) == {}
    assert [finding.name for finding in judge(FOUND, "march", HERE)] == [
        "same_cluster",
        "set_complete",
        "target_name",
        "target_free",
        "same_region",
        "set_whole",
        "no_mesh",
        "version_fits",
    ]


@pytest.mark.parametrize(
    ("found", "name", "rule", "detail"),
    [
        (replace(FOUND, cluster="beta"), "march", "same_cluster", "the set is of cluster beta: `bbdc stage` builds"),
        (replace(FOUND, state=SetState.PENDING), "march", "set_complete", "set 20261121-100000-000 is pending"),
        (replace(FOUND, state=SetState.INVALID, reason="lock_lost"), "march", "set_complete", "is invalid: lock_lost"),
        (FOUND, "March", "target_name", "'March': lower-case letters"),
        (FOUND, ORIGINAL, "target_name", "'original'"),
        (FOUND, "april", "target_free", "restores go beside, never into"),
        (AWAY, "march", "same_region", "the set lies in us-east-1, account 1: `bbdc backup copy` it to eu-west-1"),
        (replace(FOUND, account="2"), "march", "same_region", "the set lies in eu-west-1, account 2"),
        (replace(FOUND, members=(HOME,)), "march", "set_whole", "it holds 1 home disks and 0 databases"),
        (replace(FOUND, members=(DATABASE,)), "march", "set_whole", "it holds 0 home disks and 1 databases"),
        (replace(FOUND, members=(HOME, HOME, DATABASE)), "march", "set_whole", "it holds 2 home disks"),
        (replace(FOUND, members=(HOME, MESH, DATABASE)), "march", "no_mesh", "restore vol-2 by hand"),
        (replace(FOUND, version="7.10.0"), "march", "version_fits", "set the stack's version to 7.10.0"),
    ],
)
def test_each_rule_refuses_by_name(found, name, rule, detail):
    refusals = refused(found, name)
    assert detail in refusals[rule]
    assert set(refusals) - {rule} <= {"target_free"}  # the first generation's name is taken and no name to give


@pytest.mark.parametrize("state", [SetState.PENDING, SetState.INVALID])
def test_only_a_complete_copy_lies_here(state):
    assert usable_copy(replace(AWAY, copies=(replace(COPY, state=state),)), HERE) is None
    assert "same_region" in refused(replace(AWAY, copies=(replace(COPY, state=state),)))


def test_a_set_from_elsewhere_is_restored_from_its_copy():
    away = replace(AWAY, copies=(COPY,), recover_to=5.0)
    assert refused(away) == {}
    assert usable_copy(away, HERE) == COPY
    assert generation_of(away, "march", COPY) == Generation("march", ("snap-8",), "arn:db-8")


def test_a_set_that_lies_here_needs_no_copy():
    assert usable_copy(replace(FOUND, copies=(COPY,)), HERE) is None


def test_a_set_without_a_place_is_taken_for_a_near_one():
    assert refused(replace(FOUND, region="", account="")) == {}


@pytest.mark.parametrize("running", ["", "7.9.0", "7.9.4"])
def test_nodes_of_the_same_or_a_newer_bug_fix_version_open_the_sets_database(running):
    assert refused(FOUND, here=replace(HERE, version=running)) == {}


def test_a_locked_set_becomes_its_two_snapshots():
    assert generation_of(FOUND, "march") == Generation("march", ("snap-1",), "db-snap-1")


def test_a_set_without_downtime_takes_its_database_at_the_instant_of_its_disks():
    found = replace(FOUND, mode=Mode.ZERO_DOWNTIME, recover_to=1700000000.25)
    wanted = Generation("march", ("snap-1",), database_source="db-1", database_time=1700000000.25)
    assert generation_of(found, "march") == wanted


def test_names_of_retired_data_stay_taken_and_are_not_there():
    data = DataState("april", (Generation("april"), Generation("may")), frozenset({ORIGINAL, "may"}))
    assert data.names == {ORIGINAL, "april", "may"}
    assert data.there == {"april"}
    assert data.find("may") == Generation("may")
    assert data.find(ORIGINAL) is None


@pytest.mark.parametrize("name", ["a", "march-2", "2026", "x" * 20])
def test_names_that_may_be_given(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "x" * 21, "-a", "a-", "a--b", "March", "a_b", "a\n", ORIGINAL])
def test_names_that_may_not_be_given(name):
    assert not is_name(name)
