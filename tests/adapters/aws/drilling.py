"""An estate with real data in the lab's AWS, one set of it, and machines whose psql answers from its databases."""

from __future__ import annotations

import base64
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automation.core.backups.sets import BackupSet, Counts, Member, MemberKind, Mode, SetState
from lab.aws.images import IMAGES
from lab.aws.plain import PlainMachines
from lab.aws.ports import MachineSpec, ManualClock, Timings
from lab.aws.world import ACCOUNT, REGION, AwsWorld
from lab.bitbucket.schema import SCHEMA
from lab.data import mounts
from lab.data.storage import DirectoryStorage
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import CLUSTER, Estate, pairs, template_data

DATABASE, PASSWORD = f"{CLUSTER}-database", "d4tabase-passw0rd"
TIMINGS = Timings(volume=1.0, attach=1.0, snapshot=1.0, database=6.0, database_snapshot=1.0, point_in_time_lag=1.0)
PSQL = """#!{python}
import os, sqlite3, sys
if os.environ["PGPASSWORD"] != "{password}":
    sys.exit(2)
file = "{databases}/" + os.environ["PGHOST"].partition(".")[0] + "/bitbucket.sqlite"
for row in sqlite3.connect("file:" + file + "?mode=ro", uri=True).execute(sys.argv[-1]):
    print("|".join(str(value) for value in row))
"""
AWS = '#!/bin/sh\n[ "$1 $2" = "secretsmanager get-secret-value" ] && echo {password}\n'


class Machines(PlainMachines):
    """Machines with a psql and an aws of their own."""

    databases = Path()

    def launch(self, spec: MachineSpec) -> None:
        """Power on, and install the programs."""
        PlainMachines.launch(self, spec)
        text = {"python": sys.executable, "password": PASSWORD, "databases": str(self.databases)}
        for name, program in (("psql", PSQL), ("aws", AWS)):
            file = self.directory(spec.id) / "bin" / name
            file.write_text(program.format(**text))
            file.chmod(0o755)


