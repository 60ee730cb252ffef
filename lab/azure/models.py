"""The models of scale sets: when two are the same, what an instance takes over, and which instance goes or comes."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter

from lab.azure import errors
from lab.azure.instances import Instance
from lab.azure.messages import Json, Request
from lab.azure.resources import Resource

SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
VERSIONS = ("2016-04-30", "2026-04-01")
CARDS_UNTIL = "2018-10-01"
"""Last api-version with the scale sets' network interfaces, for clients made of the services' descriptions."""
CARDS_TOO = frozenset({"2023-09-01"})
"""A newer one that is served as well: Azure's own command line sends it."""


def check_cards_version(request: Request) -> None:
    """Refuse newer api-versions for network interfaces of scale sets: they stand under an old one only."""
    version = request.query["api-version"]
    if version[:10] > CARDS_UNTIL and version not in CARDS_TOO:
        name = f"{SCALE_SET}/networkInterfaces"
        raise errors.not_acceptable_version(name, version, "2015-05-01-preview", CARDS_UNTIL)


def card(instance: Instance) -> Json:
    """Return the network interface of an instance."""
    lines = (instance.model.get("networkProfile") or {}).get("networkInterfaceConfigurations") or [{}]
    name = str(lines[0].get("name", "nic"))
    identity = f"{instance.resource.id}/networkInterfaces/{name}"
    settings = ((lines[0].get("properties") or {}).get("ipConfigurations") or [{}])[0]
    inner = {**(settings.get("properties") or {}), "privateIPAddress": instance.address, "primary": True}
    address = {"name": settings.get("name", "ip"), "id": f"{identity}/ipConfigurations/{settings.get('name', 'ip')}"}
    return {
        "name": name,
        "id": identity,
        "properties": {
            "provisioningState": "Succeeded",
            "primary": True,
            "virtualMachine": {"id": instance.resource.id},
            "ipConfigurations": [address | {"properties": inner}],
        },
    }


def protected(instance: Instance) -> bool:
    """Say whether actions on the set pass an instance by."""
    policy = instance.resource.properties.get("protectionPolicy") or {}
    return bool(policy.get("protectFromScaleSetActions"))


def sku_of(resource: Resource) -> Json:
    """Return name and tier of a set's machines."""
    return {name: resource.document["sku"][name] for name in ("name", "tier") if name in resource.document["sku"]}


def fingerprint(resource: Resource) -> str:
    """Return the fingerprint of a set's model."""
    model = [sku_of(resource), resource.properties["virtualMachineProfile"]]
    return hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()


def take_over(resource: Resource, instance: Instance) -> None:
    """Apply a set's model to an instance's description."""
    profile = copy.deepcopy(resource.properties["virtualMachineProfile"])
    instance.model = profile | {"hardwareProfile": {"vmSize": resource.document["sku"]["name"]}}
    instance.print = resource.own.print
    vm = instance.resource
    vm.document["sku"] = sku_of(resource)
    vm.document["tags"] = dict(resource.tags)
    kept = (vm.properties.get("storageProfile") or {}).get("osDisk") or {}
    storage = copy.deepcopy(profile.get("storageProfile") or {})
    storage["osDisk"] = {**(storage.get("osDisk") or {}), **{k: kept[k] for k in ("name", "managedDisk") if k in kept}}
    prefix = (profile.get("osProfile") or {}).get("computerNamePrefix", resource.name)
    vm.properties |= {
        "latestModelApplied": True,
        "hardwareProfile": {"vmSize": resource.document["sku"]["name"]},
        "storageProfile": storage,
        "osProfile": {"computerName": f"{prefix}{int(vm.name):06d}"},
        "networkProfile": {"networkInterfaces": [{"id": card(instance)["id"]}]},
        "networkProfileConfiguration": copy.deepcopy(profile.get("networkProfile") or {}),
    }


def surplus(members: list[Instance], count: int) -> list[Instance]:
    """Return whom a smaller capacity ends: in the fullest zone, the newest first."""
    left = list(members)
    chosen = []
    for _ in range(min(count, len(left))):
        zones = Counter(one.zone for one in left)
        victim = max(left, key=lambda one: (zones[one.zone], int(one.resource.name)))
        left.remove(victim)
        chosen.append(victim)
    return chosen


def emptiest(resource: Resource, members: list[Instance]) -> list[str]:
    """Return the zone of the next instance, in a list; an empty list without zones."""
    zones = [str(zone) for zone in resource.document.get("zones") or []]
    used = Counter(zone for member in members for zone in member.resource.document.get("zones") or [])
    return sorted(zones, key=lambda zone: (used[zone], zone))[:1]


def check(properties: Json, sku: Json) -> None:
    """Refuse a set without what it needs."""
    for name, found in (
        ("sku.name", sku.get("name")),
        ("sku.capacity", sku.get("capacity")),
        ("virtualMachineProfile", properties.get("virtualMachineProfile")),
        ("upgradePolicy", (properties.get("upgradePolicy") or {}).get("mode")),
    ):
        if found is None:
            raise errors.invalid(f"Required parameter '{name}' is missing (null).")
    if not 0 <= int(sku["capacity"]) <= 1000:
        raise errors.invalid(f"The value {sku['capacity']} of parameter 'sku.capacity' is out of range.")
