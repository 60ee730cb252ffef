"""Places for drills on Azure (``ports.drills.Drills``): a machine, the set's disks and its database, and nobody else.

Everything carries the tag ``bitbucket-dc:drill`` with the drill's id, and is found again by it: no other book is kept.
The machine has no public address and its firewall lets nobody in. The restored database stands in the estate's own
database subnet, because a flexible server stands nowhere else; nobody is told its name.
"""

from __future__ import annotations

import shlex
from typing import Any

from automation.adapters.azure import drill_bodies as bodies
from automation.adapters.azure import drill_parts as parts
from automation.adapters.azure.drill_parts import Found, Parts
from automation.adapters.azure.ids import group_of, name_of, plain
from automation.adapters.azure.model import Model, model_of
from automation.adapters.azure.session import Caller
from automation.core.backups.sets import BackupSet, Member, MemberKind
from automation.ports.drills import Place
from automation.ports.errors import Conflict, NotFound, Refused

DEVICE = "disk/azure/scsi1/lun{}"
"""Where the machine shows a disk, below ``/dev``."""
_IDENTITY = "http://169.254.169.254/metadata/identity/oauth2/token"
_VAULT = "https://vault.azure.net"
_MEMBER = 'import json, sys; sys.stdout.write(json.load(sys.stdin)["{}"])'
_BROKEN = {"Failed", "Canceled"}
Json = dict[str, Any]


