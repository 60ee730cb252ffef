"""The fabric: the model in real time, its HTTP API, heartbeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from lab.bitbucket.fabric import LAB_SETTINGS, Fabric
from lab.bitbucket.records import NodeSpec, WorldRefused

TOKEN = "0123456789abcdef0123"


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fabric(clock: Clock) -> Iterator[Fabric]:
    fabric = Fabric(replace(LAB_SETTINGS, collision_chance=0.0), token=TOKEN, clock=clock)
    yield fabric
    fabric.close()


@pytest.fixture
def api(fabric: Fabric) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fabric.serve(), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def boot(api: httpx.Client, number: int, version: str = "7.9.0") -> httpx.Response:
    body = {"address": f"127.9.0.{number}", "version": version, "port": 5701, "name": "Not configured"}
    return api.post(f"/nodes/i-{number}/boot", json=body)


def beat(api: httpx.Client, number: int) -> dict[str, object]:
    answer: dict[str, object] = api.post(f"/nodes/i-{number}/heartbeat", json={"tasks": 1, "users": 2}).json()
    return answer


def test_nobody_comes_in_without_the_token(fabric: Fabric) -> None:
    url = fabric.serve()
    assert httpx.get(f"{url}/world").status_code == 401
    assert httpx.get(f"{url}/world", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_it_listens_on_loopback_only(fabric: Fabric) -> None:
    assert fabric.serve().startswith("http://127.0.0.1:")


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        Fabric(token="short").serve()


def test_a_node_boots_beats_and_becomes_active(api: httpx.Client, clock: Clock) -> None:
    assert boot(api, 1).json()["uuid"]
    assert beat(api, 1)["state"] == "STARTING"
    clock.now += 1.9
    beat(api, 1)
    clock.now += 1.9
    beat(api, 1)
    clock.now += 0.3
    told = beat(api, 1)
    assert told["state"] == "ACTIVE"
    assert told["status"] == {"code": 200, "body": {"state": "RUNNING"}}


def test_impossible_nodes_are_409_with_the_reason(api: httpx.Client) -> None:
    boot(api, 1)
    again = boot(api, 1)
    assert again.status_code == 409
    assert "runs Bitbucket already" in again.json()["message"]


def test_nonsense_is_400(api: httpx.Client) -> None:
    assert api.post("/nodes/i-1/boot", json={"where": "127.9.0.1"}).status_code == 400
    assert api.post("/nodes/i-1/heartbeat", json={}).status_code == 400
    boot(api, 1)
    assert api.post("/nodes/i-1/call/zdu.explode", json={}).status_code == 400


def test_missing_heartbeats_make_a_node_silent_and_then_gone(api: httpx.Client, fabric: Fabric, clock: Clock) -> None:
    boot(api, 1)
    boot(api, 2)
    for _ in range(6):
        clock.now += 1.0
        beat(api, 1)
        beat(api, 2)
    clock.now += 1.5
    beat(api, 1)
    clock.now += 1.0
    states = {n["ipAddress"]: n["state"] for n in fabric.to_json()["cluster"]["nodes"]}
    assert states == {"127.9.0.1": "ACTIVE", "127.9.0.2": None}
    for _ in range(4):
        clock.now += 1.0
        beat(api, 1)
    assert [n["id"] for n in fabric.to_json()["nodes"]] == ["i-1"]
    assert beat(api, 2) == {"known": False}


def test_nobody_is_taken_for_silent_whom_the_lab_holds_still(api: httpx.Client, fabric: Fabric, clock: Clock) -> None:
    boot(api, 1)
    clock.now += 1.0
    with fabric.standing_still(), fabric.standing_still():
        clock.now += 60.0
        fabric.tick()
    clock.now += 1.5
    fabric.tick()
    assert [(n["id"], n["crashed"]) for n in fabric.to_json()["nodes"]] == [("i-1", False)]
    clock.now += 1.0
    fabric.tick()
    assert fabric.to_json()["nodes"][0]["crashed"] is True


def test_a_node_that_was_only_slow_is_taken_back(api: httpx.Client, fabric: Fabric, clock: Clock) -> None:
    boot(api, 1)
    for _ in range(5):
        clock.now += 1.0
        beat(api, 1)
    clock.now += 3.0
    fabric.tick()
    assert fabric.to_json()["nodes"][0]["crashed"] is True
    assert beat(api, 1)["state"] == "ACTIVE"


def test_calls_of_the_upgrade(api: httpx.Client, clock: Clock) -> None:
    boot(api, 1)
    for _ in range(5):
        clock.now += 1.0
        beat(api, 1)
    started = api.post("/nodes/i-1/call/zdu.start", json={}).json()
    assert (started["status"], started["body"]["state"], started["delay"]) == (200, "READY_TO_UPGRADE", 0.0)
    again = api.post("/nodes/i-1/call/zdu.start", json={}).json()
    assert (again["status"], again["body"]) == (409, None)
    assert api.post("/nodes/i-9/call/zdu.cluster", json={}).json()["status"] == 503


def test_a_graceful_stop_at_the_nodes_own_pace(api: httpx.Client, fabric: Fabric, clock: Clock) -> None:
    boot(api, 1)
    for _ in range(5):
        clock.now += 1.0
        beat(api, 1)
    api.post("/nodes/i-1/stop", json={"drain": 60, "terminate": 60})
    assert beat(api, 1)["state"] == "DRAINING"
    assert api.post("/nodes/i-1/drained").json() == {"go": True}
    assert beat(api, 1)["state"] == "TERMINATING"
    api.post("/nodes/i-1/left")
    assert fabric.to_json()["nodes"] == []
    assert [e["what"] for e in fabric.events()] == ["STARTING", "ACTIVE", "DRAINING", "TERMINATING", "gone"]
    assert fabric.events(since=4) == [{"number": 5, "at": clock.now, "node": "i-1", "what": "gone"}]


def test_faults_are_switched_handed_out_and_used_up(api: httpx.Client, fabric: Fabric) -> None:
    boot(api, 1)
    fabric.fault("http_error", node="i-1", times=1, status=429, retry_after=3)
    faults = beat(api, 1)["faults"]
    assert isinstance(faults, list)
    assert faults[0]["params"]["status"] == 429
    assert api.post(f"/faults/{faults[0]['uid']}/take").json() == {"go": True}
    assert api.post(f"/faults/{faults[0]['uid']}/take").json() == {"go": False}
    fabric.fault("slow", node="i-2")
    assert beat(api, 1)["faults"] == []
    assert fabric.clear_faults("slow") == 1
    with pytest.raises(WorldRefused):
        fabric.fault("gremlins")


def test_no_secret_in_what_it_tells(fabric: Fabric, api: httpx.Client, clock: Clock) -> None:
    boot(api, 1)
    for _ in range(5):
        clock.now += 1.0
        beat(api, 1)
    locked = api.post("/nodes/i-1/call/maintenance.lock", json={"user": "admin", "display_name": "A"}).json()
    told = str(fabric.to_json()) + str(fabric.events())
    assert TOKEN not in told
    assert locked["body"]["unlockToken"] not in told
    assert fabric.to_json()["maintenance"] == {"owner": "admin", "since": clock.now}


def test_settings_can_change_while_it_runs(fabric: Fabric, clock: Clock) -> None:
    fabric.boot(NodeSpec("i-1", "127.9.0.1", "7.9.0"))
    fabric.configure(base_url="http://127.0.0.1:8080")
    assert fabric.heartbeat("i-1", tasks=0, users=0)["base_url"] == "http://127.0.0.1:8080"
