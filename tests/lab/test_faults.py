from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.aws.ports import Call
from lab.bitbucket.fabric import Fabric
from lab.bitbucket.records import NodeSpec, Settings
from lab.daemon.hands import DaemonHands
from lab.fault_kinds import CATALOGUE, NoSuchFault
from lab.faults import FaultBook


@dataclass
class Recorder:
    """Hands that write down what they were told."""

    nodes: list[str] = field(default_factory=lambda: ["i-1", "i-2", "i-3"])
    done: list[tuple[Any, ...]] = field(default_factory=list)
    acted: dict[int, int | None] = field(default_factory=dict)

    def running(self) -> list[str]:
        return self.nodes

    def crash(self, instance: str) -> None:
        self.done.append(("crash", instance))

    def hold_stop(self, instance: str, *, hold: bool) -> None:
        self.done.append(("hold", instance, hold))

    def lose_zone(self, zone: str) -> None:
        self.done.append(("lose", zone))

    def cluster_fault(self, name: str, instance: str, times: int | None, **params: Any) -> int:
        self.done.append(("cluster", name, instance, times, params))
        number = len(self.done)
        self.acted[number] = times
        return number

    def clear_cluster_fault(self, number: int) -> None:
        self.done.append(("clear", number))
        self.acted.pop(number, None)

    def cluster_faults(self) -> dict[int, int | None]:
        return self.acted

    def lock(self, *, locked: bool) -> None:
        self.done.append(("lock", locked))

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> None:
        self.done.append(("fail_operations", service, action, times, seconds))

    def keep_disks(self, *, keep: bool) -> None:
        self.done.append(("keep_disks", keep))

    def keep_databases_busy(self, state: str, seconds: float) -> None:
        self.done.append(("busy", state, seconds))


@pytest.fixture
def hands() -> Recorder:
    return Recorder()


@pytest.fixture
def book(hands: Recorder) -> FaultBook:
    book = FaultBook(seed=1)
    book.hands = hands
    return book


def call(service: str = "ec2", action: str = "DescribeVpcs") -> Call:
    return Call(service, action, b"")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_fault_can_be_set_and_cleared(book: FaultBook, name: str) -> None:
    book.set(name)
    book.clear(name)
    assert book.list() == []


def test_unknown_names_and_parameters_are_refused(book: FaultBook) -> None:
    with pytest.raises(NoSuchFault, match="there are: crash"):
        book.set("gremlins")
    with pytest.raises(NoSuchFault, match="it has: instance"):
        book.set("crash", speed=3)
    with pytest.raises(NoSuchFault, match="wants seconds as float, not 'soon'"):
        book.set("slow", seconds="soon")
    with pytest.raises(NoSuchFault, match="knows what as scm, database, not 'nfs'"):
        book.set("drain-never", what="nfs")


def test_a_crash_needs_a_machine(book: FaultBook, hands: Recorder) -> None:
    hands.nodes = []
    with pytest.raises(NoSuchFault, match="needs a machine"):
        book.set("crash")


def test_the_seed_chooses_the_same_machine_again(hands: Recorder) -> None:
    chosen = []
    for _ in range(2):
        book = FaultBook(seed=7)
        book.hands = hands
        chosen.append([book.set("crash").params["instance"] for _ in range(8)])
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) > 1


def test_uses_are_counted(book: FaultBook) -> None:
    book.set("throttled", times=2, service="ec2")
    refusals = [book.refuse(call()) is not None for _ in range(3)]
    assert refusals == [True, True, False]
    assert book.list() == []


def test_a_fault_meant_for_one_action_leaves_the_others(book: FaultBook) -> None:
    book.set("lost-reply", service="autoscaling", action="TerminateInstanceInAutoScalingGroup")
    assert not book.lose_reply(call("autoscaling", "SetDesiredCapacity"))
    assert book.lose_reply(call("autoscaling", "TerminateInstanceInAutoScalingGroup"))


def test_a_chance_comes_true_sometimes() -> None:
    book = FaultBook(seed=3)
    book.set("throttled", times=1000, chance="0.3")
    struck = sum(book.refuse(call()) is not None for _ in range(1000))
    assert 200 < struck < 400


def test_bitbucket_is_throttled_by_the_cluster(book: FaultBook, hands: Recorder) -> None:
    book.set("throttled", service="bitbucket", times=5)
    assert hands.done == [
        ("cluster", "http_error", "*", 5, {"status": 429, "path": "/rest/", "retry_after": 1}),
    ]
    assert book.refuse(call()) is None
    book.clear()
    assert hands.done[-1] == ("clear", 1)


def test_a_zone_is_lost_until_it_is_cleared(book: FaultBook, hands: Recorder) -> None:
    book.set("az-loss", zone="eu-west-1b")
    assert hands.done == [("lose", "eu-west-1b")]
    assert "eu-west-1b" in str(book.launch_error("eu-west-1b"))
    assert book.launch_error("eu-west-1a") is None
    book.clear("az-loss")
    assert book.launch_error("eu-west-1b") is None


def test_a_held_stop_is_let_go(book: FaultBook, hands: Recorder) -> None:
    book.set("stop-hangs", instance="i-2")
    book.clear()
    assert hands.done == [("hold", "i-2", True), ("hold", "i-2", False)]


def test_what_the_cluster_has_used_up_is_over(book: FaultBook, hands: Recorder) -> None:
    book.set("alone", times=2)
    hands.acted[1] = 1
    assert [line["left"] for line in book.list()] == [1]
    hands.acted.clear()
    assert book.list() == []


