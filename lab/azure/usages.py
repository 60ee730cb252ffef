"""Quotas: how much of what the subscription may have, how much it has, and who is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lab.azure import errors, models, subnets
from lab.azure.inline import NETWORK_VERSIONS
from lab.azure.kinds import Kind
from lab.azure.messages import Json, Request
from lab.azure.paths import Target
from lab.azure.subnets import taken

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

COMPUTE, NETWORK = "Microsoft.Compute/locations/usages", "Microsoft.Network/virtualNetworks/usages"
CORES, MACHINES = "cores", "virtualMachines"
USUAL: Mapping[str, int] = {CORES: 1000, MACHINES: 25000}
FAMILY = 1000
"""Cores of each family of sizes, unless a test says less."""
NAMES: Mapping[str, str] = {CORES: "Total Regional vCPUs", MACHINES: "Virtual Machines"}
_SIZE = re.compile(r"^(?:Standard|Basic)_([A-Z]+)(\d+)(?:-\d+)?([a-z]*)(?:_(v\d+))?$")


def cores_of(size: str) -> tuple[int, str]:
    """Return the vCPUs of a size, and the family that they count in, such as 4 and ``standardDSv5Family``."""
    found = _SIZE.match(size)
    if found is None:
        return 1, "standardFamily"
    letters, number, more, version = found.groups()
    extra = "".join(one for one in more if one in "ads").replace("d", "D").replace("a", "A").replace("s", "S")
    order = "".join(sorted(extra, key="ADS".index))
    return int(number), f"standard{letters}{order}{version or ''}Family"


@dataclass(slots=True)
class Usages(Kind):
    """The quotas of a region.

    Attributes:
        limits: name of a quota -> how much is allowed, where it is not the usual.
    """

    versions: ClassVar[tuple[str, str]] = models.VERSIONS
    limits: dict[str, int] = field(default_factory=dict)

    def listing(self, target: Target, request: Request) -> Json:  # noqa: ARG002 - every region has the same here
        """Return every quota that counts something."""
        used = self.used()
        names = dict.fromkeys([CORES, MACHINES, *used, *self.limits])
        return {"value": [_line(name, used[name], self.limit(name)) for name in names]}

    def used(self) -> Counter[str]:
        """Return how much is used, by the quota's name; a machine that is switched off counts until it is gone."""
        found: Counter[str] = Counter()
        for instance in self.world.instances.all():
            cores, family = cores_of(str((instance.model.get("hardwareProfile") or {}).get("vmSize", "")))
            found.update({CORES: cores, family: cores, MACHINES: 1})
        return found

    def limit(self, name: str) -> int:
        """Return how much a quota allows."""
        return self.limits.get(name, USUAL.get(name, FAMILY))

    def check(self, size: str, machines: int) -> None:
        """Refuse so many more machines of a size where a quota has no room for their cores.

        Raises:
            ArmError: 409, with the quota's name and figures.
        """
        cores, family = cores_of(size)
        used = self.used()
        for name, what in ((CORES, "Total Regional Cores"), (family, f"{family} Cores")):
            if machines > 0 and used[name] + machines * cores > self.limit(name):
                raise errors.conflict(
                    _exceeded(what, self.world.location, self.limit(name), used[name], machines * cores)
                )


@dataclass(slots=True)
class Addresses(Kind):
    """How many addresses of each subnet of a network are taken."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS

    def listing(self, target: Target, request: Request) -> Json:  # noqa: ARG002 - nothing to choose
        """Return one line for each subnet."""
        network = self.world.resources.get(target.up().path)
        inside = self.world.resources.below(f"{network.id}/subnets")
        return {"value": [self._subnet(one.id) for one in inside]}

    def _subnet(self, identity: str) -> Json:
        size = subnets.room(self.world, identity)
        used = len(taken(self.world, identity))
        name = {"value": "SubnetSpace", "localizedValue": "Subnet size and usage"}
        return {"id": identity, "currentValue": used, "limit": size, "unit": "Count", "name": name}


KINDS: Mapping[str, type[Kind]] = {COMPUTE: Usages, NETWORK: Addresses}


def of(world: AzureWorld) -> Usages:
    """Return the quotas of a world."""
    found = world.kind(COMPUTE)
    if not isinstance(found, Usages):
        raise TypeError(found)
    return found


def _line(name: str, used: int, limit: int) -> Json:
    said = NAMES.get(name, name)
    return {
        "limit": limit,
        "unit": "Count",
        "currentValue": used,
        "name": {"value": name, "localizedValue": said},
    }


def _exceeded(what: str, location: str, limit: int, used: int, more: int) -> str:
    return (
        f"Operation could not be completed as it results in exceeding approved {what} quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {used}, "
        f"Additional Required: {more}, (Minimum) New Limit Required: {used + more}."
    )
