"""Pools of addresses (``ports.cloud.Balancer``): the application gateway for HTTP, a load balancer for SSH.

Azure drains by time and shows nobody who drains. So it is this adapter that knows: a machine that was taken out stands
in the gateway's tag ``bitbucket-dc:draining`` with its time, and counts as draining

* in ``http`` while the gateway takes the update over, and then for its connection draining time;
* in ``ssh`` for the time that the load balancer's tag ``bitbucket-dc:draining-time`` says.

When an update was taken over is written nowhere: the process that waited for it remembers, and one that did not
counts from when it first saw it done. That is never too short.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from automation.adapters.azure import gateway as gateways
from automation.adapters.azure import ssh_pool
from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.gateway import HTTP, Gateway
from automation.adapters.azure.machines import Machine, machines_of
from automation.adapters.azure.session import Caller
from automation.adapters.azure.ssh_pool import SSH, SshPool
from automation.core.cluster import Target, TargetState
from automation.ports.clock import Clock

LONGEST_UPDATE = 1800.0
"""Seconds after which a gateway's update is surely over: what was taken out before that drains no more."""
_REMEMBERED = 7200.0
"""Seconds for which the gateway's tag keeps what was taken out: longer than anything may drain."""
_STATES = {
    **dict.fromkeys(("Healthy", "Up"), TargetState.HEALTHY),
    **dict.fromkeys(("Unhealthy", "Down", "Partial"), TargetState.UNHEALTHY),
    "Draining": TargetState.DRAINING,
}
"""What a gateway says of a server. Azure's specification has the shorter words, its answers have shown the others."""

Json = dict[str, Any]


def state_of(word: str) -> TargetState:
    """Return what a word of the gateway's on a server's health means; anything else is not known yet."""
    return _STATES.get(word, TargetState.INITIAL)


def held(addresses: Collection[str], machines: Collection[Machine]) -> tuple[str, ...]:
    """Return those of a pool's addresses that a machine has; all of them while some machine's address is not told."""
    known = {machine.instance.address for machine in machines}
    return tuple(one for one in addresses if one in known or None in known)


