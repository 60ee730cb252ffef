"""The machines of a scale set, under ids that tell a reimaged machine from the one before it.

Azure keeps instance id, vmId and address when it reimages; the disk of the operating system is replaced. So our id is
the instance id with a digest of that disk: ``3-9f86d081``. Whoever has an old id in hand finds no machine.

That a replaced disk has another name or id is documented for single machines only. Should Azure keep both, the scale
set's tag ``bitbucket-dc:renewed`` says when the instance was last reimaged, and the digest is of that as well. No time
that Azure shows would do: it is not documented which of them a restart, a move to another host or a tag changes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.session import Caller
from automation.core.cluster import Instance, InstanceState

_MEMBERS = "virtual_machine_scale_set_vms"
_CARDS = "network_interfaces.list_virtual_machine_scale_set_network_interfaces"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """One instance of the scale set."""

    number: str
    """Azure's instance id: the one id that every act names."""
    resource: str
    """Azure's resource id."""
    instance: Instance
    """As the core sees it."""
    power: str
    """``running``, ``stopped``, ``deallocated``, ..."""
    is_latest: bool
    """Whether the scale set's model is applied to it."""
    has_agent: bool
    """Whether its agent is heard."""

    @property
    def id(self) -> str:
        """Our id."""
        return self.instance.id

    @property
    def runs(self) -> bool:
        """Whether it is powered on."""
        return self.power in {"running", "starting"}


def machines_of(caller: Caller, group: Mapping[str, Any]) -> tuple[Machine, ...]:
    """Read every machine of a scale set.

    Args:
        caller: who asks.
        group: the scale set, as Azure Resource Manager has it.
    """
    name = str(group["name"])
    found = caller.pages("compute", f"{_MEMBERS}.list", caller.group, name, expand="instanceView")
    cards = caller.pages("network", _CARDS, caller.group, name) if found else []
    addresses = {_owner(card): _address(card) for card in cards}
    return tuple(machine_of(one, addresses.get(str(one["id"]).lower()), group) for one in found)


def machine_of(one: Mapping[str, Any], address: str | None, group: Mapping[str, Any]) -> Machine:
    """Read one machine, as its scale set's notes tell it."""
    replacing, renewed = replacing_of(group), renewed_of(group)
    identity, power = identity_of(one, renewed), _code(one, "PowerState")
    zones = one.get("zones") or []
    return Machine(
        number=str(one["instanceId"]),
        resource=str(one["id"]),
        instance=Instance(
            id=identity,
            address=address,
            state=_state(one, power, is_replaced=identity in replacing),
            # The tags say the model that is applied, which reaches the machine only when it is reimaged.
            version=replacing.get(identity) or tags.read(one).get(tags.VERSION) or None,
            zone="-".join([str(one.get("location", "")), *map(str, zones[:1])]) or None,
            launched=_launched(one, renewed),
        ),
        power=power,
        is_latest=bool(_properties(one).get("latestModelApplied")),
        has_agent=_has_agent(one),
    )


def identity_of(one: Mapping[str, Any], renewed: Mapping[str, int]) -> str:
    """Return our id of an instance; ``renewed`` is what ``renewed_of`` returns."""
    disk, number = _disk(one), str(one["instanceId"])
    known = [_properties(one).get("vmId"), (disk.get("managedDisk") or {}).get("id"), _name(disk)]
    if number in renewed:
        known.append(renewed[number])
    return f"{number}-{hashlib.sha256('|'.join(map(str, known)).lower().encode()).hexdigest()[:8]}"


def number_of(instance: str) -> str:
    """Return Azure's instance id out of ours.

    Raises:
        ValueError: it is none of ours. An act without exactly one id would hit every machine of the set.
    """
    number, _, digest = instance.partition("-")
    if not number.isdigit() or not digest:
        raise ValueError(f"{instance!r} is no id of a machine in a scale set")
    return number


def replacing_of(group: Mapping[str, Any]) -> dict[str, str]:
    """Return id -> version of the machines whose reimaging was begun, as the scale set's tag keeps it."""
    lines = tags.read(group).get(tags.REPLACING, "").split()
    return dict(_pairs(lines))


def renewed_of(group: Mapping[str, Any]) -> dict[str, int]:
    """Return instance id -> when it was last reimaged without getting another disk, in seconds since the epoch."""
    lines = tags.read(group).get(tags.RENEWED, "").split()
    return {number: int(moment) for number, moment in _pairs(lines) if moment.isdigit()}


def renewed_tag(renewed: Mapping[str, int]) -> str:
    """Return the tag's value; more than 19 instances do not fit, of which the last ones are kept."""
    found = ""
    for number, moment in sorted(renewed.items(), key=lambda item: item[1], reverse=True):
        line = f"{number}={moment} {found}".strip()
        found = line if len(line) <= tags.LONGEST else found
    return found


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        identity, separator, version = line.partition("=")
        if separator:
            yield identity, version


def _state(one: Mapping[str, Any], power: str, *, is_replaced: bool) -> InstanceState:
    provisioning = str(_properties(one).get("provisioningState"))
    if provisioning == "Deleting" or (provisioning == "Updating" and is_replaced):
        return InstanceState.TERMINATING
    if power == "running":
        return InstanceState.IN_SERVICE
    if power == "starting" or provisioning in {"Creating", "Updating"}:
        return InstanceState.PENDING
    return InstanceState.UNKNOWN


def _launched(one: Mapping[str, Any], renewed: Mapping[str, int]) -> float | None:
    """Return when the disk of the operating system was made, or else when the instance was; reimaged is made anew."""
    disks = (_properties(one).get("instanceView") or {}).get("disks") or []
    times = [
        str(status["time"])
        for disk in disks
        if disk.get("name") == _name(_disk(one))
        for status in disk.get("statuses") or ()
        if status.get("time")
    ]
    said = min(times, default=None) or _properties(one).get("timeCreated")
    made = [dt.datetime.fromisoformat(str(said)).timestamp()] if said else []
    number = str(one["instanceId"])
    return max([*made, *([float(renewed[number])] if number in renewed else [])], default=None)


def _code(one: Mapping[str, Any], kind: str) -> str:
    statuses = (_properties(one).get("instanceView") or {}).get("statuses") or []
    found = (str(status.get("code", "")).partition("/") for status in statuses)
    return next((value for name, _, value in found if name == kind), "")


def _has_agent(one: Mapping[str, Any]) -> bool:
    agent = (_properties(one).get("instanceView") or {}).get("vmAgent") or {}
    return any(status.get("displayStatus") == "Ready" for status in agent.get("statuses") or ())


def _owner(card: Json) -> str:
    return str((_properties(card).get("virtualMachine") or {}).get("id", "")).lower()


def _address(card: Json) -> str | None:
    lines = _properties(card).get("ipConfigurations") or []
    primary = sorted(lines, key=lambda line: not _properties(line).get("primary"))
    return next((str(a) for line in primary if (a := _properties(line).get("privateIPAddress"))), None)


def _disk(one: Mapping[str, Any]) -> Json:
    found: Json = (_properties(one).get("storageProfile") or {}).get("osDisk") or {}
    return found


def _name(disk: Mapping[str, Any]) -> str:
    return str(disk.get("name") or "")


def _properties(one: Mapping[str, Any]) -> Json:
    found: Json = one.get("properties") or {}
    return found
