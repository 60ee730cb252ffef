"""The AWS vaults over the lab's AWS, as a subject of the contract suites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3

from automation.adapters.aws.disks import AwsDisks
from automation.adapters.aws.manifests import S3Manifests
from automation.adapters.aws.rds import AwsDatabase
from automation.adapters.aws.session import Aws
from automation.core.backups.sets import MemberKind
from lab.aws.images import IMAGES
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock, NoFaults
from lab.aws.world import ACCOUNT, REGION, AwsWorld
from tests.contracts.aws import environment
from tests.contracts.safe_subjects import SafeSubject
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import CLUSTER, pairs

ELSEWHERE = "us-east-1"
DATABASE = f"{CLUSTER}-database"
BUCKET = f"{CLUSTER}-backups-{ACCOUNT}-{REGION}"


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


def machine(world: AwsWorld, role: str, volumes: int, *, cluster: str = CLUSTER) -> tuple[str, list[str]]:
    """Start a machine with data volumes; return its id and theirs."""
    ec2 = world.client("ec2")
    tags = pairs({"bitbucket-dc:cluster": cluster, "bitbucket-dc:role": role, "Name": f"{cluster}-{role}"})
    made = ec2.run_instances(
        ImageId=IMAGES["x86_64"],
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]
    with world.lock:
        world.clock.advance(1)  # type: ignore[attr-defined]  # the tests' clock is moved by hand
        world.advance()
    ids = [attached(world, made["InstanceId"], f"/dev/sd{'fgh'[number]}", cluster) for number in range(volumes)]
    return made["InstanceId"], ids


def attached(world: AwsWorld, instance: str, device: str, cluster: str = CLUSTER) -> str:
    """Make a volume and attach it; return its id."""
    ec2 = world.client("ec2")
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    volume: str = ec2.create_volume(
        AvailabilityZone=found["Placement"]["AvailabilityZone"],
        Size=100,
        VolumeType="gp3",
        Iops=4000,
        Throughput=250,
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": pairs({"bitbucket-dc:cluster": cluster})}],
    )["VolumeId"]
    ec2.attach_volume(InstanceId=instance, VolumeId=volume, Device=device)
    return volume


def database(world: AwsWorld, name: str = DATABASE, *, cluster: str = CLUSTER, **more: Any) -> str:
    """Make a database; return the host that clients connect to."""
    made = world.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        DBInstanceClass="db.m5.large",
        AllocatedStorage=50,
        MasterUsername="bitbucket",
        MasterUserPassword="not-a-secret-here",
        StorageEncrypted=True,
        BackupRetentionPeriod=7,
        Tags=pairs({"bitbucket-dc:cluster": cluster}),
        **more,
    )["DBInstance"]
    return str(made["Endpoint"]["Address"])


def bucket(world: AwsWorld, name: str = BUCKET, *, cluster: str = CLUSTER) -> None:
    """Make a versioned bucket with the cluster's tag."""
    s3 = world.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs({"bitbucket-dc:cluster": cluster})})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@dataclass
class AwsVaultHands:
    """``safe_subjects.VaultHands`` over the lab's AWS."""

    world: AwsWorld
    clock: ManualClock
    faults: FailingSnapshots
    broken: dict[MemberKind, Any] = field(default_factory=dict)

    def now(self) -> float:
        """Return the world's time."""
        return self.clock.now()

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        pass_time(self.world, self.clock, seconds, step=seconds / 4)

    def break_source(self, kind: MemberKind) -> None:
        """Stop the database, or let a volume be on its way off its machine."""
        if kind is MemberKind.DATABASE:
            self.world.client("rds").stop_db_instance(DBInstanceIdentifier=DATABASE)
            return
        with self.world.lock:
            volume = next(v for v in self.world.backend("ec2").volumes.values() if v.size == 100)
            self.broken[kind] = volume
            volume.attachment.status = "detaching"

    def mend_source(self, kind: MemberKind) -> None:
        """Undo that."""
        if kind is MemberKind.DATABASE:
            self.world.client("rds").start_db_instance(DBInstanceIdentifier=DATABASE)
            self.wait(60)
            return
        with self.world.lock:
            self.broken.pop(kind).attachment.status = "attached"

    def fail_next(self, kind: MemberKind) -> None:
        """Let the cloud have an internal error."""
        self.faults.failing.append("volume" if kind is MemberKind.DISK else "database")

    def elsewhere(self) -> tuple[str, str, str]:
        """Return a region, a key there, and the own region's key."""
        return ELSEWHERE, key(self.world, ELSEWHERE), key(self.world, REGION)


def key(world: AwsWorld, region: str) -> str:
    """Make a KMS key; return its ARN."""
    client = world.client("kms") if region == REGION else _elsewhere(world, region)
    return str(client.create_key()["KeyMetadata"]["Arn"])


def _elsewhere(world: AwsWorld, region: str) -> Any:
    return boto3.client(
        "kms", region_name=region, endpoint_url=world.url, aws_access_key_id="AKIALAB", aws_secret_access_key="lab"
    )


@contextmanager
def safe_aws(root: Path) -> Iterator[SafeSubject]:
    """Yield the vaults over a fresh AWS: a file server with two volumes, a Mesh node with one, a database, a bucket."""
    clock, faults = ManualClock(), FailingSnapshots()
    machines = PlainMachines(root, clock)
    with (
        AwsWorld(machines, clock=clock, probe=machines.probe, faults=faults) as world,
        patch.dict(os.environ, environment(world)),
    ):
        machine(world, "file-server", 2)
        machine(world, "mesh", 1)
        machine(world, "node", 0)
        database(world)
        bucket(world)
        hands = AwsVaultHands(world, clock, faults)
        hands.wait(60)
        session = Aws()
        yield SafeSubject(
            disks=AwsDisks(session.caller(), CLUSTER),
            database=AwsDatabase(session.caller(), CLUSTER),
            manifests=S3Manifests(session.caller(), CLUSTER),
            cluster=CLUSTER,
            hands=hands,
        )
