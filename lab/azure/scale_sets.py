"""Scale sets in uniform orchestration, as their operators know them.

A change of the model reaches new instances only: under the Manual policy the others are stale (latestModelApplied is
false) until ``manualupgrade``, and what runs on them stays until they are reimaged. Deleting an instance lowers the
capacity. An action that names no instances means all of them.
"""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lab.azure import errors, instances, models, subnets, usages
from lab.azure.instances import DEALLOCATED, STOPPED, Instance
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.operations import Steps, iso, together
from lab.azure.paths import parse
from lab.azure.resources import Resource, merged

PROFILE = ("properties", "virtualMachineProfile")


@dataclass(slots=True)
class Own:
    """What a scale set knows beside its document: the next instance id, and the fingerprint of its model."""

    next: int = 0
    print: str = ""


@dataclass(slots=True)
class ScaleSets(Kind):
    """Scale sets."""

    acts: Mapping[str, Callable[[Instance], Steps]] = field(init=False)

    versions: ClassVar[tuple[str, str]] = models.VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = (
        (*PROFILE, "osProfile", "customData"),
        (*PROFILE, "osProfile", "adminPassword"),
        (*PROFILE, "userData"),
    )

    def __post_init__(self) -> None:
        life = self.world.instances
        self.acts = {
            "reimage": life.reimage,
            "reimageall": life.reimage,
            "restart": life.restart,
            "redeploy": life.restart,
            "start": life.start,
            "poweroff": lambda instance: life.halt(instance, STOPPED),
            "deallocate": lambda instance: life.halt(instance, DEALLOCATED),
            "manualupgrade": self._upgrade,
        }

    # --- the set itself ------------------------------------------------------------------------------------------

    def accept(self, change: Change) -> Json:
        """Check the model and the capacity."""
        document = Kind.accept(self, change)
        old = {} if change.old is None else change.old.document
        if "virtualMachineProfile" not in (document.get("properties") or {}):
            document = merged(old, document)  # a PUT of a capacity alone, as some clients send it, keeps the rest
        properties, sku = document.setdefault("properties", {}), document.setdefault("sku", {})
        sku.setdefault("capacity", (old.get("sku") or {}).get("capacity"))
        models.check(properties, sku)
        mode = (old.get("properties") or {}).get("orchestrationMode", properties.get("orchestrationMode", "Uniform"))
        if properties.setdefault("orchestrationMode", mode) != mode:
            raise errors.conflict("Changing property 'orchestrationMode' is not allowed.", "PropertyChangeNotAllowed")
        if mode != "Uniform":
            raise errors.ArmError(501, "NotImplemented", "The lab has scale sets in uniform orchestration only.")
        instances.data_of(properties["virtualMachineProfile"])
        subnets.subnet_of(properties["virtualMachineProfile"])
        more = int(sku["capacity"]) - int((old.get("sku") or {}).get("capacity") or 0)
        self.world.instances.check_quota(more)
        usages.of(self.world).check(str(sku["name"]), more)
        for name in ("uniqueId", "timeCreated"):
            if name in (old.get("properties") or {}):
                properties[name] = old["properties"][name]
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:
        """Change the model, then the number of instances."""
        if change.old is None or resource.own is None:
            resource.own = Own()
            resource.properties["uniqueId"] = str(uuid.uuid4())
            resource.properties["timeCreated"] = iso(self.world.clock.now())
        fresh = models.fingerprint(resource)
        changed, resource.own.print = fresh != resource.own.print, fresh
        for member in self.members(resource):
            member.resource.properties["latestModelApplied"] = member.print == fresh
        yield self.world.after(self.world.timings.model)
        if changed and resource.properties["upgradePolicy"]["mode"] == "Automatic":
            stale = [member for member in self.members(resource) if member.print != fresh]
            yield from together([self._renew(member) for member in stale])
        yield from together(self._scale(resource))
        return None

    def check_removal(self, resource: Resource) -> None:
        """Refuse while something is done to one of its instances."""
        _check_idle(self.members(resource))

    def remove(self, resource: Resource) -> Steps:
        """End every instance."""
        yield from together([self.world.instances.end(member) for member in self.members(resource)])
        return None

    def members(self, resource: Resource) -> list[Instance]:
        """Return the instances of a set."""
        return [one.own for one in self.world.resources.below(f"{resource.id}/virtualMachines")]

    # --- instances -----------------------------------------------------------------------------------------------

    def _scale(self, resource: Resource) -> list[Steps]:
        members = [one for one in self.members(resource) if one.resource.state != "Deleting"]
        more = int(resource.document["sku"]["capacity"]) - len(members)
        if more < 0:
            return [self._shrink(one) for one in models.surplus(members, -more)]
        return [self._bring_in(self._new(resource)) for _ in range(more)]

    def _new(self, resource: Resource) -> Instance:
        number = resource.own.next
        resource.own.next += 1
        profile = copy.deepcopy(resource.properties["virtualMachineProfile"])
        identity = f"{resource.id}/virtualMachines/{number}"
        zone = models.emptiest(resource, self.members(resource))
        vm = Resource(parse(identity), {"location": resource.location, "tags": resource.tags, "zones": zone})
        vm.document |= {"instanceId": str(number), "sku": models.sku_of(resource)}
        vm.document["properties"] = {
            "vmId": str(uuid.uuid4()),
            "timeCreated": iso(self.world.clock.now()),
            "modelDefinitionApplied": "VirtualMachineScaleSet",
            "protectionPolicy": {},
        }
        address = subnets.free(self.world, subnets.subnet_of(profile))
        made = Instance(vm, address, profile)
        vm.own = made
        models.take_over(resource, made)
        vm.state = "Creating"
        self.world.resources.put(vm)
        return made

    def _bring_in(self, instance: Instance) -> Steps:
        try:
            yield from self.world.instances.create(instance)
        except errors.ArmError:
            instance.resource.state = "Failed"
            raise
        instance.resource.state = "Succeeded"
        return None

    def _shrink(self, instance: Instance) -> Steps:
        """Delete an instance once nothing else is done to it."""
        yield lambda: not instance.resource.busy
        yield from self.take_away(instance, lower=False)
        return None

    def take_away(self, instance: Instance, *, lower: bool) -> Steps:
        """Delete an instance; ``lower``: the set's capacity is one less from now on."""
        instance.resource.state = "Deleting"
        owner = self.world.resources.get(instance.resource.target.owner())
        if lower:
            owner.document["sku"]["capacity"] = max(0, int(owner.document["sku"]["capacity"]) - 1)
            owner.touch()
        yield from self.world.instances.end(instance)
        self.world.resources.remove(instance.resource)
        return None

    def _upgrade(self, instance: Instance) -> Steps:
        """Apply the model; the machine is replaced when its image changed, and goes on with its data otherwise."""
        owner = self.world.resources.get(instance.resource.target.owner())
        before = instances.image_of(instance.model)
        models.take_over(owner, instance)
        yield self.world.after(self.world.timings.model)
        if instances.image_of(instance.model) != before:
            yield from self.world.instances.reimage(instance)
        return None

    def _renew(self, instance: Instance) -> Steps:
        yield from self._upgrade(instance)
        yield from self.world.instances.reimage(instance)
        return None

    # --- actions -------------------------------------------------------------------------------------------------

    def act(self, act: Act) -> Steps:
        """Act on the instances that are named, or on all."""
        if act.action != "delete" and act.action not in self.acts:
            raise errors.no_action(self.name, act.action)
        named = act.body.get("instanceIds") or []
        chosen = self._chosen(act.resource, [str(one) for one in named])
        if act.action == "delete":
            _check_idle([one for one in chosen if one.resource.state != "Deleting"])
            return self._delete(chosen)
        return self.on(self._unprotected(chosen, explicitly=bool(named)), act.action)

    def on(self, chosen: list[Instance], action: str) -> Steps:
        """Do one thing to several instances at the same time.

        Raises:
            ArmError: one of them is busy.
        """
        _check_idle(chosen)
        return together([self._doing(one, self.acts[action]) for one in chosen])

    def _doing(self, instance: Instance, life: Callable[[Instance], Steps]) -> Steps:
        instance.resource.state = "Updating"
        try:
            yield from life(instance)
        except errors.ArmError:
            instance.resource.state = "Failed"
            raise
        instance.resource.state = "Succeeded"
        return None

    def _delete(self, chosen: list[Instance]) -> Steps:
        going = [one for one in chosen if one.resource.state != "Deleting"]
        yield from together([self.take_away(one, lower=True) for one in going])
        yield lambda: all(self.world.resources.find(one.resource.id) is not one.resource for one in chosen)
        return None

    def _chosen(self, resource: Resource, named: list[str]) -> list[Instance]:
        members = self.members(resource)
        if not named or named == ["*"]:
            return members
        known = {str(member.resource.document["instanceId"]): member for member in members}
        for one in named:
            if one not in known:
                message = f"The provided instanceId {one} is not an active Virtual Machine Scale Set VM instanceId."
                raise errors.invalid(message)
        return [known[one] for one in dict.fromkeys(named)]

    def _unprotected(self, chosen: list[Instance], *, explicitly: bool) -> list[Instance]:
        kept = [one for one in chosen if models.protected(one)]
        if kept and explicitly:
            message = f"Instance {kept[0].resource.name} is protected from scale set actions."
            raise errors.conflict(message)
        return [one for one in chosen if one not in kept]

    # --- views ---------------------------------------------------------------------------------------------------

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return a set, with its user data when asked: that, other than custom data, can be read again."""
        found = Kind.show(self, resource, query)
        data = resource.properties["virtualMachineProfile"].get("userData")
        if data and "userdata" in query.get("$expand", "").lower():
            found["properties"]["virtualMachineProfile"]["userData"] = data
        return found

    def read(self, resource: Resource, view: str, request: Request) -> Json | None:
        """Return the instance view or the network interfaces."""
        if view.lower() == "networkinterfaces":
            models.check_cards_version(request)
            return {"value": [models.card(member) for member in self.members(resource)]}
        if view.lower() != "instanceview":
            return None
        powers = Counter(f"PowerState/{member.power}" for member in self.members(resource))
        states = Counter(f"ProvisioningState/{member.resource.state.lower()}" for member in self.members(resource))
        summary = [{"code": code, "count": count} for code, count in (states + powers).items()]
        status = {"code": f"ProvisioningState/{resource.state.lower()}", "level": "Info"}
        return {"virtualMachine": {"statusesSummary": summary}, "statuses": [status]}


def _check_idle(chosen: list[Instance]) -> None:
    if any(one.resource.busy for one in chosen):
        raise errors.busy()
