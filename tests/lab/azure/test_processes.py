"""The world over real machines: nodes find a file server and a database; a reimaged one runs the new version."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.azure.clients import Clients
from lab.azure.ports import ManualClock, Timings
from lab.azure.world import GROUP, AzureWorld
from lab.data.storage import DirectoryStorage
from lab.machine import OperatingSystem, Site
from lab.machines import ProcessMachines
from tests.lab.azure.estate import Estate, encoded
from tests.lab.azure.test_databases import body

SOON = {"polling_interval": 0.05}
NODE = """
import json, signal, sys, time
config = json.load(open(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", config["version"], config["shared"], config["database"], flush=True)
while True:
    time.sleep(0.05)
"""


@dataclass
class Real:
    """Machines with processes, and what they store."""

    machines: ProcessMachines
    storage: DirectoryStorage


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    lab = tmp_path / "lab"
    (lab / "seed" / "shared").mkdir(parents=True)
    (lab / "seed" / "shared" / "bitbucket.properties").touch()
    (lab / "seed" / "db").mkdir()
    with closing(sqlite3.connect(lab / "seed" / "db" / "bitbucket.sqlite")) as db, db:
        db.execute("CREATE TABLE repository (id INTEGER PRIMARY KEY)")
    script, token, nowhere = tmp_path / "node.py", tmp_path / "token", tmp_path / "nowhere"
    script.write_text(NODE)
    site = Site(
        tmp_path / "instances", "http://127.0.0.1:1", token, "http://127.0.0.1:1", token, nowhere, nowhere,
        power_on=0.05, power_off=0.5, stop_timeout=0.5,
    )  # fmt: skip
    storage = DirectoryStorage(lab)
    system = OperatingSystem(site, lambda path: [sys.executable, str(script), str(path)])
    system.disks = storage
    machines = ProcessMachines(system, lambda _event, _details: None)
    storage.changed = machines.remount
    machines.open()
    yield Real(machines, storage)
    machines.close()


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def data(version: str, server: str, database: str) -> str:
    lines = {"BITBUCKET_VERSION": version, "SHARED_HOME_SERVER": server, "DATABASE_HOST": database}
    return encoded("".join(f"{name}='{value}'\n" for name, value in lines.items()))


def test_a_node_finds_its_data_and_comes_back_with_the_new_version(real: Real, tmp_path: Path) -> None:
    timings = Timings(retry_after=0.05, instance=0.1, power=0.05, model=0.05)
    world = AzureWorld(real.machines, tmp_path / "tls", timings=timings, storage=real.storage, tick=0.05)
    with world, Clients(world) as clients:
        estate = Estate(world, clients, ManualClock(), real.machines, real.storage)  # type: ignore[arg-type]  # other machines
        estate.network("127.44.0.0/24")
        estate.file_server(disks=("home",))
        made = clients.postgres.servers.begin_create_or_update(GROUP, "bb", body(), **SOON).result()
        card = clients.network.network_interfaces.get(GROUP, "files")
        address, host = card.ip_configurations[0].private_ip_address, made.properties.fully_qualified_domain_name
        model = estate.model(capacity=2)
        profile = model["properties"]["virtualMachineProfile"]["osProfile"]
        profile["customData"] = data("7.9.0", address, host)
        estate.sets.begin_create_or_update(GROUP, "bb", model, **SOON).result()
        wait(lambda: set(real.machines.pids()) == {"bb_0-1", "bb_1-1"})
        profile["customData"] = data("7.9.4", address, host)
        estate.sets.begin_create_or_update(GROUP, "bb", model, **SOON).result()
        estate.sets.begin_update_instances(GROUP, "bb", {"instanceIds": ["0"]}, **SOON).result()
        estate.members.begin_reimage(GROUP, "bb", "0", **SOON).result()
        wait(lambda: set(real.machines.pids()) == {"bb_0-2", "bb_1-1"})
        log = real.machines.directory("bb_0-2") / "log" / "bitbucket.log"
        wait(lambda: "serving 7.9.4" in log.read_text())
        script = ["ls $BBDC_ROOT/var/atlassian/application-data/bitbucket/shared"]
        request = {"commandId": "RunShellScript", "script": script}
        ran = estate.members.begin_run_command(GROUP, "bb", "0", request, **SOON).result()
    assert "[stdout]\nbitbucket.properties\n" in ran.value[0].message
    assert str(real.storage.database("bb")) in log.read_text()
