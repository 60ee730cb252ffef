"""An estate with real data in the lab's Azure, and machines whose psql answers from its databases."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from automation.adapters.azure.session import Azure
from automation.core.backups.sets import BackupSet, Counts, Member, MemberKind, Mode, SetState
from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import MachineSpec, ManualClock, Timings
from lab.azure.world import GROUP, SUBSCRIPTION, AzureWorld
from lab.bitbucket.schema import SCHEMA
from lab.data import mounts
from lab.data.storage import DirectoryStorage
from tests.adapters.azure.safe_world import Scripted, nodes
from tests.contracts.safe_azure import CLUSTER, DATABASE, database, machine
from tests.lab.azure.estate import Estate

PASSWORD = "not-a-secret-here"
SECRET = "https://bitbucket.vault.azure.net/secrets/database"
TIMINGS = Timings(disk=1, attach=1, snapshot=1, restore_point=1, database=6, instance=3, power=1)
LISTED = ("virtualMachines", "disks", "networkInterfaces", "networkSecurityGroups", "flexibleServers")
PSQL = """#!{python}
import os, sqlite3, sys
if os.environ["PGPASSWORD"] != "{password}":
    sys.exit(2)
file = "{databases}/" + os.environ["PGHOST"].partition(".")[0] + "/bitbucket.sqlite"
for row in sqlite3.connect("file:" + file + "?mode=ro", uri=True).execute(sys.argv[-1]):
    print("|".join(str(value) for value in row))
"""
CURL = """#!{python}
import json, sys
if "Metadata:true" in sys.argv:
    assert "client_id=c11e" in sys.argv, sys.argv
    print(json.dumps(dict(access_token="t0ken")))
elif sys.argv[-1].startswith("{secret}?") and sys.stdin.read() == 'header = "Authorization: Bearer t0ken"':
    print(json.dumps(dict(value="{password}")))
else:
    sys.exit(22)
"""


class Machines(PlainMachines):
    """Machines with a psql and a curl of their own."""

    databases = Path()

    def launch(self, spec: MachineSpec) -> None:
        """Power on, and install the programs."""
        PlainMachines.launch(self, spec)
        text = {"python": sys.executable, "password": PASSWORD, "databases": str(self.databases), "secret": SECRET}
        for name, program in (("psql", PSQL), ("curl", CURL)):
            file = self.directory(spec.id) / "bin" / name
            file.write_text(program.format(**text))
            file.chmod(0o755)


@dataclass
class Drilling:
    """The world of a drill; it is the engine's clock as well."""

    root: Path
    faults: Scripted = field(default_factory=Scripted)
    clock: ManualClock = field(default_factory=lambda: ManualClock(time.time()))

    def __post_init__(self) -> None:
        self.machines = Machines(self.root / "machines", self.clock)
        self.machines.databases = self.root / "databases"
        self.storage = DirectoryStorage(self.root, changed=self.remount)
        self.world = AzureWorld(
            self.machines,
            self.root / "tls",
            clock=self.clock,
            timings=TIMINGS,
            faults=self.faults,
            storage=self.storage,
        )

    def now(self) -> float:
        """Return the world's time."""
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let time pass, and processes run."""
        time.sleep(0.02)
        with self.world.lock:
            self.clock.advance(seconds)
            self.world.advance()

    def remount(self, instance: str) -> None:
        """Let a drill's machine see its disks."""
        spec = self.machines.specs[instance]
        directory = self.machines.directory(instance)
        links = mounts.wanted(spec.role, self.storage.attached(instance), None, directory / "log")
        mounts.update(directory / "root", {}, links)

    @contextmanager
    def serving(self) -> Iterator[tuple[Azure, BackupSet]]:
        """Serve; yield the product's session and a set of the estate."""
        with self.world, Clients(self.world) as clients, patch.dict(os.environ, self.world.environment()):
            self.estate = Estate(self.world, clients, self.clock, self.machines, self.storage)  # type: ignore[arg-type]
            azure = Azure(SUBSCRIPTION, GROUP, endpoint=self.world.url, clock=self)
            try:
                yield azure, self._build()
            finally:
                azure.close()

    def everything(self) -> set[str]:
        """Return the ids of all machines, disks, cards, firewalls and databases that exist."""
        with self.world.lock:
            found = self.world.resources.under(f"/subscriptions/{SUBSCRIPTION}")
            return {one.id for one in found if one.target.types[-1] in LISTED}

    def _build(self) -> BackupSet:
        """Build an estate with two repositories, and take a set of it."""
        self.estate.network()
        host = f"{DATABASE}.postgres.database.azure.com"
        script = f"#!/bin/bash\nDATABASE_HOST='{host}'\nDATABASE_SECRET='{SECRET}'\nIDENTITY_CLIENT_ID='c11e'\n"
        nodes(self.estate, 1, script=script)
        machine(self.estate, "file-server", "file-server", ("home",))
        database(self.estate)
        self._fill()
        return self._take()

    def _fill(self) -> None:
        for number in (1, 2):
            repository = self.estate.content("home") / "shared/data/repositories" / str(number)
            subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
            command = ["git", "--git-dir", str(repository), "hash-object", "-t", "tree", "-w", "/dev/null"]
            tree = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            (repository / "refs/tags/empty").write_text(f"{tree}\n")
        with closing(sqlite3.connect(self.storage.database(DATABASE) or "")) as connection, connection:
            connection.executescript(SCHEMA)
            connection.execute("insert into projects (id, key, name) values (1, 'ONE', 'One')")
            rows = [(number, f"r{number}") for number in (1, 2)]
            statement = "insert into repositories (id, project_id, slug, name, created) values (?, 1, ?, 'name', 0)"
            connection.executemany(statement, rows)

    def _take(self) -> BackupSet:
        from automation.adapters.azure.disks import AzureDisks  # noqa: PLC0415 (only here)

        self.sleep(2)
        azure = Azure(SUBSCRIPTION, GROUP, endpoint=self.world.url, clock=self)
        made = BackupSet("20261121-100000-000", CLUSTER, Mode.LOCKED, SetState.COMPLETE, self.now())
        vault = AzureDisks(azure.caller(), CLUSTER)
        (disk,) = vault.begin(made, vault.sources())
        self.sleep(5)
        azure.close()
        server = self.estate.clients.postgres.servers.get(GROUP, DATABASE).id.lower()
        members = (
            Member(MemberKind.DISK, disk.source, disk.id, role="shared-home"),
            Member(MemberKind.DATABASE, server, f"{server}@moment", role="database", at=self.now() - 1),
        )
        return BackupSet(
            id=made.id,
            cluster=CLUSTER,
            mode=Mode.LOCKED,
            state=SetState.COMPLETE,
            created=self.now(),
            version="7.9.0",
            region="westeurope",
            account=SUBSCRIPTION,
            members=members,
            counts=Counts(2, 2),
            recover_to=self.now() - 1,
        )
