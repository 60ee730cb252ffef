"""What nodes and the file server have in common: their image, their disks, who may log in."""

import re
from typing import Any

import pulumi

from components.azure.encryption import AzureEncryption
from components.azure.secrets import AzureSecrets
from components.spec import MachineSpec

IMAGE = "almalinux:almalinux-x86_64:9-gen2:latest"
"""Publisher, offer, sku and version of the newest AlmaLinux 9."""
ADMINISTRATOR = "bbdc"


def image(chosen: pulumi.Input[str] | None) -> pulumi.Output[dict[str, str]]:
    """Return the reference of the image to start machines from: a resource's id, or four words with colons."""
    return pulumi.Output.from_input(IMAGE if chosen is None else chosen).apply(_reference)


def _reference(text: str) -> dict[str, str]:
    if text.startswith("/"):
        return {"id": text}
    publisher, offer, sku, version = text.split(":")
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": version}


def system_disk(size: pulumi.Input[int], encryption: AzureEncryption) -> dict[str, Any]:
    """Return the disk of the operating system. Size in GiB.

    In a scale set of uniform orchestration it goes with its machine, and Azure takes no word on that; a machine of its
    own has to say it.
    """
    return {
        "create_option": "FromImage",
        "caching": "ReadWrite",
        "disk_size_gb": size,
        "managed_disk": {
            "storage_account_type": "Premium_LRS",
            "disk_encryption_set": {"id": encryption.key_arn},
        },
    }


def fast_network(size: pulumi.Input[str]) -> pulumi.Output[bool]:
    """Tell whether machines of a size talk to the network's hardware directly, which Azure does only when it is told.

    All of the sizes that a cluster runs on can; of the small ones the first generation of B cannot, and is refused.
    """
    return pulumi.Output.from_input(size).apply(lambda known: not re.fullmatch(r"Standard_B\d+[a-z]*", known))


def administrator(spec: MachineSpec, secrets: AzureSecrets) -> dict[str, Any]:
    """Return who may log in: by key, or, because Azure demands one of both, with a password that nobody knows."""
    if spec.ssh_key is None:
        return {
            "admin_username": ADMINISTRATOR,
            "admin_password": secrets.machine_password,
            "linux_configuration": {"disable_password_authentication": False, "provision_vm_agent": True},
        }
    key = {"key_data": spec.ssh_key, "path": f"/home/{ADMINISTRATOR}/.ssh/authorized_keys"}
    return {
        "admin_username": ADMINISTRATOR,
        "linux_configuration": {
            "disable_password_authentication": True,
            "provision_vm_agent": True,
            "ssh": {"public_keys": [key]},
        },
    }
