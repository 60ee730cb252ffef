"""Where the estate is: subscription, resource group, location; and how names become ids there."""

import hashlib
import uuid
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, resources

from components.naming import Estate

UNIQUE = 10
"""Characters of a name that keep the estates of all customers apart."""


@dataclass(frozen=True, slots=True)
class Place:
    """A resource group."""

    subscription: pulumi.Output[str]
    tenant: pulumi.Output[str]
    name: str
    """Name of the resource group."""
    group: pulumi.Output[str]
    """The same, known once the group is there."""
    location: pulumi.Output[str]

    @property
    def scope(self) -> pulumi.Output[str]:
        """Id of the resource group."""
        return pulumi.Output.concat("/subscriptions/", self.subscription, "/resourceGroups/", self.group)

    def id(self, kind: str, name: str, *parts: str) -> pulumi.Output[str]:
        """Return the id of a resource of a kind such as Microsoft.Compute/disks, or of a part inside of one."""
        return pulumi.Output.concat(self.scope, "/providers/", "/".join((kind, name, *parts)))

    def role(self, definition: str) -> pulumi.Output[str]:
        """Return the id of a built-in role."""
        where = "/providers/Microsoft.Authorization/roleDefinitions/"
        return pulumi.Output.concat("/subscriptions/", self.subscription, where, definition)


def place(name: str, estate: Estate, chosen: str | None, parent: pulumi.Resource) -> Place:
    """Return the place of an estate: a resource group that is there already, or one of its own."""
    inside = pulumi.ResourceOptions(parent=parent, protect=estate.protect_data)
    asking = pulumi.InvokeOutputOptions(parent=parent)
    client = authorization.get_client_config_output(opts=asking)
    if chosen is not None:
        found = resources.get_resource_group_output(resource_group_name=chosen, opts=asking)
        return Place(client.subscription_id, client.tenant_id, chosen, found.name, found.location)
    made = resources.ResourceGroup(
        f"{name}-group", resource_group_name=estate.cluster, tags=estate.tagged(f"{name}-group"), opts=inside
    )
    return Place(client.subscription_id, client.tenant_id, estate.cluster, made.name, made.location)


def unique(where: Place, cluster: str, limit: int) -> pulumi.Output[str]:
    """Return a name that is the estate's own among all customers' names: letters and digits, at most ``limit``."""
    return where.scope.apply(lambda scope: unique_name(scope, cluster, limit))


def unique_name(scope: str, cluster: str, limit: int) -> str:
    """Return the same for a resource group whose id is ``scope``."""
    return cluster.replace("-", "")[: limit - UNIQUE] + _ending(scope)


def distinct(where: Place, name: str) -> pulumi.Output[str]:
    """Return a name with an ending that is the resource group's own; for what is found by its name alone."""
    return where.scope.apply(lambda scope: f"{name}-{_ending(scope)}")


def _ending(scope: str) -> str:
    return hashlib.sha256(scope.lower().encode()).hexdigest()[:UNIQUE]


def assignment_name(*known: str) -> str:
    """Return the name of a role assignment, which Azure wants to be a GUID: the same for the same assignment."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(known).lower()))
