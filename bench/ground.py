"""What a bench adds to a lab's estate on AWS through the cloud's own API, as an administrator would."""

from __future__ import annotations

from typing import Any

import boto3

MESH_DISK = 50
"""GiB."""


def add_mesh(cluster: str, nodes: int) -> list[str]:
    """Start machines as Mesh nodes have, each with a data volume of its own; return the volumes' ids.

    Which AWS, and who asks, stands in the environment.
    """
    ec2 = boto3.session.Session().client("ec2")
    home = _file_server(ec2, cluster)
    return [_mesh_node(ec2, cluster, home, number) for number in range(nodes)]


def _file_server(ec2: Any, cluster: str) -> dict[str, Any]:
    filters = [
        {"Name": "tag:bitbucket-dc:cluster", "Values": [cluster]},
        {"Name": "tag:bitbucket-dc:role", "Values": ["file-server"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found: dict[str, Any] = ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]
    return found


def _mesh_node(ec2: Any, cluster: str, home: dict[str, Any], number: int) -> str:
    tags = [
        {"Key": "Name", "Value": f"{cluster}-mesh-{number}"},
        {"Key": "bitbucket-dc:cluster", "Value": cluster},
        {"Key": "bitbucket-dc:role", "Value": "mesh"},
    ]
    machine = ec2.run_instances(
        ImageId=home["ImageId"],
        InstanceType=home["InstanceType"],
        SubnetId=home["SubnetId"],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]
    volume: str = ec2.create_volume(
        AvailabilityZone=home["Placement"]["AvailabilityZone"],
        Size=MESH_DISK,
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )["VolumeId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[machine["InstanceId"]], WaiterConfig={"Delay": 1})
    ec2.attach_volume(VolumeId=volume, InstanceId=machine["InstanceId"], Device="/dev/sdf")
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
    return volume
