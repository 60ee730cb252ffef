"""The task that takes a backup: one container that runs ``bbdc backup create`` and ends."""

import json

import pulumi
import pulumi_aws as aws

from components.aws.other_stack import OtherStack
from components.aws.snapshot_identity import NAMESPACE, AwsServiceRole, start_policy, task_policy
from components.flows import POSTGRESQL
from components.snapshots import TaskSpec
from components.tokens import type_token

LOG_DAYS = 400
CONTAINER = "bbdc"
EGRESS = (80, 443)
"""Bitbucket behind its load balancer, and AWS."""


class AwsSnapshotTask(pulumi.ComponentResource):
    """ECS cluster, task definition, roles, firewall and log."""

    cluster_arn: pulumi.Output[str]
    definition_arn: pulumi.Output[str]
    role_arns: list[pulumi.Output[str]]
    """Roles that whoever starts the task hands over."""
    group_id: pulumi.Output[str]
    """Id of the task's security group."""

    def __init__(
        self, name: str, spec: TaskSpec, stack: OtherStack, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(type_token("AwsSnapshotTask"), name, {}, opts)
        self._name, self._spec, self._stack = name, spec, stack
        self._inside, asking = pulumi.ResourceOptions(parent=self), pulumi.InvokeOutputOptions(parent=self)
        self._region = aws.get_region_output(opts=asking).region
        self._account = aws.get_caller_identity_output(opts=asking).account_id
        self.logs = self._logs()
        self.cluster = aws.ecs.Cluster(
            f"{name}-cluster",
            settings=[{"name": "containerInsights", "value": "disabled"}],
            tags=stack.tagged(f"{name}-cluster"),
            opts=self._inside,
        )
        self.definition = self._definition()
        self.cluster_arn, self.definition_arn, self.group_id = self.cluster.arn, self.definition.arn, self._firewall()
        self.register_outputs({"clusterArn": self.cluster_arn, "definitionArn": self.definition_arn})

    def _logs(self) -> aws.cloudwatch.LogGroup:
        child = f"{self._name}-logs"
        return aws.cloudwatch.LogGroup(
            child,
            retention_in_days=LOG_DAYS,
            kms_key_id=self._stack.key_arn,
            tags=self._stack.tagged(child),
            opts=self._inside,
        )

    def _roles(self) -> tuple[AwsServiceRole, AwsServiceRole]:
        """Return the role of the task itself and the role that starts it."""
        stack, secrets = self._stack, list(self._secrets().values())
        own = pulumi.Output.all(stack.cluster, stack.bucket, stack.key_arn, self._region, self._account)
        start = pulumi.Output.all(stack.key_arn, self.logs.arn)
        service = "ecs-tasks.amazonaws.com"
        policy = own.apply(lambda known: task_policy(*known))
        task = AwsServiceRole(f"{self._name}-backup", service, stack, policy, self._inside)
        policy = start.apply(lambda known: start_policy(secrets, *known))
        return task, AwsServiceRole(f"{self._name}-start", service, stack, policy, self._inside)

    def _secrets(self) -> dict[str, str]:
        spec = self._spec
        found = {"BITBUCKET_PASSWORD": spec.password_secret}
        return found if spec.journal_secret is None else {**found, "BBDC_DATABASE_URL": spec.journal_secret}

    def _definition(self) -> aws.ecs.TaskDefinition:
        child, (task, start) = f"{self._name}-task", self._roles()
        self.role_arns = [task.arn, start.arn]
        stack = self._stack
        known = pulumi.Output.all(
            AWS_REGION=self._region,
            BBDC_CLUSTER=stack.cluster,
            BBDC_BACKUP__BUCKET=stack.bucket,
            BBDC_BACKUP__METRICS_NAMESPACE=NAMESPACE,
            BITBUCKET_URL=self._spec.url or stack.url,
            BITBUCKET_USER=self._spec.user,
            log=self.logs.name,
        )
        return aws.ecs.TaskDefinition(
            child,
            family=child,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(self._spec.cpu),
            memory=str(self._spec.memory),
            task_role_arn=task.arn,
            execution_role_arn=start.arn,
            container_definitions=known.apply(lambda values: self._container(**values)),
            tags=stack.tagged(child),
            # A task that may not do everything yet must not be started.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[task, start]),
        )

    def _container(self, log: str, **environment: str) -> str:
        command = ["backup", "create", "--json", *(["--zero-downtime"] if self._spec.zero_downtime else [])]
        options = {
            "awslogs-group": log,
            "awslogs-region": environment["AWS_REGION"],
            "awslogs-stream-prefix": CONTAINER,
        }
        container = {
            "name": CONTAINER,
            "image": self._spec.image,
            "entryPoint": ["bbdc"],
            "command": command,
            "essential": True,
            "cpu": self._spec.cpu,
            "memory": self._spec.memory,
            "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
            "secrets": [{"name": name, "valueFrom": arn} for name, arn in self._secrets().items()],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            # Time to give the lock back, when the task is stopped.
            "stopTimeout": 120,
        }
        return json.dumps([container])

    def _firewall(self) -> pulumi.Output[str]:
        child = f"{self._name}-firewall"
        group = aws.ec2.SecurityGroup(
            child,
            description="scheduled backups",
            vpc_id=self._stack.vpc_id,
            tags=self._stack.tagged(child),
            opts=self._inside,
        )
        for port in EGRESS if self._spec.journal_secret is None else (*EGRESS, POSTGRESQL):
            aws.vpc.SecurityGroupEgressRule(
                f"{child}-{port}",
                security_group_id=group.id,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4="0.0.0.0/0",
                tags=self._stack.tagged(f"{child}-{port}"),
                opts=self._inside,
            )
        identifier: pulumi.Output[str] = group.id
        return identifier
