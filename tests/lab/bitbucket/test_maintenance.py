"""The maintenance lock and the backup task, in the order of the calls."""

from __future__ import annotations

from typing import Any

import pytest

from lab.bitbucket.records import Busy
from tests.lab.bitbucket.worlds import World, three


def locked() -> tuple[World, str]:
    world = three()
    reply = world.cluster.maintenance.lock("admin", "Administrator", world.now)
    assert reply.status == 202
    assert reply.body is not None
    assert reply.body["owner"] == {"displayName": "Administrator", "name": "admin"}
    return world, str(reply.body["unlockToken"])


def backing_up() -> tuple[World, str, dict[str, Any]]:
    world, token = locked()
    reply = world.cluster.maintenance.start_backup(token, world.now)
    assert reply.status == 202
    assert reply.body is not None
    return world, token, reply.body


def test_the_calls_in_order_end_unlocked() -> None:
    world, token, task = backing_up()
    assert task["state"] == "RUNNING"
    maintenance = world.cluster.maintenance
    world.wait(1.0)
    seen = maintenance.view(token, world.now).body
    assert seen is not None
    assert (seen["db-state"], seen["scm-state"]) == ("DRAINED", "LATCHED")
    world.wait(1.0)
    seen = maintenance.view(token, world.now).body
    assert seen is not None
    assert (seen["db-state"], seen["scm-state"], seen["task"]["state"]) == ("DRAINED", "DRAINED", "RUNNING")
    assert maintenance.progress(token, 100).status == 202
    assert maintenance.scm_state(world.now) == "AVAILABLE"
    assert maintenance.unlock(token).status == 202
    assert maintenance.lock_view().status == 404


def test_zero_per_cent_of_the_client_may_show_as_ten() -> None:
    world, token, _ = backing_up()
    world.wait(5.0)
    world.cluster.maintenance.progress(token, 0)
    seen = world.cluster.maintenance.view(token, world.now).body
    assert seen is not None
    assert seen["task"]["progress"]["percentage"] == 10


def test_a_second_lock_and_a_wrong_token_are_409() -> None:
    world, token = locked()
    maintenance = world.cluster.maintenance
    assert maintenance.lock("admin", "Administrator", world.now).status == 409
    assert maintenance.unlock("x" + token).status == 409
    assert maintenance.unlock(token).status == 202
    assert maintenance.unlock(token).status == 404


def test_one_task_at_a_time() -> None:
    world, token, _ = backing_up()
    assert world.cluster.maintenance.start_backup(token, world.now).status == 409


def test_cancel_ends_the_task_and_keeps_the_lock() -> None:
    world, _, task = backing_up()
    maintenance = world.cluster.maintenance
    assert maintenance.cancel("wrong").status == 409
    assert maintenance.cancel(task["cancelToken"]).status == 202
    assert maintenance.lock_view().status == 200
    assert maintenance.database_state(world.now) == "AVAILABLE"


def test_the_lock_has_no_expiry() -> None:
    world, _ = locked()
    world.wait(1e9)
    assert world.cluster.is_locked("i-1", world.now)


def test_a_node_that_joins_later_notices_the_lock_later() -> None:
    world, _ = locked()
    world.boot(4)
    assert not world.cluster.is_locked("i-4", world.now)
    world.wait(world.cluster.settings.lock_check_seconds)
    assert world.cluster.is_locked("i-4", world.now)


def test_restarting_one_node_keeps_it_and_restarting_all_loses_it() -> None:
    world, _ = locked()
    world.stop(1)
    world.boot(1)
    world.wait(60)
    assert world.cluster.is_locked("i-1", world.now)
    world.stop(1, 2, 3)
    world.boot(1)
    world.wait(60)
    assert not world.cluster.is_locked("i-1", world.now)


def test_a_drain_that_never_completes() -> None:
    world, _, _ = backing_up()
    world.cluster.fault("drain_never")
    world.wait(1e6)
    assert world.cluster.maintenance.scm_state(world.now) == "LATCHED"


def busy(world: World, number: int, git: int = 0, writes: int = 0, latch: str | None = None) -> None:
    """Let a node tell what runs on it, as real ones do with each heartbeat."""
    world.cluster.report(f"i-{number}", tasks=0, users=0, busy=Busy(git, writes, latch))


def states(world: World) -> tuple[str, str]:
    maintenance = world.cluster.maintenance
    return maintenance.database_state(world.now), maintenance.scm_state(world.now)


