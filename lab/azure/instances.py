"""What virtual machines are made of: a machine under each, with an address, a power state and a life.

A reimaged machine is a new machine under the same name and address: its disk is empty, its directory another one.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso
from lab.azure.ports import MachineSpec
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

STARTING, RUNNING, STOPPED, DEALLOCATED, UNKNOWN = "starting", "running", "stopped", "deallocated", "unknown"
SET_VM, VM = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines", "Microsoft.Compute/virtualMachines"


@dataclass(slots=True, eq=False)
class Instance:
    """One virtual machine.

    Attributes:
        resource: the VM, or the VM of a scale set.
        address: its private address.
        model: the profile that is applied: hardware, operating system, storage.
        print: fingerprint of the scale set's model that this one came from; empty for a single VM.
        machine: id of the machine under it; another one after each reimage.
        power: its power state.
        volumes: device -> volume of the data disks.
        script: whether a command runs on it.
        born: when its operating system's disk was made.
    """

    resource: Resource
    address: str
    model: Json
    print: str = ""
    machine: str = ""
    power: str = UNKNOWN
    volumes: dict[str, str] = field(default_factory=dict)
    script: bool = False
    born: float = 0.0

    @property
    def zone(self) -> str:
        """Region and zone, such as westeurope-1; the region alone without zones."""
        zones = self.resource.document.get("zones") or []
        return "-".join([self.resource.location, *zones[:1]])


@dataclass(slots=True)
class Instances:
    """The machines of the world."""

    world: AzureWorld
    _counts: Counter[str] = field(default_factory=Counter)

    def all(self) -> Iterator[Instance]:
        """Yield every instance."""
        for kind in (SET_VM, VM):
            for resource in self.world.resources.of(kind):
                if isinstance(resource.own, Instance):
                    yield resource.own

    def of_machine(self, machine: str) -> Instance | None:
        """Return the instance on a machine; None when it has got another one."""
        return next((one for one in self.all() if one.machine == machine), None)

    def check_quota(self, more: int) -> None:
        """Refuse when so many more machines exceed the quota."""
        most, have = self.world.instances_at_most, sum(1 for _ in self.all())
        if most is not None and more > 0 and have + more > most:
            message = (
                "Operation could not be completed as it results in exceeding approved Total Regional Cores quota. "
                f"Additional details - Location: {self.world.location}, Current Limit: {most}, "
                f"Current Usage: {have}, Additional Required: {more}."
            )
            raise errors.conflict(message)

    # --- life ----------------------------------------------------------------------------------------------------

    def create(self, instance: Instance) -> Steps:
        """Power a new machine on."""
        self._check_capacity(instance)
        label = "_".join(instance.resource.target.names)
        self._counts[label] += 1
        instance.machine = f"{label}-{self._counts[label]}"
        instance.power = STARTING
        self._make_disk(instance)
        spec = _spec(instance)
        self.world.machines.launch(spec)
        for device, volume in instance.volumes.items():
            self._plug(instance, device, volume)
        self._tell("launched", instance, tags=dict(spec.tags))
        yield self.world.after(self.world.timings.instance)
        yield lambda: self.world.machines.running(instance.machine)
        self._settle(instance, RUNNING)
        return None

    def halt(self, instance: Instance, state: str) -> Steps:
        """Power a machine off; ``state`` is what it is in afterwards."""
        if instance.power in {RUNNING, STARTING}:
            self.world.machines.shut_down(instance.machine)
            self._tell("stopping", instance)
        yield self.world.after(self.world.timings.power)
        yield lambda: not instance.machine or not self.world.machines.running(instance.machine)
        self._settle(instance, state)
        return None

    def start(self, instance: Instance) -> Steps:
        """Power a stopped machine on; nothing happens to one that runs."""
        if instance.power == RUNNING:
            return None
        self._check_capacity(instance)
        self.world.machines.start(instance.machine)
        instance.power = STARTING
        self._tell("starting", instance)
        yield self.world.after(self.world.timings.power)
        yield lambda: self.world.machines.running(instance.machine)
        self._settle(instance, RUNNING)
        return None

    def restart(self, instance: Instance) -> Steps:
        """Power it off and on."""
        yield from self.halt(instance, STOPPED)
        yield from self.start(instance)
        return None

    def reimage(self, instance: Instance) -> Steps:
        """Put a new machine in the place of the old one, with the model that is applied."""
        yield from self.halt(instance, STOPPED)
        for volume in instance.volumes.values():
            self.world.storage.detach(volume, instance.machine)
        yield from self.create(instance)
        return None

    def end(self, instance: Instance) -> Steps:
        """Power a machine off for good."""
        self._tell("terminating", instance)
        yield from self.halt(instance, DEALLOCATED)
        for volume in instance.volumes.values():
            self.world.storage.detach(volume, instance.machine)
        self._tell("terminated", instance)
        return None

    # --- disks ---------------------------------------------------------------------------------------------------

    def _make_disk(self, instance: Instance) -> None:
        """Make the disk of the operating system; what shows of it stays where reimaging keeps disks."""
        if instance.born and self.world.disturbances.keep_disks:
            return
        instance.born = self.world.clock.now()
        _new_disk(instance)

    def plug(self, instance: Instance, device: str, volume: str) -> None:
        """Attach a disk's volume."""
        instance.volumes[device] = volume
        if instance.machine:
            self._plug(instance, device, volume)

    def unplug(self, instance: Instance, device: str) -> None:
        """Detach the volume of a device."""
        volume = instance.volumes.pop(device)
        if instance.machine:
            self.world.storage.detach(volume, instance.machine)

    def _plug(self, instance: Instance, device: str, volume: str) -> None:
        home = instance.resource.tags.get("bitbucket-dc:role") == "file-server"
        self.world.storage.attach(volume, instance.machine, device, home=home)

    # --- inner workings ------------------------------------------------------------------------------------------

    def _check_capacity(self, instance: Instance) -> None:
        trouble = self.world.faults.launch_error(instance.zone)
        if trouble:
            self.world.faults.launch_failed(instance.zone)
            self._settle(instance, UNKNOWN)
            message = (
                f"Allocation failed. There is not enough capacity for the requested VM size in this zone. {trouble}"
            )
            raise ArmError(409, "ZonalAllocationFailed", message)

    def _settle(self, instance: Instance, power: str) -> None:
        instance.power = power
        instance.resource.touch()
        if power == RUNNING:
            self._tell("running", instance)

    def _tell(self, event: str, instance: Instance, **more: Any) -> None:
        self.world.emit(event, instance=instance.machine, id=instance.resource.id, address=instance.address, **more)


