"""Places for drills on AWS (``ports.drills.Drills``): a machine, the set's disks and its database, and nobody else.

Everything carries the tag ``bitbucket-dc:drill`` with the drill's id, and is found again by it: no other book is kept.
The security group lets nobody in but the drill's own machine to the drill's own database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.adapters.aws import drill_parts, tags
from automation.adapters.aws.drill_parts import DRILL, Found, Parts
from automation.adapters.aws.model import Model, model_of
from automation.adapters.aws.session import Caller
from automation.core.backups.sets import BackupSet, Member, MemberKind
from automation.ports.drills import Place
from automation.ports.errors import Conflict, NotFound, Refused

Json = dict[str, Any]
DEVICES = tuple(f"sd{letter}" for letter in "fghijklmnop")
"""Device names that AWS recommends for data volumes."""
_GONE = {"shutting-down", "terminated"}


class AwsDrills:
    """Implements ``ports.drills.Drills``."""

    def __init__(self, caller: Caller, cluster: str, *, instance_type: str = "", database_class: str = "") -> None:
        """Take the cluster, and the sizes of machine and database; empty takes those of the estate."""
        self._caller = caller
        self._cluster = cluster
        self._instance_type = instance_type
        self._database_class = database_class
        self._parts = Parts(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def open(self, drill: str, found: BackupSet) -> None:
        """Begin to restore; see ``ports.drills.Drills.open``."""
        home, model = self._parts.file_server(), model_of(self._caller, self._cluster)
        there = self._parts.find(drill)
        group = there.group or self._firewall(drill, str(home["VpcId"]))
        if there.database is None:  # it takes longest
            self._database(drill, found, model, group)
        zone = str(home["Placement"]["AvailabilityZone"])
        for number, member in enumerate(_disks(found)):
            if member.snapshot not in {drill_parts.origin(volume) for volume in there.volumes}:
                self._volume(drill, member, zone, DEVICES[number])
        if there.machine is None:
            self._machine(drill, home, model, group)

    def look(self, drill: str) -> Place:
        """Attach what can be attached, and say how far the place is."""
        there = self._parts.find(drill)
        if problem := _problem(there):
            return Place(ready=False, problem=problem)
        machine, database = there.machine or {}, there.database or {}
        waits = self._attach(there)
        if database.get("DBInstanceStatus") != "available":
            waits.append(f"database {database.get('DBInstanceStatus') or 'missing'}")
        if waits or not there.machine:
            return Place(ready=False, detail=", ".join(waits) or "the machine is missing")
        secret = model_of(self._caller, self._cluster).database_secret
        region = secret.split(":")[3] if secret.startswith("arn:") else self._caller.region
        ask = f"aws secretsmanager get-secret-value --region {region} --secret-id {secret}"
        return Place(
            ready=True,
            machine=str(machine["InstanceId"]),
            devices=tuple(sorted(drill_parts.device(volume) for volume in there.volumes)),
            database_host=str(database["Endpoint"]["Address"]),
            database_port=int(database["Endpoint"]["Port"]),
            password_command=f"{ask} --query SecretString --output text",
        )

    def close(self, drill: str) -> bool:
        """Remove what can be removed now; machine and database first, then what they hold on to."""
        there = self._parts.find(drill)
        if there.machine is not None and there.machine["State"]["Name"] not in _GONE:
            self._caller.call("ec2", "terminate_instances", InstanceIds=[there.machine["InstanceId"]])
        if there.database is not None and there.database["DBInstanceStatus"] != "deleting":
            self._remove_database(there.database)
        for volume in there.volumes:
            if volume["State"] in {"available", "error"}:
                self._caller.call("ec2", "delete_volume", VolumeId=volume["VolumeId"])
        if there.group and not there.volumes and there.database is None and _is_gone(there):
            self._caller.call("ec2", "delete_security_group", GroupId=there.group)
            return True
        return there.is_empty

    def leftovers(self) -> tuple[str, ...]:
        """Return the drills of which something still exists."""
        return self._parts.drills()

    def _firewall(self, drill: str, vpc: str) -> str:
        name = f"bitbucket-dc-drill-{drill}"
        made = self._caller.once(
            "ec2",
            "create_security_group",
            GroupName=name,
            Description="A restore drill: nobody gets in",
            VpcId=vpc,
            TagSpecifications=[self._tagged("security-group", drill, name)],
        )
        group = str(made["GroupId"])
        inside = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]}
        self._caller.call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[inside])
        return group

    def _database(self, drill: str, found: BackupSet, model: Model, group: str) -> None:
        members = found.of(MemberKind.DATABASE)
        like = self._parts.database_at(model.database_host)
        shape = {
            "DBInstanceClass": self._database_class or like["DBInstanceClass"],
            "DBSubnetGroupName": like["DBSubnetGroup"]["DBSubnetGroupName"],
            "DBParameterGroupName": like["DBParameterGroups"][0]["DBParameterGroupName"],
            "VpcSecurityGroupIds": [group],
            "MultiAZ": False,
            "PubliclyAccessible": False,
            "DeletionProtection": False,
            "CopyTagsToSnapshot": False,
            "Tags": self._tagged("", drill, f"bitbucket-dc-drill-{drill}")["Tags"],
        }
        if len(members) != 1:
            raise Refused("set_whole", f"set {found.id} holds {len(members)} databases: a drill takes one")
        if found.recover_to is not None:
            self._caller.once(
                "rds",
                "restore_db_instance_to_point_in_time",
                SourceDBInstanceIdentifier=members[0].source,
                TargetDBInstanceIdentifier=drill_parts.database_name(drill),
                RestoreTime=drill_parts.moment(found.recover_to),
                **shape,
            )
            return
        self._caller.once(
            "rds",
            "restore_db_instance_from_db_snapshot",
            DBInstanceIdentifier=drill_parts.database_name(drill),
            DBSnapshotIdentifier=members[0].snapshot,
            **shape,
        )

    def _remove_database(self, database: Mapping[str, Any]) -> None:
        try:
            self._caller.call(
                "rds",
                "delete_db_instance",
                DBInstanceIdentifier=database["DBInstanceIdentifier"],
                SkipFinalSnapshot=True,
                DeleteAutomatedBackups=True,
            )
        except (Conflict, NotFound):
            return  # it is still being created, or going already: the next look tells

    def _volume(self, drill: str, member: Member, zone: str, device: str) -> None:
        tagged = self._tagged("volume", drill, f"bitbucket-dc-drill-{drill}-{device}")
        tagged["Tags"] += [
            {"Key": drill_parts.ORIGIN, "Value": member.snapshot},
            {"Key": drill_parts.DEVICE, "Value": device},
        ]
        self._caller.call(
            "ec2",
            "create_volume",
            AvailabilityZone=zone,
            SnapshotId=member.snapshot,
            VolumeType="gp3",
            ClientToken=f"{drill}-{member.snapshot}"[:64],
            TagSpecifications=[tagged],
        )

    def _machine(self, drill: str, home: Mapping[str, Any], model: Model, group: str) -> None:
        name = f"bitbucket-dc-drill-{drill}"
        tagged = self._tagged("instance", drill, name)
        tagged["Tags"].append({"Key": tags.ROLE, "Value": "drill"})
        self._caller.call(
            "ec2",
            "run_instances",
            ImageId=model.data["ImageId"],
            InstanceType=self._instance_type or home["InstanceType"],
            MinCount=1,
            MaxCount=1,
            SubnetId=home["SubnetId"],
            SecurityGroupIds=[group],
            IamInstanceProfile=model.data["IamInstanceProfile"],
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            InstanceInitiatedShutdownBehavior="terminate",
            ClientToken=name[:64],
            TagSpecifications=[tagged],
        )

    def _attach(self, there: Found) -> list[str]:
        """Attach every volume that is ready to a machine that runs; return what is waited for."""
        running = there.machine is not None and there.machine["State"]["Name"] == "running"
        waits = [] if running else ["machine not running"]
        for volume in there.volumes:
            if any(one.get("State") == "attached" for one in volume.get("Attachments") or ()):
                continue
            waits.append(f"{volume['VolumeId']} {volume['State']}")
            if running and volume["State"] == "available" and there.machine is not None:
                self._caller.call(
                    "ec2",
                    "attach_volume",
                    VolumeId=volume["VolumeId"],
                    InstanceId=there.machine["InstanceId"],
                    Device=f"/dev/{drill_parts.device(volume)}",
                )
        return waits

    def _tagged(self, kind: str, drill: str, name: str) -> Json:
        pairs = {"Name": name, DRILL: drill, drill_parts.OF: self._cluster}
        return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}


def _disks(found: BackupSet) -> list[Member]:
    """Return the disks, the shared home's first: it gets the first device name."""
    return sorted(found.of(MemberKind.DISK), key=lambda member: (member.role != "shared-home", member.source))


def _is_gone(there: Found) -> bool:
    return there.machine is None or there.machine["State"]["Name"] == "terminated"


def _problem(there: Found) -> str:
    broken = [str(volume["VolumeId"]) for volume in there.volumes if volume["State"] == "error"]
    if broken:
        return f"volumes could not be made from their snapshots: {', '.join(broken)}"
    if there.machine is not None and there.machine["State"]["Name"] in _GONE:
        return f"machine {there.machine['InstanceId']} is gone"
    status = (there.database or {}).get("DBInstanceStatus", "")
    if status in {"failed", "incompatible-restore", "incompatible-parameters", "storage-full", "deleting"}:
        return f"the restored database is {status}"
    return ""
