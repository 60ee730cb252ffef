"""What the scheduled job may do in the subscription: as little as it needs."""

import hashlib
import uuid
from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, managedidentity

from components.azure.identity import SECRETS_USER, grant
from components.azure.other_stack import OtherStack
from components.azure.place import assignment_name
from components.tokens import type_token

NAMESPACE = "BitbucketDC"
"""Namespace of the metric that a backup publishes."""
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
REGISTRY_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""Built-in roles: Storage Blob Data Contributor, Monitoring Metrics Publisher, AcrPull."""
ACTIONS = (
    # What it may do, asked before anybody is locked out; what belongs to a set, and how far it is.
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.Compute/virtualMachineScaleSets/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
    "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/instanceView/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/diskEncryptionSets/read",
    # The disks: Azure checks the second right at a disk of which a snapshot is made.
    "Microsoft.Compute/disks/beginGetAccess/action",
    "Microsoft.Compute/restorePointCollections/read",
    "Microsoft.Compute/restorePointCollections/write",
    "Microsoft.Compute/restorePointCollections/delete",
    "Microsoft.Compute/restorePointCollections/restorePoints/read",
    "Microsoft.Compute/restorePointCollections/restorePoints/write",
    "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/read",
    "Microsoft.Compute/snapshots/read",
    "Microsoft.Compute/snapshots/write",
    "Microsoft.Compute/snapshots/delete",
    # The database.
    "Microsoft.DBforPostgreSQL/flexibleServers/read",
    "Microsoft.DBforPostgreSQL/flexibleServers/backups/read",
    "Microsoft.DBforPostgreSQL/flexibleServers/backups/write",
    "Microsoft.DBforPostgreSQL/flexibleServers/backups/delete",
)


class AzureServiceRole(pulumi.ComponentResource):
    """The managed identity that a job runs as: a role of its own on the group, built-in ones where it needs them."""

    arn: pulumi.Output[str]
    """Id of the identity."""
    client_id: pulumi.Output[str]
    """What the job names it by when it asks for tokens."""

    def __init__(
        self,
        name: str,
        stack: OtherStack,
        *,
        secrets: Mapping[str, str],
        registry: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare an identity that reads ``secrets``, ids by name, and pulls from ``registry``, an id."""
        super().__init__(type_token("AzureServiceRole"), name, {}, opts)
        self._name, self._stack, self._inside = name, stack, pulumi.ResourceOptions(parent=self)
        made = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=stack.physical("backups"),
            resource_group_name=stack.where.group,
            location=stack.where.location,
            tags=stack.tagged(f"{name}-identity"),
            opts=self._inside,
        )
        self._principal = made.principal_id
        rights = [self._own_role(), *self._built_in(secrets, registry)]
        # Whoever uses the identity waits for its rights: Azure reads the secrets when the job is made.
        known = pulumi.Output.all(made.id, *(right.id for right in rights))
        self.arn, self.client_id = known.apply(lambda ids: str(ids[0])), made.client_id
        self.register_outputs({"arn": self.arn})

    def _built_in(self, secrets: Mapping[str, str], registry: str | None) -> list[authorization.RoleAssignment]:
        stack = self._stack
        rights: dict[str, tuple[str, pulumi.Input[str]]] = {
            "keep-manifests": (BLOB_CONTRIBUTOR, stack.bucket_id),
            "publish-age": (METRICS_PUBLISHER, stack.scale_set_id),
            **{f"read-{what}": (SECRETS_USER, identity) for what, identity in secrets.items()},
            **({} if registry is None else {"pull-image": (REGISTRY_PULL, registry)}),
        }
        return [
            grant(f"{self._name}-{what}", stack.where, role, scope, self._principal, inside=self._inside)
            for what, (role, scope) in rights.items()
        ]

    def _own_role(self) -> authorization.RoleAssignment:
        """Declare the role that takes sets of this group's estate, and prunes them; give it."""
        scope, cluster = self._stack.where.scope, self._stack.cluster
        role = authorization.RoleDefinition(
            f"{self._name}-role",
            role_definition_id=scope.apply(role_id),
            # Names of roles are one for a whole tenant.
            role_name=pulumi.Output.all(cluster, scope).apply(lambda known: role_name(*known)),
            role_type="CustomRole",
            description="Takes and prunes backup sets of a Bitbucket Data Center estate",
            scope=scope,
            assignable_scopes=[scope],
            permissions=[{"actions": list(ACTIONS)}],
            opts=self._inside,
        )
        named = pulumi.Output.all(scope, role.id, self._principal)
        return authorization.RoleAssignment(
            f"{self._name}-take-sets",
            role_assignment_name=named.apply(lambda known: assignment_name(*known)),
            scope=scope,
            role_definition_id=role.id,
            principal_id=self._principal,
            principal_type="ServicePrincipal",
            opts=self._inside,
        )


def role_id(scope: str) -> str:
    """Return the GUID of the role for a resource group: always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.lower()}/scheduled-backups"))


def role_name(cluster: str, scope: str) -> str:
    """Return a name that no other estate's role has."""
    return f"Bitbucket backups of {cluster} {hashlib.sha256(scope.lower().encode()).hexdigest()[:10]}"
