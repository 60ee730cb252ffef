"""The node group: a scale set in uniform orchestration with the upgrade policy Manual (``ports.cloud.Group``).

A node is renewed in its place: the model is applied to one instance, then that instance is reimaged; it keeps its
address. Between the two the instance's tags tell a version that does not run yet, so the scale set's tag
``bitbucket-dc:replacing`` keeps what it really has until it is another machine.

It is another machine when its disk is another one. Should Azure keep the disk's id, it is when Azure has said that the
reimaging succeeded, which is then put down in the tag ``bitbucket-dc:renewed``. A process that died before it could
put that down has lost nothing: the machine still counts as the old one, and is reimaged once more.

An act that names no instance would mean all of them: every act here goes through ``number_of`` and names exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from azure.core import MatchConditions

from automation.adapters.azure import rights, tags
from automation.adapters.azure.autoscale import PROCESS, Autoscale
from automation.adapters.azure.capacity import Capacity
from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.machines import (
    Machine,
    identity_of,
    machines_of,
    number_of,
    renewed_of,
    renewed_tag,
    replacing_of,
)
from automation.adapters.azure.session import Caller
from automation.adapters.host.start_script import with_version
from automation.core.cluster import InstanceState, NodeGroup
from automation.core.versions import same_version
from automation.ports.cloud import Problem
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable, Unexpected

DISTURBING = frozenset({PROCESS})
"""What could take or add machines by itself."""
LAUNCHING: frozenset[str] = frozenset()
"""Azure makes machines only when it is told to: nothing needs to be switched off while data is swapped."""
_TRIES = 3
"""How often a renewal is put down before somebody else's changes of the scale set are a conflict."""
_SETS, _MEMBERS = "virtual_machine_scale_sets", "virtual_machine_scale_set_vms"

Json = dict[str, Any]


