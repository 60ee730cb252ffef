"""The instances of scale sets, one by one: protection, power, reimaging, commands."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors, instances, models
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.operations import Steps
from lab.azure.resources import Resource
from lab.azure.scale_sets import ScaleSets


@dataclass(slots=True)
class SetMachines(Kind):
    """The instances of scale sets, one by one."""

    versions: ClassVar[tuple[str, str]] = models.VERSIONS
    synchronous: ClassVar[bool] = False
    tagged_body: ClassVar[bool] = True

    @property
    def sets(self) -> ScaleSets:
        """The kind of their sets."""
        found = self.world.kind(models.SCALE_SET)
        if not isinstance(found, ScaleSets):
            raise TypeError(found)
        return found

    def accept(self, change: Change) -> Json:
        """Take the protection over; nothing else of an instance is changed here."""
        if change.old is None:
            raise errors.not_found(change.target.what(), change.target.group)
        document = copy.deepcopy(change.old.document)
        policy = (change.body.get("properties") or {}).get("protectionPolicy")
        document["properties"]["protectionPolicy"] = policy or {}
        return document

    def remove(self, resource: Resource) -> Steps:
        """End the instance and lower the capacity."""
        yield from self.sets.take_away(resource.own, lower=True)
        return None

    def act(self, act: Act) -> Steps:
        """Act on one instance; protection from actions on the set does not matter here."""
        if act.action == "runcommand":
            return self.world.commands.run(act)
        if act.action not in self.sets.acts or act.action == "manualupgrade":
            raise errors.no_action(self.name, act.action)
        return self.sets.on([act.resource.own], act.action)

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return an instance, with its view when asked."""
        found = Kind.show(self, resource, query)
        found["name"] = f"{resource.target.names[0]}_{resource.name}"
        if "instanceview" in query.get("$expand", "").lower():
            found["properties"]["instanceView"] = instances.view(self.world, resource.own)
        return found

    def read(self, resource: Resource, view: str, request: Request) -> Json | None:
        """Return the instance view or the network interface."""
        if view.lower() == "networkinterfaces":
            models.check_cards_version(request)
            return {"value": [models.card(resource.own)]}
        return instances.view(self.world, resource.own) if view.lower() == "instanceview" else None
