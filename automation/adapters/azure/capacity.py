"""What could keep a roll on Azure from getting its machines, or take the set out of its hands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from automation.adapters.azure import rights
from automation.adapters.azure.session import Caller
from automation.ports.cloud import Problem
from automation.ports.errors import Forbidden, NotFound, Unavailable, Unexpected

_CORES = re.compile(r"^[A-Za-z]+_[A-Za-z]+(\d+)")
"""The number in a size's name is its vCPUs: Standard_D4s_v5 has four."""
_SIZE = re.compile(r"^[A-Za-z]+_([A-Za-z]+)\d+(?:-\d+)?([a-z]*)(?:_(v\d+))?$")
_TOTAL = "cores"
"""Azure's name of the quota 'Total Regional vCPUs'."""

Json = dict[str, Any]


class Capacity:
    """Read-only checks of a scale set; each gives one problem or none."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def problems(
        self, group: Json, *, surge: int, needs: Mapping[str, Collection[str]] | None = None
    ) -> tuple[Problem, ...]:
        """Run every check.

        Args:
            group: the scale set, as Azure Resource Manager has it.
            surge: machines that the roll adds; renewing one in its place takes no more than it has.
            needs: scope -> actions that the roll will need there.
        """
        checks: tuple[Callable[[], Problem | None], ...] = (
            lambda: _repairs(group),
            lambda: _system_upgrades(group),
            lambda: _ephemeral(group),
            lambda: self._rights(dict.fromkeys(_subnets(group), rights.SUBNET) | dict(needs or {})),
            lambda: self._upgrade(group),
            lambda: self._quota(group, surge),
            lambda: self._addresses(group, surge),
        )
        found = (check() for check in checks)
        return tuple(problem for problem in found if problem is not None)

    def _rights(self, needs: Mapping[str, Collection[str]]) -> Problem | None:
        missing = rights.lacking(self._caller, needs)
        return Problem("missing_right", f"not allowed to this identity: {'; '.join(missing)}") if missing else None

    def _upgrade(self, group: Json) -> Problem | None:
        """Somebody else's rolling upgrade of the set."""
        operation = "virtual_machine_scale_set_rolling_upgrades.get_latest"
        try:
            latest = self._caller.call("compute", operation, self._caller.group, group["name"])
        except NotFound:
            return None
        code = ((latest.get("properties") or {}).get("runningStatus") or {}).get("code")
        if code != "RollingForward":
            return None
        message = f"a rolling upgrade of scale set {group['name']} is under way: wait for it or cancel it"
        return Problem("rolling_upgrade", message)

    def _quota(self, group: Json, surge: int) -> Problem | None:
        cores = _cores(str((group.get("sku") or {}).get("name", "")))
        if not surge or cores is None:
            return None
        names = {_TOTAL, _family(str(group["sku"]["name"]))}
        mine = [one for one in self._usages(group) if str((one.get("name") or {}).get("value")).lower() in names]
        full = [one for one in mine if int(one["currentValue"]) + surge * cores > int(one["limit"])]
        if not full:
            return None
        said = "; ".join(f"{one['currentValue']} of {one['limit']} {_said(one)} in use" for one in full)
        return Problem("vcpu_quota", f"{said}, and the roll needs {surge * cores} vCPUs more: ask Azure for more")

    def _usages(self, group: Json) -> list[Json]:
        """Return the quotas; none where they cannot be told, which is no reason to refuse a roll."""
        try:
            return self._caller.pages("compute", "usage.list", str(group["location"]))
        except (NotFound, Forbidden, Unexpected, Unavailable):
            return []

    def _addresses(self, group: Json, surge: int) -> Problem | None:
        if not surge:
            return None
        for subnet in sorted(_subnets(group)):
            free = self._free(subnet)
            if free is not None and free < surge:
                return Problem("free_addresses", f"subnet {subnet.rpartition('/')[2]} has {free} free addresses")
        return None

    def _free(self, subnet: str) -> int | None:
        """Return how many addresses are free in a subnet; None where that cannot be told."""
        parts = dict(zip(subnet.lower().split("/")[1::2], subnet.split("/")[2::2], strict=False))
        try:
            lines = self._caller.pages(
                "network", "virtual_networks.list_usage", parts["resourcegroups"], parts["virtualnetworks"]
            )
        except (NotFound, Forbidden, Unexpected, Unavailable):
            return None
        mine = next((one for one in lines if str(one.get("id", "")).lower() == subnet.lower()), None)
        return None if mine is None else int(mine["limit"] - mine["currentValue"])


def _repairs(group: Json) -> Problem | None:
    if not (group["properties"].get("automaticRepairsPolicy") or {}).get("enabled"):
        return None
    message = f"scale set {group['name']} repairs machines by itself, and would take a stopped node: switch that off"
    return Problem("automatic_repairs", message)


def _system_upgrades(group: Json) -> Problem | None:
    policy = (group["properties"].get("upgradePolicy") or {}).get("automaticOSUpgradePolicy") or {}
    if not policy.get("enableAutomaticOSUpgrade"):
        return None
    return Problem("automatic_os_upgrade", f"scale set {group['name']} renews machines by itself: switch that off")


def _ephemeral(group: Json) -> Problem | None:
    profile = group["properties"].get("virtualMachineProfile") or {}
    if not ((profile.get("storageProfile") or {}).get("osDisk") or {}).get("diffDiskSettings"):
        return None
    message = (
        f"the machines of scale set {group['name']} have ephemeral disks: a reimaged one cannot be told from before"
    )
    return Problem("ephemeral_disk", f"{message}; use managed disks for the operating system")


def _subnets(group: Json) -> set[str]:
    network = (group["properties"].get("virtualMachineProfile") or {}).get("networkProfile") or {}
    cards = network.get("networkInterfaceConfigurations") or []
    lines = [line for card in cards for line in (card.get("properties") or {}).get("ipConfigurations") or []]
    found = (((line.get("properties") or {}).get("subnet") or {}).get("id") for line in lines)
    return {str(one) for one in found if one}


def _said(usage: Json) -> str:
    return str(usage["name"].get("localizedValue") or usage["name"]["value"])


def _family(size: str) -> str:
    """Return the name, in small letters, of the family's quota that a size counts in; empty where none is known.

    ``Standard_D4ads_v5`` counts in ``standardDADSv5Family``: its letters without the number, those for AMD (a), a local
    disk (d) and premium storage (s) after them, and the version.
    """
    found = _SIZE.match(size)
    if found is None:
        return ""
    letters, more, version = found.groups()
    inside = "".join(sorted((one for one in more if one in "ads"), key="ads".index))
    return f"standard{letters}{inside}{version or ''}family".lower()


def _cores(size: str) -> int | None:
    found = _CORES.match(size)
    return int(found[1]) if found else None
