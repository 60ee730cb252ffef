"""The life of a node process: start, graceful stop, crash, refusal, split, faults, maintenance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.lab.bitbucket.rig import PASSWORD, Rig, wait_for

pytestmark = pytest.mark.lab


def states(rig: Rig, number: int = 1) -> dict[str, tuple[str | None, str | None]]:
    with rig.client(number) as client:
        nodes = client.get("/rest/zdu/cluster").json()["nodes"]
    return {node["ipAddress"].split(".")[-1]: (node["state"], node["version"]) for node in nodes}


def test_a_whole_upgrade_over_http(fresh: Rig) -> None:
    for number in (1, 2):
        fresh.start(number)
    with fresh.client(1) as client:
        started = client.post("/rest/zdu/start")
        assert (started.status_code, started.json()["state"]) == (200, "READY_TO_UPGRADE")
        assert (client.post("/rest/zdu/start").status_code, client.post("/rest/zdu/start").content) == (409, b"")
    fresh.processes["i-2"].terminate()
    assert fresh.processes["i-2"].wait(10) == 0
    assert states(fresh)["12"] == ("OFFLINE", None)
    fresh.start(3, "7.9.4")
    assert states(fresh, 3)["13"] == ("ACTIVE", "7.9.4")
    with fresh.client(3) as client:
        assert client.get("/rest/zdu/state").json()["state"] == "MIXED"
        fresh.processes["i-1"].terminate()
        assert fresh.processes["i-1"].wait(10) == 0
        fresh.start(4, "7.9.4")
        approved = client.post("/rest/zdu/approve")
        assert (approved.status_code, approved.json()["state"]) == (200, "RUNNING_UPGRADE_TASKS")
        wait_for(lambda: client.get("/rest/zdu/cluster").json()["state"] == "STABLE")
        node = client.get("/rest/zdu/cluster").json()["nodes"][0]
        assert client.get(f"/rest/zdu/nodes/{node['id']}").json()["ipAddress"] == node["ipAddress"]
        assert client.get("/rest/zdu/nodes/nobody").status_code == 404
    assert states(fresh, 3).keys() == {"13", "14"}


def test_a_graceful_stop_lets_open_requests_finish(fresh: Rig) -> None:
    fresh.start(1)
    fresh.start(2)
    fresh.fabric.fault("slow", node="i-1", seconds=1.5, path="/rest/api/latest/users")
    time.sleep(0.2)
    answers: list[int] = []

    def ask() -> None:
        with fresh.client(1) as client:
            answers.append(client.get("/rest/api/latest/users").status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: fresh.fabric.to_json()["nodes"][0]["tasks"] >= 1)
    fresh.processes["i-1"].terminate()
    wait_for(lambda: states(fresh, 2)["11"][0] == "DRAINING")
    asking.join()
    assert answers == [200]
    assert fresh.processes["i-1"].wait(10) == 0
    assert "11" not in states(fresh, 2)


def test_a_crash_is_silent_first(fresh: Rig) -> None:
    fresh.start(1)
    fresh.start(2)
    fresh.processes["i-1"].send_signal(signal.SIGKILL)
    wait_for(lambda: states(fresh, 2).get("11") == (None, None))
    began = time.monotonic()
    states(fresh, 2)
    assert time.monotonic() - began >= 0.2  # the listing waits for the node that does not answer
    wait_for(lambda: "11" not in states(fresh, 2))


def test_a_version_that_may_not_join_stays_starting_and_then_says_error(fresh: Rig) -> None:
    fresh.fabric.configure(refusal_seconds=3.0)
    fresh.start(1)
    fresh.start(2, "7.9.4", wait=False)
    url = f"http://{fresh.address(2)}:7990"
    wait_for(lambda: fresh.state(2) == "STARTING")
    assert httpx.get(f"{url}/status").status_code == 503
    assert httpx.get(f"{url}/rest/api/latest/projects").status_code == 503
    wait_for(lambda: fresh.state(2) == "ERROR")
    assert httpx.get(f"{url}/status").status_code == 500
    assert states(fresh)["12"] == ("ERROR", "7.9.4")


def test_running_is_not_joined(fresh: Rig) -> None:
    fresh.start(1)
    fresh.fabric.fault("alone", node="i-2")
    fresh.start(2)
    for number in (1, 2):
        with fresh.client(number) as client:
            members = client.get("/rest/api/latest/admin/cluster").json()["nodes"]
        assert [member["address"]["hostName"] for member in members] == [fresh.address(number)]


def test_a_node_that_was_held_up_for_long_joins_again(fresh: Rig) -> None:
    fresh.start(1)
    fresh.start(2)
    process = fresh.processes["i-2"]
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: "12" not in states(fresh))
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: states(fresh).get("12") == ("ACTIVE", "7.9.0"))


def test_faults_on_the_nodes_own_http(fresh: Rig) -> None:
    fresh.start(1)
    with fresh.client(1) as client:
        fresh.fabric.fault("busy_status")
        wait_for(lambda: fresh.state(1) is None)
        fresh.fabric.clear_faults()
        wait_for(lambda: fresh.state(1) == "RUNNING")

        fresh.fabric.fault("html", path="/rest/zdu")
        wait_for(lambda: client.get("/rest/zdu/cluster").headers["Content-Type"].startswith("text/html"))
        fresh.fabric.clear_faults()
        wait_for(lambda: client.get("/rest/zdu/cluster").headers["Content-Type"].startswith("application/json"))

        fresh.fabric.fault("http_error", times=1, status=429, retry_after=7, path="/rest/zdu", body="message")
        throttled = wait_for(lambda: (a := client.get("/rest/zdu/cluster")).status_code == 429 and a)
        assert throttled.headers["Retry-After"] == "7"
        assert throttled.json()["status-code"] == 429
        assert client.get("/rest/zdu/cluster").status_code == 200

        fresh.fabric.fault("lost_reply", path="/rest/zdu/start", method="POST")
        time.sleep(0.2)
        with pytest.raises(httpx.TransportError):
            client.post("/rest/zdu/start")
        assert client.get("/rest/zdu/cluster").json()["upgradeModeEnabled"] is True

        fresh.fabric.fault("hang", path="/rest/zdu")
        time.sleep(0.2)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/rest/zdu/cluster", timeout=0.4)


def test_maintenance_over_http(fresh: Rig) -> None:
    url = fresh.start(1)
    headers = {"X-Atlassian-Token": "no-check"}
    with httpx.Client(base_url=url, auth=("admin", PASSWORD), headers=headers) as admin, fresh.client(1) as user:
        locked = admin.post("/mvc/maintenance/lock")
        assert locked.status_code == 202
        token = locked.json()["unlockToken"]
        assert admin.post("/mvc/maintenance/lock").status_code == 409
        wait_for(lambda: fresh.state(1) == "MAINTENANCE")
        assert httpx.get(f"{url}/status").status_code == 200
        assert user.get("/rest/api/latest/projects").status_code == 503
        mine = {"X-Atlassian-Maintenance-Token": token}
        assert admin.post("/mvc/admin/backups?external=true").status_code == 409
        backup = admin.post("/mvc/admin/backups?external=true", headers=mine)
        assert (backup.status_code, backup.json()["type"]) == (202, "BACKUP")
        assert admin.get("/mvc/maintenance").status_code == 409

        def drained() -> bool:
            seen = admin.get("/mvc/maintenance", headers=mine).json()
            return bool(seen["db-state"] == seen["scm-state"] == "DRAINED" and seen["task"]["state"] == "RUNNING")

        wait_for(drained)
        progress = f"/mvc/admin/backups/progress/client?token={token}&percentage="
        assert admin.post(progress + "x").status_code == 400
        assert admin.post(progress + "100").status_code == 202
        assert admin.delete("/mvc/maintenance/lock?token=wrong").status_code == 409
        assert admin.delete(f"/mvc/maintenance/lock?token={token}").status_code == 202
        assert admin.get("/mvc/maintenance/lock").status_code == 404
        wait_for(lambda: fresh.state(1) == "RUNNING")
        assert user.get("/rest/api/latest/projects").status_code == 200


def test_nothing_secret_is_logged_or_on_the_command_line(fresh: Rig) -> None:
    fresh.start(1)
    with fresh.client(1) as client:
        client.get("/rest/zdu/cluster")
    httpx.get(f"http://{fresh.address(1)}:7990/dashboard", auth=("admin", PASSWORD))
    logs = "".join(file.read_text() for file in (fresh.root / "i-1" / "log").iterdir())
    assert "/dashboard" in logs
    command = Path(f"/proc/{fresh.processes['i-1'].pid}/cmdline").read_text()
    for secret in (PASSWORD, "BBDC-test", fresh.token_file.read_text()):
        assert secret not in logs
        assert secret not in command


def test_it_ends_when_its_parent_is_gone(fresh: Rig) -> None:
    """The process that starts it ends at once; the node notices and ends too."""
    fresh.start(1)
    fresh.processes["i-1"].terminate()
    assert fresh.processes["i-1"].wait(10) == 0
    file = fresh.root / "i-1" / "node.json"
    starter = (
        "import subprocess, sys, time, urllib.request\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'lab.bitbucket.node', {str(file)!r}])\n"
        "print(p.pid, flush=True)\n"
        "for _ in range(100):\n"
        "    try:\n"
        f"        urllib.request.urlopen('http://{fresh.address(1)}:7990/rest/api/latest/application-properties')\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
    )
    started = subprocess.run([sys.executable, "-c", starter], capture_output=True, text=True, check=True, timeout=30)
    child = int(started.stdout)
    wait_for(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
