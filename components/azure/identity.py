"""What the machines may do in the subscription: as little as they need."""

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, managedidentity

from components.azure.place import Place, assignment_name
from components.naming import Estate
from components.tokens import type_token

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
KEY_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
"""Built-in roles: Reader, Key Vault Secrets User, Key Vault Crypto Service Encryption User."""


class AzureIdentity(pulumi.ComponentResource):
    """The managed identity of one kind of machine, and its rights."""

    identity_id: pulumi.Output[str]
    """Id of the identity."""
    client_id: pulumi.Output[str]
    """What machines name it by when they ask for tokens."""
    principal_id: pulumi.Output[str]
    """What rights are given to."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        where: Place,
        *,
        physical: str,
        rights: Mapping[str, tuple[str, pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare an identity; ``rights`` are pairs of a built-in role and its scope, by a name of each."""
        super().__init__(type_token("AzureIdentity"), name, {}, opts)
        inside = pulumi.ResourceOptions(parent=self)
        made = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=physical,
            resource_group_name=where.group,
            location=where.location,
            tags=estate.tagged(f"{name}-identity"),
            opts=inside,
        )
        self.identity_id, self.client_id, self.principal_id = made.id, made.client_id, made.principal_id
        for what, (role, scope) in rights.items():
            grant(f"{name}-{what}", where, role, scope, self.principal_id, inside=inside)
        self.register_outputs({"identityId": self.identity_id})


def grant(
    child: str,
    where: Place,
    role: str,
    scope: pulumi.Input[str],
    principal: pulumi.Input[str],
    *,
    inside: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Give a managed identity a built-in role at a scope."""
    return authorization.RoleAssignment(
        child,
        role_assignment_name=pulumi.Output.all(scope, role, principal).apply(lambda known: assignment_name(*known)),
        scope=scope,
        role_definition_id=where.role(role),
        principal_id=principal,
        # Without it Azure looks the identity up, and does not find one that it made a moment ago.
        principal_type="ServicePrincipal",
        opts=inside,
    )