def _new_disk(instance: Instance) -> None:
    """Name the disk of a scale set's instance, which is no resource of the lab: another one after each reimage."""
    if instance.resource.target.kind.lower() != SET_VM.lower():
        return
    storage = instance.resource.properties.setdefault("storageProfile", {})
    name = f"{'_'.join(instance.resource.target.names)}_OsDisk_1_{uuid.uuid4().hex}"
    group = instance.resource.id.split("/providers/")[0]
    managed = {"id": f"{group}/providers/Microsoft.Compute/disks/{name}"}
    storage["osDisk"] = {**(storage.get("osDisk") or {}), "name": name, "managedDisk": managed}


def view(world: AzureWorld, instance: Instance) -> Json:
    """Return the instance view."""
    lost = instance.power != RUNNING or world.faults.agent_lost(instance.machine)
    agent = {"code": "ProvisioningState/Unavailable", "level": "Warning", "displayStatus": "Not Ready"}
    ready = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready"}
    return {
        "computerName": computer_name(instance),
        "statuses": [
            {"code": f"ProvisioningState/{instance.resource.state.lower()}", "level": "Info"},
            {"code": f"PowerState/{instance.power}", "level": "Info", "displayStatus": f"VM {instance.power}"},
        ],
        "disks": _disks(instance),
        "vmAgent": {"vmAgentVersion": "2.9.1.1", "statuses": [agent if lost else ready]},
    }


def _disks(instance: Instance) -> list[Json]:
    """Return the disk of the operating system as the instance view has it: with the time when it was made."""
    disk = (instance.resource.properties.get("storageProfile") or {}).get("osDisk") or {}
    made = {"code": "ProvisioningState/succeeded", "level": "Info", "time": iso(instance.born)}
    return [{"name": disk["name"], "statuses": [made]}] if disk.get("name") else []


def computer_name(instance: Instance) -> str:
    """Return the host name of an instance."""
    profile = instance.resource.properties.get("osProfile") or {}
    return str(profile.get("computerName") or instance.resource.name)


def image_of(model: Json) -> str:
    """Return the image of a model in one word."""
    reference = (model.get("storageProfile") or {}).get("imageReference") or {}
    parts = [reference.get(part, "") for part in ("publisher", "offer", "sku", "version")]
    return str(reference.get("id") or ":".join(parts))


def data_of(model: Json) -> str:
    """Return the custom data of a model, or else its user data, decoded; empty when there is none.

    Raises:
        ArmError: it is not in base64.
    """
    text = (model.get("osProfile") or {}).get("customData") or model.get("userData") or ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        message = "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters."
        raise errors.invalid(message) from error


def _spec(instance: Instance) -> MachineSpec:
    hardware = instance.model.get("hardwareProfile") or {}
    return MachineSpec(
        id=instance.machine,
        address=instance.address,
        zone=instance.zone,
        instance_type=str(hardware.get("vmSize", "")),
        image=image_of(instance.model),
        tags=instance.resource.tags,
        user_data=data_of(instance.model),
    )
