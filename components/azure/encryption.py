"""The vault, and the key in it that disks are encrypted with."""

import pulumi
from pulumi_azure_native import compute, keyvault

from components.azure.identity import KEY_USER, grant
from components.azure.place import Place, unique
from components.naming import Estate
from components.tokens import type_token

VAULT_LIMIT = 24
KEY = "data"


class AzureEncryption(pulumi.ComponentResource):
    """A key vault, a key, and a set that lets disks use it. Database and storage have keys of Azure's own."""

    vault: keyvault.Vault
    """The vault; secrets are in it too."""
    vault_name: pulumi.Output[str]
    """Its name."""
    vault_uri: pulumi.Output[str]
    """Where the vault answers, with a slash at its end."""
    key_arn: pulumi.Output[str]
    """Id of the set with the key, as disks and snapshots name it."""

    def __init__(self, name: str, estate: Estate, where: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AzureEncryption"), name, {}, opts)
        self._name, self._estate, self._where = name, estate, where
        # Without the key every disk and every snapshot of the estate is lost, so it is data.
        self._data = pulumi.ResourceOptions(parent=self, protect=estate.protect_data)
        self.vault = self._vault()
        self.vault_name, self.vault_uri = self.vault.name, self.vault.properties.vault_uri
        self.key_arn = self._set(self._key())
        self.register_outputs({"keyArn": self.key_arn})

    def _vault(self) -> keyvault.Vault:
        child, estate = f"{self._name}-vault", self._estate
        return keyvault.Vault(
            child,
            vault_name=unique(self._where, estate.cluster, VAULT_LIMIT),
            resource_group_name=self._where.group,
            location=self._where.location,
            properties={
                "tenant_id": self._where.tenant,
                "sku": {"family": "A", "name": "standard"},
                "enable_rbac_authorization": True,
                "enabled_for_template_deployment": False,
                "enable_soft_delete": True,
                "soft_delete_retention_in_days": 90 if estate.protect_data else 7,
                # Azure demands it of a vault whose key encrypts disks.
                "enable_purge_protection": True,
            },
            tags=estate.tagged(child),
            # Azure takes it once: a vault that was protected keeps its days also when protection is lifted.
            opts=pulumi.ResourceOptions.merge(
                self._data, pulumi.ResourceOptions(ignore_changes=["properties.softDeleteRetentionInDays"])
            ),
        )

    def _key(self) -> keyvault.Key:
        child = f"{self._name}-key"
        return keyvault.Key(
            child,
            key_name=KEY,
            vault_name=self.vault_name,
            resource_group_name=self._where.group,
            properties={"kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"]},
            tags=self._estate.tagged(child),
            # To delete it alone takes rights inside the vault, which whoever declares an estate need not have.
            opts=pulumi.ResourceOptions.merge(self._data, pulumi.ResourceOptions(deleted_with=self.vault)),
        )

    def _set(self, key: keyvault.Key) -> pulumi.Output[str]:
        child, inside = f"{self._name}-disks", pulumi.ResourceOptions(parent=self)
        made = compute.DiskEncryptionSet(
            child,
            disk_encryption_set_name=f"{self._estate.cluster}-disks",
            resource_group_name=self._where.group,
            location=self._where.location,
            encryption_type="EncryptionAtRestWithCustomerKey",
            identity={"type": "SystemAssigned"},
            # Azure wants the address with the key's version, also where the set follows the rotation by itself.
            active_key={"key_url": key.key_uri_with_version, "source_vault": {"id": self.vault.id}},
            rotation_to_latest_key_version_enabled=True,
            tags=self._estate.tagged(child),
            opts=inside,
        )
        right = grant(
            f"{self._name}-use",
            self._where,
            KEY_USER,
            self.vault.id,
            made.identity.principal_id,
            inside=pulumi.ResourceOptions(parent=self),
        )
        # Whoever uses the set waits for its right to the key.
        return pulumi.Output.all(made.id, right.id).apply(lambda known: str(known[0]))