def test_snapshots_are_refused_as_each_service_refuses_them(book: FaultBook) -> None:
    book.set("snapshot-quota", limit="concurrent")
    answers = [book.refuse(call("ec2", "CreateSnapshots")), book.refuse(call("rds", "CreateDBSnapshot"))]
    assert [answer and answer.code for answer in answers] == [
        "ConcurrentSnapshotLimitExceeded",
        "SnapshotQuotaExceeded",
    ]
    assert book.refuse(call("ec2", "DeleteSnapshot")) is None
    with pytest.raises(NoSuchFault, match="knows limit as total, concurrent"):
        book.set("snapshot-quota", limit="daily")


def test_snapshots_fail_once_and_are_slow_until_cleared(book: FaultBook) -> None:
    book.set("snapshot-fails")
    book.set("database-snapshot-fails", times=2)
    book.set("snapshot-slow", seconds=7)
    book.set("kms-denied")
    assert [book.snapshot_fails("volume"), book.snapshot_fails("volume")] == [True, False]
    assert [book.snapshot_fails("database") for _ in range(3)] == [True, True, False]
    assert [book.key_denied(), book.key_denied()] == [True, False]
    assert [book.snapshot_delay(), book.snapshot_delay(), book.clear(), book.snapshot_delay()] == [7.0, 7.0, 1, 0.0]


def test_a_busy_database_is_nothing_to_clear(book: FaultBook, hands: Recorder) -> None:
    book.set("database-busy", state="modifying", seconds=3)
    assert hands.done == [("busy", "modifying", 3.0)]
    assert book.list() == []


def test_faults_that_share_a_way_of_the_cluster_are_cleared_one_by_one(book: FaultBook, hands: Recorder) -> None:
    book.set("unlock-fails")
    book.set("progress-fails", times=2)
    book.clear("unlock-fails")
    assert hands.done[-1] == ("clear", 1)
    hands.acted[2] = 1
    assert [(line["name"], line["left"]) for line in book.list()] == [("progress-fails", 1)]


class Cluster:
    """One node of the lab's Bitbucket in a time of its own; its faults are set by name."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.token = ""
        settings = Settings(boot_seconds=1, scm_drain_seconds=1, database_drain_seconds=1)
        self.fabric = Fabric(settings, token="f" * 32, heartbeat_timeout=1e6, clock=lambda: self.now)
        self.fabric.boot(NodeSpec("i-1", "127.9.0.1", "7.9.0"))
        self.pass_time(2)
        self.book = FaultBook(seed=1)
        nothing: Any = None  # faults of the cluster need neither machines nor a cloud
        self.book.hands = DaemonHands(nothing, self.fabric, nothing)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.fabric.heartbeat("i-1", tasks=0, users=0)

    def call(self, name: str, **args: Any) -> Any:
        answer = self.fabric.call("i-1", name, {"token": self.token, **args})
        assert answer["status"] < 300, answer
        return answer["body"]

    def back_up(self) -> None:
        """Lock, begin the task and let everything drain that may."""
        self.token = self.call("maintenance.lock", user="admin", display_name="Admin")["unlockToken"]
        self.call("maintenance.backup")
        self.pass_time(2)

    def held(self) -> bool:
        return self.fabric.to_json()["maintenance"] is not None

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what the node's process has to act out."""
        faults = self.fabric.heartbeat("i-1", tasks=0, users=0)["faults"]
        return [(line["name"], {key: line["params"][key] for key in ("path", "method")}) for line in faults]


def test_nodes_are_told_which_answers_of_the_maintenance_api_go_wrong() -> None:
    cluster = Cluster()
    for name in ("lock-reply-lost", "unlock-fails", "progress-fails"):
        cluster.book.set(name)
    lock = "/mvc/maintenance/lock"
    told = [
        ("lost_reply", {"path": lock, "method": "POST"}),
        ("http_error", {"path": lock, "method": "DELETE"}),
        ("http_error", {"path": "/mvc/admin/backups/progress", "method": "*"}),
    ]
    assert cluster.told() == told
    cluster.book.clear("unlock-fails")
    assert cluster.told() == [told[0], told[2]]
    cluster.fabric.take_fault(cluster.fabric.faults()[0]["uid"])
    assert [(line["name"], line["left"]) for line in cluster.book.list()] == [("progress-fails", 1)]


@pytest.mark.parametrize("what", ["scm", "database"])
def test_a_drain_that_never_ends_does_once_it_is_cleared(what: str) -> None:
    cluster = Cluster()
    cluster.book.set("drain-never", what=what)
    cluster.back_up()
    latched, drained = ("scm-state", "db-state") if what == "scm" else ("db-state", "scm-state")
    view = cluster.call("maintenance.view")
    assert (view[latched], view[drained]) == ("LATCHED", "DRAINED")
    cluster.book.clear("drain-never")
    assert cluster.call("maintenance.view")[latched] == "DRAINED"


def test_somebody_cancels_the_task_or_the_lock_is_lost() -> None:
    cluster = Cluster()
    cluster.book.set("task-cancelled", at="drained")
    cluster.back_up()
    assert cluster.call("maintenance.view")["task"]["state"] == "CANCELED"
    assert cluster.book.list() == []
    cluster.book.set("lock-lost")
    cluster.pass_time(1)
    assert not cluster.held()
    assert cluster.book.list() == []


def test_as_many_repositories_are_inconsistent_as_were_asked_for() -> None:
    cluster = Cluster()
    cluster.book.set("mesh-inconsistent", repositories="3")
    assert len(cluster.call("admin.mesh.inconsistent")["values"]) == 3
    cluster.book.clear()
    assert cluster.call("admin.mesh.inconsistent")["values"] == []
