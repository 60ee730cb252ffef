"""The database: PostgreSQL on RDS, encrypted, in two zones, with room for every node's connections.

One instance for each generation of data; nodes connect to the active one.
"""

from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.network import AwsNetwork
from components.generations import DataSpec, Generation
from components.naming import DATABASE_LIMIT, GENERATION_TAG, Estate
from components.spec import DatabaseSpec
from components.tokens import type_token

DATABASE_NAME = "bitbucket"
DATABASE_USER = "bitbucket"
GROWTH = 5
"""Storage grows by itself up to this many times its first size."""
LOG_DAYS = 90


class AwsDatabase(pulumi.ComponentResource):
    """A Multi-AZ instance of PostgreSQL for each generation of data."""

    identifier: pulumi.Output[str]
    """Identifier of the active generation's RDS instance."""
    host: pulumi.Output[str]
    """Name that nodes connect to; it moves to the standby when that takes over."""
    port: pulumi.Output[int]
    """TCP port."""

    def __init__(
        self,
        name: str,
        spec: DatabaseSpec,
        data: DataSpec,
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
        self._key_arn, self._password = key_arn, password
        self._placed = {
            "db_subnet_group_name": self._subnets(network).name,
            "vpc_security_group_ids": [group],
            "parameter_group_name": self._parameters().name,
        }
        instances = {generation.name: self._instance(generation) for generation in data.generations}
        self.instance = instances[data.active.name]
        self.identifier, self.host, self.port = self.instance.identifier, self.instance.address, self.instance.port
        self.register_outputs({"identifier": self.identifier, "host": self.host})

    def _instance(self, generation: Generation) -> aws.rds.Instance:
        spec, estate, child = self._spec, self._estate, f"{self._name}-instance{generation.suffix}"
        identifier = estate.physical(f"database{generation.suffix}", DATABASE_LIMIT)
        return aws.rds.Instance(
            child,
            identifier=identifier,
            engine="postgres",
            engine_version=spec.engine_version,
            instance_class=spec.instance_class,
            max_allocated_storage=spec.size * GROWTH,
            storage_type="gp3",
            storage_encrypted=True,
            password=self._password,
            multi_az=True,
            publicly_accessible=False,
            backup_retention_period=spec.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not estate.protect_data,
            deletion_protection=generation.protect,
            skip_final_snapshot=not estate.protect_data,
            final_snapshot_identifier=f"{identifier}-final" if estate.protect_data else None,
            # An engine upgrade is an outage: somebody chooses its moment.
            auto_minor_version_upgrade=False,
            enabled_cloudwatch_logs_exports=["postgresql"],
            tags=estate.tagged(child, **{GENERATION_TAG: generation.name}),
            **self._placed,
            **self._beginning(generation),
            opts=self._care(generation, identifier),
        )

    def _beginning(self, generation: Generation) -> dict[str, Any]:
        """Return what the instance begins with: nothing, a snapshot, or another instance's past.

        A restored instance has the key, the user, the database and the storage of its source: RDS refuses most of
        them and takes the others from there.
        """
        if generation.database_snapshot is not None:
            return {"snapshot_identifier": generation.database_snapshot}
        if generation.database_source is not None:
            past = {"source_db_instance_identifier": generation.database_source}
            return {"restore_to_point_in_time": {**past, "restore_time": generation.database_time}}
        return {
            "allocated_storage": self._spec.size,
            "kms_key_id": self._key_arn,
            "db_name": DATABASE_NAME,
            "username": DATABASE_USER,
        }

    def _care(self, generation: Generation, identifier: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            protect=generation.protect,
            # Another source would replace the data. Other data is another generation.
            ignore_changes=["snapshotIdentifier", "restoreToPointInTime"] if generation.restored else None,
            # Made first, or RDS makes a log group of its own: not encrypted with our key, and kept for ever.
            depends_on=[self._logs(generation, identifier)],
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="80m", delete="60m"),
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

    def _logs(self, generation: Generation, identifier: str) -> aws.cloudwatch.LogGroup:
        child = f"{self._name}-logs{generation.suffix}"
        return aws.cloudwatch.LogGroup(
            child,
            name=f"/aws/rds/instance/{identifier}/postgresql",
            retention_in_days=LOG_DAYS,
            kms_key_id=self._key_arn,
            tags=self._estate.tagged(child),
            opts=self._inside,
        )
