"""The shared home: a volume for each generation of data, and a file server that can be replaced without touching them.

A machine and not EFS: Atlassian does not support EFS here, because git's many small operations are slow on it.
"""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.aws.machines import image, metadata_options
from components.aws.network import AwsNetwork
from components.generations import Generation
from components.naming import FILE_SERVER_ROLE, GENERATION_TAG, ROLE_TAG
from components.spec import ClusterSpec
from components.tokens import type_token
from components.user_data import render

EXPORT = "/srv/bitbucket-dc/shared"
"""Directory that nodes mount; the volume is mounted one level above."""
DEVICE = "/dev/sdf"
ROOT_DISK = 20


class AwsSharedHome(pulumi.ComponentResource):
    """An NFS server with the encrypted volume of the active generation of data."""

    server_id: pulumi.Output[str]
    """Id of the file server's instance."""
    volume_ids: list[pulumi.Output[str]]
    """Ids of the active generation's volumes: what a backup has to take together."""
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
        volumes = {generation.name: self._volume(generation) for generation in spec.data.generations}
        self.server = self._server(group, profile_name, after)
        self.volume = volumes[spec.data.active.name]
        self._run(self._attach())
        self.server_id, self.volume_ids = self.server.id, [self.volume.id]
        self.register_outputs({"serverId": self.server_id, "volumeIds": self.volume_ids})

    def _volume(self, generation: Generation) -> aws.ebs.Volume:
        child, home = f"{self._name}-volume{generation.suffix}", self._spec.home
        return aws.ebs.Volume(
            child,
            availability_zone=self._network.zones[0],
            snapshot_id=generation.home_snapshot(0),
            size=home.size,
            type="gp3",
            iops=home.iops,
            throughput=home.throughput,
            encrypted=True,
            kms_key_id=self._key_arn,
            tags=self._estate.tagged(child, **{ROLE_TAG: FILE_SERVER_ROLE, GENERATION_TAG: generation.name}),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=generation.protect,
                # Another zone or snapshot would replace the data. Other data is another generation.
                ignore_changes=["availabilityZone", "snapshotId"],
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

    def _user_data(self) -> str:
        return render(
            "aws",
            "file_server",
            {
                "BBDC_CLUSTER": self._estate.cluster,
                "BITBUCKET_UID": str(self._spec.bitbucket.uid),
                "SHARED_HOME_EXPORT": EXPORT,
                "NETWORK": str(self._spec.network.cidr),
                "DATA_DEVICE": DEVICE,
            },
        )

    def _attach(self) -> aws.ec2.VolumeAttachment:
        return aws.ec2.VolumeAttachment(
            f"{self._name}-attachment",
            device_name=DEVICE,
            volume_id=self.volume.id,
            instance_id=self.server.id,
            # A file system in use is not torn away: the machine stops first, and the volume is whole.
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _run(self, attachment: aws.ec2.VolumeAttachment) -> None:
        """Start the server, which attaching another volume has stopped; where it runs this does nothing.

        One resource a generation, because it acts when it is made; nothing happens when the former one is deleted.
        """
        aws.ec2transitgateway.InstanceState(
            f"{self._name}-running{self._spec.data.active.suffix}",
            instance_id=self.server.id,
            state="running",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
        )
