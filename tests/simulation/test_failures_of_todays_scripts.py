"""Each thing that the backup scripts of today get wrong, as a test of ours by name and number.

What takes real processes or the command line (restores, passwords in process lists, exit codes) is shown elsewhere too.
"""

from dataclasses import replace

import pytest

from automation.core.backups.memory import Ending
from automation.core.backups.retention import Retention
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.engine.backups import copies, plan, prune
from automation.engine.backups.shelf import shelf
from automation.engine.backups.take import take
from automation.engine.backups.verify import verify
from automation.ports.errors import Refused, Throttled, Unavailable, Unexpected
from automation.ports.vaults import Destination
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.sim.backups import QUICK, MortalJournal, Run, recovered
from lab.sim.flavours import AWS_LIKE
from lab.sim.safe import MemoryJournal
from lab.sim.settings import SimSettings
from lab.sim.wires import Failing, Mortal

pytestmark = pytest.mark.simulation


def acts(story):
    return [record.name for record in story.records if record.kind == "act"]


def ended(story):
    return story.memory.outcome.ending, story.memory.outcome.reason


def good(estate, **more):
    story = Run(estate, **more).play()
    assert story.memory.outcome.ending is Ending.COMPLETE, "\n".join(story.lines())
    return story.memory.backup


class Telling(MemoryJournal):
    """Keeps everything that was ever written."""

    def __init__(self):
        super().__init__()
        self.all = []

    def write(self, memory):
        super().write(memory)
        self.all.append(memory)


def test_01_term_just_after_the_lock(cloud):
    """The token is in the journal before anything else happens, and the signal gives Bitbucket back at once."""
    estate, journal, heard = cloud.safe(), Telling(), []

    def signal(record, memory):
        if record.name == "lock":
            heard.append(estate.clock.now())
            assert journal.all[-1].unlock_token == memory.unlock_token != ""
            assert estate.maintenance.calls.count("start_task") == 0

    run = Run(estate, safe=replace(estate.safe, journal=journal), before=signal, stop=lambda: "TERM" if heard else "")
    assert ended(run.play()) == (Ending.INVALID, "interrupted")
    assert estate.locked_by is None
    assert estate.witness.locked == [0.0]
    assert not estate.storage.stored


def test_02_kill_later_locks_nobody_out_for_ever(cloud):
    """Another host with the same journal frees Bitbucket; so does the next backup, before it takes its own set."""
    for rescue in (recovered, lambda estate: Run(estate, finish_first=True).play()):
        estate = cloud.safe()
        at_the_drain = MortalJournal(estate.journal, at=7, after=True)
        assert Run(estate, safe=replace(estate.safe, journal=at_the_drain)).play().memory is None
        assert estate.locked_by == "backup", "the trap was set"
        estate.clock.sleep(3600.0)
        rescue(estate)
        assert estate.locked_by is None
        assert not estate.journal.unfinished(estate.cluster)


def test_03_a_signal_while_snapshots_are_begun_starts_none_after_the_unlock(cloud):
    """What was to be begun is not begun any more, and what was begun is never called good."""
    estate = cloud.safe()
    half = Failing({"database.begin": [Throttled("slow down")] * 50})
    run = Run(estate, safe=half.over(estate.safe), stop=lambda: "TERM" if estate.storage.stored else "")
    story = run.play()
    assert ended(story) == (Ending.INVALID, "interrupted")
    assert "begin_members" not in acts(story)[acts(story).index("unlock") :]
    assert {stored.kind for stored in estate.storage.stored.values()} == {MemberKind.DISK}
    assert {stored.tags["backup-state"] for stored in estate.storage.stored.values()} == {"invalid"}


def test_04_one_503_on_unlock(cloud):
    """It is tried again until it goes through; and a lost answer to an unlock does not spoil the set."""
    estate = cloud.safe()
    wire = Failing({"maintenance.unlock": [Unavailable("503"), Unexpected("<html>")]}, {"maintenance.unlock": 3})
    backup = good(estate, safe=wire.over(estate.safe))
    assert wire.calls["maintenance.unlock"] == 4
    assert backup.lock.beyond_drain < 2.0 + cloud.moment