@dataclass
class Drilling:
    """The world of a drill."""

    root: Path
    faults: Any
    clock: ManualClock = field(default_factory=lambda: ManualClock(time.time()))

    def __post_init__(self) -> None:
        self.machines = Machines(self.root / "instances", self.clock)
        self.machines.databases = self.root / "databases"
        self.storage = DirectoryStorage(self.root, changed=self.remount)
        self.world = AwsWorld(
            self.machines,
            clock=self.clock,
            timings=TIMINGS,
            probe=self.machines.probe,
            faults=self.faults,
            storage=self.storage,
        )

    # -- a clock for the engine -----------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the world's time."""
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let time pass, and processes run."""
        time.sleep(0.02)
        pass_time(self.world, self.clock, seconds, step=1.0)

    # -- what is there --------------------------------------------------------------------------------------------

    @property
    def ec2(self) -> Any:
        """Client of EC2."""
        return self.world.client("ec2")

    @property
    def rds(self) -> Any:
        """Client of RDS."""
        return self.world.client("rds")

    def remount(self, instance: str) -> None:
        """Let a drill's machine see its volumes."""
        spec = self.machines.specs[instance]
        directory = self.machines.directory(instance)
        links = mounts.wanted(spec.role, self.storage.attached(instance), None, directory / "log")
        mounts.update(directory / "root", {}, links)

    def build(self) -> BackupSet:
        """Build an estate with two repositories, and take a set of it."""
        estate = Estate.build(self.world)
        server = self._file_server(estate)
        host = self._database(estate)
        self._model(estate, host)
        volume = self._volume(server)
        self.sleep(30)
        disk = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        name = f"{CLUSTER}-20261121-100000-000"
        self.rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=DATABASE)
        self.sleep(10)
        return BackupSet(
            id="20261121-100000-000",
            cluster=CLUSTER,
            mode=Mode.LOCKED,
            state=SetState.COMPLETE,
            created=self.now(),
            version="7.9.0",
            region=REGION,
            account=ACCOUNT,
            members=(
                Member(MemberKind.DISK, volume, disk, role="shared-home"),
                Member(MemberKind.DATABASE, DATABASE, name, role="database"),
            ),
            counts=Counts(2, 2),
        )

    def _file_server(self, estate: Estate) -> str:
        tags = pairs({"bitbucket-dc:cluster": CLUSTER, "bitbucket-dc:role": "file-server"})
        made = self.ec2.run_instances(
            ImageId=IMAGES["x86_64"],
            InstanceType="m5.large",
            MinCount=1,
            MaxCount=1,
            SubnetId=estate.subnets[0],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        self.sleep(2)
        return str(made["Instances"][0]["InstanceId"])

    def _volume(self, server: str) -> str:
        tags = pairs({"bitbucket-dc:cluster": CLUSTER, "bitbucket-dc:role": "file-server"})
        volume: str = self.ec2.create_volume(
            AvailabilityZone="eu-west-1a",
            Size=10,
            VolumeType="gp3",
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )["VolumeId"]
        self.sleep(2)
        self.ec2.attach_volume(VolumeId=volume, InstanceId=server, Device="/dev/sdf")
        self.sleep(2)
        for number in (1, 2):
            repository = self.storage.volumes.path(volume) / "shared/data/repositories" / str(number)
            subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
            tree = subprocess.run(
                ["git", "--git-dir", str(repository), "hash-object", "-t", "tree", "-w", "/dev/null"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            (repository / "refs/tags/empty").write_text(f"{tree}\n")
        return volume

    def _database(self, estate: Estate) -> str:
        self.rds.create_db_subnet_group(
            DBSubnetGroupName="private", DBSubnetGroupDescription="private", SubnetIds=estate.subnets
        )
        self.rds.create_db_parameter_group(
            DBParameterGroupName="ours", DBParameterGroupFamily="postgres14", Description="ours"
        )
        made = self.rds.create_db_instance(
            DBInstanceIdentifier=DATABASE,
            Engine="postgres",
            EngineVersion="14.9",
            DBInstanceClass="db.m5.large",
            AllocatedStorage=20,
            MasterUsername="bitbucket",
            MasterUserPassword=PASSWORD,
            BackupRetentionPeriod=7,
            DBSubnetGroupName="private",
            DBParameterGroupName="ours",
            Tags=pairs({"bitbucket-dc:cluster": CLUSTER}),
        )["DBInstance"]
        with closing(sqlite3.connect(self.storage.database(DATABASE) or "")) as connection, connection:
            connection.executescript(SCHEMA)
            connection.execute("insert into projects (id, key, name) values (1, 'ONE', 'One')")
            rows = [(number, f"r{number}") for number in (1, 2)]
            connection.executemany(
                "insert into repositories (id, project_id, slug, name, created) values (?, 1, ?, 'name', 0)", rows
            )
        return str(made["Endpoint"]["Address"])

    def _model(self, estate: Estate, host: str) -> None:
        """Let new nodes use the database, with an instance profile and the secret of its password."""
        profile = f"{CLUSTER}-node"
        self.world.client("iam").create_instance_profile(InstanceProfileName=profile)
        secret = self.world.client("secretsmanager").create_secret(Name=f"{CLUSTER}-db", SecretString=PASSWORD)["ARN"]
        script = f"#!/bin/bash\nBITBUCKET_VERSION='7.9.0'\nDATABASE_HOST='{host}'\nDATABASE_SECRET='{secret}'\n"
        data = template_data("7.9.0", groups=(estate.security_group,)) | {
            "UserData": base64.b64encode(script.encode()).decode(),
            "IamInstanceProfile": {"Name": profile},
        }
        made = self.ec2.create_launch_template_version(LaunchTemplateId=estate.template, LaunchTemplateData=data)
        number = str(made["LaunchTemplateVersion"]["VersionNumber"])
        self.world.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=estate.group,
            LaunchTemplate={"LaunchTemplateId": estate.template, "Version": number},
        )

    def everything(self) -> set[str]:
        """Return the ids of all machines, volumes, databases and security groups that exist."""
        gone = {"terminated", "shutting-down"}
        machines = [i for r in self.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        return (
            {i["InstanceId"] for i in machines if i["State"]["Name"] not in gone}
            | {v["VolumeId"] for v in self.ec2.describe_volumes()["Volumes"]}
            | {d["DBInstanceIdentifier"] for d in self.rds.describe_db_instances()["DBInstances"]}
            | {g["GroupId"] for g in self.ec2.describe_security_groups()["SecurityGroups"]}
        )
