"""The shared home: a volume of its own, and a file server that can be replaced without touching it.

A machine and not EFS: Atlassian does not support EFS here, because git's many small operations are slow on it.
"""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.aws.machines import image, metadata_options
from components.aws.network import AwsNetwork
from components.aws.user_data import render
from components.naming import FILE_SERVER_ROLE, ROLE_TAG
from components.spec import ClusterSpec
from components.tokens import type_token

EXPORT = "/srv/bitbucket-dc/shared"
"""Directory that nodes mount; the volume is mounted one level above."""
DEVICE = "/dev/sdf"
ROOT_DISK = 20


class AwsSharedHome(pulumi.ComponentResource):
    """An NFS server with one encrypted data volume."""

    server_id: pulumi.Output[str]
    """Id of the file server's instance."""
    volume_ids: list[pulumi.Output[str]]
    """Ids of the data volumes: what a backup has to take together."""
    address: str
    """Address that nodes mount from. Fixed: a replaced server answers there too, and the mounts of all nodes go on."""

    def __init__(
        self,
        name: str,
        spec: ClusterSpec,
        *,
        network: AwsNetwork,
        group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        profile_name: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsSharedHome"), name, {}, opts)
        self._name, self._spec, self._estate = name, spec, spec.estate
        self._network, self._key_arn = network, key_arn
        self.address = str(network.subnets.file_server)
        self.volume = self._volume()
        self.server = self._server(group, profile_name, after)
        self._attach()
        self.server_id, self.volume_ids = self.server.id, [self.volume.id]
        self.register_outputs({"serverId": self.server_id, "volumeIds": self.volume_ids})

    def _volume(self) -> aws.ebs.Volume:
        child, home = f"{self._name}-volume", self._spec.home
        return aws.ebs.Volume(
            child,
            availability_zone=self._network.zones[0],
            size=home.size,
            type="gp3",
            iops=home.iops,
            throughput=home.throughput,
            encrypted=True,
            kms_key_id=self._key_arn,
            tags=self._estate.tagged(child, **{ROLE_TAG: FILE_SERVER_ROLE}),
            opts=pulumi.ResourceOptions(
                parent=self, protect=self._estate.protect_data, ignore_changes=["availabilityZone"]
            ),
        )

    def _server(
        self, group: pulumi.Input[str], profile_name: pulumi.Input[str], after: Sequence[pulumi.Resource]
    ) -> aws.ec2.Instance:
        child, spec, estate = f"{self._name}-server", self._spec, self._estate
        tags = estate.tagged(f"{estate.cluster}-{FILE_SERVER_ROLE}", **{ROLE_TAG: FILE_SERVER_ROLE})
        return aws.ec2.Instance(
            child,
            ami=image(spec.machines.image_id, self),
            instance_type=spec.home.instance_type,
            subnet_id=self._network.private_subnet_ids[0],
            private_ip=self.address,
            associate_public_ip_address=False,
            vpc_security_group_ids=[group],
            iam_instance_profile=profile_name,
            disable_api_termination=estate.protect_data,
            metadata_options=metadata_options(spec.machines.metadata),
            monitoring=True,
            root_block_device={
                "volume_size": ROOT_DISK,
                "volume_type": "gp3",
                "encrypted": True,
                "kms_key_id": self._key_arn,
                "tags": tags,
            },
            user_data_base64=self._user_data(),
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # A newer image or script would restart or replace the one machine that every node depends on. Do it on
                # purpose: `pulumi up --replace URN`, in a window of its own.
                ignore_changes=["ami", "userDataBase64"],
                # Its address can belong to one machine at a time.
                delete_before_replace=True,
                # It installs packages while it boots.
                depends_on=after,
            ),
        )

    def _user_data(self) -> pulumi.Output[str]:
        fixed = {
            "BBDC_CLUSTER": self._estate.cluster,
            "BITBUCKET_UID": str(self._spec.bitbucket.uid),
            "SHARED_HOME_EXPORT": EXPORT,
            "NETWORK": str(self._spec.network.cidr),
        }
        rendered: pulumi.Output[str] = self.volume.id.apply(
            lambda volume: render("file_server", {**fixed, "DATA_VOLUME": volume})
        )
        return rendered

    def _attach(self) -> None:
        aws.ec2.VolumeAttachment(
            f"{self._name}-attachment",
            device_name=DEVICE,
            volume_id=self.volume.id,
            instance_id=self.server.id,
            # A file system in use is not torn away: the machine stops first, and the volume is whole.
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
