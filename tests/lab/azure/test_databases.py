"""A contract: flexible servers of PostgreSQL, their backups, and restores to a moment."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from lab.azure import databases
from lab.azure.world import GROUP
from tests.lab.azure.estate import WAIT, Estate

PASSWORD = "Passw0rd!"


def body(**properties: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
        "properties": {
            "administratorLogin": "bitbucket",
            "administratorLoginPassword": PASSWORD,
            "version": "16",
            "storage": {"storageSizeGB": 32},
            "backup": {"backupRetentionDays": 7},
            "highAvailability": {"mode": "ZoneRedundant"},
        }
        | properties,
    }


def create(estate: Estate, name: str, **properties: Any) -> Any:
    return estate.clients.postgres.servers.begin_create_or_update(GROUP, name, body(**properties), **WAIT).result()


def rows(estate: Estate, name: str, statement: str) -> list[Any]:
    file = estate.storage.database(name)
    assert file is not None
    with closing(sqlite3.connect(file)) as db, db:
        return db.execute(statement).fetchall()


def restore(estate: Estate, name: str, source: Any, moment: float, **more: Any) -> Any:
    when = dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()
    properties = {
        "createMode": "PointInTimeRestore",
        "sourceServerResourceId": source.id,
        "pointInTimeUTC": when,
    } | more
    request = {"location": "westeurope", "properties": properties}
    return estate.clients.postgres.servers.begin_create_or_update(GROUP, name, request, **WAIT).result()


@pytest.fixture(scope="module")
def server(estate: Estate) -> Any:
    """A server."""
    return create(estate, "bb")


def test_a_server(estate: Estate, server: Any) -> None:
    assert (server.properties.state, server.properties.fully_qualified_domain_name) == (
        "Ready",
        "bb.postgres.database.azure.com",
    )
    assert server.properties.administrator_login_password is None
    host = server.properties.fully_qualified_domain_name
    with estate.world.lock:
        assert databases.reach(estate.world, host, "bitbucket", PASSWORD) == "bb"
        with pytest.raises(PermissionError):
            databases.reach(estate.world, host, "bitbucket", "guessed")
        with pytest.raises(ConnectionError):
            databases.reach(estate.world, "elsewhere", "bitbucket", PASSWORD)


def test_a_restore_to_a_moment_is_a_new_server_with_the_same_login(estate: Estate, server: Any) -> None:
    rows(estate, "bb", "CREATE TABLE repository (id INTEGER PRIMARY KEY)")
    estate.clock.seconds += 60
    moment = estate.clock.now()
    made = restore(estate, "bb-restored", server, moment)
    assert (made.properties.state, made.properties.administrator_login, made.sku.name) == (
        "Ready",
        "bitbucket",
        "Standard_D4ds_v5",
    )
    with estate.world.lock:
        assert databases.reach(estate.world, "bb-restored.postgres.database.azure.com", "bitbucket", PASSWORD)


def test_a_backup_on_demand(estate: Estate, server: Any) -> None:
    backups = estate.clients.postgres.backups_automatic_and_on_demand
    backups.begin_create(GROUP, "bb", "before-roll", **WAIT).result()
    found = backups.get(GROUP, "bb", "before-roll")
    assert found.properties.backup_type == "Customer On-Demand"
    assert found.properties.completed_time.timestamp() <= estate.clock.now()
    assert [one.name for one in backups.list_by_server(GROUP, "bb")] == ["before-roll"]
    backups.begin_delete(GROUP, "bb", "before-roll", **WAIT).result()
    assert list(backups.list_by_server(GROUP, "bb")) == []


def test_backups_are_limited_in_number_and_stand_under_one_name(estate: Estate) -> None:
    create(estate, "many")
    backups = estate.clients.postgres.backups_automatic_and_on_demand
    for number in range(7):
        backups.begin_create(GROUP, "many", f"b{number}", **WAIT).result()
    for name, status in (("b8", 400), ("b1", 409)):
        with pytest.raises(HttpResponseError) as caught:
            backups.begin_create(GROUP, "many", name, **WAIT)
        assert caught.value.status_code == status


WRONG = {
    "too early": ({"pointInTimeUTC": "2020-01-01T00:00:00Z"}, "PointInTimeRestoreTimeInvalid"),
    "in the future": ({"pointInTimeUTC": "2033-01-01T00:00:00Z"}, "PointInTimeRestoreTimeInvalid"),
    "no time": ({"pointInTimeUTC": "yesterday"}, "InvalidParameterValue"),
}


@pytest.mark.parametrize(("change", "code"), WRONG.values(), ids=WRONG)
def test_a_moment_that_cannot_be_restored(estate: Estate, server: Any, change: dict[str, str], code: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        restore(estate, "never", server, estate.clock.now(), **change)
    assert caught.value.error.code == code
    assert estate.storage.database("never") is None


def test_a_name_is_everybodys(estate: Estate, server: Any) -> None:
    estate.world.groups["other"] = estate.world.groups[GROUP]
    with pytest.raises(HttpResponseError) as caught:
        estate.clients.postgres.servers.begin_create_or_update("other", "bb", body(), **WAIT)
    del estate.world.groups["other"]
    assert caught.value.error.code == "ServerNameAlreadyExists"


def test_a_stopped_server_takes_no_changes(estate: Estate) -> None:
    servers = estate.clients.postgres.servers
    create(estate, "stopped")
    servers.begin_stop(GROUP, "stopped", **WAIT).result()
    assert servers.get(GROUP, "stopped").properties.state == "Stopped"
    with pytest.raises(HttpResponseError) as caught:
        servers.begin_update(GROUP, "stopped", {"properties": {"storage": {"storageSizeGB": 64}}}, **WAIT)
    assert caught.value.error.code == "ServerIsNotReady"
    with pytest.raises(HttpResponseError):
        estate.clients.postgres.backups_automatic_and_on_demand.begin_create(GROUP, "stopped", "b", **WAIT)
    servers.begin_start(GROUP, "stopped", **WAIT).result()
    servers.begin_update(GROUP, "stopped", {"properties": {"storage": {"storageSizeGB": 64}}}, **WAIT).result()
    with pytest.raises(HttpResponseError) as caught:
        servers.begin_update(GROUP, "stopped", {"properties": {"storage": {"storageSizeGB": 32}}}, **WAIT)
    assert caught.value.error.code == "ServerStorageShrinkNotSupported"


def test_a_lock_keeps_a_server(estate: Estate) -> None:
    server = create(estate, "locked")
    client = estate.clients.postgres
    lock = f"{server.id}/providers/Microsoft.Authorization/locks/keep"
    estate.send("PUT", lock, {"properties": {"level": "CanNotDelete"}})
    with pytest.raises(HttpResponseError) as caught:
        client.servers.begin_delete(GROUP, "locked", **WAIT)
    assert caught.value.error.code == "ScopeLocked"
    estate.send("DELETE", lock)
    client.servers.begin_delete(GROUP, "locked", **WAIT).result()
    assert estate.storage.database("locked") is None
