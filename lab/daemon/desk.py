"""What the control API answers (lab/daemon/control.py holds the list of its paths)."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request

from lab.daemon.control import WAIT_AT_MOST, Handler, Refusal
from lab.fault_kinds import CATALOGUE, NoSuchFault
from lab.machine import Machine
from lab.state import ProcessId

if TYPE_CHECKING:
    from lab.daemon.service import Daemon


class Desk:
    """Answers for one daemon.

    Args:
        daemon: whose parts are asked; they need not be there before the first request.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._since = time.time()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return (method, path) -> function."""
        return {
            ("GET", "/routes"): self.routes,
            ("POST", "/health"): self.health,
            ("GET", "/status"): self.status,
            ("GET", "/events"): self.events,
            ("GET", "/faults"): self.faults,
            ("POST", "/faults"): self.set_fault,
            ("DELETE", "/faults"): self.clear_faults,
            ("DELETE", "/faults/<name>"): self.clear_faults,
            ("POST", "/machines/<instance>/unit"): self.unit,
            ("POST", "/machines/<instance>/token"): self.token,
            ("POST", "/database"): self.database,
            ("GET", "/<any(aws,azure):cloud>"): self.access,
            ("POST", "/children"): self.child,
            ("POST", "/stop"): self.stop,
        }

    def routes(self, request: Request) -> Any:
        """Return the routing table."""
        wait = min(float(request.args.get("wait", 0)), WAIT_AT_MOST)
        return self._daemon.cloud.routes.wait(int(request.args.get("after", -1)), wait)

    def health(self, request: Request) -> Any:
        """Take in what the balancer found."""
        for line in request.get_json()["targets"]:
            self._daemon.cloud.report(line)
        return {}

    def status(self, _request: Request) -> Any:
        """Return the lab as it is."""
        daemon = self._daemon
        cluster = daemon.fabric.to_json()
        return {
            "since": self._since,
            "options": asdict(daemon.options),
            "cluster": {
                "state": cluster["cluster"]["state"],
                "upgrade_mode": cluster["cluster"]["upgradeModeEnabled"],
                "original": cluster["cluster"]["originalVersion"],
                "split": cluster["split"],
            },
            "machines": self._machines(),
            "targets": daemon.cloud.targets(),
            "faults": daemon.book.list(),
            "invariants": self._invariants(),
        }

    def events(self, request: Request) -> Any:
        """Return what happened after a number."""
        return {"events": self._daemon.events.since(int(request.args.get("since", 0)))}

    def faults(self, _request: Request) -> Any:
        """Return the catalogue and what is switched on."""
        kinds = {
            name: {"meaning": kind.meaning, "params": dict(kind.params), "times": kind.times}
            for name, kind in CATALOGUE.items()
        }
        return {"catalogue": kinds, "on": self._daemon.book.list()}

    def set_fault(self, request: Request) -> Any:
        """Switch a fault on."""
        asked = request.get_json()
        try:
            fault = self._daemon.book.set(asked["name"], asked.get("times"), **asked.get("params", {}))
        except NoSuchFault as error:
            raise Refusal(str(error)) from error
        self._daemon.events.add("fault", "set", fault.wire())
        return fault.wire()

    def clear_faults(self, _request: Request, name: str | None = None) -> Any:
        """Switch faults off."""
        cleared = self._daemon.book.clear(name)
        self._daemon.events.add("fault", "cleared", {"name": name or "all", "count": cleared})
        return {"cleared": cleared}

    def unit(self, request: Request, instance: str) -> Any:
        """Be systemctl."""
        return {"state": self._daemon.machines.control_unit(instance, request.get_json()["verb"])}

    def token(self, request: Request, instance: str) -> Any:
        """Be a machine's metadata service."""
        asked = request.get_json()
        try:
            return dict(self._daemon.cloud.machine_token(instance, asked["resource"], asked["client_id"]))
        except LookupError as error:
            raise Refusal(str(error)) from error

    def database(self, request: Request) -> Any:
        """Say where the file of a database is, to whoever knows its endpoint, user and password."""
        asked, daemon = request.get_json(), self._daemon
        try:
            name = daemon.cloud.reach(asked["host"], asked["user"], asked["password"])
            found = daemon.storage.database(name)
        except (ConnectionError, PermissionError) as error:
            raise Refusal(str(error)) from error
        return {"path": str(found)}

    def access(self, _request: Request, cloud: str) -> Any:
        """Say how a machine reaches the cloud."""
        if cloud != self._daemon.cloud.name:
            raise Refusal(f"this lab is not in {cloud}")
        return dict(self._daemon.cloud.machine_access())

    def child(self, request: Request) -> Any:
        """Take in a process that ends with the lab."""
        asked = request.get_json()
        self._daemon.adopt(ProcessId.of(int(asked["pid"]), asked["name"]))
        return {}

    def stop(self, _request: Request) -> Any:
        """End the lab."""
        self._daemon.stopping.set()
        return {}

    def _machines(self) -> list[dict[str, Any]]:
        nodes = {node["id"]: node for node in self._daemon.clusters.nodes()}
        pids = self._daemon.machines.pids()
        return [
            _machine(machine, nodes.get(identity, {}), pids.get(identity))
            for identity, machine in self._daemon.machines.known.items()
            if machine.power != "off"
        ]

    def _invariants(self) -> dict[str, Any]:
        witness = self._daemon.watch.witness
        return {"checks": witness.checks, "breaches": [asdict(breach) for breach in witness.breaches]}


def _machine(machine: Machine, node: dict[str, Any], pid: int | None) -> dict[str, Any]:
    return {
        "instance": machine.spec.id,
        "role": machine.spec.role,
        "address": machine.spec.address,
        "zone": machine.spec.zone,
        "power": machine.power,
        "version": machine.version,
        "unit": None if machine.unit is None else machine.unit.state,
        "state": node.get("state"),
        "pid": pid,
        "trouble": machine.trouble,
    }
