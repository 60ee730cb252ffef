"""Where the manifests of backup sets are kept: a container that forgets nothing for a long time."""

import pulumi
from pulumi_azure_native import authorization, storage

from components.azure.place import Place, unique
from components.naming import Estate
from components.tokens import type_token

CONTAINER = "backups"
ACCOUNT_LIMIT = 24
OLD_VERSIONS_DAYS = 400
"""Days for which an overwritten manifest can be had again: longer than a yearly set is the newest one."""
DELETED_DAYS = 365
"""Days for which a deleted manifest, or the whole container, can be had again: the most that Azure offers."""


class AzureBackupStore(pulumi.ComponentResource):
    """A private, versioned, encrypted container in a storage account of its own."""

    bucket_name: pulumi.Output[str]
    """Address of the container."""

    def __init__(self, name: str, estate: Estate, where: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AzureBackupStore"), name, {}, opts)
        self._name, self._estate, self._where = name, estate, where
        self.account = self._account()
        service = self._keep()
        self.container = storage.BlobContainer(
            f"{name}-container",
            container_name=CONTAINER,
            account_name=self.account.name,
            resource_group_name=where.group,
            public_access="None",
            # Made before, or its first manifests would have no versions.
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data, depends_on=[service]),
        )
        self._guard()
        # Through the container: whoever uses its address finds it.
        parts = pulumi.Output.all(self.account.primary_endpoints, self.container.id)
        self.bucket_name = parts.apply(lambda known: f"{known[0]['blob'].rstrip('/')}/{CONTAINER}")
        self.register_outputs({"bucketName": self.bucket_name})

    def _account(self) -> storage.StorageAccount:
        child, estate = f"{self._name}-account", self._estate
        return storage.StorageAccount(
            child,
            account_name=unique(self._where, estate.cluster, ACCOUNT_LIMIT),
            resource_group_name=self._where.group,
            location=self._where.location,
            kind="StorageV2",
            sku={"name": "Standard_ZRS"},
            minimum_tls_version="TLS1_2",
            enable_https_traffic_only=True,
            allow_blob_public_access=False,
            # Identities only: a key of the account would be a password that nobody can take back from one person.
            allow_shared_key_access=False,
            tags=estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data),
        )

    def _keep(self) -> storage.BlobServiceProperties:
        """Keep overwritten and deleted manifests for a time."""
        inside = pulumi.ResourceOptions(parent=self)
        kept = {"enabled": True, "days": DELETED_DAYS}
        service = storage.BlobServiceProperties(
            f"{self._name}-versioning",
            blob_services_name="default",
            account_name=self.account.name,
            resource_group_name=self._where.group,
            is_versioning_enabled=True,
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            opts=inside,
        )
        old = {"delete": {"days_after_creation_greater_than": OLD_VERSIONS_DAYS}}
        definition = {"actions": {"version": old}, "filters": {"blob_types": ["blockBlob"]}}
        storage.ManagementPolicy(
            f"{self._name}-lifecycle",
            management_policy_name="default",
            account_name=self.account.name,
            resource_group_name=self._where.group,
            policy={
                "rules": [{"name": "old-versions", "enabled": True, "type": "Lifecycle", "definition": definition}]
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service]),
        )
        return service

    def _guard(self) -> None:
        """Let Azure refuse to delete the account, whoever asks."""
        if not self._estate.protect_data:
            return
        authorization.ManagementLockByScope(
            f"{self._name}-lock",
            lock_name="bitbucket-dc-data",
            scope=self.account.id,
            level="CanNotDelete",
            notes="Manifests of backups. Lift it with the input `protectData`.",
            opts=pulumi.ResourceOptions(parent=self),
        )
