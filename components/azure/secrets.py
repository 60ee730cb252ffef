"""The estate's secrets, in the key vault: machines fetch them at boot, and user data never carries them.

The vault shows no value to whoever declares it, so a generated one is kept in Pulumi's state, encrypted, by a stash:
whatever is generated in a later run, the first value stays, and database and vault always get the same one.
"""

import secrets

import pulumi
from pulumi_azure_native import keyvault

from components.azure.encryption import AzureEncryption
from components.azure.place import Place
from components.naming import Estate
from components.spec import SearchSpec, SetupSpec
from components.tokens import type_token

RANDOM_BYTES = 32
COMPLEX = "Aa1-"
"""Begins generated values: Azure demands capital and small letters, digits and signs of a password."""


class AzureSecrets(pulumi.ComponentResource):
    """One secret per value, so that each can be read, changed and audited alone."""

    arns: dict[str, pulumi.Output[str]]
    """Addresses by name: ``database``, ``hazelcast`` and, where they are used, ``search``, ``license``, ``admin``."""
    ids: dict[str, pulumi.Output[str]]
    """Ids of the same, at which rights are given."""
    database_password: pulumi.Output[str]
    """Password of the database's user. Secret."""
    machine_password: pulumi.Output[str]
    """Password of the machines' administrator, which is kept nowhere else. Secret."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        where: Place,
        *,
        encryption: AzureEncryption,
        database: pulumi.Input[str] | None,
        search: SearchSpec | None,
        setup: SetupSpec | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureSecrets"), name, {}, opts)
        self._name, self._estate, self._where, self._encryption = name, estate, where, encryption
        self.arns, self.ids = {}, {}
        self.machine_password = self._generated("machine")
        self.database_password = self._keep("database", database)
        self._keep("hazelcast", None)
        if search is not None and search.password is not None:
            self._keep("search", search.password)
        if setup is not None:
            self._keep("license", setup.license)
            self._keep("admin", setup.admin_password)
        self.register_outputs({"arns": self.arns})

    def _keep(self, what: str, given: pulumi.Input[str] | None) -> pulumi.Output[str]:
        """Store a value, or a random one that is generated once; return it."""
        child, estate = f"{self._name}-{what}", self._estate
        value = self._generated(what) if given is None else pulumi.Output.secret(given)
        secret = keyvault.Secret(
            child,
            secret_name=what,
            vault_name=self._encryption.vault_name,
            resource_group_name=self._where.group,
            properties={"value": value},
            tags=estate.tagged(child),
            # To delete it alone takes rights inside the vault, which whoever declares an estate need not have.
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data, deleted_with=self._encryption.vault),
        )
        self.ids[what] = secret.id
        self.arns[what] = pulumi.Output.concat(self._encryption.vault_uri, f"secrets/{what}")
        return value

    def _generated(self, what: str) -> pulumi.Output[str]:
        stash = pulumi.Stash(
            f"{self._name}-{what}-value",
            input=pulumi.Output.secret(COMPLEX + secrets.token_urlsafe(RANDOM_BYTES)),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=self._estate.protect_data,
                ignore_changes=["input"],
                additional_secret_outputs=["input", "output"],
            ),
        )
        return pulumi.Output.secret(stash.output)
