"""The estate as another stack sees it: outputs of the cluster's stack."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.naming import CLUSTER_TAG


@dataclass(frozen=True, slots=True)
class OtherStack:
    """What a stack of backups needs to know of the cluster that it backs up."""

    cluster: pulumi.Output[str]
    """Name of the cluster."""
    url: pulumi.Output[str]
    """URL of Bitbucket."""
    vpc_id: pulumi.Output[str]
    private_subnet_ids: pulumi.Output[list[str]]
    bucket: pulumi.Output[str]
    """Name of the bucket that keeps manifests."""
    key_arn: pulumi.Output[str]
    """ARN of the key that the data is encrypted with."""
    tags: Mapping[str, str]
    """The operator's own tags."""

    @classmethod
    def refer(cls, stack: str, tags: Mapping[str, str]) -> "OtherStack":
        """Refer to a stack by its name, such as ``organization/bitbucket-dc/production``.

        An output that the stack does not have fails the run, and names it.
        """
        reference = pulumi.StackReference(stack)
        return cls(
            cluster=reference.require_output("clusterName"),
            url=reference.require_output("url"),
            vpc_id=reference.require_output("vpcId"),
            private_subnet_ids=reference.require_output("privateSubnetIds"),
            bucket=reference.require_output("backupBucket"),
            key_arn=reference.require_output("encryptionKeyArn"),
            tags=tags,
        )

    def tagged(self, name: str) -> dict[str, pulumi.Input[str]]:
        """Return the tags of a resource called ``name``; ours win over the operator's of the same key."""
        return {**self.tags, "Name": name, CLUSTER_TAG: self.cluster}
