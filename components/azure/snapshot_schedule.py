"""Backups by the clock: a job with a schedule of its own, and alerts that wake somebody.

A metric alert on Azure says nothing about a metric that is not written at all, and silence is what must wake somebody
here. A log search alert counts rows, and no row is a number too: it asks for the line with which a good run ends.
"""

import pulumi
from pulumi_azure_native import monitor

from components.azure.other_stack import OtherStack
from components.azure.snapshot_task import AzureSnapshotTask
from components.snapshots import TaskSpec, Timing
from components.tokens import type_token

SHORT_NAME = 12
WARNING = 2
LOG = "ContainerAppConsoleLogs"
ENDED, WELL = '"exit_code": ', '"exit_code": 0}'
"""In the last line that ``bbdc backup create --json`` writes; whatever it was, and when the set is complete."""


class AzureSnapshotSchedule(pulumi.ComponentResource):
    """The job, and what watches it."""

    schedule_name: pulumi.Output[str]
    """Name of the job, which has the schedule."""
    task_definition_arn: pulumi.Output[str]
    """Id of the job, to start it by hand."""
    ecs_cluster_arn: pulumi.Output[str]
    """Id of the environment in which it runs."""
    workspace_id: pulumi.Output[str]
    """Id of the workspace that keeps what the job writes."""
    alarm_topic_arn: pulumi.Output[str]
    """Id of the action group that alerts are sent to."""

    def __init__(
        self,
        name: str,
        timing: Timing,
        spec: TaskSpec,
        stack: OtherStack,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureSnapshotSchedule"), name, {}, opts)
        self._name, self._spec, self._stack = name, spec, stack
        self._inside = pulumi.ResourceOptions(parent=self)
        self.task = AzureSnapshotTask(name, timing, spec, stack, self._inside)
        self.topic = self._topic()
        self._watch_age()
        self._watch_ends()
        self.schedule_name, self.task_definition_arn = self.task.definition_name, self.task.definition_arn
        self.ecs_cluster_arn, self.workspace_id = self.task.cluster_arn, self.task.workspace_id
        self.alarm_topic_arn = self.topic.id
        self.register_outputs(self.exports())

    def exports(self) -> dict[str, pulumi.Output[str]]:
        """Return every output by the name that the stack exports it under."""
        return {
            "jobName": self.schedule_name,
            "jobId": self.task_definition_arn,
            "environmentId": self.ecs_cluster_arn,
            "workspaceId": self.workspace_id,
            "alarmTopicArn": self.alarm_topic_arn,
        }

    def _topic(self) -> monitor.ActionGroup:
        child, stack = f"{self._name}-topic", self._stack
        return monitor.ActionGroup(
            child,
            action_group_name=stack.physical("backups"),
            group_short_name=stack.cluster.apply(lambda cluster: cluster[:SHORT_NAME]),
            resource_group_name=stack.where.group,
            location="Global",
            enabled=True,
            tags=stack.tagged(child),
            # Who is woken is added by people, on the group.
            opts=self._inside,
        )

    def _watch_age(self) -> None:
        """Wake somebody when no run of the last hours ended well.

        Silence counts as too old: a schedule that is gone, a job that cannot start, or a log that is not kept leave no
        line. Azure's log alerts look back two days at most, of which the query takes what was asked for.
        """
        hours = self._spec.max_age_hours
        self._alert(
            "too-old",
            f"No good backup for {hours} hours",
            wanted=f"| where TimeGenerated > ago({hours}h)\n| where Log contains_cs '{WELL}'",
            fewer=True,
            every="PT1H",
            window="P2D",
        )

    def _watch_ends(self) -> None:
        """Wake somebody when a run ended badly: long before the newest set is too old."""
        self._alert(
            "failed",
            "A scheduled backup failed",
            wanted=f"| where Log contains_cs '{ENDED}' and not(Log contains_cs '{WELL}')",
            fewer=False,
            every="PT15M",
            # Twice as long as the step: lines arrive minutes late.
            window="PT30M",
        )

    def _alert(self, what: str, description: str, *, wanted: str, fewer: bool, every: str, window: str) -> None:
        child, stack = f"{self._name}-{what}", self._stack
        query = self.task.definition_name.apply(lambda job: f"{LOG}\n| where JobName == '{job}'\n{wanted}")
        monitor.ScheduledQueryRule(
            child,
            rule_name=stack.physical(f"backup-{what}"),
            resource_group_name=stack.where.group,
            location=stack.where.location,
            description=description,
            kind="LogAlert",
            scopes=[self.task.workspace_id],
            severity=WARNING,
            enabled=True,
            evaluation_frequency=every,
            window_size=window,
            criteria={
                "all_of": [
                    {
                        "query": query,
                        "time_aggregation": "Count",
                        "operator": "LessThan" if fewer else "GreaterThan",
                        "threshold": 1 if fewer else 0,
                        "failing_periods": {"number_of_evaluation_periods": 1, "min_failing_periods_to_alert": 1},
                    }
                ]
            },
            auto_mitigate=True,
            actions={"action_groups": [self.topic.id]},
            tags=stack.tagged(child),
            opts=self._inside,
        )