@pytest.mark.parametrize("error", [Unexpected("500"), Unavailable("503")])
def test_05_one_500_on_a_progress_call(cloud, error):
    """Progress is cosmetic: it fails every time here, and the set is complete."""
    estate = cloud.safe()
    good(estate, safe=Failing({"maintenance.progress": [error] * 9}).over(estate.safe))


def test_05_a_lost_answer_to_100_per_cent_does_not_look_like_a_cancelled_task(cloud):
    estate = cloud.safe()
    good(estate, safe=Failing(lost={"maintenance.progress": 9}).over(estate.safe))
    assert estate.maintenance.calls.count("progress_100") == 2


def test_06_a_database_failure_orphans_nothing_and_evicts_no_good_set(cloud):
    """Members of a set that failed carry its tag and its state; retention counts good sets alone."""
    estate = cloud.safe()
    first = good(estate)
    for _ in range(3):
        estate.storage.limits.failing.append(MemberKind.DATABASE)
        estate.clock.sleep(86_400.0)
        assert ended(Run(estate).play()) == (Ending.INVALID, "snapshot_failed")
    there = shelf(estate.safe)
    estate.witness.left_behind(there)
    estate.witness.nothing_half_done(there)
    assert there.orphans == ()
    estate.clock.sleep(30 * 86_400.0)
    assert len(prune.prune(estate.safe, Retention(last=2)).sets) == 3
    assert [each.id for each in shelf(estate.safe).sets] == [first.id]
    assert {s.tags["backup-set"] for s in estate.storage.stored.values()} == {first.id}
    assert verify(estate.safe, QUICK, first.id).verified.passed


def test_07_the_drain_never_completes(cloud):
    """The budget ends it: cancelled, unlocked, reported; and fewer than four looks a second until then."""
    estate = cloud.safe()
    estate.bitbucket.fault("drain_never")
    story = Run(estate).play()
    assert ended(story) == (Ending.INVALID, "lock_budget")
    assert acts(story)[-4:] == ["cancel_task", "unlock", "label", "write_manifest"]
    assert estate.witness.locked == [pytest.approx(QUICK.lock_budget, abs=2 * QUICK.lock_poll)]
    assert estate.maintenance.calls.count("state") <= 4 * QUICK.lock_budget
    assert not estate.storage.stored


def _no_store(estate):
    estate.manifests.there = False


def _no_volume(estate):
    estate.storage.limits.volume_problem = "it is detached"


def _database_stopped(estate):
    estate.storage.limits.database_state = "stopped"


def _mesh_away(estate):
    estate.bitbucket.fault("mesh_offline")


def _no_right(estate):
    estate.maintenance.may = False


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (_no_volume, "disk_ready"),
        (_database_stopped, "database_ready"),
        (_mesh_away, "mesh_available"),
        (_no_right, "may_lock"),
    ],
)
def test_08_a_wrong_configuration_is_found_before_the_lock(cloud, broken, name):
    estate = cloud.safe()
    broken(estate)
    with pytest.raises(Refused) as refused:
        plan.begin(plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED))
    assert refused.value.name == name
    assert estate.maintenance.calls.count("lock") == 0
    assert not estate.storage.stored


def test_08_a_store_that_is_not_there_is_found_before_the_lock(cloud):
    estate = cloud.safe()
    _no_store(estate)
    assert ended(Run(estate).play()) == (Ending.INVALID, "not_found")
    assert estate.maintenance.calls.count("lock") == 0
    assert not estate.storage.stored


def test_09_retention_that_fails_says_so_and_goes_on_the_next_time(cloud):
    estate = cloud.safe()
    ids = []
    for _ in range(3):
        ids.append(good(estate).id)
        estate.clock.sleep(60.0)
    wire = Failing({"disks.delete": [Unavailable("503")]})
    first = prune.prune(wire.over(estate.safe), Retention(last=1))
    assert [line.split(":")[0] for line in first.failures] == [ids[1]]
    assert first.sets == (ids[0],)
    half = shelf(estate.safe).find(ids[1])
    assert half.state is SetState.INVALID, "a half set never looks complete"
    second = prune.prune(estate.safe, Retention(last=1))
    assert (second.sets, second.failures) == ((ids[1],), ())
    assert [each.id for each in shelf(estate.safe).sets] == [ids[2]]


