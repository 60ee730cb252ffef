"""Backups by the clock: a schedule that starts the task, a queue for starts that fail, alarms that wake somebody."""

import pulumi
import pulumi_aws as aws

from components.aws.other_stack import OtherStack
from components.aws.snapshot_identity import NAMESPACE, AwsServiceRole, schedule_policy
from components.aws.snapshot_task import AwsSnapshotTask
from components.snapshots import TaskSpec, Timing
from components.tokens import type_token

HOUR = 3600
LATEST_START = HOUR
"""Seconds after which a start that kept failing is laid into the queue: the next one comes by itself."""
LETTER_DAYS = 14
METRIC = "BackupAgeSeconds"
"""Age of the last good set, which every run publishes when it ends, with the dimension ``Cluster``."""


class AwsSnapshotSchedule(pulumi.ComponentResource):
    """EventBridge Scheduler, the task that it starts, and what watches both."""

    schedule_name: pulumi.Output[str]
    """Name of the schedule."""
    task_definition_arn: pulumi.Output[str]
    """ARN of the task definition, to start one by hand."""
    ecs_cluster_arn: pulumi.Output[str]
    """ARN of the ECS cluster in which tasks run."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue with the starts that failed."""
    alarm_topic_arn: pulumi.Output[str]
    """ARN of the topic that alarms are sent to."""

    def __init__(
        self,
        name: str,
        timing: Timing,
        spec: TaskSpec,
        stack: OtherStack,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsSnapshotSchedule"), name, {}, opts)
        self._name, self._spec, self._stack = name, spec, stack
        self._inside = pulumi.ResourceOptions(parent=self)
        self.task = AwsSnapshotTask(name, spec, stack, self._inside)
        self.queue = self._queue()
        self.schedule = self._schedule(timing)
        self.topic = self._topic()
        self._watch_age()
        self._watch_letters()
        self.schedule_name, self.task_definition_arn = self.schedule.name, self.task.definition_arn
        self.ecs_cluster_arn = self.task.cluster_arn
        self.dead_letter_queue_url, self.alarm_topic_arn = self.queue.url, self.topic.arn
        self.register_outputs(self.exports())

    def exports(self) -> dict[str, pulumi.Output[str]]:
        """Return every output by the name that the stack exports it under."""
        return {
            "scheduleName": self.schedule_name,
            "taskDefinitionArn": self.task_definition_arn,
            "ecsClusterArn": self.ecs_cluster_arn,
            "deadLetterQueueUrl": self.dead_letter_queue_url,
            "alarmTopicArn": self.alarm_topic_arn,
        }

    def _queue(self) -> aws.sqs.Queue:
        child = f"{self._name}-dead-letters"
        return aws.sqs.Queue(
            child,
            kms_master_key_id=self._stack.key_arn,
            message_retention_seconds=LETTER_DAYS * 24 * HOUR,
            tags=self._stack.tagged(child),
            opts=self._inside,
        )

    def _role(self) -> AwsServiceRole:
        parts = pulumi.Output.all(
            self.task.definition_arn,
            self.task.cluster_arn,
            pulumi.Output.all(*self.task.role_arns),
            self.queue.arn,
            self._stack.key_arn,
        )
        policy = parts.apply(lambda known: schedule_policy(*known))
        return AwsServiceRole(f"{self._name}-schedule", "scheduler.amazonaws.com", self._stack, policy, self._inside)

    def _schedule(self, timing: Timing) -> aws.scheduler.Schedule:
        role = self._role()
        return aws.scheduler.Schedule(
            f"{self._name}-schedule",
            description=self._stack.cluster.apply(lambda cluster: f"Backups of {cluster}"),
            schedule_expression=timing.expression,
            schedule_expression_timezone=timing.zone,
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": self.task.cluster_arn,
                "role_arn": role.arn,
                "ecs_parameters": {
                    "task_definition_arn": self.task.definition_arn,
                    "launch_type": "FARGATE",
                    "task_count": 1,
                    "network_configuration": {
                        "assign_public_ip": False,
                        "security_groups": [self.task.group_id],
                        "subnets": self._stack.private_subnet_ids,
                    },
                },
                "retry_policy": {
                    "maximum_retry_attempts": self._spec.retries,
                    "maximum_event_age_in_seconds": LATEST_START,
                },
                "dead_letter_config": {"arn": self.queue.arn},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )

    def _topic(self) -> aws.sns.Topic:
        child = f"{self._name}-topic"
        return aws.sns.Topic(
            child, kms_master_key_id=self._stack.key_arn, tags=self._stack.tagged(child), opts=self._inside
        )

    def _watch_age(self) -> None:
        """Wake somebody when no run of the last hours could say that its last good set is young enough.

        Silence counts as too old: a schedule that is switched off, or a task that dies, publishes nothing.
        """
        hours = self._spec.max_age_hours
        self._alarm(
            "too-old",
            f"No good backup for {hours} hours",
            namespace=NAMESPACE,
            metric_name=METRIC,
            dimensions={"Cluster": self._stack.cluster},
            statistic="Minimum",
            threshold=hours * HOUR,
            period=HOUR,
            evaluation_periods=hours,
            treat_missing_data="breaching",
        )

    def _watch_letters(self) -> None:
        self._alarm(
            "not-started",
            "A scheduled backup could not be started",
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": self.queue.name},
            statistic="Maximum",
            threshold=0,
            period=300,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
        )

    def _alarm(self, what: str, description: str, **metric: object) -> None:
        child = f"{self._name}-{what}"
        aws.cloudwatch.MetricAlarm(
            child,
            alarm_description=description,
            comparison_operator="GreaterThanThreshold",
            alarm_actions=[self.topic.arn],
            ok_actions=[self.topic.arn],
            tags=self._stack.tagged(child),
            opts=self._inside,
            **metric,
        )
