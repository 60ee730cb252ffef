"""The maintenance API of real nodes: who gets what while locked, and that nothing changes once it is drained."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.lab.bitbucket import fire
from tests.lab.bitbucket.rig import PASSWORD, QUICK, Rig, wait_for

pytestmark = pytest.mark.lab

JSON = {"Content-type": "application/json"}
"""All that Atlassian's scripts send; no X-Atlassian-Token."""
HTML = "text/html"


class Administrator:
    """Carries a backup out by hand, as Atlassian's page says."""

    def __init__(self, rig: Rig, number: int = 1) -> None:
        self.http = httpx.Client(
            base_url=f"http://{rig.address(number)}:7990", auth=("admin", PASSWORD), headers=JSON, timeout=10.0
        )
        self.token = self.cancel_token = ""

    def lock(self) -> int:
        answer = self.http.post("/mvc/maintenance/lock")
        if answer.status_code == 202:
            self.token = answer.json()["unlockToken"]
        return answer.status_code

    def backup(self) -> dict[str, Any]:
        answer = self.http.post("/mvc/admin/backups?external=true", headers=self.mine)
        assert answer.status_code == 202, answer.text
        task: dict[str, Any] = answer.json()
        self.cancel_token = task["cancelToken"]
        return task

    @property
    def mine(self) -> dict[str, str]:
        return {"X-Atlassian-Maintenance-Token": self.token}

    def view(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.http.get("/mvc/maintenance", headers=self.mine).json()
        return seen

    def drained(self) -> bool:
        seen = self.view()
        return bool(seen["db-state"] == seen["scm-state"] == "DRAINED" and seen["task"]["state"] == "RUNNING")

    def progress(self, percentage: int, token: str | None = None) -> int:
        path = f"/mvc/admin/backups/progress/client?token={token or self.token}&percentage={percentage}"
        return self.http.post(path).status_code

    def cancel(self) -> int:
        return self.http.post(f"/mvc/maintenance?token={self.cancel_token}").status_code

    def unlock(self) -> int:
        return self.http.delete(f"/mvc/maintenance/lock?token={self.token}").status_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


@pytest.fixture
def admin(rig: Rig) -> Iterator[Administrator]:
    with Administrator(rig) as administrator:
        yield administrator
        rig.fabric.clear_faults()
        if administrator.http.get("/mvc/maintenance/lock").status_code == 200:
            assert administrator.unlock() == 202
        wait_for(lambda: rig.state(1) == rig.state(2) == "RUNNING")


def log(rig: Rig, number: int) -> str:
    return (rig.root / f"i-{number}" / "log" / "atlassian-bitbucket.log").read_text()


@contextmanager
def half_a_request(rig: Rig, service: str, number: int = 2) -> Iterator[None]:
    """Hold a Git process open: its request's body never comes whole."""
    path = f"/scm/pay/gateway-service.git/{service}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {fire.BASIC}\r\n"
        f"Content-Type: application/x-{service}-request\r\nContent-Length: 1000\r\n\r\n0032"
    )
    with socket.create_connection((rig.address(number), 7990)) as client:
        client.sendall(head.encode())
        wait_for(lambda: rig.fabric.cluster.nodes[f"i-{number}"].git)
        yield


def test_while_locked_users_get_503_in_the_form_they_understand(rig: Rig, admin: Administrator) -> None:
    assert admin.lock() == 202
    assert rig.state(1) == "MAINTENANCE"  # the node that answered knows at once, the others with their next heartbeat
    wait_for(lambda: rig.state(2) == "MAINTENANCE")
    assert httpx.get(f"http://{rig.address(2)}:7990/status").status_code == 200
    for path in ("/dashboard", "/login", "/projects/PAY"):
        answer = admin.http.get(path)
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (503, HTML)
        assert "under maintenance" in answer.text
    for path in ("/rest/api/latest/application-properties", "/rest/zdu/cluster", "/rest/api/latest/projects"):
        answer = admin.http.get(path)
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
            503,
            "Bitbucket is currently under maintenance.",
        )
    url = f"http://{rig.address(2)}:7990/scm/pay/gateway-service.git"
    listed = fire.git("ls-remote", url)
    assert listed.returncode != 0
    assert b"remote: Bitbucket is currently under maintenance." in listed.stderr
    assert b"503" in listed.stderr


def test_only_a_system_administrator_with_a_password_may_lock(rig: Rig, admin: Administrator) -> None:
    url = f"http://{rig.address(1)}:7990/mvc/maintenance/lock"
    with rig.client(1) as by_token:
        assert by_token.post("/mvc/maintenance/lock", headers=JSON).status_code == 401
        assert by_token.get("/mvc/maintenance").status_code == 401
    assert httpx.post(url, headers=JSON).status_code == 401
    assert httpx.post(url, headers=JSON, auth=("developer", PASSWORD)).status_code == 401
    assert admin.http.get("/mvc/maintenance/lock").status_code == 404
    assert admin.lock() == 202
    assert httpx.post(url, headers=JSON, auth=("developer", PASSWORD)).status_code == 401


