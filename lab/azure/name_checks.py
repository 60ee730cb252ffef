"""Whether a name is free, which some clients ask before they make a database server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import databases
from lab.azure.kinds import Kind
from lab.azure.messages import Json, Request
from lab.azure.paths import Target


@dataclass(slots=True)
class ServerNames(Kind):
    """Names of flexible servers, which are everybody's."""

    versions: ClassVar[tuple[str, str]] = databases.VERSIONS

    def ask(self, target: Target, request: Request) -> Json | None:
        """Tell whether a name is free and well-formed; None for another question."""
        if target.types[-1].lower() != "checknameavailability":
            return None
        name = str(request.json().get("name") or "")
        found: Json = {"name": name, "nameAvailable": True, "message": ""}
        if databases.NAME.fullmatch(name) is None:
            return found | {"nameAvailable": False, "reason": "Invalid", "message": "The name is not valid."}
        if any(one.name.lower() == name.lower() for one in self.world.resources.of(databases.SERVER)):
            message = f"Specified server name {name} is already used."
            return found | {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
        return found


KINDS: Mapping[str, type[Kind]] = {"Microsoft.DBforPostgreSQL/locations": ServerNames}
