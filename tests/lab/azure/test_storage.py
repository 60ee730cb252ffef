"""Data under faults and in real time: snapshots and backups that fail, keys that are refused, a restore to a moment."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock, NoFaults, SystemClock, Timings
from lab.azure.world import GROUP, AzureWorld
from lab.data.storage import DirectoryStorage
from tests.lab.azure.estate import WAIT, Estate
from tests.lab.azure.test_databases import body
from tests.lab.data.conftest import Meanwhile


class Broken(NoFaults):
    """Faults of storage that a test switches on."""

    failing = ""
    denied = False

    def snapshot_fails(self, kind: str) -> bool:
        return kind == self.failing

    def key_denied(self) -> bool:
        return self.denied

    def snapshot_delay(self) -> float:
        return 60.0 if self.failing == "slow" else 0.0


@pytest.fixture
def faults() -> Broken:
    return Broken()


@pytest.fixture
def shaken(tmp_path: Path, faults: Broken) -> Iterator[Estate]:
    """A world with faults, and a disk."""
    clock = ManualClock()
    machines, storage = PlainMachines(tmp_path / "machines", clock), DirectoryStorage(tmp_path / "data")
    world = AzureWorld(machines, tmp_path / "tls", clock=clock, faults=faults, storage=storage)
    with world, Clients(world) as clients:
        estate = Estate(world, clients, clock, machines, storage)
        estate.disk("home")
        yield estate


def snapshot(estate: Estate, name: str, source: str, option: str = "Copy") -> Any:
    data = {"createOption": option, "sourceResourceId": source}
    request = {"location": "westeurope", "properties": {"incremental": True, "creationData": data}}
    return estate.clients.compute.snapshots.begin_create_or_update(GROUP, name, request, **WAIT).result()


def test_others_are_answered_while_a_disk_is_copied(shaken: Estate) -> None:
    """They see its snapshot already, which is being made; time that passes meanwhile leaves it alone."""
    (shaken.content("home") / "file").write_text("held")
    home = shaken.clients.compute.disks.get(GROUP, "home").id

    def ask() -> str:
        shaken.clock.advance(60)
        return str(shaken.clients.compute.snapshots.get(GROUP, "s").provisioning_state)

    shaken.storage.still.around = meanwhile = Meanwhile(ask)
    taken = snapshot(shaken, "s", home)
    assert meanwhile.seen == ["Creating"]
    assert taken.provisioning_state == "Succeeded"
    held = shaken.find("Microsoft.Compute/snapshots", "s").own.name
    assert [file.name for file in (shaken.storage.volumes.snapshots / held).iterdir()] == ["file"]


def test_a_snapshot_that_fails(shaken: Estate, faults: Broken) -> None:
    faults.failing = "volume"
    home = shaken.clients.compute.disks.get(GROUP, "home").id
    with pytest.raises(HttpResponseError) as caught:
        snapshot(shaken, "s", home)
    assert caught.value.error.code == "InternalExecutionError"
    failed = shaken.clients.compute.snapshots.get(GROUP, "s")
    assert failed.provisioning_state == "Failed"
    with pytest.raises(HttpResponseError):
        snapshot(shaken, "of-it", failed.id)
    shaken.clients.compute.snapshots.begin_delete(GROUP, "s", **WAIT).result()
    assert list((shaken.storage.volumes.snapshots).iterdir()) == []


def test_a_copy_that_fails_says_so_in_the_end(shaken: Estate, faults: Broken) -> None:
    source = snapshot(shaken, "s", shaken.clients.compute.disks.get(GROUP, "home").id)
    faults.failing = "volume"
    snapshot(shaken, "copy", source.id, "CopyStart")
    shaken.settle(5)
    seen = shaken.clients.compute.snapshots.get(GROUP, "copy")
    assert seen.copy_completion_error.error_code == "CopySourceNotFound"
    assert seen.completion_percent == 0


def test_a_slow_snapshot(shaken: Estate, faults: Broken) -> None:
    faults.failing = "slow"
    before = shaken.clock.now()
    snapshot(shaken, "s", shaken.clients.compute.disks.get(GROUP, "home").id)
    assert shaken.clock.now() - before >= 60


def test_a_key_that_is_refused(shaken: Estate, faults: Broken) -> None:
    faults.denied = True
    group = f"/subscriptions/{shaken.world.subscription}/resourceGroups/{GROUP}"
    keys = f"{group}/providers/Microsoft.Compute/diskEncryptionSets/k"
    shaken.send("PUT", keys, {"location": "westeurope", "properties": {}})
    with pytest.raises(HttpResponseError) as caught:
        shaken.disk("secret", encryption={"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": keys})
    assert caught.value.error.code == "KeyVaultAccessForbidden"
    assert shaken.clients.compute.disks.get(GROUP, "secret").provisioning_state == "Failed"


def test_a_backup_that_fails_is_not_there(shaken: Estate, faults: Broken) -> None:
    postgres = shaken.clients.postgres
    postgres.servers.begin_create_or_update(GROUP, "bb", body(), **WAIT).result()
    faults.failing = "database"
    with pytest.raises(HttpResponseError):
        postgres.backups_automatic_and_on_demand.begin_create(GROUP, "bb", "b", **WAIT).result()
    assert list(postgres.backups_automatic_and_on_demand.list_by_server(GROUP, "bb")) == []


def test_what_storage_cannot_do_fails_the_operation(shaken: Estate) -> None:
    home = shaken.find("Microsoft.Compute/disks", "home")
    shaken.storage.delete_volume(home.own.name)
    with pytest.raises(HttpResponseError) as caught:
        snapshot(shaken, "s", home.id)
    assert caught.value.error.code == "InternalExecutionError"


def rows(storage: DirectoryStorage, name: str, statement: str) -> list[Any]:
    file = storage.database(name)
    assert file is not None
    with closing(sqlite3.connect(file)) as db, db:
        return db.execute(statement).fetchall()


def test_a_restore_has_the_rows_of_its_moment(tmp_path: Path) -> None:
    """In real time, which is what a database's history is written in."""
    storage = DirectoryStorage(tmp_path / "data")
    seed = tmp_path / "data" / "seed" / "db" / "bitbucket.sqlite"
    seed.parent.mkdir(parents=True)
    with closing(sqlite3.connect(seed)) as db, db:
        db.execute("CREATE TABLE repository (id INTEGER PRIMARY KEY, name TEXT)")
    machines = PlainMachines(tmp_path / "machines", SystemClock())
    world = AzureWorld(machines, tmp_path / "tls", timings=Timings(retry_after=0.02), storage=storage)
    with world, Clients(world) as clients:
        servers = clients.postgres.servers
        made = servers.begin_create_or_update(GROUP, "bb", body(), polling_interval=0).result()
        rows(storage, "bb", "INSERT INTO repository VALUES (1, 'first')")
        moment = dt.datetime.fromtimestamp(_later(), dt.UTC).isoformat()
        _later()
        rows(storage, "bb", "INSERT INTO repository VALUES (2, 'second')")
        properties = {"createMode": "PointInTimeRestore", "sourceServerResourceId": made.id, "pointInTimeUTC": moment}
        request = {"location": "westeurope", "properties": properties}
        servers.begin_create_or_update(GROUP, "restored", request, polling_interval=0).result()
        servers.begin_delete(GROUP, "bb", polling_interval=0).result()
    assert rows(storage, "restored", "SELECT name FROM repository") == [("first",)]


def _later() -> float:
    """Return the time once it is another one than before, to the millisecond."""
    begun = time.time()
    while time.time() < begun + 0.003:
        time.sleep(0.001)
    return time.time()
