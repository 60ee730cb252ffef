"""The job that takes a backup: a container that runs ``bbdc backup create`` by the clock of Container Apps."""

from typing import Any

import pulumi
from pulumi_azure_native import app, keyvault, monitor, operationalinsights

from components.azure.other_stack import OtherStack
from components.azure.snapshot_identity import NAMESPACE, AzureServiceRole
from components.snapshots import TaskSpec, Timing
from components.tokens import type_token

LOG_DAYS = 365
CONTAINER = "bbdc"
PROFILE = "Consumption"
LONGEST = 12 * 3600
"""Seconds after which a run is ended: longer than disks take to be copied, and over before the next night."""
UNITS = 1024
"""CPU units of a core, and MiB of a GiB."""


class AzureSnapshotTask(pulumi.ComponentResource):
    """Environment, job, identity and log."""

    cluster_arn: pulumi.Output[str]
    """Id of the environment."""
    definition_arn: pulumi.Output[str]
    """Id of the job."""
    definition_name: pulumi.Output[str]
    """Name of the job."""
    role_arns: list[pulumi.Output[str]]
    """The identity that the job runs as."""
    workspace_id: pulumi.Output[str]
    """Id of the Log Analytics workspace that keeps what the job writes."""

    def __init__(
        self,
        name: str,
        timing: Timing,
        spec: TaskSpec,
        stack: OtherStack,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureSnapshotTask"), name, {}, opts)
        self._name, self._timing, self._spec, self._stack = name, timing, spec, stack
        self._inside = pulumi.ResourceOptions(parent=self)
        self.logs = self._logs()
        self.environment = self._environment()
        logging = self._log()
        self.role = AzureServiceRole(
            f"{name}-backup", stack, secrets=self._secrets(), registry=spec.registry, opts=self._inside
        )
        self.role_arns = [self.role.arn]
        self.job = self._job(logging)
        self.cluster_arn, self.workspace_id = self.environment.id, self.logs.id
        self.definition_arn, self.definition_name = self.job.id, self.job.name
        self.register_outputs({"clusterArn": self.cluster_arn, "definitionArn": self.definition_arn})

    def _logs(self) -> operationalinsights.Workspace:
        child, stack = f"{self._name}-logs", self._stack
        return operationalinsights.Workspace(
            child,
            workspace_name=stack.physical("backups"),
            resource_group_name=stack.where.group,
            location=stack.where.location,
            sku={"name": "PerGB2018"},
            retention_in_days=LOG_DAYS,
            tags=stack.tagged(child),
            opts=self._inside,
        )

    def _environment(self) -> app.ManagedEnvironment:
        child, stack = f"{self._name}-environment", self._stack
        return app.ManagedEnvironment(
            child,
            environment_name=stack.physical("backups"),
            resource_group_name=stack.where.group,
            location=stack.where.location,
            # By Azure Monitor and not with the workspace's key, which would lie in Pulumi's state.
            app_logs_configuration={"destination": "azure-monitor"},
            vnet_configuration={"infrastructure_subnet_id": stack.subnet_id, "internal": True},
            workload_profiles=[{"name": PROFILE, "workload_profile_type": PROFILE}],
            tags=stack.tagged(child),
            opts=self._inside,
        )

    def _log(self) -> monitor.DiagnosticSetting:
        return monitor.DiagnosticSetting(
            f"{self._name}-log",
            name="bitbucket-dc",
            resource_uri=self.environment.id,
            workspace_id=self.logs.id,
            logs=[{"category": f"ContainerApp{kind}Logs", "enabled": True} for kind in ("Console", "System")],
            opts=self._inside,
        )

    def _secrets(self) -> dict[str, str]:
        """Ids of the secrets, by their names in the job."""
        found = {"password": self._spec.password_secret}
        return found if self._spec.journal_secret is None else {**found, "journal": self._spec.journal_secret}

    def _job(self, logging: pulumi.Resource) -> app.Job:
        child, stack, spec = f"{self._name}-job", self._stack, self._spec
        pull = [] if spec.registry is None else [{"server": spec.image.partition("/")[0], "identity": self.role.arn}]
        return app.Job(
            child,
            job_name=stack.physical("backup"),
            resource_group_name=stack.where.group,
            location=stack.where.location,
            environment_id=self.environment.id,
            workload_profile_name=PROFILE,
            identity={"type": "UserAssigned", "user_assigned_identities": [self.role.arn]},
            configuration={
                "trigger_type": "Schedule",
                "schedule_trigger_config": {
                    "cron_expression": self._timing.expression,
                    "parallelism": 1,
                    "replica_completion_count": 1,
                },
                "replica_timeout": LONGEST,
                # A set that failed is not tried again before the next time: users would be locked out once more.
                "replica_retry_limit": 0,
                "registries": pull,
                "secrets": [self._reference(name, identity) for name, identity in self._secrets().items()],
            },
            template={"containers": [self._container()]},
            tags=stack.tagged(child),
            # A run whose log nobody keeps would look like one that never was.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logging]),
        )

    def _reference(self, name: str, identity: str) -> dict[str, Any]:
        """A secret as the job has it: where it is, and who reads it there."""
        parts = identity.split("/")
        asking = pulumi.InvokeOutputOptions(parent=self)
        vault = keyvault.get_vault_output(resource_group_name=parts[4], vault_name=parts[8], opts=asking)
        url = pulumi.Output.concat(vault.properties.vault_uri, f"secrets/{parts[-1]}")
        return {"name": name, "key_vault_url": url, "identity": self.role.arn}

    def _container(self) -> dict[str, Any]:
        spec, stack = self._spec, self._stack
        plain: dict[str, pulumi.Input[str]] = {
            "AZURE_CLIENT_ID": self.role.client_id,
            "BBDC_BACKUP__BUCKET": stack.bucket,
            "BBDC_BACKUP__METRICS_NAMESPACE": NAMESPACE,
            "BBDC_CLOUD": "azure",
            "BBDC_CLUSTER": stack.cluster,
            "BBDC_RESOURCE_GROUP": stack.where.group,
            "BBDC_SUBSCRIPTION": stack.where.subscription,
            "BITBUCKET_URL": spec.url or stack.url,
            "BITBUCKET_USER": spec.user,
        }
        names = {"password": "BITBUCKET_PASSWORD", "journal": "BBDC_DATABASE_URL"}
        secret = [{"name": names[name], "secret_ref": name} for name in self._secrets()]
        return {
            "name": CONTAINER,
            "image": spec.image,
            "command": ["bbdc"],
            "args": ["backup", "create", "--json", *(["--zero-downtime"] if spec.zero_downtime else [])],
            "env": [*({"name": name, "value": value} for name, value in plain.items()), *secret],
            "resources": {"cpu": spec.cpu / UNITS, "memory": f"{spec.memory / UNITS:g}Gi"},
        }
