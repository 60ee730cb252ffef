"""The adapters against real node processes of the lab: real sockets, real logins, a real crash."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.maintenance import BitbucketMaintenance
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.clock import SystemClock
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from automation.core.cluster import ClusterState, NodeState, OwnView
from automation.ports.errors import Conflict, NotAuthenticated
from tests.lab.bitbucket.rig import PASSWORD, TOKEN, Rig, wait_for

pytestmark = pytest.mark.lab
GOOD = Credentials(token=SecretStr(TOKEN))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Three running nodes."""
    rig = Rig(tmp_path_factory.mktemp("adapters"), repositories=1)
    try:
        for number in (1, 2, 3):
            rig.start(number)
        yield rig
    finally:
        rig.close()


def through(rig: Rig, credentials: Credentials = GOOD, number: int = 1) -> BitbucketRest:
    http = Http(credentials=credentials, through_proxy=False)
    return BitbucketRest(Client(http, f"http://{rig.address(number)}:7990", SystemClock(), Redactor()))


def views(credentials: Credentials = GOOD) -> NodeViews:
    http = Http(credentials=credentials, through_proxy=False)
    return NodeViews(http, "http://{address}:7990", SystemClock(), Redactor())


def test_preflights_questions(rig):
    bitbucket = through(rig)
    assert bitbucket.status() == "RUNNING"
    assert bitbucket.application().version == "7.9.0"
    assert bitbucket.licence().users == 500
    assert bitbucket.health_checks()
    assert bitbucket.mesh_nodes() == ()
    assert bitbucket.incompatible_apps("7.9.4") == ()
    assert bitbucket.incompatible_apps("99.0.0") is None


def test_the_cluster_and_each_nodes_view_of_it(rig):
    seen = through(rig).cluster()
    addresses = {rig.address(number) for number in (1, 2, 3)}
    assert (seen.state, seen.upgrade_mode) == (ClusterState.STABLE, False)
    assert {node.address for node in seen.nodes} == addresses
    assert all(node.tasks is not None and node.users is not None for node in seen.nodes)
    assert [views().view(address) for address in addresses] == [OwnView("RUNNING", frozenset(addresses))] * 3


def test_upgrade_mode_on_and_off(rig):
    bitbucket = through(rig)
    with pytest.raises(Conflict, match="bbdc status"):
        bitbucket.approve_upgrade()
    bitbucket.start_upgrade()
    with pytest.raises(Conflict):
        bitbucket.start_upgrade()
    assert through(rig, number=2).cluster().state is ClusterState.READY_TO_UPGRADE
    bitbucket.cancel_upgrade()
    assert bitbucket.cluster().state is ClusterState.STABLE


def test_user_and_password(rig):
    good = Credentials(user="admin", password=SecretStr(PASSWORD))
    assert through(rig, good).cluster().state is ClusterState.STABLE


@pytest.mark.parametrize(
    "wrong",
    [
        Credentials(),
        Credentials(token=SecretStr("BBDC-wrong-token")),
        Credentials(user="x", password=SecretStr("wrong")),
    ],
)
def test_wrong_credentials(rig, wrong):
    with pytest.raises(NotAuthenticated, match="BITBUCKET_TOKEN"):
        through(rig, wrong).cluster()
    with pytest.raises(NotAuthenticated):
        views(wrong).view(rig.address(1))


def maintenance(rig: Rig, number: int = 1, redactor: Redactor | None = None) -> BitbucketMaintenance:
    http = Http(credentials=Credentials(user="admin", password=SecretStr(PASSWORD)), through_proxy=False)
    base = f"http://{rig.address(number)}:7990"
    return BitbucketMaintenance(http, base, SystemClock(), redactor or Redactor(), user="admin")


def test_a_backups_way_through_the_maintenance_api(rig):
    """Begun at one node, unlocked at another, as behind a balancer; users see that they are locked out."""
    port, other = maintenance(rig), maintenance(rig, 2)
    assert (port.owner(), through(rig).inconsistent_replicas(), through(rig).repositories()) == (None, 0, 1)
    lock = port.lock()
    with pytest.raises(Conflict):
        port.lock()
    assert (lock.owner, other.owner()) == ("admin", "admin")
    assert through(rig).status() == "MAINTENANCE"
    task = port.start_task(lock.token)
    wait_for(lambda: is_drained(other, lock.token))
    other.progress(lock.token, 100)
    port.cancel(task.cancel_token)  # nothing runs any more
    assert other.unlock(lock.token) is True
    assert port.unlock(lock.token) is False
    assert port.owner() is None
    wait_for(lambda: through(rig).status() == "RUNNING")


def is_drained(port: BitbucketMaintenance, token: str) -> bool:
    state = port.state(token)
    return state is not None and state.is_drained


def test_a_wrong_password_and_a_wrong_token(rig):
    lock = maintenance(rig).lock()
    try:
        with pytest.raises(Conflict):
            maintenance(rig).unlock("wrong")
        with pytest.raises(Conflict):
            maintenance(rig).start_task("wrong")
    finally:
        maintenance(rig).unlock(lock.token)
    http = Http(credentials=Credentials(token=SecretStr(TOKEN)), through_proxy=False)
    with pytest.raises(NotAuthenticated):
        BitbucketMaintenance(http, f"http://{rig.address(1)}:7990", SystemClock(), Redactor(), user="admin").lock()


def test_a_crashed_node_is_silent_first_and_has_no_view(rig):
    """Last in this module: it takes a node away."""
    rig.processes["i-3"].send_signal(signal.SIGKILL)
    rig.processes["i-3"].wait(10)
    assert views().view(rig.address(3)) == OwnView(None, None)
    listed = wait_for(
        lambda: [n for n in through(rig).cluster().nodes if n.address == rig.address(3) and n.state != "ACTIVE"]
    )
    assert listed[0].state in {NodeState.SILENT, NodeState.OFFLINE}
    assert listed[0].version is None