def test_a_node_that_tells_holds_the_drain_until_it_has_shut_its_gate_and_nothing_runs() -> None:
    world, _, task = backing_up()
    busy(world, 1, git=2, writes=1)
    world.wait(100.0)
    assert states(world) == ("LATCHED", "LATCHED")  # nothing new may begin anywhere before anything is drained
    busy(world, 1, git=2, writes=1, latch=task["id"])
    assert states(world) == ("LATCHED", "LATCHED")
    busy(world, 1, git=1, writes=0, latch=task["id"])
    assert states(world) == ("DRAINED", "LATCHED")
    busy(world, 1, latch=task["id"])
    assert states(world) == ("DRAINED", "DRAINED")


def test_nothing_drains_sooner_than_its_seconds() -> None:
    world, _, task = backing_up()
    for number in (1, 2, 3):
        busy(world, number, latch=task["id"])
    assert states(world) == ("LATCHED", "LATCHED")
    world.wait(world.cluster.settings.database_drain_seconds)
    assert states(world) == ("DRAINED", "LATCHED")


def test_what_is_drained_stays_so_when_a_node_joins() -> None:
    world, _, task = backing_up()
    busy(world, 1, latch=task["id"])
    world.wait(100.0)
    assert states(world) == ("DRAINED", "DRAINED")
    world.boot(4)
    busy(world, 4)
    assert states(world) == ("DRAINED", "DRAINED")


def test_a_silent_node_holds_the_drain_until_it_is_gone() -> None:
    world, _, task = backing_up()
    for number in (1, 2, 3):
        busy(world, number, latch=task["id"])
    world.cluster.kill("i-3", world.now)
    world.wait(world.cluster.settings.silent_seconds - 1)
    assert states(world) == ("LATCHED", "LATCHED")
    world.wait(1.0)
    assert states(world) == ("DRAINED", "DRAINED")


def test_the_latch_of_an_earlier_task_is_not_that_of_this_one() -> None:
    world, token, first = backing_up()
    busy(world, 1, latch=first["id"])
    world.cluster.maintenance.cancel(first["cancelToken"])
    second = world.cluster.maintenance.start_backup(token, world.now).body
    assert second is not None
    world.wait(100.0)
    assert states(world) == ("LATCHED", "LATCHED")
    busy(world, 1, latch=second["id"])
    assert states(world) == ("DRAINED", "DRAINED")


def test_what_a_heartbeat_tells() -> None:
    world, token, task = backing_up()
    told = world.cluster.maintenance.told
    assert told(world.now, locked=True) == {
        "lock": {"token": token, "owner": "admin"},
        "task": {"id": task["id"], "state": "RUNNING", "drained": False},
        "latch": task["id"],
    }
    assert told(world.now, locked=False)["lock"] is None  # a node that does not know yet is not told the token
    assert told(world.now, locked=False)["latch"] == task["id"]
    world.cluster.maintenance.unlock(token)
    assert told(world.now, locked=False)["latch"] is None


@pytest.mark.parametrize(("at", "wait"), [("locked", 0.0), ("started", 0.0), ("drained", 5.0)])
def test_a_lock_that_is_lost(at: str, wait: float) -> None:
    world, _, _ = backing_up()
    world.cluster.fault("lock_lost", at=at)
    world.wait(0.0)
    assert (world.cluster.maintenance.held is None) is (wait == 0.0)
    world.wait(wait)
    assert world.cluster.maintenance.held is None
    assert not world.cluster.maintenance.latched()


def test_a_task_that_an_administrator_cancels() -> None:
    world, token, _ = backing_up()
    world.cluster.fault("task_cancelled", at="drained")
    world.wait(1.0)
    assert world.cluster.maintenance.latched()
    world.wait(5.0)
    assert not world.cluster.maintenance.latched()
    assert world.cluster.maintenance.lock_view().status == 200
    assert world.cluster.maintenance.progress(token, 50).status == 409


def test_what_an_earlier_backup_did_is_forgotten() -> None:
    world, token, _ = backing_up()
    maintenance = world.cluster.maintenance
    maintenance.progress(token, 100)
    maintenance.unlock(token)
    assert maintenance.view(token, world.now).status == 404
    again = maintenance.lock("admin", "Administrator", world.now).body
    assert again is not None
    assert maintenance.view(again["unlockToken"], world.now).status == 404
