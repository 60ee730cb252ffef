"""Single virtual machines, such as a file server: disks, network cards, power, commands."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors, instances
from lab.azure.disks import DISK, Held, new_name
from lab.azure.errors import ArmError
from lab.azure.instances import DEALLOCATED, STOPPED, Instance
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.operations import Steps, iso
from lab.azure.paths import key, parse
from lab.azure.resources import Resource, merged

VERSIONS = ("2016-04-30", "2026-04-01")
DEVICE = "/dev/disk/azure/scsi1/lun{}"
"""Where a data disk appears on the machine."""


@dataclass(slots=True)
class VirtualMachines(Kind):
    """Virtual machines."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("properties", "osProfile", "customData"),
        ("properties", "osProfile", "adminPassword"),
        ("properties", "userData"),
    )

    def accept(self, change: Change) -> Json:
        """Check cards, disks and the quota."""
        document = Kind.accept(self, change)
        properties = document.setdefault("properties", {})
        if not (properties.get("hardwareProfile") or {}).get("vmSize"):
            raise errors.invalid("Required parameter 'hardwareProfile.vmSize' is missing (null).")
        instances.data_of(properties)
        self._address(properties)
        if change.old is None:
            self.world.instances.check_quota(1)
        else:
            properties["vmId"] = change.old.properties["vmId"]
            properties["timeCreated"] = change.old.properties["timeCreated"]
            _keep_system_disk(properties, change.old.properties)
        self._check_disks(change, document)
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:
        """Make the machine, or attach and detach disks."""
        if change.old is not None and resource.own is not None:
            self._sync_disks(resource)
            yield self.world.after(self.world.timings.attach)
            return None
        resource.properties |= {"vmId": str(uuid.uuid4()), "timeCreated": iso(self.world.clock.now())}
        resource.own = Instance(resource, self._address(resource.properties), copy.deepcopy(resource.properties))
        self._system_disk(resource)
        self._sync_disks(resource)
        for card in self._cards(resource.properties):
            card.properties["virtualMachine"] = {"id": resource.id}
        yield from self.world.instances.create(resource.own)
        return None

    def remove(self, resource: Resource) -> Steps:
        """End the machine; its disks stay unless they are to go with it."""
        if resource.own is not None:
            yield from self.world.instances.end(resource.own)
        for card in self._cards(resource.properties):
            card.properties.pop("virtualMachine", None)
        for line in self._lines(resource):
            disk = self.world.resources.get(line["managedDisk"]["id"])
            _release(disk)
            if line.get("deleteOption") == "Delete":
                yield from self.world.kind(DISK).remove(disk)
                self.world.resources.remove(disk)
        return None

    # --- actions and views ---------------------------------------------------------------------------------------

    def act(self, act: Act) -> Steps:
        """Act on the machine."""
        life, instance = self.world.instances, act.resource.own
        if act.action == "runcommand":
            return self.world.commands.run(act)
        if act.action == "attachdetachdatadisks":
            return self._attach_detach(act)
        powers = {
            "start": lambda: life.start(instance),
            "restart": lambda: life.restart(instance),
            "redeploy": lambda: life.restart(instance),
            "reimage": lambda: life.reimage(instance),
            "poweroff": lambda: life.halt(instance, STOPPED),
            "deallocate": lambda: life.halt(instance, DEALLOCATED),
        }
        if act.action not in powers:
            raise errors.no_action(self.name, act.action)
        self.check_idle(act.resource)
        return self._doing(act.resource, powers[act.action]())

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return the machine, with its view when asked."""
        found = Kind.show(self, resource, query)
        if "instanceview" in query.get("$expand", "").lower() and resource.own is not None:
            found["properties"]["instanceView"] = instances.view(self.world, resource.own)
        return found

    def read(self, resource: Resource, view: str, request: Request) -> Json | None:  # noqa: ARG002 - one view only
        """Return the instance view."""
        return instances.view(self.world, resource.own) if view.lower() == "instanceview" else None

    def _doing(self, resource: Resource, steps: Steps) -> Steps:
        resource.state = "Updating"
        try:
            yield from steps
        except ArmError:
            resource.state = "Failed"
            raise
        resource.state = "Succeeded"
        return None

    def _attach_detach(self, act: Act) -> Steps:
        self.check_idle(act.resource)
        profile = act.resource.properties.get("storageProfile") or {}
        gone = {key(one["diskId"]) for one in act.body.get("dataDisksToDetach") or []}
        lines = [line for line in profile.get("dataDisks") or [] if key(line["managedDisk"]["id"]) not in gone]
        for one in act.body.get("dataDisksToAttach") or []:
            lun = one.get("lun", _free_lun(lines))
            lines.append({"lun": lun, "createOption": "Attach", "managedDisk": {"id": one["diskId"]}})
        document = merged(act.resource.document, {"properties": {"storageProfile": {"dataDisks": lines}}})
        self._check_disks(Change(act.resource.target, act.resource, {}, act.request), document)
        return self._doing(act.resource, self._attaching(act.resource, document))

    def _attaching(self, resource: Resource, document: Json) -> Steps:
        resource.document["properties"]["storageProfile"] = document["properties"]["storageProfile"]
        self._sync_disks(resource)
        yield self.world.after(self.world.timings.attach)
        return {"dataDisks": copy.deepcopy(resource.properties["storageProfile"]["dataDisks"])}

    # --- cards ---------------------------------------------------------------------------------------------------

    def _cards(self, properties: Json) -> list[Resource]:
        lines = (properties.get("networkProfile") or {}).get("networkInterfaces") or []
        found = [self.world.resources.find(str(line.get("id", ""))) for line in lines]
        return [card for card in found if card is not None]

    def _address(self, properties: Json) -> str:
        for card in self._cards(properties):
            return str(card.properties["ipConfigurations"][0]["properties"]["privateIPAddress"])
        raise errors.invalid("Virtual Machine must have at least one network interface.", "NetworkInterfaceNotFound")

    # --- disks ---------------------------------------------------------------------------------------------------

    def _lines(self, resource: Resource) -> list[Json]:
        profile = resource.properties.get("storageProfile") or {}
        return [line for line in [profile.get("osDisk"), *(profile.get("dataDisks") or [])] if line]

    def _check_disks(self, change: Change, document: Json) -> None:
        seen: set[int] = set()
        for line in (document["properties"].get("storageProfile") or {}).get("dataDisks") or []:
            if line.get("lun") is None or int(line["lun"]) in seen:
                raise errors.conflict(f"A disk at LUN {line.get('lun')} already exists.", "AttachDiskConflict")
            seen.add(int(line["lun"]))
            identity = (line.get("managedDisk") or {}).get("id")
            if identity is None and line.get("createOption") == "Empty" and line.get("name"):
                continue
            disk = self.world.resources.find(str(identity)) if identity else None
            if disk is None or disk.own is None:
                raise ArmError(404, "NotFound", f"Disk {identity} is not found.")
            _check_attach(change, document, disk)

    def _system_disk(self, resource: Resource) -> None:
        profile = resource.properties.setdefault("storageProfile", {})
        line = profile.setdefault("osDisk", {})
        line.setdefault("name", f"{resource.name}_OsDisk")
        disk = self._empty_disk(resource, line, "FromImage")
        disk.document["managedBy"] = resource.id
        disk.properties["diskState"] = "Attached"

    def _empty_disk(self, resource: Resource, line: Json, option: str) -> Resource:
        """Make the disk that a machine's description asks for."""
        group = resource.target.path.split("/providers/")[0]
        held = Held(new_name("disk"))
        document: Json = {
            "location": resource.location,
            "zones": resource.document.get("zones"),
            "properties": {
                "creationData": {"createOption": option},
                "diskSizeGB": line.get("diskSizeGB", 30),
                "diskState": "Unattached",
                "uniqueId": held.name,
                "timeCreated": iso(self.world.clock.now()),
                "provisioningState": "Succeeded",
            },
        }
        made = Resource(parse(f"{group}/providers/{DISK}/{line['name']}"), document, held)
        self.world.storage.create_volume(held.name, None)
        self.world.resources.put(made)
        line["managedDisk"] = (line.get("managedDisk") or {}) | {"id": made.id}
        return made

    def _sync_disks(self, resource: Resource) -> None:
        """Let what is attached be what the description says."""
        instance: Instance = resource.own
        wanted: dict[str, Resource] = {}
        for line in (resource.properties.get("storageProfile") or {}).get("dataDisks") or []:
            if not (line.get("managedDisk") or {}).get("id"):
                self._empty_disk(resource, line, "Empty")
            disk = self.world.resources.get(line["managedDisk"]["id"])
            line.setdefault("name", disk.name)
            wanted[DEVICE.format(line["lun"])] = disk
        for device, volume in list(instance.volumes.items()):
            if device not in wanted or wanted[device].own.name != volume:
                self.world.instances.unplug(instance, device)
                self._let_go(resource, volume)
        for device, disk in wanted.items():
            if device not in instance.volumes:
                self.world.instances.plug(instance, device, disk.own.name)
                disk.document["managedBy"] = resource.id
                disk.properties["diskState"] = "Attached"
                disk.touch()

    def _let_go(self, resource: Resource, volume: str) -> None:
        for disk in self.world.resources.of(DISK):
            if disk.own is not None and disk.own.name == volume and disk.document.get("managedBy") == resource.id:
                _release(disk)