class AzureBalancer:
    """Implements ``ports.cloud.Balancer`` over backend pools of addresses."""

    def __init__(self, caller: Caller, cluster: str, clock: Clock) -> None:
        self._caller = caller
        self._clock = clock
        self._estate = Estate(caller, cluster)
        self._settled: dict[tuple[str, float], float] = {}
        """(machine, when it was taken out) -> when the gateway was first known to have taken that over."""

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def targets(self) -> tuple[Target, ...]:
        """Every registration in both pools; draining ones stay listed until their time is over."""
        machines, gateway = self._machines(), self._gateway()
        http = self._http(gateway, machines)
        pool = self._pool()
        return tuple(http if pool is None else [*http, *self._ssh(pool, gateway, machines)])

    def groups(self) -> tuple[str, ...]:
        """``http``, and ``ssh`` where there is a load balancer."""
        return (HTTP,) if self._estate.load_balancer() is None else (HTTP, SSH)

    def deregister(self, instance: str) -> None:
        """Take the machine out of both pools and wait until the gateway has taken that over.

        SSH goes first: that is done in seconds, and should this be cut short, the machine is still in the gateway's
        pool and will be taken out again.
        """
        address = self._address(instance)
        if address is None:
            return
        pool = self._pool()
        if pool is not None and address in pool.serving:
            ssh_pool.write(self._caller, pool, pool.draining(address))
        gateway = self._gateway()
        if address in gateway.addresses or (gateway.state == "Failed" and instance in gateway.taken_out):
            since = float(int(self._clock.now()))
            left = [one for one in gateway.addresses if one != address]
            gateways.write(self._caller, gateway, gateway.changed(left, self._recent(gateway) | {instance: since}))
            self._settled[instance, since] = self._clock.now()

    def register(self, instance: str) -> None:
        """Put the machine into both pools, and wait until the gateway has taken that over.

        Addresses that no machine has any more leave the pools in the same request: nobody else would ever take out a
        machine that somebody deleted, and the next one with its address would get requests before it has joined.
        """
        machines = self._machines()
        address = next((one.instance.address for one in machines if one.id == instance), None)
        if address is None:
            return
        pool = self._pool()
        if pool is not None and address not in pool.serving:
            kept = pool.only(held(pool.addresses, machines))
            ssh_pool.write(self._caller, pool, kept.including(address, self._network()))
        gateway = self._gateway()
        if address not in gateway.addresses or gateway.state == "Failed":
            taken_out = {name: moment for name, moment in self._recent(gateway).items() if name != instance}
            addresses = dict.fromkeys([*held(gateway.addresses, machines), address])
            gateways.write(self._caller, gateway, gateway.changed(addresses, taken_out))

    # --- looking -------------------------------------------------------------------------------------------------

    def _machines(self) -> tuple[Machine, ...]:
        return machines_of(self._caller, self._estate.group())

    def _address(self, instance: str) -> str | None:
        found = (one.instance.address for one in self._machines() if one.id == instance)
        return next(found, None)

    def _gateway(self) -> Gateway:
        return Gateway(self._estate.gateway())

    def _pool(self) -> SshPool | None:
        balancer = self._estate.load_balancer()
        return None if balancer is None else ssh_pool.read(self._caller, balancer)

    def _network(self) -> str | None:
        """Return the virtual network of the nodes, out of their subnet's id."""
        profile = self._estate.group()["properties"].get("virtualMachineProfile") or {}
        for card in (profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []:
            for line in (card.get("properties") or {}).get("ipConfigurations") or []:
                subnet = str(((line.get("properties") or {}).get("subnet") or {}).get("id", ""))
                return subnet.partition("/subnets/")[0] or None
        return None

    # --- states --------------------------------------------------------------------------------------------------

    def _http(self, gateway: Gateway, machines: tuple[Machine, ...]) -> list[Target]:
        health, wanted = gateways.health(self._caller, gateway), set(gateway.addresses)
        found = []
        for machine in machines:
            address = machine.instance.address or ""
            if address in health and (address in wanted or gateway.state == "Failed"):
                word, why = health[address]
                found.append(Target(machine.id, HTTP, state_of(word), why or None))
            elif address in wanted and gateway.state != "Failed":  # else it never got in, and must be put there again
                found.append(Target(machine.id, HTTP, TargetState.INITIAL, f"the gateway is {gateway.state}"))
            elif self._drains(gateway, machine.id):
                found.append(Target(machine.id, HTTP, TargetState.DRAINING, "connection draining"))
        return found

    def _ssh(self, pool: SshPool, gateway: Gateway, machines: tuple[Machine, ...]) -> list[Target]:
        up, taken_out, now = ssh_pool.health(self._caller, pool), gateway.taken_out, self._clock.now()
        found = []
        for machine in machines:
            address = machine.instance.address or ""
            if address in pool.serving:
                state = TargetState.HEALTHY if up.get(address) else TargetState.UNHEALTHY
                found.append(Target(machine.id, SSH, state))
            elif now < taken_out.get(machine.id, float("-inf")) + pool.drain_seconds:
                found.append(Target(machine.id, SSH, TargetState.DRAINING, "sessions may end"))
        return found

    def _drains(self, gateway: Gateway, instance: str) -> bool:
        since = gateway.taken_out.get(instance)
        if since is None or self._clock.now() > since + LONGEST_UPDATE + gateway.drain_seconds:
            return False
        if gateway.state == "Updating":
            return True
        settled = self._settled.setdefault((instance, since), self._clock.now())
        return self._clock.now() < settled + gateway.drain_seconds

    def _recent(self, gateway: Gateway) -> dict[str, float]:
        """Return those that may still drain."""
        oldest = self._clock.now() - _REMEMBERED
        return {name: moment for name, moment in gateway.taken_out.items() if moment > oldest}
