"""The maintenance lock and the backup task, in the order of the calls."""

from __future__ import annotations

from typing import Any

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
