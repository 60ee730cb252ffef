"""What a backup meets that it cannot cure: a named reason, users let in, nothing lost, and a way on."""

from dataclasses import replace

import pytest

from automation.core.backups.memory import Ending
from automation.core.backups.retention import Retention
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.engine.backups import copies, plan, prune
from automation.engine.backups.recover import finish_others
from automation.engine.backups.shelf import shelf
from automation.engine.backups.take import take
from automation.engine.backups.verify import verify
from automation.ports.errors import Forbidden, NotFound, Refused, Throttled, Unavailable, Unreachable
from automation.ports.vaults import Destination
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.sim.backups import QUICK, MortalJournal, Run, recovered
from lab.sim.flavours import AWS_LIKE, AZURE_LIKE
from lab.sim.settings import SimSettings, VaultSettings
from lab.sim.wires import Failing

pytestmark = pytest.mark.simulation


def ended(story):
    return story.memory.outcome.ending, story.memory.outcome.reason


def good(estate, **more):
    story = Run(estate, **more).play()
    assert story.memory.outcome.ending is Ending.COMPLETE, "\n".join(story.lines())
    return story.memory.backup


def at(name, act):
    """Return a hook that acts when a record of that name is heard first."""
    done = []

    def hook(record, _):
        if record.name == name and not done:
            done.append(name)
            act()

    return hook


# The lock ------------------------------------------------------------------------------------------------------------


def test_a_token_alone_is_refused_by_name_before_anything_is_tried(cloud):
    estate = cloud.safe()
    estate.maintenance.name = ""
    found = plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED)
    assert found.refused.name == "password"
    assert "BITBUCKET_USER" in found.refused.detail


def test_a_right_that_is_missing_at_the_lock_itself_locked_nobody(cloud):
    estate = cloud.safe()
    wire = Failing({"maintenance.lock": [Forbidden("403", right="SYS_ADMIN")] * 99})
    story = Run(estate, safe=wire.over(estate.safe)).play()
    assert ended(story) == (Ending.INVALID, "forbidden")
    assert wire.calls["maintenance.lock"] == 1
    assert "maintenance.owner" not in wire.calls, "there is nothing to look for"


def test_a_lock_that_somebody_else_holds_is_named_and_left_alone(cloud):
    estate = cloud.safe()
    estate.somebody_locks("alice")
    found = plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED)
    assert (found.refused.name, found.refused.detail) == ("unlocked", "locked for maintenance by alice")
    assert estate.locked_by == "alice"


@pytest.mark.parametrize("name", ["alice", "backup"])
def test_a_lock_taken_in_the_last_moment_is_left_alone_also_when_its_user_is_ours(cloud, name):
    estate = cloud.safe()
    wire = Failing({"maintenance.owner": [Unavailable("503")] * 3})
    hook = at("write_manifest", lambda: estate.somebody_locks(name))
    estate.witness.excuse()
    begun = plan.begin(plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED))
    memory = take(wire.over(estate.safe), QUICK, begun, tell=hook)
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.INVALID, "already_locked")
    assert estate.locked_by == name


def test_a_lost_answer_to_the_lock_is_undone_with_the_token_from_a_nodes_log(cloud):
    estate = cloud.safe()
    estate.somebody_locks("alice")
    estate.somebody_unlocks()
    wire = Failing(lost={"maintenance.lock": 1})
    assert ended(Run(estate, safe=wire.over(estate.safe)).play()) == (Ending.INVALID, "lock_answer_lost")
    assert estate.locked_by is None


def test_a_lost_lock_whose_token_no_log_tells_is_reported_until_recover_finds_it(cloud):
    estate = cloud.safe()
    estate.logs.readable = False
    wire = Failing(lost={"maintenance.lock": 1})
    story = Run(estate, safe=wire.over(estate.safe)).play()
    assert ended(story) == (Ending.LOCKED, "still_locked")
    assert "atlassian-bitbucket.log" in story.memory.outcome.detail
    assert recovered(estate).owner == "backup", "it says so"
    estate.logs.readable = True
    found = recovered(estate)
    assert found.owner is None
    assert [memory.outcome.ending for memory in found.ended] == [Ending.INVALID]


