"""What wakes somebody: nodes that do not answer, a database that runs full, a file server that fails."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor

from components.azure.load_balancer import AzureLoadBalancer
from components.azure.place import Place
from components.naming import Estate
from components.spec import DatabaseSpec
from components.tokens import type_token

CPU_PERCENT, STORAGE_PERCENT, CONNECTION_SHARE, ANSWERING_PERCENT = 80, 90, 0.9, 99
WARNING = 2
SHORT_NAME = 12


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric that must not stay beyond a threshold for a number of minutes."""

    what: str
    namespace: str
    metric: str
    scope: pulumi.Input[str]
    threshold: float
    minutes: int
    below: bool = False


class AzureAlarms(pulumi.ComponentResource):
    """Alerts and the action group that they speak to."""

    topic_arn: pulumi.Output[str]
    """Id of the action group, to which receivers are added."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        where: Place,
        *,
        balancer: AzureLoadBalancer,
        database: DatabaseSpec,
        database_id: pulumi.Input[str],
        file_server_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureAlarms"), name, {}, opts)
        self._name, self._estate, self._where = name, estate, where
        group = monitor.ActionGroup(
            f"{name}-topic",
            action_group_name=f"{estate.cluster}-alarms",
            group_short_name=estate.cluster[:SHORT_NAME],
            resource_group_name=where.group,
            location="Global",
            enabled=True,
            tags=estate.tagged(f"{name}-topic"),
            # Who is woken is added by people, on the group.
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.topic_arn = group.id
        machine = "Microsoft.Compute/virtualMachines"
        server = Alarm("file-server", machine, "VmAvailabilityMetric", file_server_id, 1, 5, below=True)
        for alarm in (*_targets(balancer), *_database(database, database_id), server):
            self._alarm(alarm)
        self.register_outputs({"topicArn": self.topic_arn})

    def _alarm(self, alarm: Alarm) -> None:
        child = f"{self._name}-{alarm.what}"
        criterion = monitor.MetricCriteriaArgs(
            name=alarm.what,
            criterion_type="StaticThresholdCriterion",
            metric_namespace=alarm.namespace,
            metric_name=alarm.metric,
            operator="LessThan" if alarm.below else "GreaterThan",
            threshold=alarm.threshold,
            # Beyond it for the whole window: the best value of all is beyond it.
            time_aggregation="Maximum" if alarm.below else "Minimum",
        )
        monitor.MetricAlert(
            child,
            rule_name=f"{self._estate.cluster}-{alarm.what}",
            resource_group_name=self._where.group,
            location="global",
            description=f"{alarm.what} of {self._estate.cluster}",
            scopes=[alarm.scope],
            severity=WARNING,
            enabled=True,
            evaluation_frequency="PT1M",
            window_size=f"PT{alarm.minutes}M",
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", all_of=[criterion]
            ),
            auto_mitigate=True,
            actions=[{"action_group_id": self.topic_arn}],
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _targets(balancer: AzureLoadBalancer) -> Sequence[Alarm]:
    """Longer than a node takes to be replaced in a roll: a roll wakes nobody."""
    gateway, ssh = "Microsoft.Network/applicationGateways", "Microsoft.Network/loadBalancers"
    return [
        Alarm("http-unhealthy", gateway, "UnhealthyHostCount", balancer.http.id, 0, 30),
        Alarm("ssh-unhealthy", ssh, "DipAvailability", balancer.ssh.id, ANSWERING_PERCENT, 30, below=True),
    ]


def _database(spec: DatabaseSpec, identity: pulumi.Input[str]) -> Sequence[Alarm]:
    kind = "Microsoft.DBforPostgreSQL/flexibleServers"
    connections = spec.max_connections * CONNECTION_SHARE
    return [
        Alarm("database-storage", kind, "storage_percent", identity, STORAGE_PERCENT, 5),
        Alarm("database-cpu", kind, "cpu_percent", identity, CPU_PERCENT, 15),
        Alarm("database-connections", kind, "active_connections", identity, connections, 5),
    ]
