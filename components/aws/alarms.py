"""What wakes somebody: targets that do not answer, a database that runs full, a file server that fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.load_balancer import AwsLoadBalancer
from components.naming import Estate
from components.spec import DatabaseSpec
from components.tokens import type_token

GIB = 1024**3
CPU_PERCENT, STORAGE_SHARE, CONNECTION_SHARE = 80, 0.1, 0.9
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric that must not stay beyond a threshold for a number of minutes."""

    what: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    threshold: float
    minutes: int
    below: bool = False


class AwsAlarms(pulumi.ComponentResource):
    """Alarms and the topic that they speak to."""

    topic_arn: pulumi.Output[str]
    """ARN of the topic to subscribe to."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        *,
        key_arn: pulumi.Input[str],
        balancer: AwsLoadBalancer,
        database: DatabaseSpec,
        database_identifier: pulumi.Input[str],
        file_server_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsAlarms"), name, {}, opts)
        self._name, self._estate = name, estate
        topic = aws.sns.Topic(
            f"{name}-topic",
            kms_master_key_id=key_arn,
            tags=estate.tagged(f"{name}-topic"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.topic_arn = topic.arn
        server = Alarm("file-server", "AWS/EC2", "StatusCheckFailed", {"InstanceId": file_server_id}, 0, 2)
        for alarm in (*_targets(balancer), *_database(database, database_identifier), server):
            self._alarm(alarm)
        self.register_outputs({"topicArn": self.topic_arn})

    def _alarm(self, alarm: Alarm) -> None:
        child = f"{self._name}-{alarm.what}"
        aws.cloudwatch.MetricAlarm(
            child,
            alarm_description=f"{alarm.what} of {self._estate.cluster}",
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions=alarm.dimensions,
            statistic="Minimum" if alarm.below else "Maximum",
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            threshold=alarm.threshold,
            period=MINUTE,
            evaluation_periods=alarm.minutes,
            # A file server that no longer reports is a dead one; for the others silence is normal now and then.
            treat_missing_data="breaching" if alarm.what == "file-server" else "missing",
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _targets(balancer: AwsLoadBalancer) -> Sequence[Alarm]:
    """Longer than a node takes to be replaced in a roll: a roll wakes nobody."""
    pairs = (
        ("http", "AWS/ApplicationELB", balancer.http, balancer.http_targets),
        ("ssh", "AWS/NetworkELB", balancer.ssh, balancer.ssh_targets),
    )
    return [
        Alarm(
            f"{kind}-unhealthy",
            namespace,
            "UnHealthyHostCount",
            {"LoadBalancer": front.arn_suffix, "TargetGroup": targets.arn_suffix},
            threshold=0,
            minutes=30,
        )
        for kind, namespace, front, targets in pairs
    ]


def _database(spec: DatabaseSpec, identifier: pulumi.Input[str]) -> Sequence[Alarm]:
    at = {"DBInstanceIdentifier": identifier}
    return [
        Alarm("database-storage", "AWS/RDS", "FreeStorageSpace", at, spec.size * GIB * STORAGE_SHARE, 5, below=True),
        Alarm("database-cpu", "AWS/RDS", "CPUUtilization", at, CPU_PERCENT, 15),
        Alarm("database-connections", "AWS/RDS", "DatabaseConnections", at, spec.max_connections * CONNECTION_SHARE, 5),
    ]
