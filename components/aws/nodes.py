"""The nodes: a launch template that carries the version, and a group that keeps their number and nothing else."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.aws.machines import image, metadata_options
from components.aws.network import AwsNetwork
from components.naming import CLUSTER_TAG, MEMBER_TAG, NODE_ROLE, ROLE_TAG, VERSION_TAG, Estate
from components.spec import MachineSpec
from components.tokens import type_token

Tags = Mapping[str, pulumi.Input[str]]


class AwsNodes(pulumi.ComponentResource):
    """An auto-scaling group of Bitbucket nodes over three zones."""

    group_name: pulumi.Output[str]
    """Name of the auto-scaling group."""
    launch_template_id: pulumi.Output[str]
    """Id of the launch template."""

    def __init__(
        self,
        name: str,
        spec: MachineSpec,
        estate: Estate,
        *,
        network: AwsNetwork,
        group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        profile_name: pulumi.Input[str],
        target_group_arns: Sequence[pulumi.Input[str]],
        version: pulumi.Input[str],
        user_data: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsNodes"), name, {}, opts)
        self._name, self._spec, self._estate = name, spec, estate
        self.launch_template = self._template(group, key_arn, profile_name, version, user_data)
        self.group = self._group(network, target_group_arns, after)
        self.launch_template_id, self.group_name = self.launch_template.id, self.group.name
        self.register_outputs({"groupName": self.group_name, "launchTemplateId": self.launch_template_id})

    def _template(
        self,
        group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        profile_name: pulumi.Input[str],
        version: pulumi.Input[str],
        user_data: pulumi.Input[str],
    ) -> aws.ec2.LaunchTemplate:
        child, spec, estate = f"{self._name}-template", self._spec, self._estate
        machine = estate.tagged(
            f"{estate.cluster}-node",
            **{ROLE_TAG: NODE_ROLE, VERSION_TAG: version, MEMBER_TAG: estate.cluster},
        )
        disk = {
            "volume_size": spec.volume_size,
            "volume_type": "gp3",
            "encrypted": "true",
            "kms_key_id": key_arn,
            "delete_on_termination": "true",
        }
        return aws.ec2.LaunchTemplate(
            child,
            # Newest image at each run: a rolled node is a patched node. Pin it with imageId.
            image_id=image(spec.image_id, self),
            instance_type=spec.instance_type,
            iam_instance_profile={"name": profile_name},
            vpc_security_group_ids=[group],
            block_device_mappings=[{"device_name": "/dev/xvda", "ebs": disk}],
            metadata_options=metadata_options(spec.metadata),
            monitoring={"enabled": True},
            tag_specifications=[
                {"resource_type": "instance", "tags": machine},
                {"resource_type": "volume", "tags": machine},
            ],
            user_data=user_data,
            update_default_version=True,
            tags=estate.tagged(child, **{VERSION_TAG: version}),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _group(
        self, network: AwsNetwork, target_group_arns: Sequence[pulumi.Input[str]], after: Sequence[pulumi.Resource]
    ) -> aws.autoscaling.Group:
        """The group heals and keeps its size; it never scales, and it never judges a node by the load balancer.

        A node answers /status late while it boots and not at all in maintenance: with health checks of the load
        balancer the group would kill nodes for that. And rebalancing zones would take a serving node away unasked.
        """
        spec, estate = self._spec, self._estate
        return aws.autoscaling.Group(
            f"{self._name}-group",
            name=estate.cluster,
            vpc_zone_identifiers=network.private_subnet_ids,
            min_size=spec.count,
            desired_capacity=spec.count,
            max_size=spec.most,
            launch_template={
                "id": self.launch_template.id,
                # A number and not $Latest: which version the group starts is then part of the plan and of the state.
                "version": self.launch_template.latest_version.apply(str),
            },
            target_group_arns=target_group_arns,
            health_check_type="EC2",
            termination_policies=["OldestLaunchTemplate", "OldestInstance"],
            suspended_processes=["AZRebalance"],
            capacity_rebalance=False,
            wait_for_capacity_timeout=spec.wait_for_capacity_timeout,
            tags=self._group_tags(estate.tagged(estate.cluster)),
            opts=pulumi.ResourceOptions(
                parent=self,
                # A roll changes both while it runs: a surge node, processes switched off. Neither is Pulumi's to put
                # back in the middle of it. Ignoring is enough, and `refresh: always` is not needed: an update sends
                # only what the plan changes, so a value that is ignored is never sent, old or new. More nodes still
                # arrive when `nodes` grows, because the cloud lifts the desired capacity to the minimum.
                ignore_changes=["desiredCapacity", "suspendedProcesses"],
                # What a booting node needs and names nowhere; and when all goes, the nodes go first.
                depends_on=after,
            ),
        )

    def _group_tags(self, tags: Tags) -> list[dict[str, object]]:
        # Not handed to instances: the launch template tags those, with their version.
        own = {**tags, CLUSTER_TAG: self._estate.cluster}
        return [{"key": key, "value": value, "propagate_at_launch": False} for key, value in own.items()]
