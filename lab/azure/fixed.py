"""What a resource keeps from its creation on: a change that asks for something else is refused, as Azure refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.azure.errors import ArmError
from lab.azure.messages import Json
from lab.azure.resources import Resource

FIXED: Mapping[str, tuple[str, ...]] = {
    "microsoft.compute/disks": ("properties.creationData", "zones"),
    "microsoft.compute/snapshots": ("properties.creationData", "properties.incremental"),
    "microsoft.compute/virtualmachines": (
        "properties.osProfile.adminUsername",
        "properties.osProfile.computerName",
        "zones",
    ),
    "microsoft.dbforpostgresql/flexibleservers": ("properties.network.delegatedSubnetResourceId",),
    "microsoft.network/natgateways": ("zones",),
    "microsoft.network/publicipaddresses": ("zones",),
}
"""Type -> paths in its document. Compute says so in the descriptions of its properties, network in its refusals."""


def check(old: Resource | None, document: Json) -> None:
    """Refuse a request that changes what cannot be changed.

    Raises:
        ArmError: it does.
    """
    if old is None:
        return
    for path in FIXED.get(old.target.kind.lower(), ()):
        if _differs(_at(document, path), _at(old.document, path)):
            raise _refusal(old, path, _at(document, path))


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _differs(asked: Any, known: Any) -> bool:
    """Tell whether what is asked for contradicts what is there; what is not mentioned contradicts nothing."""
    if asked is None or known is None:
        return False
    if isinstance(asked, Mapping) and isinstance(known, Mapping):
        return any(_differs(value, known.get(name)) for name, value in asked.items())
    if isinstance(asked, list) and isinstance(known, list):
        return sorted(map(str, asked)) != sorted(map(str, known))
    return str(asked).lower() != str(known).lower()


def _refusal(old: Resource, path: str, asked: Any) -> ArmError:
    name = path.removeprefix("properties.")
    kind = old.target.kind.lower()
    if kind.startswith("microsoft.network/"):
        message = (
            f"Resource {old.id} has an existing availability zone constraint {', '.join(old.document['zones'])} "
            f"and the request has availability zone constraint {', '.join(map(str, asked))}, which do not match. "
            "Zones cannot be added/updated/removed once the resource is created."
        )
        return ArmError(400, "ResourceAvailabilityZonesCannotBeModified", message)
    if kind.startswith("microsoft.compute/"):
        return ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.")
    return ArmError(400, "InvalidParameterValue", f"The property '{name}' cannot be changed.")
