"""The shared home: a disk for each generation of data, and a file server that can be replaced without touching them.

A machine and not Azure Files: git's many small operations want a file system of its own.
"""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import authorization, compute
from pulumi_azure_native import network as azure

from components.azure.encryption import AzureEncryption
from components.azure.machines import administrator, fast_network, image, system_disk
from components.azure.network import AzureNetwork
from components.azure.place import Place
from components.azure.secrets import AzureSecrets
from components.generations import Generation
from components.naming import FILE_SERVER_ROLE, GENERATION_TAG, ROLE_TAG
from components.spec import ClusterSpec
from components.tokens import type_token
from components.user_data import render

EXPORT = "/srv/bitbucket-dc/shared"
"""Directory that nodes mount; the volume is mounted one level above."""
LUN = 0
DEVICE = f"/dev/disk/azure/scsi1/lun{LUN}"
ROOT_DISK = 32


class AzureSharedHome(pulumi.ComponentResource):
    """An NFS server with the encrypted disk of the active generation of data."""

    server_id: pulumi.Output[str]
    """Id of the file server."""
    volume_ids: list[pulumi.Output[str]]
    """Ids of the active generation's disks: what a backup has to take together."""
    address: str
    """Address that nodes mount from. Fixed: a replaced server answers there too, and the mounts of all nodes go on."""

    def __init__(
        self,
        name: str,
        spec: ClusterSpec,
        where: Place,
        *,
        network: AzureNetwork,
        encryption: AzureEncryption,
        secrets: AzureSecrets,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureSharedHome"), name, {}, opts)
        self._name, self._spec, self._estate, self._where = name, spec, spec.estate, where
        self._network, self._encryption, self._secrets = network, encryption, secrets
        self.address = str(network.subnets.file_server)
        volumes = {generation.name: self._volume(generation) for generation in spec.data.generations}
        self.volume = volumes[spec.data.active.name]
        self.server = self._server(self._card(), after)
        self.server_id, self.volume_ids = self.server.id, [self.volume.id]
        self.register_outputs({"serverId": self.server_id, "volumeIds": self.volume_ids})

    def _volume(self, generation: Generation) -> compute.Disk:
        child, home, estate = f"{self._name}-volume{generation.suffix}", self._spec.home, self._estate
        disk = compute.Disk(
            child,
            disk_name=f"{estate.cluster}-home{generation.suffix}",
            resource_group_name=self._where.group,
            location=self._where.location,
            zones=[self._network.zones[0]],
            sku={"name": "PremiumV2_LRS"},
            creation_data=creation_data(generation.home_snapshot(0)),
            disk_size_gb=home.size,
            disk_iops_read_write=home.iops,
            disk_m_bps_read_write=home.throughput,
            encryption={
                "type": "EncryptionAtRestWithCustomerKey",
                "disk_encryption_set_id": self._encryption.key_arn,
            },
            network_access_policy="DenyAll",
            public_network_access="Disabled",
            tags=estate.tagged(child, **{ROLE_TAG: FILE_SERVER_ROLE, GENERATION_TAG: generation.name}),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=generation.protect,
                # Another zone or snapshot would replace the data. Other data is another generation.
                ignore_changes=["zones", "creationData"],
            ),
        )
        if generation.protect:
            self._lock(child, disk)
        return disk

    def _lock(self, child: str, disk: compute.Disk) -> None:
        """Let Azure refuse to delete it as well, whoever asks."""
        authorization.ManagementLockByScope(
            f"{child}-lock",
            lock_name="bitbucket-dc-data",
            scope=disk.id,
            level="CanNotDelete",
            notes="Repositories. Lift it with the input `unprotected` or `protectData`.",
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _card(self) -> azure.NetworkInterface:
        child = f"{self._name}-card"
        return azure.NetworkInterface(
            child,
            network_interface_name=f"{self._estate.cluster}-{FILE_SERVER_ROLE}",
            resource_group_name=self._where.group,
            location=self._where.location,
            enable_accelerated_networking=fast_network(self._spec.home.instance_type),
            ip_configurations=[
                {
                    "name": "home",
                    "private_ip_allocation_method": "Static",
                    "private_ip_address": self.address,
                    "subnet": {"id": self._network.subnet_ids["file-server"]},
                }
            ],
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _server(self, card: azure.NetworkInterface, after: Sequence[pulumi.Resource]) -> compute.VirtualMachine:
        spec, estate, where = self._spec, self._estate, self._where
        physical = f"{estate.cluster}-{FILE_SERVER_ROLE}"
        data = {
            "lun": LUN,
            "create_option": "Attach",
            "caching": "None",
            "delete_option": "Detach",
            "managed_disk": {"id": self.volume.id},
        }
        return compute.VirtualMachine(
            f"{self._name}-server",
            vm_name=physical,
            resource_group_name=where.group,
            location=where.location,
            zones=[self._network.zones[0]],
            hardware_profile={"vm_size": spec.home.instance_type},
            network_profile={"network_interfaces": [{"id": card.id, "primary": True}]},
            storage_profile={
                "image_reference": image(spec.machines.image_id),
                "os_disk": {**system_disk(ROOT_DISK, self._encryption), "delete_option": "Delete"},
                "data_disks": [data],
            },
            os_profile={
                "computer_name": physical,
                **administrator(spec.machines, self._secrets),
            },
            user_data=self._user_data(),
            diagnostics_profile={"boot_diagnostics": {"enabled": True}},
            tags=estate.tagged(physical, **{ROLE_TAG: FILE_SERVER_ROLE}),
            opts=pulumi.ResourceOptions(
                parent=self,
                # A newer image or script would replace the one machine that every node depends on. Do it on purpose:
                # `pulumi up --replace URN`, in a window of its own.
                ignore_changes=["storageProfile.imageReference", "userData"],
                # A file system in use is not torn away: for other data there is another machine, which mounts it at
                # its boot.
                replace_on_changes=["storageProfile.dataDisks[*].managedDisk.id"],
                # Address and disk can belong to one machine at a time.
                delete_before_replace=True,
                # It installs packages while it boots.
                depends_on=after,
            ),
        )

    def _user_data(self) -> str:
        return render(
            "azure",
            "file_server",
            {
                "BBDC_CLUSTER": self._estate.cluster,
                "BITBUCKET_UID": str(self._spec.bitbucket.uid),
                "SHARED_HOME_EXPORT": EXPORT,
                "NETWORK": str(self._spec.network.cidr),
                "DATA_DEVICE": DEVICE,
            },
        )


def creation_data(snapshot: str | None) -> dict[str, str]:
    """Return what a disk begins with: nothing, a snapshot, or what a restore point holds of a disk."""
    if snapshot is None:
        return {"create_option": "Empty"}
    option = "Restore" if "/diskrestorepoints/" in snapshot.lower() else "Copy"
    return {"create_option": option, "source_resource_id": snapshot}
