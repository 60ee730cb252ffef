"""The balancer's routing table, read off the load balancers, listeners and target groups of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.aws.world import AwsWorld
from lab.balancer.published import Published

if TYPE_CHECKING:
    from lab.aws.targets import Target

SHORT_NAME = "bitbucket-dc:target-group"
CLUSTER = "bitbucket-dc:cluster"


class Routes(Published[AwsWorld]):
    """The table of a lab in AWS."""

    def rules(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the listeners of load balancers, and the target groups."""
        return self._listeners(), self._groups()

    def _listeners(self) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any] | None] = {}
        for balancer in self.world.backend("elbv2").load_balancers.values():
            kind = "http" if balancer.type == "application" else "ssh"
            for listener in balancer.listeners.values():
                arn = _forwards_to(listener)
                group = self.world.backend("elbv2").target_groups.get(arn)
                if group is not None and group.target_type != "alb":
                    estate = self._estate(balancer.arn)
                    found.setdefault((kind, estate), self._listener(kind, estate, arn, balancer))
        return [line for line in found.values() if line is not None]

    def _estate(self, arn: str) -> str:
        tags = self.world.backend("elbv2").describe_tags([arn])[arn]
        return str(tags.get(CLUSTER, ""))

    def _listener(self, kind: str, estate: str, arn: str, balancer: Any) -> dict[str, Any] | None:
        front = self.front(kind, estate)
        if front is None:
            return None
        line: dict[str, Any] = {**front, "protocol": "HTTP" if kind == "http" else "TCP", "group": arn}
        idle = balancer.attrs.get("idle_timeout.timeout_seconds") if kind == "http" else None
        return line | ({"idle_timeout": float(idle)} if idle else {})

    def _groups(self) -> list[dict[str, Any]]:
        groups = self.world.backend("elbv2").target_groups.values()
        return [self._group(group) for group in groups if group.target_type != "alb"]

    def _group(self, group: Any) -> dict[str, Any]:
        targets = self.world.targets.groups.get(group.arn, {}).values()
        protocol = "HTTP" if group.protocol in {"HTTP", "HTTPS"} else "TCP"
        return {
            "arn": group.arn,
            "name": self._name(group),
            "protocol": protocol,
            "stickiness": _stickiness(group.attributes),
            "health": _health(group),
            "targets": [line for target in targets if (line := self._target(target)) is not None],
        }

    def _name(self, group: Any) -> str:
        tags = self.world.backend("elbv2").describe_tags([group.arn])[group.arn]
        return str(tags.get(SHORT_NAME, group.name))

    def _target(self, target: Target) -> dict[str, Any] | None:
        host = target.id
        if host.startswith("i-"):
            instance = self.world.backend("ec2").get_instance_by_id(host)
            if instance is None:
                return None
            host = instance.private_ip
        return {
            "id": target.id,
            "host": host,
            "port": target.port,
            "state": "draining" if target.draining else "registered",
            "since": target.since,
        }


def _forwards_to(listener: Any) -> str:
    for action in listener.default_actions:
        data = action.data
        if action.type == "forward":
            config = data.get("ForwardConfig") or {}
            several = config.get("TargetGroups") or [{}]
            return str(data.get("TargetGroupArn") or several[0].get("TargetGroupArn", ""))
    return ""


def _stickiness(attributes: dict[str, Any]) -> dict[str, Any] | None:
    if attributes.get("stickiness.enabled") != "true" or attributes.get("stickiness.type") != "app_cookie":
        return None
    return {
        "cookie": attributes["stickiness.app_cookie.cookie_name"],
        "seconds": float(attributes.get("stickiness.app_cookie.duration_seconds", 86400)),
    }


def _health(group: Any) -> dict[str, Any]:
    http = group.health_check_protocol in {"HTTP", "HTTPS"}
    port = group.health_check_port
    return {
        "path": (group.health_check_path or "/") if http else None,
        "port": None if port in {None, "traffic-port"} else int(port),
        "matcher": str(group.matcher.get("HttpCode", "200")) if http else None,
        "interval": float(group.health_check_interval_seconds),
        "timeout": float(group.health_check_timeout_seconds),
        "healthy": int(group.healthy_threshold_count),
        "unhealthy": int(group.unhealthy_threshold_count),
    }
