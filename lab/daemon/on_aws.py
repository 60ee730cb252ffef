"""A lab in AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from lab.aws import archives
from lab.aws.ports import Timings
from lab.aws.routes import Routes
from lab.aws.world import REGION, SECRET_KEY, AwsWorld
from lab.daemon.clouds import MOMENT, TICK, Ground
from lab.pulumi.aws.server import serve
from lab.state import Options

CLUSTER = "bitbucket-dc:cluster"
SHORT_NAME = "bitbucket-dc:target-group"


class AwsCloud:
    """AWS (lab.daemon.clouds.Cloud).

    Args:
        ground: what it stands on.
    """

    name = "aws"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self.world = AwsWorld(
            ground.machines,
            timings=_timings(ground.options),
            faults=ground.faults,
            storage=ground.storage,
            access_key=ground.record.access_key,
            tick=TICK,
            tasks=ground.directory / "tasks",
        )
        self.routes = Routes(self.world, ground.record.http, ground.record.ssh, ground.options.tempo)

    @property
    def lock(self) -> threading.RLock:
        """Held while anything in the world changes."""
        return self.world.lock

    @property
    def listeners(self) -> list[Callable[[str, dict[str, Any]], None]]:
        """Told of every event."""
        return self.world.listeners

    @property
    def url(self) -> str:
        """AWS_ENDPOINT_URL."""
        return self.world.url

    def open(self) -> None:
        """Serve, and publish Bitbucket's archives."""
        self._stack.enter_context(self.world)
        archives.publish(self.world)

    def close(self) -> None:
        """Stop."""
        self._stack.close()

    def environment(self) -> Mapping[str, str]:
        """Return what boto3 and the AWS CLI read."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self._ground.record.access_key,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    @property
    def archive_url(self) -> str:
        """A bucket."""
        return archives.URL

    def provider(self) -> int:
        """Start the provider for aws."""
        server = serve(
            endpoint=self.url, region=REGION, access_key=self._ground.record.access_key, secret_key=SECRET_KEY
        )
        self._stack.callback(server.stop)
        return server.port

    def pids(self) -> Sequence[int]:
        """Return the processes of commands of SSM."""
        return self.world.commands.pids()

    def report(self, line: Mapping[str, Any]) -> None:
        """Take in the health of a target."""
        with self.lock:
            self.world.targets.report(
                line["group"],
                line["id"],
                healthy=line["healthy"],
                reason=line.get("reason") or "",
                description=line.get("description") or "",
                open_count=int(line.get("open", 0)),
            )

    def targets(self) -> list[dict[str, Any]]:
        """Return every target of every target group."""
        with self.lock:
            groups = self.world.backend("elbv2").target_groups
            return [
                {
                    "group": groups[arn].name,
                    "instance": target.id,
                    "state": state,
                    "reason": reason,
                    "open": target.open,
                }
                for arn, targets in self.world.targets.groups.items()
                if arn in groups
                for target in targets.values()
                for state, reason, _ in [self.world.targets.health(groups[arn], target.id)]
            ]

    def desired(self, cluster: str) -> int:
        """Return the desired capacity of the cluster's groups."""
        with self.lock:
            groups = self.world.backend("autoscaling").autoscaling_groups.values()
            return sum(int(group.desired_capacity or 0) for group in groups if _tag(group, CLUSTER) == cluster)

    def serving(self) -> int:
        """Return the healthy targets of the estate's own HTTP target group."""
        with self.lock:
            backend = self.world.backend("elbv2")
            tags = backend.describe_tags(list(self.world.targets.groups)) if self.world.targets.groups else {}
            own = {SHORT_NAME: "http", CLUSTER: self._ground.options.cluster}
            arns = [arn for arn, found in tags.items() if own.items() <= found.items()]
            known = [self.world.targets.groups[arn].values() for arn in arns]
            counts = (sum(bool(target.healthy) and not target.draining for target in targets) for targets in known)
            return max(counts, default=0)

    def reach(self, host: str, user: str, password: str) -> str:
        """Return the database behind an endpoint of RDS."""
        with self.lock:
            return self.world.databases.reach(host, user, password)

    def keep_databases_busy(self, state: str, seconds: float) -> bool:
        """Let RDS be busy."""
        with self.lock:
            return bool(self.world.databases.keep_busy(state, seconds))

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> bool:  # noqa: ARG002 - the port's signature
        """AWS answers at once."""
        return False

    def keep_disks(self, *, keep: bool) -> bool:  # noqa: ARG002 - the port's signature
        """AWS makes machines anew."""
        return False

    def cpu(self, figures: Mapping[str, float]) -> None:
        """Record CPUUtilization."""
        with self.lock:
            for instance, percent in figures.items():
                self.world.metrics.cpu(instance, percent)

    def machine_token(self, machine: str, resource: str, client: str) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """Programs of a machine have keys here."""
        raise LookupError("AWS has no such tokens")

    def machine_access(self) -> Mapping[str, str]:
        """Return endpoint and access key, for ``aws`` of a machine."""
        return {"endpoint": self.url, "access_key": self._ground.record.access_key}


def _timings(options: Options) -> Timings:
    return Timings(
        volume=MOMENT,
        attach=MOMENT,
        snapshot=options.snapshot,
        database=1.0,
        database_snapshot=options.database_snapshot,
    )


def _tag(group: Any, key: str) -> str:
    return next((str(tag["Value"]) for tag in group.tags if tag["Key"] == key), "")
