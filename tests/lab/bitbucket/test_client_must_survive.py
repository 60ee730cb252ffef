"""What a client must survive, each shown by the model; and what single nodes say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from lab.bitbucket.records import NodeSpec, WorldRefused, build_number
from tests.lab.bitbucket.worlds import NEW, OLD, World, three, upgrading


@pytest.mark.parametrize(("style", "keys"), [("null", True), ("absent", False)])
def test_counts_are_null_or_absent_on_some_versions(style: Any, keys: object) -> None:
    node = three(counts=style).view()["nodes"][0]
    assert ("tasksTotal" in node) is keys
    assert node.get("tasksTotal") is None
    assert node.get("activeUserCount") is None


def test_counts_are_what_the_node_reported() -> None:
    world = three()
    world.cluster.report("i-1", tasks=7, users=3)
    node = world.view()["nodes"][0]
    assert (node["tasksTotal"], node["activeUserCount"]) == (7, 3)


def test_version_build_and_counts_are_null_on_offline_nodes() -> None:
    world = upgrading()
    world.stop(1)
    ghost = next(n for n in world.view()["nodes"] if n["state"] == "OFFLINE")
    assert [ghost[k] for k in ("version", "buildNumber", "tasksTotal", "activeUserCount")] == [None] * 4


def test_state_and_version_are_null_on_a_silent_node_and_the_listing_waits_for_it() -> None:
    world = three()
    assert world.cluster.answer_delay("i-1") == 0.0
    world.cluster.fault("silent", node="i-2")
    node = next(n for n in world.view("i-1")["nodes"] if n["ipAddress"] == "127.9.0.2")
    assert (node["state"], node["version"], node["buildNumber"]) == (None, None, None)
    assert world.cluster.answer_delay("i-1") == 5.0


def test_a_silent_node_knows_itself_when_it_is_asked() -> None:
    """Otherwise nulls alone would be "not the original version", and finalizing would seem possible."""
    world = upgrading()
    world.cluster.fault("silent")
    assert world.view("i-2")["state"] == "MIXED"
    world.stop(1, 3)
    assert world.view("i-2")["state"] == "READY_TO_UPGRADE"


def test_name_is_not_configured() -> None:
    assert {n["name"] for n in three().view()["nodes"]} == {"Not configured"}


def test_build_number_is_text() -> None:
    assert three().view()["nodes"][0]["buildNumber"] == "7009000"
    assert build_number("8.19.12") == "8019012"


def test_unknown_states_and_fields_appear() -> None:
    world = three()
    world.cluster.fault("unknown_state", node="i-1")
    world.cluster.fault("unknown_cluster_state")
    world.cluster.fault("extra_fields")
    view = world.view()
    assert view["state"] == "PONDERING"
    assert view["nodes"][0]["state"] == "HIBERNATING"
    assert "hostClass" in view["nodes"][1]
    assert "shardCount" in view


def test_only_the_asked_node_is_local() -> None:
    local = {n["ipAddress"]: n["local"] for n in three().view("i-2")["nodes"]}
    assert local == {"127.9.0.1": False, "127.9.0.2": True, "127.9.0.3": False}


def test_state_names_the_node_that_answered() -> None:
    world = upgrading()
    shown = world.cluster.state_view(world.now, "i-2")
    assert shown["state"] == "READY_TO_UPGRADE"
    assert shown["buildInfo"]["ipAddress"] == "127.9.0.2"
    assert shown["buildInfo"]["version"] == OLD


def test_one_node_by_id_and_404_for_another() -> None:
    world = three()
    uuid = world.view()["nodes"][0]["id"]
    found = world.cluster.node_view(world.now, uuid)
    assert found.body is not None
    assert found.body["id"] == uuid
    assert world.cluster.node_view(world.now, "nobody").status == 404


@pytest.mark.parametrize("key", ["hostName", "address"])
def test_admin_cluster_names_the_address_in_two_ways(key: Any) -> None:
    world = three(address_key=key)
    seen = world.cluster.admin_cluster("i-1", world.now)
    assert [n["address"][key] for n in seen["nodes"]] == ["127.9.0.1", "127.9.0.2", "127.9.0.3"]
    assert seen["localNode"]["local"] is True
    assert seen["running"] is True


class TestStatus:
    def ask(self, world: World, number: int) -> tuple[int, str] | None:
        reply = world.cluster.status(f"i-{number}", world.now)
        return None if reply is None or reply.body is None else (reply.status, reply.body["state"])

    def test_starting_is_503_and_running_200(self) -> None:
        world = World()
        world.boot(1, settle=False)
        assert self.ask(world, 1) == (503, "STARTING")
        world.settle()
        assert self.ask(world, 1) == (200, "RUNNING")

    def test_error_is_500(self) -> None:
        world = three()
        world.cluster.fault("error", node="i-1")
        assert self.ask(world, 1) == (500, "ERROR")

    def test_first_run_is_200(self) -> None:
        assert self.ask(three(set_up=False), 1) == (200, "FIRST_RUN")

    def test_maintenance_is_200(self) -> None:
        world = three()
        world.cluster.maintenance.lock("admin", "Administrator", world.now)
        assert self.ask(world, 1) == (200, "MAINTENANCE")

    def test_nobody_answers_where_nothing_runs(self) -> None:
        world = three()
        world.cluster.kill("i-1", world.now)
        assert self.ask(world, 1) is None
        assert self.ask(world, 9) is None


class TestWorldsThatCannotExist:
    def test_two_nodes_at_one_address(self) -> None:
        world = three()
        with pytest.raises(WorldRefused, match="taken"):
            world.boot(4, address="127.9.0.1")

    def test_a_machine_that_runs_twice(self) -> None:
        world = three()
        with pytest.raises(WorldRefused, match="already"):
            world.boot(1, address="127.9.0.99")

    @pytest.mark.parametrize("version", ["", "seven", "7", "7.9.x", "7.9.4.1"])
    def test_no_version(self, version: str) -> None:
        with pytest.raises(WorldRefused, match="no Bitbucket version"):
            World().boot(1, version)

    def test_no_address(self) -> None:
        with pytest.raises(WorldRefused, match="no IP address"):
            World().cluster.boot(NodeSpec("i-1", "somewhere", OLD), 0.0)

    def test_a_fault_that_nobody_knows(self) -> None:
        with pytest.raises(WorldRefused, match="no fault is called"):
            World().cluster.fault("gremlins")

    def test_a_parameter_that_the_fault_does_not_have(self) -> None:
        with pytest.raises(WorldRefused, match="no parameter"):
            World().cluster.fault("alone", minutes=3)


def test_a_second_node_needs_a_clustered_licence() -> None:
    world = World(clustered=False)
    world.boot(1)
    world.boot(2)
    assert [str(world.state_of(n)) for n in (1, 2)] == ["ACTIVE", "ERROR"]


def test_the_whole_cluster_can_be_brought_to_any_higher_version_while_it_is_down() -> None:
    world = three()
    world.stop(1, 2, 3)
    world.boot(4, "8.19.12")
    assert str(world.state_of(4)) == "ACTIVE"


def test_a_node_that_was_taken_for_dead_speaks_again() -> None:
    world = upgrading()
    world.cluster.kill("i-1", world.now)
    assert world.cluster.revive("i-1", world.now)
    world.settle()
    assert world.listed()["1"] == ("ACTIVE", OLD)
    world.cluster.kill("i-1", world.now)
    world.settle()
    assert not world.cluster.revive("i-1", world.now)


def test_a_fault_is_used_up_after_its_times() -> None:
    world = upgrading()
    world.cluster.fault("slow_boot", times=1, seconds=500.0)
    world.boot(4, NEW, settle=False)
    world.wait(100)
    assert str(world.state_of(4)) == "STARTING"
    world.settle()
    world.boot(5, NEW, settle=False)
    world.wait(61)
    assert str(world.state_of(5)) == "ACTIVE"
    assert world.cluster.faults.to_json() == []