def _check_attach(change: Change, document: Json, disk: Resource) -> None:
    owner = disk.document.get("managedBy")
    if owner and key(owner) != key(change.target.path):
        message = f"Disk '{disk.name}' cannot be attached as the disk is already owned by VM '{owner}'."
        raise errors.conflict(message, "ConflictingUserInput")
    if disk.location.lower() != str(document.get("location", "")).lower():
        raise errors.invalid(f"Disk {disk.name} is in region {disk.location}.", "BadRequest")
    zones, mine = disk.document.get("zones") or [], document.get("zones") or []
    if zones and zones != mine:
        message = f"Disk {disk.name} cannot be attached to the VM because it is not in the VM's zone."
        raise errors.invalid(message, "BadRequest")


def _release(disk: Resource) -> None:
    disk.document.pop("managedBy", None)
    disk.properties["diskState"] = "Unattached"
    disk.touch()


def _free_lun(lines: list[Json]) -> int:
    used = {int(line["lun"]) for line in lines}
    return next(number for number in range(64) if number not in used)


def _keep_system_disk(properties: Json, before: Json) -> None:
    """Carry over which disk the system is on: whoever writes a machine again need not name it."""
    known = before["storageProfile"]["osDisk"]
    line = properties.setdefault("storageProfile", {}).setdefault("osDisk", {})
    line.setdefault("name", known["name"])
    line["managedDisk"] = {**known["managedDisk"], **(line.get("managedDisk") or {})}
