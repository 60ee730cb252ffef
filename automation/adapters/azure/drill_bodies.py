"""What a drill asks Azure for, as documents. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from automation.adapters.azure import tags
from automation.adapters.azure.drill_parts import DRILL, LUN, OF, ORIGIN
from automation.adapters.azure.ids import fitting
from automation.adapters.azure.model import Model
from automation.core.backups.manifest import moment
from automation.core.backups.sets import Member

USER = "bbdc"
IMAGE = {"id", "publisher", "offer", "sku", "version", "sharedGalleryImageId", "communityGalleryImageId"}
"""What names an image."""
Json = dict[str, Any]


def tagged(cluster: str, drill: str, **more: str) -> dict[str, str]:
    """Return the tags of a part of a drill."""
    return {DRILL: drill, OF: cluster} | more


def firewall(location: str, own: dict[str, str]) -> Json:
    """Nobody gets in, not even from the estate's own network."""
    rule = {
        "priority": 100,
        "direction": "Inbound",
        "access": "Deny",
        "protocol": "*",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "*",
    }
    return {
        "location": location,
        "tags": own,
        "properties": {"securityRules": [{"name": "nobody-gets-in", "properties": rule}]},
    }


def card(location: str, own: dict[str, str], subnet: str, firewall_id: str) -> Json:
    """A network card without a public address, behind the firewall."""
    address = {"name": "ip", "properties": {"subnet": {"id": subnet}, "privateIPAllocationMethod": "Dynamic"}}
    return {
        "location": location,
        "tags": own,
        "properties": {"ipConfigurations": [address], "networkSecurityGroup": {"id": firewall_id}},
    }


def disk(home: Json, own: dict[str, str], member: Member, lun: int) -> Json:
    """A disk with what a member holds, in the zone of the file server."""
    from_point = "/diskrestorepoints/" in member.snapshot.lower()
    properties: Json = {
        "creationData": {
            "createOption": "Restore" if from_point else "Copy",
            "sourceResourceId": member.snapshot,
        }
    }
    if member.encryption_key.startswith("/"):
        properties["encryption"] = {
            "type": "EncryptionAtRestWithCustomerKey",
            "diskEncryptionSetId": member.encryption_key,
        }
    return {
        "location": home["location"],
        **({"zones": home["zones"]} if home.get("zones") else {}),
        "sku": {"name": member.facts.get("type") or "Premium_LRS"},
        "tags": own | {ORIGIN: member.snapshot[: tags.LONGEST], LUN: str(lun)},
        "properties": properties,
    }


def disk_name(drill: str, lun: int) -> str:
    """Return the name of a drill's disk."""
    return fitting("bbdc-drill", drill, f"lun{lun}", longest=80)


def machine(home: Json, own: dict[str, str], name: str, model: Model, *, card_id: str, size: str) -> Json:
    """A machine from the nodes' image with the nodes' identity, which nobody can sign in to."""
    storage = model.profile.get("storageProfile") or {}
    identity = model.group.get("identity") or {}
    users: Json = {one: {} for one in identity.get("userAssignedIdentities") or {}}
    system: Json = {
        "computerName": name,
        "adminUsername": USER,
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {"publicKeys": [{"path": f"/home/{USER}/.ssh/authorized_keys", "keyData": lost_key()}]},
        },
    }
    return {
        "location": home["location"],
        **({"zones": home["zones"]} if home.get("zones") else {}),
        **({"identity": {"type": "UserAssigned", "userAssignedIdentities": users}} if users else {}),
        "tags": own | {tags.ROLE: "drill"},
        "properties": {
            "hardwareProfile": {"vmSize": size or home["properties"]["hardwareProfile"]["vmSize"]},
            "storageProfile": {
                "imageReference": asked(storage.get("imageReference") or {}),
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            },
            "osProfile": system,
            "networkProfile": {"networkInterfaces": [{"id": card_id, "properties": {"deleteOption": "Delete"}}]},
        },
    }


def asked(image: Mapping[str, Any]) -> Json:
    """Return what of an image's reference is asked for; the rest (``exactVersion``) is Azure's answer."""
    return {name: value for name, value in image.items() if name in IMAGE}


def database(like: Mapping[str, Any], own: dict[str, str], at: float) -> Json:
    """A server as another was at a moment, in its network; alone, and with the least backups that Azure allows."""
    properties = like.get("properties") or {}
    network = properties.get("network") or {}
    kept = {
        name: network[name]
        for name in ("delegatedSubnetResourceId", "privateDnsZoneArmResourceId")
        if network.get(name)
    }
    return {
        "location": like["location"],
        "tags": own,
        "properties": {
            "createMode": "PointInTimeRestore",
            "sourceServerResourceId": like["id"],
            "pointInTimeUTC": moment(at),
            **({"network": kept} if kept else {}),
        },
    }


def lost_key() -> str:
    """Return a public key whose private half nobody has: Azure wants one, and nobody is to sign in."""
    key = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