class AzureDrills:
    """Implements ``ports.drills.Drills``."""

    def __init__(self, caller: Caller, cluster: str, *, instance_type: str = "") -> None:
        """Take the cluster, and the size of the machine; empty takes the file server's.

        The database has the estate's own size: Azure restores a flexible server to no other.
        """
        self._caller = caller
        self._cluster = cluster
        self._instance_type = instance_type
        self._parts = Parts(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def open(self, drill: str, found: BackupSet) -> None:
        """Begin to restore; see ``ports.drills.Drills.open``."""
        home, model = self._parts.file_server(), model_of(self._caller, self._cluster)
        there = self._parts.find(drill)
        own = bodies.tagged(self._cluster, drill)
        if there.database is None:  # it takes longest
            self._database(drill, found, own)
        for lun, member in enumerate(_disks(found)):
            if plain(member.snapshot) not in {plain(parts.origin(disk)) for disk in there.disks}:
                body = bodies.disk(home, own, member, lun)
                self._make(drill, "compute", "disks", bodies.disk_name(drill, lun), body)
        if there.machine is None:
            self._machine(drill, home, model, own)

    def look(self, drill: str) -> Place:
        """Attach what can be attached, and say how far the place is."""
        there = self._parts.find(drill)
        if problem := _problem(there):
            return Place(ready=False, problem=problem)
        waits = self._attach(there)
        database = there.database or {}
        state = str((database.get("properties") or {}).get("state") or "")
        if state != "Ready":
            waits.append(f"database {state or 'missing'}")
        if waits or there.machine is None:
            return Place(ready=False, detail=", ".join(waits) or "the machine is missing")
        return Place(
            ready=True,
            machine=plain(there.machine["id"]),
            devices=tuple(DEVICE.format(parts.lun_of(disk)) for disk in there.disks),
            database_host=str(database["properties"]["fullyQualifiedDomainName"]),
            password_command=_password_command(model_of(self._caller, self._cluster)),
        )

    def close(self, drill: str) -> bool:
        """Remove what can be removed now: machine and database first, then what they hold on to."""
        there = self._parts.find(drill)
        if there.database is not None:
            self._remove("postgres", "servers.begin_delete", there.database)
        if there.machine is not None:
            self._remove("compute", "virtual_machines.begin_delete", there.machine)
            return False
        for disk in there.disks:
            self._remove("compute", "disks.begin_delete", disk)
        if there.card is not None:
            self._remove("network", "network_interfaces.begin_delete", there.card)
        elif there.firewall is not None:
            self._remove("network", "network_security_groups.begin_delete", there.firewall)
        return there.is_empty

    def leftovers(self) -> tuple[str, ...]:
        """Return the drills of which something still exists."""
        return self._parts.drills()

    def _machine(self, drill: str, home: Json, model: Model, own: dict[str, str]) -> None:
        group, name, where = self._caller.group, parts.name_for(drill), str(home["location"])
        firewall = self._caller.finish(
            "network", "network_security_groups.begin_create_or_update", group, name, bodies.firewall(where, own)
        )
        wanted = bodies.card(where, own, self._parts.subnet_of(home), str(firewall["id"]))
        card = self._caller.finish("network", "network_interfaces.begin_create_or_update", group, name, wanted)
        body = bodies.machine(home, own, name, model, card_id=str(card["id"]), size=self._instance_type)
        self._make(drill, "compute", "virtual_machines", name, body)

    def _database(self, drill: str, found: BackupSet, own: dict[str, str]) -> None:
        members = found.of(MemberKind.DATABASE)
        if len(members) != 1:
            raise Refused("set_whole", f"set {found.id} holds {len(members)} databases: a drill takes one")
        at = found.recover_to if found.recover_to is not None else members[0].at
        if at is None:
            raise Refused("set_whole", f"set {found.id} does not say to which moment its database is restored")
        source = members[0].source
        like = self._caller.call("postgres", "servers.get", group_of(source), name_of(source))
        name = parts.database_name(self._caller.azure.subscription, self._cluster, drill)
        body = bodies.database(like, own, at)
        self._make(drill, "postgres", "servers", name, body)

    def _make(self, drill: str, client: str, kind: str, name: str, body: Json) -> None:
        """Begin to make something; what a first try made whose answer was lost is there already."""
        try:
            self._caller.begin(client, f"{kind}.begin_create_or_update", self._caller.group, name, body)
        except Conflict:
            if not self._parts.has(drill, name):
                raise

    def _attach(self, there: Found) -> list[str]:
        """Attach all disks that are ready to a machine that runs; return what is waited for."""
        machine = there.machine
        settled = machine is not None and parts.state_of(machine) == "Succeeded"
        running = machine is not None and settled and self._parts.power(machine) == "running"
        waits = [] if running else ["machine not running"]
        states = {str(disk["name"]): _disk_state(disk) for disk in there.disks}
        waits += [f"{name} {state}" for name, state in states.items() if state != "Attached"]
        ready = [
            {"diskId": disk["id"], "lun": parts.lun_of(disk)}
            for disk in there.disks
            if states[str(disk["name"])] == "Unattached" and parts.state_of(disk) == "Succeeded"
        ]
        if machine is not None and running and ready:
            self._caller.begin(
                "compute",
                "virtual_machines.begin_attach_detach_data_disks",
                self._caller.group,
                str(machine["name"]),
                {"dataDisksToAttach": ready},
            )
        return waits

    def _remove(self, client: str, operation: str, found: Json) -> None:
        """Begin to remove something; what is going already, or is held on to, is looked at again."""
        if parts.state_of(found) == "Deleting" or (found.get("properties") or {}).get("state") == "Dropping":
            return
        try:
            self._caller.begin(client, operation, self._caller.group, str(found["name"]))
        except (Conflict, NotFound):
            return  # still being made, or going: the next look tells


def _disks(found: BackupSet) -> list[Member]:
    """Return the disks, the shared home's first: it gets the first number."""
    return sorted(found.of(MemberKind.DISK), key=lambda member: (member.role != "shared-home", member.source))


def _problem(there: Found) -> str:
    broken = [str(disk["name"]) for disk in there.disks if parts.state_of(disk) in _BROKEN]
    if broken:
        return f"disks could not be made from their restore points: {', '.join(broken)}"
    if there.machine is not None and parts.state_of(there.machine) in _BROKEN:
        return f"machine {there.machine['name']} could not be made"
    database = (there.database or {}).get("properties") or {}
    if parts.state_of(there.database or {}) in _BROKEN or database.get("state") in {"Disabled", "Dropping", "Stopped"}:
        return f"the restored database is {database.get('state')}"
    return ""


def _password_command(model: Model) -> str:
    """Return what the machine runs to read the password with its own identity; neither it nor its token is shown."""
    query = {"api-version": "2018-02-01", "resource": _VAULT} | (
        {"client_id": model.identity} if model.identity else {}
    )
    asked = " ".join(f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in query.items())
    token = (
        f"curl --fail --silent --show-error --header Metadata:true --get {asked} {_IDENTITY}"
        f" | python3 -c {shlex.quote(_MEMBER.format('access_token'))}"
    )
    config = "sed 's/.*/header = \"Authorization: Bearer &\"/'"
    secret = shlex.quote(f"{model.database_secret}?api-version=7.4")
    return (
        f"{token} | {config} | curl --fail --silent --show-error --config - {secret}"
        f" | python3 -c {shlex.quote(_MEMBER.format('value'))}"
    )


def _disk_state(disk: Json) -> str:
    """Return a disk's state; Azure tells none until the disk is there."""
    return str((disk.get("properties") or {}).get("diskState") or "is being made")
