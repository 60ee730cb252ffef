"""Subscriptions and resource groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.azure import errors, providers
from lab.azure.messages import Answer, Json, Request
from lab.azure.paths import Target

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


@dataclass(slots=True)
class Group:
    """A resource group."""

    subscription: str
    name: str
    location: str
    tags: dict[str, str]

    @property
    def id(self) -> str:
        """Its id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def wire(self) -> Json:
        """Return it as the API does."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            "tags": self.tags,
            "properties": {"provisioningState": "Succeeded"},
        }


def answer(world: AzureWorld, target: Target, request: Request) -> Answer:
    """Answer what is asked of subscriptions and groups themselves."""
    parts = [part.lower() for part in target.path.split("/") if part][2:]
    if len(parts) == 2 and parts[0] == "resourcegroups":
        return _group(world, target, request)
    return Answer(200, _view(world, target, parts, request))


def _view(world: AzureWorld, target: Target, parts: list[str], request: Request) -> Json:
    found: Json
    match parts:
        case []:
            found = providers.subscription(world, target.subscription)
        case ["locations"]:
            found = {"value": [_location(target.subscription, name) for name in world.locations]}
        case ["providers"]:
            found = providers.providers(world, target.subscription)
        case ["providers", namespace] | ["providers", namespace, "register"]:
            found = providers.provider(world, namespace, target.subscription)
        case ["resources"]:
            found = providers.resources(world, f"/subscriptions/{target.subscription}", request)
        case ["resourcegroups"]:
            found = {"value": [group.wire() for group in world.groups.values()]}
        case ["resourcegroups", name, "resources"]:
            found = providers.resources(world, _existing(world, name).id, request)
        case _:
            raise errors.ArmError(404, "NotFound", f"There is nothing at {target.path}.")
    return found


def _location(subscription: str, name: str) -> Json:
    return {
        "id": f"/subscriptions/{subscription}/locations/{name}",
        "name": name,
        "displayName": name,
        "regionalDisplayName": name,
        "type": "Region",
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": "Europe"},
    }


def _existing(world: AzureWorld, name: str) -> Group:
    found = world.groups.get(name.lower())
    if found is None:
        raise errors.group_not_found(name)
    return found


def _group(world: AzureWorld, target: Target, request: Request) -> Answer:
    known = world.groups.get(target.group.lower())
    if request.method == "PUT":
        body = request.json()
        if not body.get("location"):
            raise errors.ArmError(400, "LocationRequired", "The location property is required for this definition.")
        group = known or Group(target.subscription, target.group, str(body["location"]), {})
        group.tags = dict(body.get("tags") or {})
        world.groups[target.group.lower()] = group
        return Answer(201 if known is None else 200, group.wire())
    if request.method == "HEAD":
        return Answer(404 if known is None else 204)
    if request.method == "DELETE":
        left = world.resources.under(_existing(world, target.group).id)
        if left:
            message = f"The resource group '{target.group}' is not empty: {left[0].target.what()}."
            raise errors.conflict(message, "ResourceGroupNotEmpty")
        del world.groups[target.group.lower()]
        return Answer(200)
    return Answer(200, _existing(world, target.group).wire())