class AzureGroup:
    """Implements ``ports.cloud.Group`` over a scale set."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._estate = Estate(caller, cluster)
        self._autoscale = Autoscale(caller)
        self._capacity = Capacity(caller)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def observe(self) -> NodeGroup:
        """Read the scale set, its machines and its model."""
        group = self._estate.group()
        setting = self._autoscale.setting(str(group["id"]))
        minimum, maximum = self._autoscale.limits(setting)
        return NodeGroup(
            name=str(group["name"]),
            desired=_capacity(group),
            minimum=minimum,
            maximum=maximum,
            version=tags.read(group).get(tags.VERSION) or None,
            instances=tuple(machine.instance for machine in machines_of(self._caller, group)),
            suspended=DISTURBING if setting is not None and not setting.enabled else frozenset(),
        )

    def replace(self, instance: str, version: str | None) -> None:
        """Apply the model to the machine, reimage it, and wait until Azure has done that: minutes on the real cloud.

        One that does not run is exchanged for a new one.

        Raises:
            BbdcError: the reimaging failed, or nobody can tell: the machine is the old one, and can be told again.
        """
        group = self._estate.group()
        machine = self._must_go(group, instance, version)
        if machine is None:
            return
        if not machine.runs:
            self._exchange(group, machine)
            return
        self._mark(group, machine)
        if not machine.is_latest:
            self._apply(group, machine.number)
        if self._is_still(group, instance):
            self._reimage(group, instance)
            self._put_down(instance)

    def retire(self, instance: str, version: str | None) -> None:
        """Delete the machine; Azure lowers the capacity by one."""
        group = self._estate.group()
        if self._must_go(group, instance, version) is not None:
            self._delete(group, instance)

    def resize(self, desired: int, *, observed: int) -> None:
        """Set the capacity; see ``ports.cloud.Group.resize``."""
        group = self._estate.group()
        now = _capacity(group)
        if now == desired:
            return
        if now != observed:
            raise Conflict(f"the scale set's capacity is {now}, not {observed} as observed", hint="look again")
        self._autoscale.raise_to(self._autoscale.setting(str(group["id"])), desired)
        self._set_capacity(group, desired)

    def limit(self, minimum: int, maximum: int) -> None:
        """Set autoscale's limits; without autoscale there are none to set.

        Raises:
            Conflict: the capacity lies outside, so that Azure would change it.
        """
        group = self._estate.group()
        self._autoscale.limit(self._autoscale.setting(str(group["id"])), minimum, maximum, _capacity(group))

    def suspend(self, processes: Collection[str]) -> None:
        """Switch autoscale off; what the last roll has put down on machines that are gone by now is dropped."""
        self._switch(processes, on=False)
        self._forget()

    def resume(self, processes: Collection[str]) -> None:
        """Switch autoscale on again; what was put down on machines that are gone by now is dropped."""
        self._switch(processes, on=True)
        self._forget()

    def disturbing(self) -> frozenset[str]:
        """Autoscale, where the scale set has a setting of it."""
        found = self._autoscale.setting(str(self._estate.group()["id"]))
        return frozenset() if found is None else DISTURBING

    def set_version(self, version: str, *, observed: str | None) -> None:
        """Write ``version`` into the model: its tag and the start-up script in its user data.

        Raises:
            Conflict: the model does not carry ``observed``.
            Refused: the script is custom data, which Azure never shows again.
        """
        group = self._estate.group()
        found = tags.read(group)
        if found.get(tags.VERSION) == version:
            return
        if (found.get(tags.VERSION) or None) != observed:
            message = f"scale set {group['name']} carries {found.get(tags.VERSION)}, not {observed} as observed"
            raise Conflict(message, hint="somebody else changed it: look again")
        script = (group["properties"].get("virtualMachineProfile") or {}).get("userData")
        if not script:
            raise Refused(
                "model_unreadable",
                f"the start-up script of scale set {group['name']} is custom data, which Azure never shows again",
                hint="set the version where the scale set is declared, or keep the script in its user data",
            )
        changed = with_version(str(script), version, f"scale set {group['name']}")
        profile = {"virtualMachineProfile": {"userData": changed}}
        self._update(group, {"tags": found | {tags.VERSION: version}, "properties": profile})

    def problems(self, *, surge: int) -> tuple[Problem, ...]:
        """What stands in the way of a roll; see ``capacity``."""
        group, balancer = self._estate.group(), self._estate.load_balancer() or {}
        needs = rights.of_roll(group, str(self._estate.gateway()["id"]), str(balancer.get("id", "")))
        return self._capacity.problems(group, surge=surge, needs=needs)

    # --- looking before acting -----------------------------------------------------------------------------------

    def _must_go(self, group: Json, instance: str, version: str | None) -> Machine | None:
        """Return the machine if it is still there, still what was observed, and not on its way out already."""
        found = next((one for one in machines_of(self._caller, group) if one.id == instance), None)
        if found is None or found.instance.state is InstanceState.TERMINATING:
            return None
        now = found.instance.version
        if now != version and not same_version(now, version):
            raise Conflict(f"machine {instance} carries {now}, not {version} as observed", hint="look again")
        return found

    def _is_still(self, group: Json, instance: str) -> bool:
        """Tell whether the machine has kept its disk: a model with another image renews it by itself."""
        number = number_of(instance)
        try:
            found = self._caller.call("compute", f"{_MEMBERS}.get", self._caller.group, group["name"], number)
        except NotFound:
            return False
        return identity_of(found, renewed_of(group)) == instance

    # --- acts on one machine -------------------------------------------------------------------------------------

    def _apply(self, group: Json, number: str) -> None:
        """Apply the model to one machine, and wait: reimaging before that would bring the old model back."""
        if not number.isdigit():
            raise ValueError("an upgrade that names no machine means all of them")
        body = {"instanceIds": [number]}
        self._caller.finish("compute", f"{_SETS}.begin_update_instances", self._caller.group, group["name"], body)

    def _reimage(self, group: Json, instance: str) -> None:
        try:
            self._on_one(self._caller.finish, f"{_MEMBERS}.begin_reimage", group, instance)
        except Unexpected as error:  # such as OSProvisioningTimedOut, minutes after it was accepted
            raise Unavailable(error.message, hint="see the machine's boot diagnostics; it is tried again") from error

    def _delete(self, group: Json, instance: str) -> None:
        self._on_one(self._caller.begin, f"{_MEMBERS}.begin_delete", group, instance)

    def _on_one(self, send: Callable[..., Any], operation: str, group: Json, instance: str) -> None:
        try:
            send("compute", operation, self._caller.group, group["name"], number_of(instance))
        except NotFound:
            return  # gone between the look and the act

    def _put_down(self, instance: str) -> None:
        """Put down that the machine was reimaged, unless its disk shows it.

        Raises:
            Conflict: somebody else changes the scale set all the time.
        """
        for left in reversed(range(_TRIES)):
            group = self._estate.group()
            if not self._is_still(group, instance):
                return
            known, number, now = renewed_of(group), number_of(instance), int(self._caller.azure.clock.now())
            known[number] = max(now, known.get(number, 0) + 1)
            try:
                self._update(group, {"tags": tags.read(group) | {tags.RENEWED: renewed_tag(known)}})
            except Conflict:
                if not left:
                    raise

    def _exchange(self, group: Json, machine: Machine) -> None:
        """Delete a machine that does not run, and have a new one: what is switched off cannot be reimaged."""
        desired = _capacity(group)
        number = number_of(machine.id)
        self._caller.finish("compute", f"{_MEMBERS}.begin_delete", self._caller.group, group["name"], number)
        fresh = self._estate.group()
        if _capacity(fresh) < desired:
            self._set_capacity(fresh, desired)

    def _mark(self, group: Json, machine: Machine) -> None:
        """Keep the version that the machine has, until it is another one."""
        known = replacing_of(group)
        if machine.id in known:
            return
        alive = {one.id for one in machines_of(self._caller, group)} if known else set()
        lines = [f"{name}={version}" for name, version in known.items() if name in alive]
        lines.append(f"{machine.id}={machine.instance.version or ''}")
        self._update(group, {"tags": tags.read(group) | {tags.REPLACING: " ".join(lines)[: tags.LONGEST]}})

    def _forget(self) -> None:
        """Drop the note on machines that are being replaced, once none of them is left.

        It would be a change that the next update of the program shows, for nothing.
        """
        group = self._estate.group()
        known = replacing_of(group)
        if known and not known.keys() & {one.id for one in machines_of(self._caller, group)}:
            # A PATCH merges into what is there, but replaces the tags as a whole.
            kept = {name: value for name, value in tags.read(group).items() if name != tags.REPLACING}
            self._update(group, {"tags": kept})

    # --- the set -------------------------------------------------------------------------------------------------

    def _switch(self, processes: Collection[str], *, on: bool) -> None:
        if PROCESS in processes:
            self._autoscale.switch(self._autoscale.setting(str(self._estate.group()["id"])), on=on)

    def _set_capacity(self, group: Json, desired: int) -> None:
        """Begin to bring the set to a size; where it must fail at once (quota, busy) this raises."""
        body = {"sku": (group.get("sku") or {}) | {"capacity": desired}}
        self._caller.begin(
            "compute", f"{_SETS}.begin_update", self._caller.group, group["name"], body, **_unless_changed(group)
        )

    def _update(self, group: Json, body: Json) -> None:
        self._caller.finish(
            "compute", f"{_SETS}.begin_update", self._caller.group, group["name"], body, **_unless_changed(group)
        )


def _capacity(group: Json) -> int:
    return int((group.get("sku") or {}).get("capacity") or 0)


def _unless_changed(group: Json) -> Json:
    """Return the condition that the set is still as it was read."""
    etag = group.get("etag")
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
