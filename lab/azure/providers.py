"""What clients ask before they do anything: which tenants, subscriptions and resource providers there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.azure import catalogue, errors
from lab.azure.identities import Principal
from lab.azure.messages import Json, Request
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

_FILTER = re.compile(r"(resourceType|tagName|tagValue|name|location|resourceGroup) eq '([^']*)'", re.IGNORECASE)


def tenants(principal: Principal) -> Json:
    """Return the tenants of a caller: a principal lives in one."""
    line = {
        "id": f"/tenants/{principal.tenant}",
        "tenantId": principal.tenant,
        "displayName": "lab",
        "tenantCategory": "Home",
    }
    return {"value": [line]}


def subscription(world: AzureWorld, identity: str) -> Json:
    """Return one subscription."""
    return {
        "id": f"/subscriptions/{identity}",
        "subscriptionId": identity,
        "displayName": "lab",
        "state": "Enabled",
        "tenantId": world.subscriptions[identity.lower()],
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies": {"quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
    }


def subscriptions(world: AzureWorld, principal: Principal) -> Json:
    """Return the subscriptions in which a caller has any role."""
    mine = [one for one, tenant in world.subscriptions.items() if tenant == principal.tenant]
    return {"value": [subscription(world, one) for one in mine if _has_a_role(world, principal, one)]}


def _has_a_role(world: AzureWorld, principal: Principal, identity: str) -> bool:
    places = [f"/subscriptions/{identity}", *(one.id for one in world.groups.values())]
    places += [one.id for one in world.resources.under(f"/subscriptions/{identity}")]
    return any(principal.rights(place) for place in places)


def provider(world: AzureWorld, namespace: str, subscribed: str) -> Json:
    """Return a resource provider with its types; each is registered, as after the first use in the portal.

    Raises:
        ArmError: nobody taught the lab a type of it.
    """
    mine = [world.kind(name) for name in catalogue.KINDS if name.partition("/")[0].lower() == namespace.lower()]
    if not mine:
        message = f"The resource namespace '{namespace}' is invalid."
        raise errors.ArmError(404, "InvalidResourceNamespace", message)
    types = [
        {
            "resourceType": kind.name.partition("/")[2],
            "locations": list(world.locations),
            "apiVersions": [kind.versions[1], kind.versions[0]],
            "capabilities": "SupportsTags, SupportsLocation" if kind.located else "None",
        }
        for kind in mine
    ]
    name = mine[0].name.partition("/")[0]
    state = {"registrationState": "Registered", "registrationPolicy": "RegistrationRequired"}
    return {"id": f"/subscriptions/{subscribed}/providers/{name}", "namespace": name, "resourceTypes": types} | state


def providers(world: AzureWorld, subscribed: str) -> Json:
    """Return every resource provider that the lab has a part of."""
    names = dict.fromkeys(kind.name.partition("/")[0] for kind in map(world.kind, catalogue.KINDS))
    return {"value": [provider(world, name, subscribed) for name in names]}


def resources(world: AzureWorld, scope: str, request: Request) -> Json:
    """Return the resources below a subscription or group, those of a ``$filter`` when asked; children are left out."""
    found = [one for one in world.resources.under(scope) if len(one.target.names) == 1 and not one.target.extends]
    wanted = {name.lower(): value.lower() for name, value in _FILTER.findall(request.query.get("$filter", ""))}
    chosen = sorted((one for one in found if _fits(one, wanted)), key=lambda one: one.id.lower())
    names = ("id", "name", "type", "location", "tags", "zones", "sku", "kind", "identity")
    lines = [world.kind(one.target.kind).show(one, {}) for one in chosen]
    return {"value": [{name: line[name] for name in names if line.get(name)} for line in lines]}


def _fits(resource: Resource, wanted: Mapping[str, str]) -> bool:
    tags = {name.lower(): value.lower() for name, value in resource.tags.items()}
    if "tagname" in wanted and wanted["tagname"] not in tags:
        return False
    if "tagvalue" in wanted and tags.get(wanted.get("tagname", "")) != wanted["tagvalue"]:
        return False
    own = {
        "resourcetype": resource.target.kind,
        "name": resource.name,
        "location": resource.location,
        "resourcegroup": resource.target.group,
    }
    return all(value.lower() == wanted[name] for name, value in own.items() if name in wanted)
