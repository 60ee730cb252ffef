"""Bitbucket's answers, the odd ones above all: nothing missing, null or unknown may crash or vanish."""

from __future__ import annotations

import httpx
import pytest

from automation.core.cluster import ClusterState, Node, NodeState
from automation.ports.bitbucket import Application, HealthCheck, Licence, MeshNode
from automation.ports.errors import NotAuthenticated, NotFound, Unexpected

NODE = {
    "id": "a1", "name": "Not configured", "ipAddress": "10.0.0.1", "state": "ACTIVE", "version": "7.9.0",
    "buildNumber": "7009000", "tasksTotal": 3, "activeUserCount": 7, "local": True, "portNumber": 5701, "links": [],
}  # fmt: skip


def says(body, status=200):
    return lambda _request: httpx.Response(status, json=body)


def cluster_of(over, **overrides):
    body = {"upgradeModeEnabled": True, "state": "MIXED", "originalVersion": "7.9.0", "nodes": [NODE], "links": []}
    return over(says(body | overrides)).cluster()


def test_a_whole_cluster(over):
    seen = cluster_of(over)
    assert (seen.state, seen.upgrade_mode, seen.original_version) == (ClusterState.MIXED, True, "7.9.0")
    assert seen.nodes == (Node("a1", "10.0.0.1", NodeState.ACTIVE, "7.9.0", 5701, None, 3, 7),)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"state": "OFFLINE", "version": None, "buildNumber": None, "tasksTotal": None, "activeUserCount": None},
         {"state": NodeState.OFFLINE, "version": None, "tasks": None, "users": None}),
        ({"state": None, "version": None}, {"state": NodeState.SILENT, "version": None}),
        ({"state": "HIBERNATING", "mood": "fine"}, {"state": NodeState.UNKNOWN}),
        ({"state": 7}, {"state": NodeState.UNKNOWN}),
        ({"ipAddress": "/10.0.0.1:5701"}, {"address": "10.0.0.1"}),
        ({"ipAddress": None}, {"address": ""}),
        ({"tasksTotal": "4", "activeUserCount": True}, {"tasks": 4, "users": None}),
        ({"portNumber": "x", "name": "node-1", "id": None}, {"port": None, "name": "node-1", "id": ""}),
        ({"version": ""}, {"version": None}),
    ],
)  # fmt: skip
def test_odd_nodes_stay_listed(over, overrides, expected):
    (node,) = cluster_of(over, nodes=[NODE | overrides]).nodes
    assert {name: getattr(node, name) for name in expected} == expected


def test_counts_that_this_version_does_not_know_are_none(over):
    bare = {key: value for key, value in NODE.items() if key not in {"tasksTotal", "activeUserCount", "portNumber"}}
    (node,) = cluster_of(over, nodes=[bare]).nodes
    assert (node.tasks, node.users, node.port) == (None, None, None)


def test_a_node_with_nothing_in_it_is_listed_as_not_ready(over):
    assert cluster_of(over, nodes=[{}]).nodes == (Node("", "", NodeState.SILENT),)


def test_no_original_version_outside_upgrade_mode(over):
    seen = cluster_of(over, upgradeModeEnabled=False, state="STABLE", originalVersion=None)
    assert (seen.upgrade_mode, seen.original_version) == (False, None)


def test_an_unknown_cluster_state_is_unknown(over):
    assert cluster_of(over, state="PAUSED_FOR_LUNCH", future={"x": [1]}).state is ClusterState.UNKNOWN


def test_null_nodes_are_no_nodes(over):
    assert cluster_of(over, nodes=None).nodes == ()


@pytest.mark.parametrize(("state", "mode"), [("STABLE", False), ("MIXED", True), ("UPGRADE_TASKS_FAILED", False)])
def test_upgrade_mode_follows_the_state_where_the_flag_is_missing(over, state, mode):
    assert cluster_of(over, state=state, upgradeModeEnabled=None).upgrade_mode is mode


# /status -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 500, 503])
@pytest.mark.parametrize("word", ["RUNNING", "MAINTENANCE", "FIRST_RUN", "STARTING", "ERROR", "NEW_WORD"])
def test_status_is_read_from_the_body_not_from_the_code(over, status, word):
    assert over(says({"state": word}, status)).status() == word


@pytest.mark.parametrize(
    "response", [httpx.Response(200), httpx.Response(503, html="<h1>busy</h1>"), httpx.Response(200, json=[]),
                 httpx.Response(200, json={"state": None})],
)  # fmt: skip
def test_a_status_without_a_word_is_none(over, response):
    assert over(lambda _request: response).status() is None


def test_an_unanswered_status_is_none(over):
    def late(_request):
        message = "late"
        raise httpx.ReadTimeout(message)

    assert over(late).status() is None


# The rest of the port ------------------------------------------------------------------------------------------------


def test_application(over):
    assert over(says({"version": "7.9.0", "buildNumber": "7009000"})).application() == Application("7.9.0", "7009000")


def test_an_application_without_a_version_is_not_bitbucket(over):
    with pytest.raises(Unexpected):
        over(says({"version": None})).application()


