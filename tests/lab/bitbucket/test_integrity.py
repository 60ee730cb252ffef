"""The integrity check after a restore, and the database under Bitbucket's own names."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.bitbucket import integrity
from lab.bitbucket.gate import Gate, Latched
from lab.bitbucket.pulls import PullRequests
from lab.bitbucket.seeding import seed
from lab.bitbucket.store import RefUpdate, Repository, Store
from tests.lab.bitbucket import fire
from tests.lab.bitbucket.rig import PASSWORD, Rig, wait_for

GONE, NOBODY = "1" * 40, "0" * 40


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("seeded")
    seed(place / "shared", place / "db" / "bitbucket.sqlite", admin_password=PASSWORD, repositories=3, commits=3)
    return place


@pytest.fixture
def store(seeded: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(seeded, tmp_path / "copy")
    store = Store(tmp_path / "copy" / "db" / "bitbucket.sqlite", tmp_path / "copy" / "shared")
    yield store
    store.close()


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    """Ask as somebody with nothing but SQL would."""
    file = store.shared.parent / "db" / "bitbucket.sqlite"
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


def head(store: Store, repository: Repository) -> str:
    return fire.git("rev-parse", "main", at=store.path(repository.id)).stdout.decode().strip()


def push(store: Store, repository: Repository, new: str) -> None:
    store.record_push(repository.id, "admin", [RefUpdate("refs/heads/main", NOBODY, new)], 1.0, "i-1")


def test_the_tables_have_bitbuckets_names(store: Store) -> None:
    assert rows(store, "SELECT count(*) FROM repository") == [(3,)]
    assert rows(store, "SELECT project_key FROM project ORDER BY id LIMIT 2") == [("PAY",), ("SHOP",)]
    assert rows(store, "SELECT user_name FROM cwd_user ORDER BY id") == [("admin",), ("developer",)]
    assert rows(store, "SELECT name FROM sta_normal_user ORDER BY user_id") == [("admin",), ("developer",)]
    assert rows(store, "SELECT count(*) FROM sta_pull_request WHERE pr_state = 0") == [(3,)]
    first = store.repositories()[0]
    push(store, first, GONE)
    query = (
        "SELECT r.slug, p.to_hash FROM sta_activity a JOIN sta_repo_activity ra ON ra.activity_id = a.id "
        "JOIN sta_repo_push_ref p ON p.activity_id = a.id JOIN repository r ON r.id = ra.repository_id"
    )
    assert rows(store, query) == [(first.slug, GONE)]


def test_a_healthy_set_is_left_alone(store: Store) -> None:
    for repository in store.repositories():
        push(store, repository, head(store, repository))
        push(store, repository, NOBODY)  # a deleted branch points nowhere, and is right
    assert integrity.check(store, Gate()) == integrity.Findings(3)
    assert rows(store, "SELECT count(*) FROM sta_activity") == [(6,)]


def test_rows_that_point_to_commits_which_are_not_there_are_removed(store: Store) -> None:
    one, two, three = store.repositories()
    push(store, one, GONE)
    push(store, one, head(store, one))
    with store.database.write() as db:
        db.execute("UPDATE sta_pull_request SET from_hash = ? WHERE to_repository_id = ?", (GONE, two.id))
    assert integrity.check(store, Gate()) == integrity.Findings(3, (), 1, 1)
    assert [each.update.new for each in store.activity()] == [head(store, one)]
    pulls = PullRequests(store.database)
    assert [len(pulls.of(each)) for each in (one, two, three)] == [1, 0, 1]


def test_a_repository_without_its_directory_is_offline_until_it_is_back(store: Store) -> None:
    first = store.repositories()[0]
    place = store.path(first.id)
    place.rename(place.with_suffix(".away"))
    found = integrity.check(store, Gate())
    assert found.offline == (f"{first.project.key}/{first.slug}",)
    assert rows(store, "SELECT id FROM repository WHERE state = 3") == [(first.id,)]
    place.with_suffix(".away").rename(place)
    assert integrity.check(store, Gate()).offline == ()
    assert all(each.available for each in store.repositories())


def test_it_does_not_begin_while_a_backup_is_made(store: Store) -> None:
    gate = Gate()
    gate.latch("a task")
    with pytest.raises(Latched):
        integrity.check(store, gate)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("disaster.recovery=true\n", True),
        ("setup.displayName=x\n disaster.recovery = TRUE \n", True),
        ("#disaster.recovery=true\n", False),
        ("disaster.recovery=true\ndisaster.recovery=false\n", False),
        ("", False),
    ],
)
def test_it_is_asked_for_in_the_shared_homes_properties(tmp_path: Path, text: str, asked: bool) -> None:  # noqa: FBT001 -- a table's column
    assert not integrity.is_asked_for(tmp_path)
    (tmp_path / "bitbucket.properties").write_text(text)
    assert integrity.is_asked_for(tmp_path) is asked


@pytest.mark.lab
def test_one_node_checks_after_the_first_start_and_says_so(fresh: Rig) -> None:
    store = Store(fresh.database, fresh.shared)
    first = store.repositories()[0]
    push(store, first, GONE)
    (fresh.shared / "bitbucket.properties").write_text("disaster.recovery=true\n")
    fresh.start(1, wait=False)
    fresh.start(2)
    logs = [fresh.root / f"i-{number}" / "log" / "atlassian-bitbucket.log" for number in (1, 2)]

    def said(what: str) -> int:
        return sum(what in log.read_text() for log in logs if log.exists())

    wait_for(lambda: said("Integrity check has finished: 1 repositories, 0 offline (none), 1 pushes"))
    assert said("Integrity check has started") == 1
    assert store.activity() == []
    wait_for(lambda: fresh.state(1) == "RUNNING")
    store.close()


@pytest.mark.lab
def test_a_stale_lock_file_of_git_makes_pushes_fail_until_it_is_removed(fresh: Rig, tmp_path: Path) -> None:
    """A snapshot can hold one; removing it belongs to a restore."""
    fresh.start(1)
    stale = Store(fresh.database, fresh.shared)
    lock = stale.path(1) / "refs" / "heads" / "held.lock"
    stale.close()
    lock.touch()
    pusher = fire.Pusher(tmp_path, f"http://{fresh.address(1)}:7990/scm/pay/gateway-service.git", "held", 1)
    pusher.run()
    assert (pusher.acknowledged, pusher.refused) == ([], 1)
    lock.unlink()
    pusher.run()
    assert len(pusher.acknowledged) == 1