def test_the_wrong_tokens_are_409_and_another_administrator_with_the_token_unlocks(
    rig: Rig, admin: Administrator
) -> None:
    assert admin.lock() == 202
    with Administrator(rig, 2) as other:
        assert other.lock() == 409
        other.token = "wrong"
        assert other.unlock() == 409
        assert admin.http.post("/mvc/admin/backups?external=true").status_code == 409
        admin.backup()
        assert other.progress(10) == 409
        assert other.http.get("/mvc/maintenance", headers=other.mine).status_code == 409
        other.token = admin.token
        assert other.unlock() == 202
        assert other.http.get("/mvc/maintenance/lock").status_code == 404


def test_every_node_logs_the_token_and_what_follows(rig: Rig, admin: Administrator) -> None:
    assert admin.lock() == 202
    line = f"It may be unlocked with token: {admin.token}"
    wait_for(lambda: line in log(rig, 1) and line in log(rig, 2))
    task = admin.backup()["id"]
    wait_for(admin.drained)
    wait_for(lambda: f"Backup task {task}: database connections and Git processes are drained" in log(rig, 2))
    assert admin.progress(100) == 202
    wait_for(lambda: f"Backup task {task} has ended: SUCCESSFUL" in log(rig, 2))
    before = log(rig, 2).count("The system has been unlocked")
    assert admin.unlock() == 202
    wait_for(lambda: log(rig, 2).count("The system has been unlocked") == before + 1)
    assert log(rig, 2).count(line) == 1


def test_percentages_are_the_clients_nine_tenths_and_bitbuckets_own(admin: Administrator) -> None:
    admin.lock()
    assert admin.backup()["progress"] == {"message": "Closing connections to the current database", "percentage": 5}
    wait_for(admin.drained)
    shown = []
    for percentage in (0, 50, 99):
        assert admin.progress(percentage) == 202
        shown.append(admin.view()["task"]["progress"]["percentage"])
    assert shown == [10, 55, 99]
    assert admin.progress(101) == 400
    assert admin.progress(100) == 202
    assert admin.progress(100) == 409  # completed: there is nothing left to report on
    assert admin.view()["task"]["state"] == "SUCCESSFUL"


def test_cancel_unlatches_and_keeps_the_lock_and_unlock_cancels(rig: Rig, admin: Administrator) -> None:
    admin.lock()
    admin.backup()
    wait_for(admin.drained)
    assert admin.cancel() == 202
    assert (admin.view()["db-state"], admin.view()["task"]["state"]) == ("AVAILABLE", "CANCELED")
    assert rig.state(1) == "MAINTENANCE"
    admin.backup()
    assert admin.unlock() == 202
    assert not rig.fabric.cluster.maintenance.latched()
    wait_for(lambda: rig.state(2) == "RUNNING")


@pytest.mark.parametrize(("service", "database"), [("git-upload-pack", "DRAINED"), ("git-receive-pack", "LATCHED")])
def test_running_git_processes_are_waited_for(rig: Rig, admin: Administrator, service: str, database: str) -> None:
    """A fetch holds Git only; a push holds the database as well, as its row is still to be written."""
    with half_a_request(rig, service):
        admin.lock()
        admin.backup()
        wait_for(lambda: rig.fabric.cluster.nodes["i-2"].latch)
        wait_for(lambda: rig.fabric.cluster.nodes["i-1"].latch and admin.view()["db-state"] == database)
        assert admin.view()["scm-state"] == "LATCHED"
    wait_for(admin.drained)


def test_a_latched_node_that_does_not_know_of_the_lock_yet_refuses_all_the_same(tmp_path: Path) -> None:
    """It joined while the cluster was locked, and looks for a lock only after a while."""
    rig = Rig(tmp_path, replace(QUICK, lock_check_seconds=3600.0), repositories=1)
    try:
        rig.start(1)
        with Administrator(rig) as admin:
            refuses_what_is_latched(rig, admin, tmp_path)
    finally:
        rig.close()


def refuses_what_is_latched(rig: Rig, admin: Administrator, folder: Path) -> None:
    admin.lock()
    admin.backup()
    wait_for(admin.drained)
    rig.start(2)
    assert rig.state(2) == "RUNNING"
    assert admin.drained()
    pusher = fire.Pusher(folder, f"http://{rig.address(2)}:7990/scm/pay/gateway-service.git", "late", 1)
    pusher.run()
    assert (pusher.acknowledged, pusher.refused) == ([], 1)
    with rig.client(2) as client, httpx.Client(base_url=client.base_url, auth=("admin", "wrong")) as stranger:
        assert client.post("/rest/api/latest/projects", json={"key": "NEW"}).status_code == 503
        assert client.get("/rest/api/latest/projects/PAY/repos/gateway-service/commits").status_code == 503
        assert client.get("/rest/api/latest/projects").status_code == 200  # what is only read is read
        assert stranger.get("/rest/api/latest/projects").status_code == 401
        assert admin.progress(100) == 202
        wait_for(lambda: not rig.fabric.cluster.nodes["i-2"].latch)
        assert client.post("/rest/api/latest/projects", json={"key": "NEW"}).status_code == 201