def test_09_a_copy_that_fails_is_an_error_and_the_next_one_mends_it():
    estate = AWS_LIKE.safe()
    backup = good(estate)
    wrong, right = Destination("eu-west-1", "key/other"), Destination("eu-west-1", "key/eu-west-1")
    with pytest.raises(Refused) as refused:
        copies.copy(estate.safe, backup.id, wrong, account="1", poll=5.0, timeout=600.0)
    assert refused.value.name == "copy_failed"
    assert [copy.state for copy in estate.manifests.read(backup.id).copies] == [SetState.INVALID]
    copied = copies.copy(estate.safe, backup.id, right, account="1", poll=5.0, timeout=600.0)
    assert [(copy.state, len(copy.members)) for copy in copied.copies] == [(SetState.COMPLETE, 3)]
    assert verify(estate.safe, QUICK, backup.id).verified.passed


def test_10_nothing_is_left_latched_after_an_error_at_any_call(cloud):
    """Whichever call fails for good, neither database nor Git stays closed, and nobody stays locked out."""
    count = Mortal(-1, after=False)
    calm = cloud.safe()
    Run(calm, safe=count.over(calm.safe)).play()
    for name in sorted(set(count.calls) - {"maintenance.unlock", "maintenance.user"}):
        estate = cloud.safe()
        Run(estate, safe=Failing({name: [Unexpected("500")] * 999}).over(estate.safe)).play()
        assert estate.locked_by is None, name
        assert not estate.bitbucket.maintenance.latched(), name


def test_11_the_second_backup_at_the_same_time(cloud):
    """It is refused before the lock; and if both looked before either locked, only one of them gets it."""
    estate, second = cloud.safe(), []

    def another(record, _):
        if record.name == "lock" and not second:
            late = plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED)
            second.append(late.refused.name)
            second.append(take(estate.safe, QUICK, early).outcome)

    early = plan.begin(plan.survey(estate.safe, cluster="sim", mode=Mode.LOCKED))
    estate.clock.sleep(1.0)
    good(estate, before=another)
    assert second[0] == "unlocked"
    assert (second[1].ending, second[1].reason) == (Ending.INVALID, "already_locked")
    assert len(estate.witness.locked) == 1


def test_12_tokens_are_in_the_journal_and_nowhere_else(cloud):
    """The witness reads every record, outcome, manifest and tag; here are the errors, and the memory's own text."""
    estate, journal, said = cloud.safe(SimSettings(bitbucket=BitbucketSettings(scm_drain_seconds=9.0))), Telling(), []
    wire = Failing({"maintenance.unlock": [Unavailable("503")] * 9}, {"maintenance.start_task": 1})
    run = Run(estate, safe=replace(wire.over(estate.safe), journal=journal), before=lambda r, m: said.append((r, m)))
    run.play()
    tokens = {*estate.logs.tokens, *estate.maintenance.cancel_tokens}
    assert len(tokens) == 2
    assert any(memory.unlock_token in tokens for memory in journal.all)
    assert not [token for token in tokens if token in repr(said) + repr(journal.all)]


def _gone(estate, snapshot):
    del estate.storage.stored[snapshot]


def _marked_by_somebody(estate, snapshot):
    estate.storage.stored[snapshot].tags["backup-state"] = "pending"


def _of_another_set(estate, snapshot):
    estate.storage.stored[snapshot].tags["backup-set"] = "somebody-elses"


def _not_encrypted(estate, snapshot):
    estate.storage.stored[snapshot].key = ""


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (_gone, "member_there"),
        (_marked_by_somebody, "member_marked"),
        (_of_another_set, "member_there"),
        (_not_encrypted, "member_encrypted"),
    ],
)
def test_13_nothing_is_verified(cloud, damage, finding):
    """A set is looked at again whenever one wishes, and the result stands in its manifest."""
    estate = cloud.safe()
    backup = good(estate)
    assert verify(estate.safe, QUICK, backup.id).verified.passed
    damage(estate, backup.members[0].snapshot)
    found = verify(estate.safe, QUICK, backup.id, by="ops").verified
    assert not found.passed
    assert finding in {each.name for each in found.findings if not each.passed}
    assert estate.manifests.read(backup.id).verified.findings == found.findings
