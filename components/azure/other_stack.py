"""The estate as another stack sees it: outputs of the cluster's stack, and the ids that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, resources

from components.azure.backup_store import ACCOUNT_LIMIT, CONTAINER
from components.azure.network import BACKUPS
from components.azure.place import Place, unique_name
from components.naming import CLUSTER_TAG, limited

NAME_LIMIT = 32
"""Longest name of a Container Apps job."""


@dataclass(frozen=True, slots=True)
class OtherStack:
    """What a stack of backups needs to know of the cluster that it backs up."""

    cluster: pulumi.Output[str]
    """Name of the cluster."""
    url: pulumi.Output[str]
    """URL of Bitbucket."""
    where: Place
    """The estate's resource group, in which the backups' own resources are made too."""
    subnet_id: pulumi.Output[str]
    """Id of the subnet that the estate keeps for scheduled backups."""
    bucket: pulumi.Output[str]
    """Address of the container that keeps manifests."""
    bucket_id: pulumi.Output[str]
    """Id of the same container, at which a right is given."""
    scale_set_id: pulumi.Output[str]
    """Id of the nodes' scale set, whose metric the age of the newest set is."""
    tags: Mapping[str, str]
    """The operator's own tags."""

    @classmethod
    def refer(cls, stack: str, tags: Mapping[str, str]) -> "OtherStack":
        """Refer to a stack by its name, such as ``organization/bitbucket-dc/production``.

        An output that the stack does not have fails the run, and names it.
        """
        reference = pulumi.StackReference(stack)
        cluster = reference.require_output("clusterName")
        where = _place(reference.require_output("resourceGroup"))
        account = pulumi.Output.all(where.scope, cluster).apply(
            lambda known: unique_name(known[0], known[1], ACCOUNT_LIMIT)
        )
        of_group = pulumi.Output.concat(where.scope, "/providers/")
        scale_set = reference.require_output("autoScalingGroupName")
        return cls(
            cluster=cluster,
            url=reference.require_output("url"),
            where=where,
            subnet_id=pulumi.Output.concat(reference.require_output("vpcId"), f"/subnets/{BACKUPS}"),
            bucket=reference.require_output("backupBucket"),
            bucket_id=pulumi.Output.concat(
                of_group, "Microsoft.Storage/storageAccounts/", account, f"/blobServices/default/containers/{CONTAINER}"
            ),
            scale_set_id=pulumi.Output.concat(of_group, "Microsoft.Compute/virtualMachineScaleSets/", scale_set),
            tags=tags,
        )

    def tagged(self, name: str) -> dict[str, pulumi.Input[str]]:
        """Return the tags of a resource called ``name``; ours win over the operator's of the same key."""
        return {**self.tags, "Name": name, CLUSTER_TAG: self.cluster}

    def physical(self, suffix: str) -> pulumi.Output[str]:
        """Return a name that starts with the cluster's."""
        return self.cluster.apply(lambda cluster: limited(f"{cluster}-{suffix}", NAME_LIMIT))


def _place(name: pulumi.Output[str]) -> Place:
    """Return the place of a resource group whose name is known only once the other stack has been read."""
    client = authorization.get_client_config_output()
    found = resources.get_resource_group_output(resource_group_name=name)
    return Place(client.subscription_id, client.tenant_id, "", found.name, found.location)