@pytest.mark.parametrize(
    ("body", "licence"),
    [
        ({"expiryDate": 1_800_000_000_000, "maximumNumberOfUsers": 500, "unlimitedNumberOfUsers": False},
         Licence(1_800_000_000.0, 500)),
        ({"expiryDate": None, "maximumNumberOfUsers": -1}, Licence(None, None)),
        ({"maximumNumberOfUsers": 25, "unlimitedNumberOfUsers": True}, Licence(None, None)),
    ],
)  # fmt: skip
def test_licence(over, body, licence):
    assert over(says(body)).licence() == licence


def test_an_expiry_that_cannot_be_read_is_not_taken_for_eternity(over):
    with pytest.raises(Unexpected, match="expiryDate"):
        over(says({"expiryDate": "next year"})).licence()


def test_no_licence(over):
    with pytest.raises(NotFound, match="no licence"):
        over(says({}, 404)).licence()


def test_health_checks(over):
    statuses = [
        {"name": "Disk", "isHealthy": True, "severity": "minor", "failureReason": ""},
        {"completeKey": "x:db", "isHealthy": None, "failureReason": "slow", "severity": None},
        "noise",
    ]
    assert over(says({"statuses": statuses})).health_checks() == (
        HealthCheck("Disk", True, "minor"),
        HealthCheck("x:db", False, "undefined", "slow"),
    )


def test_health_checks_where_the_app_is_missing(over):
    assert over(says({}, 404)).health_checks() == ()


def test_mesh_nodes_in_a_list_or_a_page(over):
    lines = [{"id": 1, "name": "m1", "state": "AVAILABLE", "offline": False}, {"id": 2, "state": "OFFLINE"}]
    expected = (MeshNode("m1", "AVAILABLE", offline=False), MeshNode("2", "OFFLINE", offline=True))
    assert over(says(lines)).mesh_nodes() == expected
    assert over(says({"values": lines, "isLastPage": True})).mesh_nodes() == expected


def test_mesh_nodes_where_there_is_no_mesh(over):
    assert over(says({}, 404)).mesh_nodes() == ()


def app_manager(versions, compatibility, status=200):
    def handler(request):
        if request.url.path.endswith("/7009004/compatibility"):
            return httpx.Response(status, json=compatibility)
        return httpx.Response(200, json={"versions": versions})

    return handler


VERSIONS = [
    {"version": "7.10.0", "recent": True, "links": {"self": "/rest/plugins/1.0/product-updates/7010000/compatibility"}},
    {"version": "7.9.4", "links": [{"href": "/rest/plugins/1.0/product-updates/7009004/compatibility"}]},
]


def test_incompatible_apps(over):
    compatibility = {
        "compatible": [{"name": "Good", "enabled": True}],
        "incompatible": [{"name": "Bad", "enabled": True}, {"name": "Off", "enabled": False}],
        "updateRequired": [{"key": "com.old", "enabled": True}],
        "updateRequiredAfterProductUpdate": [],
        "unknown": [{"name": "Home-made", "enabled": True}],
    }
    assert over(app_manager(VERSIONS, compatibility)).incompatible_apps("7.9.4") == ("Bad", "com.old")
    assert over(app_manager(VERSIONS, {"compatible": []})).incompatible_apps("7.9.4") == ()


@pytest.mark.parametrize("handler", [app_manager([], {}), app_manager(VERSIONS, {}, 500), says({}, 404), says([])])
def test_compatibility_that_cannot_be_told_is_none(over, handler):
    assert over(handler).incompatible_apps("7.9.4") is None


# Single nodes --------------------------------------------------------------------------------------------------------


def node(status, members, code=200):
    def handler(request):
        if request.url.path == "/status":
            return status
        assert request.url.path == "/rest/api/latest/admin/cluster"
        return httpx.Response(code, json=members)

    return handler


RUNNING = httpx.Response(200, json={"state": "RUNNING"})


def member(**address):
    return {"id": "x", "address": address, "local": False}


def test_a_joined_node_names_every_member(views):
    body = {"running": True, "nodes": [member(address="10.0.0.1:5701"), member(hostName="10.0.0.2", port=5701)]}
    view = views(node(RUNNING, body)).view("10.0.0.2")
    assert (view.status, view.members) == ("RUNNING", {"10.0.0.1", "10.0.0.2"})


def test_a_member_that_cannot_be_read_makes_the_list_unknown_not_shorter(views):
    body = {"nodes": [member(address="10.0.0.1"), member()]}
    assert views(node(RUNNING, body)).view("10.0.0.1").members is None


@pytest.mark.parametrize("word", ["STARTING", "MAINTENANCE", "ERROR"])
def test_a_node_that_does_not_run_is_not_asked_for_members(views, word):
    adapter = views(node(httpx.Response(503, json={"state": word}), {}))
    assert adapter.view("10.0.0.1").status == word
    assert adapter.calls == 1


@pytest.mark.parametrize("code", [404, 500, 503])
def test_a_running_node_that_cannot_say_has_no_members(views, code):
    assert views(node(RUNNING, {}, code)).view("10.0.0.1").members is None


def test_refused_credentials_at_a_node_are_an_error(views):
    with pytest.raises(NotAuthenticated):
        views(node(RUNNING, {}, 401)).view("10.0.0.1")


def test_the_address_of_a_node_follows_the_template(views):
    seen = []

    def handler(request):
        seen.append((request.url.host, request.url.port))
        return RUNNING if request.url.path == "/status" else httpx.Response(200, json={"nodes": []})

    views(handler).view("fd00::7")
    assert set(seen) == {("fd00::7", 7990)}
