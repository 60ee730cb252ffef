"""The Azure vaults over the lab's Azure, as a subject of the contract suites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from automation.adapters.azure.database import AzureDatabase
from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.manifests import BlobManifests
from automation.adapters.azure.session import Azure
from automation.core.backups.sets import MemberKind
from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock, NoFaults, Timings
from lab.azure.world import GROUP, SUBSCRIPTION, AzureWorld
from lab.data.storage import DirectoryStorage
from tests.contracts.safe_subjects import SafeSubject
from tests.lab.azure.estate import WAIT, Estate

CLUSTER = "bitbucket"
ELSEWHERE = "northeurope"
DATABASE = f"{CLUSTER}-database"
ACCOUNT = "bitbucketbackups"
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
LAG = 60.0
"""Seconds that the database's log is behind in tests."""


@dataclass
class FailingSnapshots(NoFaults):
    """Snapshots that fail, by the lab's name of their kind."""

    failing: list[str] = field(default_factory=list)

    def snapshot_fails(self, kind: str) -> bool:
        """Let the next one of a kind fail."""
        if kind not in self.failing:
            return False
        self.failing.remove(kind)
        return True


@dataclass
class WorldClock:
    """The world's clock as a port: whoever sleeps moves the world."""

    estate: Estate

    def now(self) -> float:
        """Return the world's time."""
        return self.estate.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        with self.estate.world.lock:
            self.estate.clock.advance(seconds)
            self.estate.world.advance()


def tagged(role: str = "", **more: str) -> dict[str, str]:
    """Return the tags of a part of the cluster."""
    return {"bitbucket-dc:cluster": CLUSTER} | ({"bitbucket-dc:role": role} if role else {}) | more


def retag(estate: Estate, kind: str, name: str, tags: dict[str, str]) -> None:
    """Write the tags of a resource."""
    with estate.world.lock:
        estate.find(kind, name).document["tags"] = tags


def machine(estate: Estate, name: str, role: str, disks: tuple[str, ...]) -> Any:
    """Make a machine with data disks, of the cluster and with a role."""
    made = estate.file_server(name, disks)
    retag(estate, "Microsoft.Compute/virtualMachines", name, tagged(role))
    return made


def database(estate: Estate, name: str = DATABASE, **more: Any) -> Any:
    """Make a flexible server of the cluster."""
    body = {
        "location": "westeurope",
        "tags": tagged(**more.pop("tags", {})),
        "sku": more.pop("sku", {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"}),
        "properties": {
            "administratorLogin": "bitbucket",
            "administratorLoginPassword": "not-a-secret-here",
            "version": "16",
            "storage": {"storageSizeGB": 32},
            "backup": {"backupRetentionDays": 7},
        }
        | more,
    }
    return estate.clients.postgres.servers.begin_create_or_update(GROUP, name, body, **WAIT).result()


def store(estate: Estate, name: str = ACCOUNT, cluster: str = CLUSTER) -> None:
    """Make a storage account of the cluster with a versioned container."""
    account = f"{PLACE}/Microsoft.Storage/storageAccounts/{name}"
    tags = {"bitbucket-dc:cluster": cluster}
    body = {"location": "westeurope", "sku": {"name": "Standard_ZRS"}, "kind": "StorageV2", "tags": tags}
    estate.send("PUT", account, {**body, "properties": {}})
    estate.send("PUT", f"{account}/blobServices/default", {"properties": {"isVersioningEnabled": True}})
    estate.send("PUT", f"{account}/blobServices/default/containers/backups", {"properties": {}})


def key(estate: Estate, region: str) -> str:
    """Make a disk encryption set in a region; return its id as our adapters write ids."""
    identity = f"{PLACE}/Microsoft.Compute/diskEncryptionSets/keys-{region}"
    estate.send("PUT", identity, {"location": region, "properties": {}})
    return identity.lower()


@dataclass
class AzureVaultHands:
    """``safe_subjects.VaultHands`` over the lab's Azure."""

    estate: Estate
    faults: FailingSnapshots

    def now(self) -> float:
        """Return the world's time."""
        return self.estate.clock.now()

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        clock = WorldClock(self.estate)
        for _ in range(4):
            clock.sleep(seconds / 4)

    def break_source(self, kind: MemberKind) -> None:
        """Stop the database, or let a disk be on its way off its machine."""
        if kind is MemberKind.DATABASE:
            self.estate.clients.postgres.servers.begin_stop(GROUP, DATABASE, **WAIT).result()
            return
        self._disk_state("Detaching")

    def mend_source(self, kind: MemberKind) -> None:
        """Undo that."""
        if kind is MemberKind.DATABASE:
            self.estate.clients.postgres.servers.begin_start(GROUP, DATABASE, **WAIT).result()
            return
        self._disk_state("Attached")

    def _disk_state(self, state: str) -> None:
        with self.estate.world.lock:
            self.estate.find("Microsoft.Compute/disks", "home-0").properties["diskState"] = state

    def fail_next(self, kind: MemberKind) -> None:
        """Let the cloud have an internal error; or let the server's log begin anew a little later."""
        if kind is MemberKind.DISK:
            self.faults.failing.append("volume")
            return
        with self.estate.world.lock:
            server = self.estate.find("Microsoft.DBforPostgreSQL/flexibleServers", DATABASE)
            server.own.created = self.now() + 30

    def elsewhere(self) -> tuple[str, str, str]:
        """Return a region, a key there, and the own region's key."""
        return ELSEWHERE, key(self.estate, ELSEWHERE), key(self.estate, "westeurope")


@contextmanager
def azure_estate(root: Path, faults: NoFaults | None = None) -> Iterator[Estate]:
    """Yield a world with a network, that every Azure client of this process finds."""
    clock = ManualClock()
    storage = DirectoryStorage(root / "data")
    timings = Timings(snapshot=2, copying=10, restore_point=2)
    machines = PlainMachines(root / "machines", clock)
    world = AzureWorld(machines, root / "tls", clock=clock, timings=timings, faults=faults, storage=storage)
    with world, Clients(world) as clients, patch.dict(os.environ, world.environment()):
        estate = Estate(world, clients, clock, machines, storage)
        estate.network()
        yield estate


@contextmanager
def session(estate: Estate, *, group: str = GROUP) -> Iterator[Azure]:
    """Yield the product's own session with the world."""
    made = Azure(SUBSCRIPTION, group, endpoint=estate.world.url, clock=WorldClock(estate))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def safe_azure(root: Path) -> Iterator[SafeSubject]:
    """Yield the vaults over a fresh Azure: a file server with two disks, a Mesh node with one, a database, a store."""
    faults = FailingSnapshots()
    with azure_estate(root, faults) as estate, session(estate) as azure:
        machine(estate, "file-server", "file-server", ("home-0", "home-1"))
        machine(estate, "mesh-0", "mesh", ("mesh-0",))
        database(estate)
        store(estate)
        hands = AzureVaultHands(estate, faults)
        hands.wait(120)
        yield SafeSubject(
            disks=AzureDisks(azure.caller(), CLUSTER),
            database=AzureDatabase(azure.caller(), CLUSTER, lag=LAG),
            manifests=BlobManifests(azure.caller(), CLUSTER),
            cluster=CLUSTER,
            hands=hands,
            database_copies=False,
        )
