"""Find what belongs to a drill, by its tags; and what of the estate a drill is modelled on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.ids import fitting, group_of, name_of
from automation.adapters.azure.session import Caller
from automation.ports.errors import NotFound

DRILL = "bitbucket-dc:drill"
OF = "bitbucket-dc:drill-of"
"""The cluster. Not the cluster's own tag: nothing of a drill may ever be taken for a part of the estate."""
ORIGIN = "bitbucket-dc:drill-snapshot"
LUN = "bitbucket-dc:drill-lun"
LISTED = (
    ("compute", "virtual_machines.list"),
    ("compute", "disks.list_by_resource_group"),
    ("network", "network_interfaces.list"),
    ("network", "network_security_groups.list"),
    ("postgres", "servers.list_by_resource_group"),
)
"""Everything that a drill makes; machine, disks, card, firewall, database, in the order of ``Found``."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What exists of one drill, each as Azure Resource Manager has it."""

    machine: Json | None
    disks: tuple[Json, ...]
    """Data disks; the machine's own disk goes with it."""
    card: Json | None
    firewall: Json | None
    database: Json | None

    @property
    def is_empty(self) -> bool:
        """True when nothing is left."""
        return not (self.machine or self.disks or self.card or self.firewall or self.database)


class Parts:
    """Looks things up."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster

    def find(self, drill: str) -> Found:
        """Return what exists of a drill."""
        machines, disks, cards, firewalls, databases = (self._of(drill, *listed) for listed in LISTED)
        return Found(
            machine=machines[0] if machines else None,
            disks=tuple(sorted((disk for disk in disks if tags.read(disk).get(ORIGIN)), key=lun_of)),
            card=cards[0] if cards else None,
            firewall=firewalls[0] if firewalls else None,
            database=databases[0] if databases else None,
        )

    def drills(self) -> tuple[str, ...]:
        """Return the ids of all drills of the cluster of which something exists."""
        found = (one for listed in LISTED for one in self._of(None, *listed))
        return tuple(sorted({tags.read(one).get(DRILL, "") for one in found} - {""}))

    def has(self, drill: str, name: str) -> bool:
        """Tell whether something of a drill has this name."""
        return any(str(one["name"]) == name for listed in LISTED for one in self._of(drill, *listed))

    def file_server(self) -> Json:
        """Return the estate's file server. Raises NotFound."""
        found = self._caller.pages("compute", "virtual_machines.list", self._caller.group)
        for one in found:
            if tags.is_of(one, self._cluster, tags.FILE_SERVER):
                return dict(one)
        raise NotFound(f"cluster {self._cluster} has no file server", hint="has 'pulumi up' created the cluster?")

    def subnet_of(self, machine: Json) -> str:
        """Return the id of the subnet that a machine stands in."""
        lines = ((machine.get("properties") or {}).get("networkProfile") or {}).get("networkInterfaces") or []
        card = str(lines[0]["id"])
        found = self._caller.call("network", "network_interfaces.get", group_of(card), name_of(card))
        return str(found["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"])

    def power(self, machine: Json) -> str:
        """Return whether a machine is ``running``, ``starting``, ..."""
        name = str(machine["name"])
        view = self._caller.call("compute", "virtual_machines.instance_view", self._caller.group, name)
        codes = (str(status.get("code", "")) for status in view.get("statuses") or ())
        return next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")

    def _of(self, drill: str | None, client: str, operation: str) -> list[Json]:
        listed = self._caller.pages(client, operation, self._caller.group)
        mine = [one for one in listed if tags.read(one).get(OF) == self._cluster]
        return [one for one in mine if drill in {None, tags.read(one).get(DRILL)}]


def name_for(drill: str) -> str:
    """Return the name of a drill's machine, card and firewall."""
    return fitting("bbdc-drill", drill, longest=60)


def database_name(subscription: str, cluster: str, drill: str) -> str:
    """Return the name of a drill's database: all of Azure shares the names of flexible servers."""
    digest = hashlib.sha256(f"{subscription}/{cluster}".lower().encode()).hexdigest()[:8]
    return fitting("bbdc-drill", drill, digest, longest=63)


def state_of(found: Mapping[str, Any]) -> str:
    """Return the provisioning state of a resource."""
    return str((found.get("properties") or {}).get("provisioningState") or "")


def lun_of(disk: Mapping[str, Any]) -> int:
    """Return the number under which a drill's disk is attached."""
    return int(tags.read(disk).get(LUN, "0"))


def origin(disk: Mapping[str, Any]) -> str:
    """Return the restore point or snapshot that a drill's disk was made from."""
    return tags.read(disk).get(ORIGIN, "")
