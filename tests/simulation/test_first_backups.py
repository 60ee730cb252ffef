"""Backups in virtual time without faults: they do what the design says, in order, and leave nothing behind."""

from dataclasses import replace

import pytest

from automation.core.backups.memory import Ending
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.engine.backups.shelf import shelf
from automation.engine.backups.verify import verify
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.sim.backups import QUICK, Run, recovered
from lab.sim.flavours import AZURE_LIKE
from lab.sim.settings import SimSettings, VaultSettings

pytestmark = pytest.mark.simulation


def take(estate, mode=Mode.LOCKED, **more):
    story = Run(estate, mode, **more).play()
    assert story.memory.outcome.ending is Ending.COMPLETE, "\n".join(story.lines())
    estate.witness.left_behind(shelf(estate.safe))
    return story


def acts(story):
    return [record.name for record in story.records if record.kind == "act"]


@pytest.mark.parametrize("volumes", [1, 4])
@pytest.mark.parametrize("begins", [0.0, 1.5])
def test_a_locked_set_is_begun_in_the_drained_lock_and_nothing_else_happens_there(cloud, volumes, begins):
    estate = cloud.safe(vaults=VaultSettings(home_volumes=volumes, database_begins=begins))
    story = take(estate)
    first = ["write_manifest", "lock", "start_task", "begin_members", "finish_task", "unlock", "look_again"]
    assert acts(story) == [*first, "label", "write_manifest"]
    backup = story.memory.backup
    assert len(backup.members) == volumes + 1
    assert backup.lock.beyond_drain <= begins + cloud.moment + 3 * QUICK.lock_poll
    assert estate.witness.locked == [pytest.approx(backup.lock.seconds)]
    assert estate.locked_by is None


def test_a_set_without_a_lock_touches_no_lock_and_is_one_instant(cloud):
    estate = cloud.safe(vaults=VaultSettings(mesh_volumes=3))
    story = take(estate, Mode.ZERO_DOWNTIME)
    assert acts(story) == ["write_manifest", "begin_members", "look_again", "label", "write_manifest"]
    assert story.memory.backup.skew == 0.0
    assert {name for _, name in estate.maintenance.calls.made} <= {"owner"}


def test_a_database_with_a_log_is_brought_to_the_disks_instant(cloud):
    estate = cloud.safe(vaults=VaultSettings(database_begins=2.0, log_lag=300.0, clock_offset=7.0))
    story = take(estate, Mode.ZERO_DOWNTIME)
    backup = story.memory.backup
    assert backup.recover_to == max(member.at for member in backup.of(MemberKind.DISK))
    assert backup.skew == (0.0 if cloud.moment else pytest.approx(2.0))  # what is but a moment moves along
    assert ("wait", "recoverable") in [(record.kind, record.name) for record in story.records]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("begins", [0.0, 1.5])
def test_a_database_that_is_restored_by_time_only_has_its_moment_in_the_set(mode, begins):
    vaults = VaultSettings(database_begins=begins, log_lag=300.0, clock_offset=-7.0)
    story = take(AZURE_LIKE.safe(vaults=vaults), mode)
    backup = story.memory.backup
    kind = MemberKind.DATABASE if mode is Mode.LOCKED else MemberKind.DISK
    assert backup.recover_to == max(member.at for member in backup.of(kind))
    assert ("wait", "recoverable") in [(record.kind, record.name) for record in story.records]
    if mode is Mode.LOCKED:  # the log's delay is nobody's lock
        assert backup.lock.beyond_drain <= begins + AZURE_LIKE.moment + 3 * QUICK.lock_poll


@pytest.mark.parametrize("mode", list(Mode))
def test_a_log_that_never_comes_spoils_a_set_whose_database_is_restored_by_time_only(mode):
    story = Run(AZURE_LIKE.safe(vaults=VaultSettings(log_lag=1e6)), mode).play()
    outcome = story.memory.outcome
    assert (outcome.ending, outcome.reason) == (Ending.INVALID, "complete_timeout")
    assert "log has not reached" in outcome.detail


def test_all_volumes_of_one_machine_are_begun_by_one_call_and_mesh_nodes_at_the_same_instant(cloud):
    estate = cloud.safe(vaults=VaultSettings(home_volumes=3, mesh_volumes=2))
    backup = take(estate).memory.backup
    instants = {stored.instant for stored in estate.storage.stored.values()}
    assert max(instants) - min(instants) <= cloud.moment
    assert len({stored.instant for stored in estate.storage.stored.values() if stored.kind is MemberKind.DISK}) == 1
    assert len(backup.members) == 6


def test_bitbucket_is_looked_at_four_times_a_second_at_most_while_users_wait(cloud):
    settings = SimSettings(bitbucket=BitbucketSettings(scm_drain_seconds=20.0))
    estate = cloud.safe(settings)
    story = take(estate)
    lock = story.memory.backup.lock
    looks = estate.maintenance.calls.looks(lock.held, lock.drained)
    assert 3.0 <= looks / 20.0 <= 4.0


def test_pushes_go_on_before_and_after_and_the_set_holds_none_of_the_later_ones(cloud):
    estate = cloud.safe(vaults=VaultSettings(pushes=20.0))
    backup = take(estate).memory.backup
    held = sum(estate.storage.stored[m.snapshot].content[n] for m in backup.of(MemberKind.DATABASE) for n in range(6))
    assert held == estate.pushes.acknowledged(backup.lock.released)
    assert estate.pushes.acknowledged(estate.clock.now()) > held + 100


def test_the_next_set_verifies_like_the_first(cloud):
    estate = cloud.safe()
    for _ in range(2):
        backup = take(estate, finish_first=True).memory.backup
        assert verify(estate.safe, QUICK, backup.id).verified.passed
    assert len(shelf(estate.safe).sets) == 2


def test_a_set_is_found_by_its_tags_alone_when_its_manifest_is_lost(cloud):
    estate = cloud.safe()
    backup = take(estate).memory.backup
    estate.manifests.versions.clear()
    (found,) = shelf(estate.safe).sets
    assert (found.id, found.state, found.mode) == (backup.id, SetState.COMPLETE, Mode.LOCKED)
    assert {m.snapshot for m in found.members} == {m.snapshot for m in backup.members}


def test_recover_finds_nothing_to_do_after_a_good_set(cloud):
    estate = cloud.safe()
    take(estate)
    before = dict(estate.manifests.versions)
    found = recovered(estate)
    assert (found.ended, found.owner, found.stale, found.orphans) == ((), None, (), ())
    assert estate.manifests.versions == before


def test_a_longer_budget_waits_for_a_longer_drain(cloud):
    settings = SimSettings(bitbucket=BitbucketSettings(scm_drain_seconds=200.0))
    story = take(cloud.safe(settings), settings=replace(QUICK, lock_budget=300.0))
    assert 200.0 <= story.memory.backup.lock.seconds <= 202.0
