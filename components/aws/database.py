"""The database: PostgreSQL on RDS, encrypted, in two zones, with room for every node's connections."""

import pulumi
import pulumi_aws as aws

from components.aws.network import AwsNetwork
from components.naming import DATABASE_LIMIT, Estate
from components.spec import DatabaseSpec
from components.tokens import type_token

DATABASE_NAME = "bitbucket"
DATABASE_USER = "bitbucket"
GROWTH = 5
"""Storage grows by itself up to this many times its first size."""
LOG_DAYS = 90


class AwsDatabase(pulumi.ComponentResource):
    """One Multi-AZ instance of PostgreSQL."""

    identifier: pulumi.Output[str]
    """Identifier of the RDS instance."""
    host: pulumi.Output[str]
    """Name that nodes connect to; it moves to the standby when that takes over."""
    port: pulumi.Output[int]
    """TCP port."""

    def __init__(
        self,
        name: str,
        spec: DatabaseSpec,
        estate: Estate,
        *,
        network: AwsNetwork,
        group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        password: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsDatabase"), name, {}, opts)
        self._name, self._spec, self._estate = name, spec, estate
        self._inside = pulumi.ResourceOptions(parent=self)
        self.instance = self._instance(network, group, key_arn, password)
        self.identifier, self.host, self.port = self.instance.identifier, self.instance.address, self.instance.port
        self.register_outputs({"identifier": self.identifier, "host": self.host})

    def _instance(
        self,
        network: AwsNetwork,
        group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        password: pulumi.Output[str],
    ) -> aws.rds.Instance:
        spec, estate = self._spec, self._estate
        identifier = estate.physical("database", DATABASE_LIMIT)
        return aws.rds.Instance(
            f"{self._name}-instance",
            identifier=identifier,
            engine="postgres",
            engine_version=spec.engine_version,
            instance_class=spec.instance_class,
            allocated_storage=spec.size,
            max_allocated_storage=spec.size * GROWTH,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=DATABASE_NAME,
            username=DATABASE_USER,
            password=password,
            multi_az=True,
            publicly_accessible=False,
            db_subnet_group_name=self._subnets(network).name,
            vpc_security_group_ids=[group],
            parameter_group_name=self._parameters().name,
            backup_retention_period=spec.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not estate.protect_data,
            deletion_protection=estate.protect_data,
            skip_final_snapshot=not estate.protect_data,
            final_snapshot_identifier=f"{identifier}-final" if estate.protect_data else None,
            # An engine upgrade is an outage: somebody chooses its moment.
            auto_minor_version_upgrade=False,
            enabled_cloudwatch_logs_exports=["postgresql"],
            tags=estate.tagged(f"{self._name}-instance"),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=estate.protect_data,
                # Made first, or RDS makes a log group of its own: not encrypted with our key, and kept for ever.
                depends_on=[self._logs(identifier, key_arn)],
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="80m", delete="60m"),
            ),
        )

    def _subnets(self, network: AwsNetwork) -> aws.rds.SubnetGroup:
        child = f"{self._name}-subnets"
        return aws.rds.SubnetGroup(
            child, subnet_ids=network.private_subnet_ids, tags=self._estate.tagged(child), opts=self._inside
        )

    def _parameters(self) -> aws.rds.ParameterGroup:
        child = f"{self._name}-parameters"
        return aws.rds.ParameterGroup(
            child,
            family=self._spec.family,
            parameters=[
                {
                    "name": "max_connections",
                    "value": str(self._spec.max_connections),
                    "apply_method": "pending-reboot",
                },
                {"name": "rds.force_ssl", "value": "1", "apply_method": "immediate"},
            ],
            tags=self._estate.tagged(child),
            opts=self._inside,
        )

    def _logs(self, identifier: str, key_arn: pulumi.Input[str]) -> aws.cloudwatch.LogGroup:
        child = f"{self._name}-logs"
        return aws.cloudwatch.LogGroup(
            child,
            name=f"/aws/rds/instance/{identifier}/postgresql",
            retention_in_days=LOG_DAYS,
            kms_key_id=key_arn,
            tags=self._estate.tagged(child),
            opts=self._inside,
        )
