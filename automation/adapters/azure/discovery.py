"""Find a cluster's parts by tag: the scale set, the application gateway, the load balancer for SSH."""

from __future__ import annotations

from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.session import Caller
from automation.ports.errors import NotFound, Refused, Unexpected

Json = dict[str, Any]


class Estate:
    """The Azure parts of one cluster; names are looked up once, and again when they lead nowhere."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._names: dict[str, str] = {}

    def group(self) -> Json:
        """Return the scale set, with its user data.

        Raises:
            NotFound: none carries the cluster's tag.
            Unexpected: several do.
            Refused: its upgrade policy is not Manual, so that a change of the model would hit every node together.
        """
        found = self._named("virtual_machine_scale_sets", "scale set", expand="userData")
        properties = found.get("properties") or {}
        mode = (properties.get("upgradePolicy") or {}).get("mode")
        if mode != "Manual":
            raise Refused(
                "upgrade_policy",
                f"the upgrade policy of scale set {found['name']} is {mode}: a new model would reach all nodes at once",
                hint="set it to Manual",
            )
        if properties.get("orchestrationMode", "Uniform") != "Uniform":
            raise Refused("orchestration_mode", f"scale set {found['name']} is not in uniform orchestration")
        return found

    def gateway(self) -> Json:
        """Return the application gateway.

        Raises:
            NotFound: none carries the cluster's tag.
            Unexpected: several do.
        """
        return self._named("application_gateways", "application gateway", client="network")

    def load_balancer(self) -> Json | None:
        """Return the load balancer for SSH; None when the cluster has none."""
        if not self._tagged("network", "load_balancers"):
            return None
        return self._named("load_balancers", "load balancer", client="network")

    def forget(self) -> None:
        """Look everything up anew at the next use: a name led nowhere."""
        self._names.clear()

    def _named(self, operations: str, what: str, *, client: str = "compute", **more: Any) -> Json:
        """Get by the name that is known; look for it when there is none, or it leads nowhere."""
        if operations in self._names:
            try:
                return self._get(client, operations, **more)
            except NotFound:
                self.forget()
        self._names[operations] = self._name(client, operations, what)
        return self._get(client, operations, **more)

    def _get(self, client: str, operations: str, **more: Any) -> Json:
        name = self._names[operations]
        found: Json = self._caller.call(client, f"{operations}.get", self._caller.group, name, **more)
        return found

    def _name(self, client: str, operations: str, what: str) -> str:
        found = self._tagged(client, operations)
        if len(found) == 1:
            return found[0]
        if found:
            raise Unexpected(
                f"several resources of the kind {what} carry {tags.CLUSTER}={self._cluster}: {', '.join(found)}",
                hint="give each cluster a name of its own",
            )
        raise NotFound(
            f"no {what} with the tag {tags.CLUSTER}={self._cluster} in {self._caller.place}",
            hint="check BBDC_CLUSTER, BBDC_RESOURCE_GROUP and BBDC_SUBSCRIPTION; has 'pulumi up' created the cluster?",
        )

    def _tagged(self, client: str, operations: str) -> list[str]:
        if operations in self._names:
            return [self._names[operations]]
        found = self._caller.pages(client, f"{operations}.list", self._caller.group)
        ours = [one for one in found if tags.is_of(one, self._cluster)]
        # Other parts of a cluster may be of the same type: those say their role.
        return sorted(str(one["name"]) for one in ours if tags.read(one).get(tags.ROLE, tags.NODE) == tags.NODE)
