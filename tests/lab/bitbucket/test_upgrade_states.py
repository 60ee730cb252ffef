"""The state is computed at every call, in Bitbucket's order; each consequence is a trap, and a test."""

from __future__ import annotations

import pytest

from lab.bitbucket.records import State
from tests.lab.bitbucket.worlds import NEW, OLD, replaced, three, upgrading


class TestStateIsComputedInThisOrder:
    def test_stable_while_upgrade_mode_is_off(self) -> None:
        world = three()
        assert world.state == "STABLE"
        assert world.view()["upgradeModeEnabled"] is False
        assert world.view()["originalVersion"] is None

    def test_stable_even_with_an_error_node_while_upgrade_mode_is_off(self) -> None:
        world = three()
        world.cluster.fault("error", node="i-2")
        world.wait(0)
        assert world.state_of(2) is State.ERROR
        assert world.state == "STABLE"

    def test_failed_finalization_is_said_while_upgrade_mode_is_off(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.cluster.fault("tasks_fail")
        assert world.approve() == 200
        world.settle()
        assert world.state == "UPGRADE_TASKS_FAILED"
        assert world.view()["upgradeModeEnabled"] is False

    def test_any_error_node_gives_mixed_in_upgrade_mode(self) -> None:
        world = upgrading()
        world.cluster.fault("error", node="i-2")
        assert world.state == "MIXED"

    def test_two_versions_give_mixed(self) -> None:
        assert replaced(upgrading(), 1).state == "MIXED"

    def test_null_version_counts_as_one_more(self) -> None:
        world = upgrading()
        world.cluster.fault("silent", node="i-2")
        assert world.listed()["2"] == (None, None)
        assert world.state == "MIXED"

    def test_a_starting_node_counts_with_its_version(self) -> None:
        world = upgrading()
        world.boot(4, NEW, settle=False)
        assert world.state_of(4) is State.STARTING
        assert world.state == "MIXED"

    def test_all_on_the_original_version_is_ready_to_upgrade(self) -> None:
        world = upgrading()
        assert world.state == "READY_TO_UPGRADE"
        assert world.view()["originalVersion"] == OLD

    def test_none_on_the_original_version_is_ready_to_run_upgrade_tasks(self) -> None:
        assert replaced(upgrading(), 1, 2, 3).state == "READY_TO_RUN_UPGRADE_TASKS"


class TestGhosts:
    def test_a_replaced_node_stays_listed_offline_with_null_version(self) -> None:
        world = replaced(upgrading(), 1)
        assert world.listed() == {
            "2": ("ACTIVE", OLD),
            "3": ("ACTIVE", OLD),
            "11": ("ACTIVE", NEW),
            "1": ("OFFLINE", None),
        }

    def test_all_nodes_active_never_comes_true_before_approval(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        states = [state for state, _ in world.listed().values()]
        assert sorted(states, key=str) == ["ACTIVE"] * 3 + ["OFFLINE"] * 3

    def test_offline_nodes_do_not_count_for_the_state(self) -> None:
        world = upgrading()
        world.stop(1)
        assert world.state == "READY_TO_UPGRADE"

    def test_approval_removes_them(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        assert world.approve() == 200
        world.settle()
        assert world.listed().keys() == {"11", "12", "13"}

    def test_cancel_removes_them(self) -> None:
        world = upgrading()
        world.stop(1)
        assert "1" in world.listed()
        assert world.cancel() == 200
        assert world.listed().keys() == {"2", "3"}

    def test_a_reused_address_hides_the_ghost(self) -> None:
        world = upgrading()
        world.stop(1)
        ghost = next(n for n in world.view()["nodes"] if n["state"] == "OFFLINE")
        world.boot(4, NEW, address="127.9.0.1")
        found = [n for n in world.view()["nodes"] if n["ipAddress"] == "127.9.0.1"]
        assert [n["state"] for n in found] == ["ACTIVE"]
        assert found[0]["id"] != ghost["id"]

    def test_merging_is_by_address_and_port_not_by_id(self) -> None:
        """A node that restarts in place has a new id and is listed once."""
        world = upgrading()
        world.stop(1)
        world.boot(1, NEW)
        assert sorted(world.listed()) == ["1", "2", "3"]

    def test_a_node_that_came_after_start_leaves_no_ghost(self) -> None:
        world = upgrading()
        world.boot(4)
        world.stop(4)
        assert "4" not in world.listed()


class TestReadyToRunUpgradeTasksDoesNotMeanAllWereUpgraded:
    def test_one_live_new_node_out_of_three_gives_it(self) -> None:
        world = upgrading()
        world.stop(1)
        world.boot(11, NEW)
        world.stop(2, 3)
        assert world.state == "READY_TO_RUN_UPGRADE_TASKS"

    def test_approval_with_two_of_three_is_taken(self) -> None:
        world = replaced(upgrading(), 1, 2)
        world.stop(3)
        assert world.approve() == 200
        world.settle()
        assert world.state == "STABLE"
        assert len(world.listed()) == 2


class TestErrorNodes:
    def test_way_out_is_to_stop_it_and_replace_it(self) -> None:
        world = replaced(upgrading(), 1)
        world.cluster.fault("boot_error")
        world.stop(2)
        world.boot(12, NEW)
        assert world.listed()["12"] == ("ERROR", NEW)
        assert world.state == "MIXED"
        world.stop(12)
        world.boot(22, NEW)
        world.stop(3)
        world.boot(13, NEW)
        assert world.state == "READY_TO_RUN_UPGRADE_TASKS"

    def test_upgrade_mode_cannot_be_enabled_with_one(self) -> None:
        world = three()
        world.cluster.fault("error", node="i-1")
        assert world.start() == 409
        assert world.state == "STABLE"
        world.stop(1)
        assert world.start() == 200


class TestBackOut:
    def test_every_node_back_on_the_original_version_can_be_cancelled(self) -> None:
        world = replaced(upgrading(), 1, 2)
        assert world.cancel() == 409
        for number in (11, 12):
            world.stop(number)
            world.boot(number + 10, OLD)
        assert world.state == "READY_TO_UPGRADE"
        assert world.cancel() == 200
        assert world.state == "STABLE"
        assert world.listed().keys() == {"3", "21", "22"}

    def test_there_is_none_after_approval(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.approve()
        world.settle()
        world.boot(21, OLD)
        assert world.state_of(21) is State.ERROR

    def test_not_even_when_every_new_node_has_been_stopped(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.approve()
        world.settle()
        world.stop(11, 12, 13)
        world.boot(21, OLD)
        assert world.state_of(21) is State.ERROR
        assert world.cluster.nodes["i-21"].doom == "database_is_newer"


class TestOnlyAHigherBugFixVersionMayJoin:
    @pytest.mark.parametrize("version", ["7.9.4", "7.8.9", "7.10.0", "8.0.0"])
    def test_no_other_version_while_upgrade_mode_is_off(self, version: str) -> None:
        world = three()
        world.boot(4, version)
        assert world.state_of(4) is State.ERROR

    @pytest.mark.parametrize("version", ["7.8.9", "7.10.0", "8.0.0", "6.9.4"])
    def test_no_lower_minor_or_major_one_in_upgrade_mode(self, version: str) -> None:
        world = upgrading()
        world.boot(4, version)
        assert world.state_of(4) is State.ERROR
        assert world.cluster.nodes["i-4"].doom in ("no_bug_fix_version", "database_is_newer")

    @pytest.mark.parametrize("version", ["7.9.0", "7.9.1", "7.9.4"])
    def test_the_original_and_higher_bug_fixes_in_upgrade_mode(self, version: str) -> None:
        world = upgrading()
        world.boot(4, version)
        assert world.state_of(4) is State.ACTIVE

    def test_the_refused_node_first_stays_starting(self) -> None:
        world = three()
        world.boot(4, NEW, settle=False)
        world.wait(world.cluster.settings.boot_seconds + 1)
        assert world.state_of(4) is State.STARTING
        world.wait(world.cluster.settings.refusal_seconds)
        assert world.state_of(4) is State.ERROR

    def test_an_auto_healed_instance_cannot_join_when_the_model_changed_too_early(self) -> None:
        """The launch template carries the new version, upgrade mode is not on yet, and an instance is replaced."""
        world = replaced(three(), 1)
        assert world.listed()["11"] == ("ERROR", NEW)
        assert world.start() == 409


class TestCallsInTheWrongState:
    def test_each_is_409_with_an_empty_body(self) -> None:
        world = three()
        assert world.cluster.cancel(world.now).status == 409
        assert world.cluster.approve(world.now).body is None
        assert world.start() == 200
        second = world.cluster.start_upgrade(world.now)
        assert (second.status, second.body) == (409, None)
        assert world.approve() == 409

    def test_cancel_is_refused_once_a_new_node_has_joined(self) -> None:
        world = replaced(upgrading(), 1)
        assert world.cancel() == 409

    def test_nothing_is_allowed_while_tasks_run(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        assert world.approve() == 200
        assert world.state == "RUNNING_UPGRADE_TASKS"
        assert (world.start(), world.cancel(), world.approve()) == (409, 409, 409)

    def test_not_clustered_is_403_with_its_sentence(self) -> None:
        world = three()
        world.cluster.fault("not_clustered")
        refused = world.cluster.start_upgrade(world.now)
        assert refused.status == 403
        assert refused.body is not None
        assert refused.body["errors"][0]["message"] == "Rolling upgrades feature requires a clustered installation."


class TestApproval:
    def test_tasks_run_for_a_while_and_then_upgrade_mode_is_off(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.approve()
        world.wait(world.cluster.settings.tasks_seconds - 0.1)
        assert world.state == "RUNNING_UPGRADE_TASKS"
        world.wait(0.2)
        assert world.state == "STABLE"
        assert world.view()["originalVersion"] is None

    @pytest.mark.parametrize(
        ("then", "state"),
        [("nothing", "READY_TO_RUN_UPGRADE_TASKS"), ("running", "STABLE"), ("failed", "UPGRADE_TASKS_FAILED")],
    )
    def test_it_can_answer_500_and_mean_three_things(self, then: str, state: str) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.cluster.fault("approve_error", then=then)
        assert world.approve() == 500
        world.settle()
        assert world.state == state

    def test_after_failed_tasks_upgrade_mode_cannot_be_enabled(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.cluster.fault("tasks_fail")
        world.approve()
        world.settle()
        assert world.start() == 409
        assert world.approve() == 409

    def test_an_old_node_that_boots_while_tasks_run_is_refused(self) -> None:
        world = replaced(upgrading(), 1, 2, 3)
        world.cluster.configure(world.cluster.settings.__class__(tasks_seconds=500.0, collision_chance=0.0))
        world.approve()
        world.boot(21, OLD, settle=False)
        world.wait(60)
        assert world.state_of(21) is State.STARTING
        assert world.cluster.nodes["i-21"].doom == "other_version"


class TestStarts:
    def test_simultaneous_starts_collide_and_one_of_the_two_ends_in_error(self) -> None:
        world = upgrading()
        world.cluster.fault("collide")
        world.boot(4, NEW, settle=False)
        world.boot(5, NEW)
        assert sorted([world.state_of(4), world.state_of(5)], key=str) == [State.ACTIVE, State.ERROR]

    def test_the_loser_is_the_same_for_the_same_seed(self) -> None:
        def loser(seed: int) -> State | None:
            world = three(seed=seed, collision_chance=1.0)
            world.boot(4, settle=False)
            world.boot(5)
            return world.state_of(4)

        outcomes = {seed: loser(seed) for seed in range(12)}
        assert outcomes == {seed: loser(seed) for seed in range(12)}
        assert set(outcomes.values()) == {State.ACTIVE, State.ERROR}

    def test_starts_one_after_the_other_never_collide(self) -> None:
        world = three(collision_chance=1.0)
        world.boot(4)
        world.boot(5)
        assert {world.state_of(4), world.state_of(5)} == {State.ACTIVE}

    def test_the_first_installation_may_start_all_at_once(self) -> None:
        world = three(collision_chance=1.0)
        assert {world.state_of(number) for number in (1, 2, 3)} == {State.ACTIVE}

    def test_a_node_can_never_join(self) -> None:
        world = upgrading()
        world.cluster.fault("never_joins")
        world.boot(4, NEW)
        world.wait(100_000)
        assert world.state_of(4) is State.STARTING


class TestSplit:
    def test_a_node_that_finds_nobody_runs_alone(self) -> None:
        world = upgrading()
        world.cluster.fault("alone")
        world.boot(4, NEW)
        status = world.cluster.status("i-4", world.now)
        assert status is not None
        assert (status.status, status.body) == (200, {"state": "RUNNING"})
        assert world.cluster.members("i-4") == ("127.9.0.4",)
        assert "4" not in world.listed("i-1")
        assert len(world.cluster.members("i-1")) == 3
        assert world.cluster.is_split

    def test_asked_itself_it_claims_that_the_upgrade_could_be_finalized(self) -> None:
        world = upgrading()
        world.cluster.fault("alone")
        world.boot(4, NEW)
        assert world.view("i-4")["state"] == "READY_TO_RUN_UPGRADE_TASKS"
        assert world.view("i-1")["state"] == "READY_TO_UPGRADE"
        assert world.listed("i-4") == {
            "4": ("ACTIVE", NEW),
            "1": ("OFFLINE", None),
            "2": ("OFFLINE", None),
            "3": ("OFFLINE", None),
        }


class TestLeaving:
    def test_a_graceful_stop_is_draining_then_terminating_then_offline(self) -> None:
        world = upgrading()
        world.cluster.stop("i-1", world.now)
        assert world.listed()["1"][0] == "DRAINING"
        world.wait(world.cluster.settings.drain_seconds)
        assert world.listed()["1"][0] == "TERMINATING"
        world.wait(world.cluster.settings.terminate_seconds)
        assert world.listed()["1"] == ("OFFLINE", None)

    def test_outside_upgrade_mode_a_node_that_left_is_not_listed(self) -> None:
        world = three()
        world.stop(1)
        assert world.listed().keys() == {"2", "3"}

    def test_a_killed_node_is_silent_for_a_while_then_offline(self) -> None:
        world = upgrading()
        world.cluster.kill("i-1", world.now)
        assert world.listed()["1"] == (None, None)
        assert world.state == "MIXED"
        world.settle()
        assert world.listed()["1"] == ("OFFLINE", None)
        assert world.state == "READY_TO_UPGRADE"

    def test_a_killed_node_is_dropped_outside_upgrade_mode(self) -> None:
        world = three()
        world.cluster.kill("i-1", world.now)
        assert world.listed()["1"] == (None, None)
        world.settle()
        assert "1" not in world.listed()

    def test_a_wedged_drain_never_ends_until_it_is_killed(self) -> None:
        world = upgrading()
        world.cluster.fault("wedged_drain", node="i-1")
        world.stop(1)
        world.wait(100_000)
        assert world.listed()["1"][0] == "DRAINING"
        assert not world.cluster.drained("i-1", world.now)
        world.cluster.kill("i-1", world.now)
        world.settle()
        assert world.listed()["1"][0] == "OFFLINE"

    def test_already_gone_is_no_error(self) -> None:
        world = three()
        world.stop(1)
        assert world.cluster.stop("i-1", world.now) is False
        assert world.cluster.kill("i-1", world.now) is False
        assert world.cluster.forget("i-1", world.now) is False