def test_nothing_changes_between_drained_and_the_end_and_nothing_acknowledged_is_missing(
    rig: Rig, admin: Administrator, tmp_path: Path
) -> None:
    places = [(1 + number % 2, number % 2) for number in range(4)]
    slugs = ("pay/gateway-service", "shop/ledger-client")
    pushers = [
        fire.Pusher(tmp_path, f"http://{rig.address(node)}:7990/scm/{slugs[which]}.git", f"fire-{number}")
        for number, (node, which) in enumerate(places)
    ]
    for pusher in pushers:
        pusher.start()
    try:
        wait_for(lambda: all(len(pusher.acknowledged) > 2 for pusher in pushers))
        admin.lock()
        admin.backup()
        wait_for(admin.drained)
        fire.copy(rig, tmp_path / "first")
        wait_for(lambda: all(pusher.refused > 2 for pusher in pushers))
        assert admin.drained()
        fire.copy(rig, tmp_path / "second")
    finally:
        for pusher in pushers:
            pusher.end()
    assert admin.progress(100) == 202
    assert fire.contents(tmp_path / "first") == fire.contents(tmp_path / "second")
    for number, (pusher, (_, which)) in enumerate(zip(pushers, places, strict=True)):
        assert fire.tip(tmp_path / "first", which + 1, f"fire-{number}") == pusher.acknowledged[-1]
        assert fire.recorded(tmp_path / "first", f"fire-{number}") == pusher.acknowledged
        assert "503" in pusher.complaint
    for repository in (tmp_path / "first" / "repositories").iterdir():
        assert fire.git("fsck", "--strict", at=repository).returncode == 0
    assert admin.unlock() == 202


def test_a_reply_that_is_lost_leaves_the_cluster_locked(rig: Rig, admin: Administrator) -> None:
    rig.fabric.fault("lost_reply", path="/mvc/maintenance/lock", method="POST")
    known(rig)
    with pytest.raises(httpx.TransportError):
        admin.lock()
    assert admin.lock() == 409
    held = rig.fabric.cluster.maintenance.held
    assert held is not None
    wait_for(lambda: f"unlocked with token: {held.token}" in log(rig, 1))
    admin.token = held.token


def test_one_503_on_unlock_and_one_500_on_progress(rig: Rig, admin: Administrator) -> None:
    admin.lock()
    admin.backup()
    rig.fabric.fault("http_error", times=1, status=500, path="/mvc/admin/backups/progress", method="POST")
    rig.fabric.fault("http_error", times=1, status=503, path="/mvc/maintenance/lock", method="DELETE")
    known(rig)
    assert [admin.progress(10), admin.progress(10)] == [500, 202]
    assert [admin.unlock(), admin.unlock()] == [503, 202]


def test_a_task_that_somebody_cancels_and_a_lock_that_is_lost(rig: Rig, admin: Administrator) -> None:
    rig.fabric.fault("task_cancelled", at="drained")
    admin.lock()
    admin.backup()
    wait_for(lambda: admin.view()["task"]["state"] == "CANCELED")
    assert admin.progress(50) == 409
    assert admin.http.get("/mvc/maintenance/lock").status_code == 200
    rig.fabric.fault("lock_lost", at="drained")
    admin.backup()
    wait_for(lambda: admin.http.get("/mvc/maintenance/lock").status_code == 404)
    assert admin.progress(100) == 409
    wait_for(lambda: rig.state(2) == "RUNNING")


@pytest.mark.parametrize("what", ["scm", "database"])
def test_a_drain_that_never_ends(rig: Rig, admin: Administrator, what: str) -> None:
    rig.fabric.fault("drain_never", what=what)
    other, held = ("db-state", "scm-state") if what == "scm" else ("scm-state", "db-state")
    admin.lock()
    admin.backup()
    wait_for(lambda: admin.view()[other] == "DRAINED")
    assert admin.view()[held] == "LATCHED"


def test_restarting_all_nodes_loses_the_lock(fresh: Rig) -> None:
    fresh.start(1)
    with Administrator(fresh) as admin:
        assert admin.lock() == 202
        fresh.processes["i-1"].terminate()
        assert fresh.processes["i-1"].wait(15) == 0
        fresh.start(1)
        assert admin.unlock() == 404


def known(rig: Rig) -> None:
    """Wait until every node has heard of a fault: two heartbeats after now."""
    for _ in range(2):
        began = time.monotonic()
        wait_for(partial(heard_since, rig, began))


def heard_since(rig: Rig, began: float) -> bool:
    """Tell whether every node has sent a heartbeat since."""
    ago = max(node["heard"] for node in rig.fabric.to_json()["nodes"])
    return bool(ago < time.monotonic() - began - 0.005)