def test_a_lock_that_never_answers_has_its_budget_too(cloud):
    estate = cloud.safe()
    estate.witness.excuse()
    story = Run(estate, safe=Failing({"maintenance.lock": [Unavailable("503")] * 9999}).over(estate.safe)).play()
    assert ended(story) == (Ending.INVALID, "lock_budget")
    assert estate.locked_by is None


@pytest.mark.parametrize("lasts", [100.0, 10_000.0])
def test_an_outage_longer_than_the_budget_ends_unlocked_or_says_that_it_did_not(cloud, lasts):
    estate = cloud.safe(SimSettings(bitbucket=BitbucketSettings(scm_drain_seconds=20.0)))

    def goes_away():
        estate.maintenance.outage = True
        estate.clock.on_move(lambda now: comes_back() if now >= began + lasts else None)

    def comes_back():
        estate.maintenance.outage = False

    began = estate.clock.now()
    story = Run(estate, before=at("drained", goes_away)).play()
    if lasts < QUICK.lock_budget + QUICK.unlock_patience:
        assert ended(story) == (Ending.INVALID, "lock_budget")
        assert estate.witness.locked[0] <= lasts + 2 * QUICK.lock_poll
    else:
        assert ended(story) == (Ending.LOCKED, "still_locked")
        estate.clock.sleep(lasts)
        assert [memory.outcome.reason for memory in recovered(estate).ended] == ["lock_budget"]
    assert estate.locked_by is None


def test_a_node_that_joins_under_the_lock_spoils_the_set(cloud):
    settings = BitbucketSettings(boot_seconds=1.0, scm_drain_seconds=9.0)
    estate = cloud.safe(SimSettings(launch=1.0, bitbucket=settings))
    story = Run(estate, before=at("drained", estate.node_joins)).play()
    assert ended(story) == (Ending.INVALID, "node_joined")


# Members -------------------------------------------------------------------------------------------------------------


def test_a_spent_quota_is_named_and_what_was_begun_is_called_invalid(cloud):
    estate = cloud.safe(vaults=VaultSettings(home_volumes=2))
    estate.storage.limits.quota = 2
    assert ended(Run(estate).play()) == (Ending.INVALID, "snapshot_quota")
    assert [s.tags["backup-state"] for s in estate.storage.stored.values()] == ["invalid"] * 2
    estate.witness.left_behind(shelf(estate.safe))


@pytest.mark.parametrize("kind", [MemberKind.DISK, MemberKind.DATABASE])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_snapshot_that_fails_spoils_the_set_and_is_named(cloud, kind, mode):
    estate = cloud.safe()
    estate.storage.limits.failing.append(kind)
    story = Run(estate, mode).play()
    assert ended(story) == (Ending.INVALID, "snapshot_failed")
    assert "an internal error occurred" in story.memory.outcome.detail


def test_a_database_that_begins_to_back_itself_up_in_the_last_moment_gives_the_lock_back_at_once(cloud):
    estate = cloud.safe()
    busy = at("drained", lambda: setattr(estate.storage.limits, "database_state", "backing-up"))
    story = Run(estate, before=busy).play()
    assert ended(story) == (Ending.INVALID, "begin_failed")
    assert "backing-up" in story.memory.outcome.detail
    assert estate.witness.locked[0] < 3.0


@pytest.mark.parametrize("mode", list(Mode))
def test_a_lost_answer_to_the_beginning_makes_no_second_snapshot(cloud, mode):
    estate = cloud.safe(vaults=VaultSettings(home_volumes=2, mesh_volumes=1))
    good(estate, mode=mode, safe=Failing(lost={"disks.begin": 2, "database.begin": 1}).over(estate.safe))
    assert len(estate.storage.stored) == 4


def test_trouble_that_is_older_than_the_drain_does_not_make_a_found_snapshot_look_older_than_it(cloud):
    estate, down = cloud.safe(), Unavailable("503")
    wire = Failing({"maintenance.state": [down] * 7, "disks.snapshots": [None, down]}, {"disks.begin": 1})
    good(estate, safe=wire.over(estate.safe))
    assert wire.calls["disks.begin"] == 1


