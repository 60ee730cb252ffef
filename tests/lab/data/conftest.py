from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.aws.images import IMAGES
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock, NoFaults, Timings
from lab.aws.world import AwsWorld
from lab.data.storage import DirectoryStorage
from tests.lab.aws.conftest import pass_time

TIMINGS = Timings(
    volume=1.0, attach=1.0, snapshot=10.0, database=10.0, database_snapshot=10.0, backing_up=4.0, point_in_time_lag=5.0
)
ROLE = "bitbucket-dc:role"


class Trouble(NoFaults):
    """Faults that a test switches on; those in ``once`` strike one time."""

    def __init__(self) -> None:
        self.once: set[str] = set()
        self.delay = 0.0

    def _strike(self, name: str) -> bool:
        found = name in self.once
        self.once.discard(name)
        return found

    def snapshot_fails(self, kind: str) -> bool:
        return self._strike(kind)

    def snapshot_delay(self) -> float:
        return self.delay

    def key_denied(self) -> bool:
        return self._strike("key")


class Lab:
    """A world whose volumes and databases hold real data; its clock moves when told, beginning now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = ManualClock(time.time())
        self.trouble = Trouble()
        self.storage = DirectoryStorage(directory)
        machines = PlainMachines(directory / "instances", self.clock)
        self.world = AwsWorld(
            machines, clock=self.clock, timings=TIMINGS, faults=self.trouble, storage=self.storage, probe=machines.probe
        )

    def wait(self, seconds: float) -> None:
        pass_time(self.world, self.clock, seconds, step=0.5)

    def machine(self, role: str = "file-server") -> str:
        tags = [{"Key": ROLE, "Value": role}]
        made = self.ec2.run_instances(
            ImageId=IMAGES["x86_64"], InstanceType="m5.large",
            MinCount=1, MaxCount=1, Placement={"AvailabilityZone": "eu-west-1a"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )["Instances"][0]["InstanceId"]  # fmt: skip
        self.wait(1)
        return str(made)

    def volume(self, **options: Any) -> str:
        if "SnapshotId" not in options:
            options.setdefault("Size", 10)
        made = self.ec2.create_volume(AvailabilityZone="eu-west-1a", VolumeType="gp3", **options)["VolumeId"]
        self.wait(1)
        return str(made)

    def attach(self, volume: str, instance: str, device: str = "/dev/sdf") -> None:
        self.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)
        self.wait(1)

    def path(self, volume: str) -> Path:
        return self.storage.volumes.path(volume)

    def database(self, name: str = "bb", **options: Any) -> Path:
        self.rds.create_db_instance(
            DBInstanceIdentifier=name, Engine="postgres", EngineVersion="14.9", DBInstanceClass="db.m6g.large",
            AllocatedStorage=20, MasterUsername="bitbucket", MasterUserPassword="password1", **options,
        )  # fmt: skip
        self.wait(10)
        return self.file(name)

    def file(self, name: str) -> Path:
        found = self.storage.database(name)
        assert found is not None
        return found

    def status(self, name: str = "bb") -> str:
        return str(self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])

    def snapshot(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
        return found

    def disk_snapshot(self, name: str, **where: str) -> dict[str, Any]:
        client = self.world.client("ec2", **where)
        found: dict[str, Any] = client.describe_snapshots(SnapshotIds=[name])["Snapshots"][0]
        return found

    @property
    def ec2(self) -> Any:
        return self.world.client("ec2")

    @property
    def rds(self) -> Any:
        return self.world.client("rds")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    with lab.world:
        yield lab


def run(file: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as db:
        return db.execute(statement, values).fetchall()


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=where, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Meanwhile:
    """What somebody else gets answered while a volume is copied; raises TimeoutError, in the copy, when nobody is."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self.seen: list[object] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        pool = ThreadPoolExecutor(1)
        try:
            self.seen.append(pool.submit(self._ask).result(timeout=20))
        finally:
            pool.shutdown(wait=False)  # one that waits for the copy has to outlive it
        yield
