"""``ports.maintenance.Maintenance``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from automation.ports.errors import Conflict
from tests.contracts.safe_sim import rest_lock, sim_lock
from tests.contracts.safe_subjects import LockSubject

LOCKS: Mapping[str, Callable[[Path], AbstractContextManager[LockSubject]]] = {"rest": rest_lock, "sim": sim_lock}


@pytest.fixture(params=sorted(LOCKS))
def bitbucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LockSubject]:
    with LOCKS[request.param](tmp_path) as made:
        yield made


def test_a_whole_backup(bitbucket):
    port = bitbucket.maintenance
    assert (port.user(), port.owner()) == ("admin", None)
    lock = port.lock()
    assert (lock.owner, port.owner()) == ("admin", "admin")
    assert port.state(lock.token) is None
    task = port.start_task(lock.token)
    assert task.id
    state = port.state(lock.token)
    assert state is not None
    assert (state.is_running, state.is_drained) == (True, False)
    bitbucket.hands.wait(30)
    state = port.state(lock.token)
    assert state is not None
    assert state.is_drained
    port.progress(lock.token, 50)
    port.progress(lock.token, 100)
    state = port.state(lock.token)
    assert state is not None
    assert (state.task, state.is_running, state.is_drained) == ("SUCCESSFUL", False, False)
    assert port.unlock(lock.token) is True
    assert port.owner() is None


def test_a_second_lock_is_a_conflict_and_leaves_the_first(bitbucket):
    token = bitbucket.hands.somebody_locks()
    with pytest.raises(Conflict):
        bitbucket.maintenance.lock()
    assert bitbucket.maintenance.owner() == "alice"
    assert bitbucket.maintenance.unlock(token) is True


def test_unlocking_what_is_free_says_so(bitbucket):
    assert bitbucket.maintenance.unlock("any") is False


def test_a_wrong_token_changes_nothing(bitbucket):
    port = bitbucket.maintenance
    lock = port.lock()
    for call in (port.unlock, port.start_task):
        with pytest.raises(Conflict):
            call("wrong")
    task = port.start_task(lock.token)
    for wrong in (lambda: port.state("wrong"), lambda: port.progress("wrong", 50), lambda: port.cancel("wrong")):
        with pytest.raises(Conflict):
            wrong()
    state = port.state(lock.token)
    assert state is not None
    assert state.is_running
    port.cancel(task.cancel_token)
    port.unlock(lock.token)


def test_cancelling_ends_the_task_and_keeps_the_lock(bitbucket):
    port = bitbucket.maintenance
    lock = port.lock()
    task = port.start_task(lock.token)
    port.cancel(task.cancel_token)
    state = port.state(lock.token)
    assert state is not None
    assert (state.task, state.is_running) == ("CANCELED", False)
    assert port.owner() == "admin"
    port.cancel(task.cancel_token)  # nothing runs any more: success
    with pytest.raises(Conflict):
        port.progress(lock.token, 100)
    assert port.unlock(lock.token) is True


def test_one_task_at_a_time(bitbucket):
    port = bitbucket.maintenance
    lock = port.lock()
    port.start_task(lock.token)
    with pytest.raises(Conflict):
        port.start_task(lock.token)
    assert port.unlock(lock.token) is True
    assert port.owner() is None