def test_a_snapshot_begun_twice_because_listings_lag_is_called_invalid_and_listed():
    estate = AWS_LIKE.safe(vaults=VaultSettings(home_volumes=1, listing_lag=2.0))
    backup = good(estate, safe=Failing(lost={"disks.begin": 1}).over(estate.safe))
    there = shelf(estate.safe)
    assert len(estate.storage.stored) == 3
    assert [(o.source, o.tags["backup-state"]) for o in there.orphans] == [("vol-home-0", "invalid")]
    estate.witness.nothing_half_done(there)
    estate.manifests.versions.clear()
    assert shelf(estate.safe).find(backup.id).state is SetState.COMPLETE, "the tags alone tell it from the good one"


def test_a_snapshot_that_is_named_after_its_set_is_not_begun_twice_however_listings_lag():
    estate = AZURE_LIKE.safe(vaults=VaultSettings(home_volumes=2, listing_lag=2.0))
    good(estate, safe=Failing(lost={"disks.begin": 1}).over(estate.safe))
    assert len(estate.storage.stored) == 3
    assert shelf(estate.safe).orphans == ()


def test_a_throttled_beginning_is_repeated_at_once_so_that_the_members_stay_close(cloud):
    estate = cloud.safe()
    wire = Failing({"database.begin": [Throttled("slow down"), Unavailable("503")]})
    assert good(estate, mode=Mode.ZERO_DOWNTIME, safe=wire.over(estate.safe)).skew < 1.0 + cloud.moment


def test_members_too_far_apart_are_no_set(cloud):
    estate = cloud.safe(vaults=VaultSettings(database_begins=6.0))
    # A database that is restored by time is brought to the disks' instant in any case.
    by_time = cloud.capabilities.database_restores_by_time
    wanted = (Ending.COMPLETE, "") if by_time else (Ending.INVALID, "skew")
    assert ended(Run(estate, Mode.ZERO_DOWNTIME).play()) == wanted


def test_a_log_that_never_reaches_the_disks_instant_gives_way_to_the_databases_snapshot():
    estate = AWS_LIKE.safe(vaults=VaultSettings(database_begins=1.0, log_lag=1e9))
    backup = good(estate, mode=Mode.ZERO_DOWNTIME)
    assert backup.recover_to is None
    assert backup.skew == pytest.approx(1.0)


def test_a_snapshot_that_never_completes_ends_the_wait(cloud):
    estate = cloud.safe(vaults=VaultSettings(disk_completes=1e6))
    assert ended(Run(estate).play()) == (Ending.INVALID, "complete_timeout")


# After the unlock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["disks.snapshots", "disks.label", "manifests.write", "bitbucket.repositories"])
@pytest.mark.parametrize("error", [Unavailable("503"), Unreachable("refused"), Forbidden("403", right="tags")])
def test_a_begun_set_outlives_a_cloud_that_does_not_answer(cloud, call, error):
    """Everything is begun and nobody waits: the run ends pending, and the next one completes the set."""
    estate, wire, errors = cloud.safe(), Failing(), {call: [error] * 9999}
    unplug = at("unlock", lambda: setattr(wire, "refused", errors))
    story = Run(estate, safe=wire.over(estate.safe), before=unplug).play()
    assert story.memory.outcome.ending is Ending.PENDING, "\n".join(story.lines())
    assert estate.journal.unfinished(estate.cluster) == (story.memory,)
    assert [memory.outcome.ending for memory in recovered(estate).ended] == [Ending.COMPLETE]


def test_a_short_silence_after_the_unlock_is_waited_out(cloud):
    estate = cloud.safe()
    good(estate, safe=Failing({"disks.snapshots": [Unreachable("refused")] * 5}).over(estate.safe))


def test_an_invalid_set_whose_labels_could_not_be_written_is_finished_by_the_next_run(cloud):
    estate = cloud.safe()
    estate.storage.limits.failing.append(MemberKind.DISK)
    wire = Failing({"disks.label": [Forbidden("403", right="ec2:CreateTags")] * 9})
    story = Run(estate, safe=wire.over(estate.safe)).play()
    assert ended(story) == (Ending.INVALID, "snapshot_failed")
    assert not story.memory.is_over
    recovered(estate)
    assert estate.journal.unfinished(estate.cluster) == ()
    estate.witness.nothing_half_done(shelf(estate.safe))


