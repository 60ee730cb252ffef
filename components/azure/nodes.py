"""The nodes: a scale set whose model carries the version. It changes no node by itself."""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_azure_native import compute

from components.azure.encryption import AzureEncryption
from components.azure.live import Facts
from components.azure.machines import administrator, fast_network, image, system_disk
from components.azure.network import AzureNetwork
from components.azure.place import Place
from components.azure.secrets import AzureSecrets
from components.flows import HAZELCAST
from components.naming import ARCHIVE_TAG, MEMBER_TAG, NODE_ROLE, ROLE_TAG, VERSION_TAG, Estate
from components.spec import BitbucketSpec, MachineSpec
from components.tokens import type_token


class AzureNodes(pulumi.ComponentResource):
    """A scale set of Bitbucket nodes over three zones."""

    group_name: pulumi.Output[str]
    """Name of the scale set."""
    launch_template_id: pulumi.Output[str]
    """Id of the scale set, which holds the model of its nodes."""

    def __init__(
        self,
        name: str,
        spec: MachineSpec,
        estate: Estate,
        where: Place,
        *,
        network: AzureNetwork,
        encryption: AzureEncryption,
        secrets: AzureSecrets,
        identity_id: pulumi.Input[str],
        bitbucket: BitbucketSpec,
        user_data: pulumi.Input[str],
        physical: str,
        live: pulumi.Output[Facts],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureNodes"), name, {}, opts)
        self._name, self._spec, self._estate, self._where = name, spec, estate, where
        self._bitbucket, self._live = bitbucket, live
        profile = {
            "storage_profile": {
                # A version in imageId says which image a rolled node has; without it, Azure's newest at some time.
                "image_reference": image(spec.image_id),
                "os_disk": system_disk(spec.volume_size, encryption),
            },
            "os_profile": {
                "computer_name_prefix": f"{estate.cluster}-",
                **administrator(spec, secrets),
            },
            # Not custom data, which Azure shows to nobody: the automation reads the version there, and writes it.
            "user_data": user_data,
            "network_profile": {"network_interface_configurations": [self._card(network)]},
            "diagnostics_profile": {"boot_diagnostics": {"enabled": True}},
        }
        self.group = self._scale_set(physical, profile, network, identity_id, after)
        self.group_name, self.launch_template_id = self.group.name, self.group.id
        self.register_outputs({"groupName": self.group_name, "launchTemplateId": self.launch_template_id})

    def _card(self, network: AzureNetwork) -> dict[str, Any]:
        """No pool here: a member of a scale set's own pools could not be drained alone."""
        address = {"name": "node", "primary": True, "subnet": {"id": network.subnet_ids["nodes"]}}
        return {
            "name": "node",
            "primary": True,
            "enable_accelerated_networking": fast_network(self._spec.instance_type),
            "ip_configurations": [address],
        }

    def _scale_set(
        self,
        physical: str,
        profile: dict[str, Any],
        network: AzureNetwork,
        identity_id: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
    ) -> compute.VirtualMachineScaleSet:
        """The set keeps its model and its number; whether a node takes the model over is decided node by node.

        With an automatic upgrade policy every change of the model would reach all nodes together, and automatic
        repairs would end a node that is in maintenance.
        """
        spec, where = self._spec, self._where
        return compute.VirtualMachineScaleSet(
            f"{self._name}-group",
            vm_scale_set_name=physical,
            resource_group_name=where.group,
            location=where.location,
            sku={
                "name": spec.instance_type,
                "tier": "Standard",
                "capacity": self._live.apply(lambda known: known.capacity(spec.count)),
            },
            orchestration_mode="Uniform",
            upgrade_policy={"mode": "Manual"},
            overprovision=False,
            single_placement_group=False,
            platform_fault_domain_count=1,
            zones=list(network.zones),
            zone_balance=False,
            identity={"type": "UserAssigned", "user_assigned_identities": [identity_id]},
            virtual_machine_profile=profile,
            tags=self._live.apply(lambda known: self._tags(physical, known)),
            opts=pulumi.ResourceOptions(
                parent=self,
                # What a booting node needs and names nowhere; and when all goes, the nodes go first.
                depends_on=after,
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )

    def _tags(self, physical: str, known: Facts) -> dict[str, pulumi.Input[str]]:
        """What a set is tagged with, its nodes are tagged with. Hazelcast wants the port as the tag's value."""
        own = {
            ROLE_TAG: NODE_ROLE,
            VERSION_TAG: self._bitbucket.version,
            MEMBER_TAG: str(HAZELCAST),
            ARCHIVE_TAG: self._bitbucket.archive_url,
        }
        return self._estate.tagged(physical, **own, **known.scale_set_tags)