def test_a_manifest_whose_first_answer_was_lost_does_not_stay_pending(cloud):
    estate = cloud.safe()
    lost = Failing(lost={"manifests.write": 1})
    story = Run(estate, safe=lost.over(estate.safe), stop=lambda: "TERM" if lost.calls else "").play()
    assert ended(story) == (Ending.INVALID, "interrupted")
    assert [each.state for each in shelf(estate.safe).sets] == [SetState.INVALID]


def test_a_lock_is_freed_before_anybody_waits_for_an_older_set(cloud):
    estate = cloud.safe(vaults=VaultSettings(disk_completes=800.0))
    left = Run(estate, stop=lambda: "TERM" if estate.storage.stored and estate.locked_by is None else "").play()
    assert left.memory.outcome.ending is Ending.PENDING
    estate.clock.sleep(1.0)
    Run(estate, safe=replace(estate.safe, journal=MortalJournal(estate.journal, at=7, after=True))).play()
    began = estate.clock.now()
    assert estate.locked_by == "backup", "the trap was set"
    freed = []
    finish_others(estate.safe, QUICK, "sim", tell=lambda *_: estate.locked_by or freed.append(estate.clock.now()))
    assert freed[0] == began


# Sets ----------------------------------------------------------------------------------------------------------------


def _verify(safe, name):
    return verify(safe, QUICK, name)


def _copy(safe, name):
    return copies.copy(safe, name, Destination("eu-west-1"), account="", poll=5.0, timeout=600.0)


@pytest.mark.parametrize("command", [_verify, _copy])
def test_an_unknown_set_is_not_found(cloud, command):
    with pytest.raises(NotFound, match="no backup set nonsense"):
        command(cloud.safe().safe, "nonsense")


def test_an_incomplete_set_does_not_pass_and_is_not_copied(cloud):
    estate = cloud.safe()
    estate.storage.limits.failing.append(MemberKind.DISK)
    broken = Run(estate).play().memory.backup
    assert not verify(estate.safe, QUICK, broken.id).verified.passed
    with pytest.raises(Refused) as refused:
        _copy(estate.safe, broken.id)
    assert refused.value.name == "set_incomplete"


def test_a_set_whose_member_is_gone_is_not_copied(cloud):
    estate = cloud.safe()
    backup = good(estate)
    del estate.storage.stored[backup.members[0].snapshot]
    with pytest.raises(Refused) as refused:
        _copy(estate.safe, backup.id)
    assert refused.value.name == "member_gone"
    assert not [stored for stored in estate.storage.stored.values() if stored.region]


def test_a_set_whose_database_stays_where_it_is_is_not_copied_at_all():
    estate = AZURE_LIKE.safe()
    backup = good(estate)
    before = set(estate.storage.stored)
    with pytest.raises(Refused) as refused:
        _copy(estate.safe, backup.id)
    assert (refused.value.name, set(estate.storage.stored)) == ("database_stays", before)


def test_a_copy_that_takes_longer_than_its_time_goes_on_later_without_a_second_one():
    estate = AWS_LIKE.safe()
    backup, to = good(estate), Destination("eu-west-1")
    with pytest.raises(Unavailable, match="not completed yet"):
        copies.copy(estate.safe, backup.id, to, account="", poll=5.0, timeout=10.0)
    _copy(estate.safe, backup.id)
    assert len([stored for stored in estate.storage.stored.values() if stored.region]) == 3


def test_a_set_named_like_another_ones_id_is_not_removed_in_its_place(cloud):
    estate = cloud.safe()
    old = good(estate)
    estate.clock.sleep(60.0)
    new = good(estate)
    estate.manifests.write(replace(new, name=old.id))
    assert prune.prune(estate.safe, Retention(last=1)).sets == (old.id,)
    assert verify(estate.safe, QUICK, new.id).verified.passed
