"""The database: PostgreSQL on a flexible server, reached privately, with a standby in a second zone.

One server for each generation of data; nodes connect to the active one.
"""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_azure_native import dbforpostgresql as postgres
from pulumi_azure_native import privatedns

from components.azure.live import ServerFacts, server_facts
from components.azure.network import POSTGRESQL_SERVERS, AzureNetwork
from components.azure.place import UNIQUE, Place, distinct
from components.flows import POSTGRESQL
from components.generations import DataSpec, Generation
from components.naming import DATABASE_LIMIT, GENERATION_TAG, Estate
from components.spec import DatabaseSpec
from components.tokens import type_token

DATABASE_NAME = "bitbucket"
DATABASE_USER = "bitbucket"
SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
"""GiB of storage that a server can have."""
ORIGIN = ("createMode", "sourceServerResourceId", "pointInTimeUTC")
"""Properties that tell what a server was made from."""
ZONES = ("availabilityZone", "highAvailability.standbyAvailabilityZone")
"""Properties that a failover changes."""
TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
"""Tier by the letter of a size."""


class AzureDatabase(pulumi.ComponentResource):
    """A flexible server of PostgreSQL for each generation of data."""

    identifier: pulumi.Output[str]
    """Name of the active generation's server."""
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
        where: Place,
        *,
        network: AzureNetwork,
        password: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureDatabase"), name, {}, opts)
        self._name, self._spec, self._estate, self._where = name, spec, estate, where
        self._inside = pulumi.ResourceOptions(parent=self)
        self._network, self._password, self._zone = network, password, self._names(network)
        servers = {generation.name: self._server(generation) for generation in data.generations}
        self.instance = servers[data.active.name]
        self.identifier, self.host = self.instance.name, self.instance.fully_qualified_domain_name
        self.port = pulumi.Output.from_input(POSTGRESQL)
        self.register_outputs({"identifier": self.identifier, "host": self.host})

    def _names(self, network: AzureNetwork) -> privatedns.PrivateZone:
        """The zone in which the servers' names stand; inside the network only."""
        child, cluster = f"{self._name}-names", self._estate.cluster
        zone = privatedns.PrivateZone(
            child,
            private_zone_name=f"{cluster}.private.postgres.database.azure.com",
            resource_group_name=self._where.group,
            location="global",
            tags=dns_tags(self._estate.tagged(child)),
            opts=self._inside,
        )
        self._link = privatedns.VirtualNetworkLink(
            f"{child}-link",
            virtual_network_link_name=cluster,
            private_zone_name=zone.name,
            resource_group_name=self._where.group,
            location="global",
            registration_enabled=False,
            virtual_network={"id": network.vpc_id},
            tags=dns_tags(self._estate.tagged(f"{child}-link")),
            opts=self._inside,
        )
        return zone

    def _server(self, generation: Generation) -> postgres.Server:
        spec, estate, child = self._spec, self._estate, f"{self._name}-instance{generation.suffix}"
        tier = pulumi.Output.from_input(spec.instance_class).apply(tier_of)
        # No other customer's server may have the name either: all stand in one domain.
        name = distinct(self._where, estate.physical(f"database{generation.suffix}", DATABASE_LIMIT - UNIQUE - 1))
        live: pulumi.Output[ServerFacts] = name.apply(lambda known: server_facts(self._where, known, self))
        server = postgres.Server(
            child,
            server_name=name,
            resource_group_name=self._where.group,
            location=self._where.location,
            sku={"name": spec.instance_class, "tier": tier},
            storage={
                "storage_size_gb": live.apply(lambda known: max(storage_size(spec.size), known.size)),
                "auto_grow": "Enabled",
            },
            backup={
                "backup_retention_days": spec.backup_days,
                "geo_redundant_backup": "Enabled" if spec.geo_redundant else "Disabled",
            },
            # Azure chooses the zones, and a failover exchanges them.
            high_availability=tier.apply(standby),
            network={
                "delegated_subnet_resource_id": self._network.subnet_ids["database"],
                "private_dns_zone_arm_resource_id": self._zone.id,
            },
            administrator_login_password=self._password,
            tags=estate.tagged(child, **{GENERATION_TAG: generation.name}),
            **self._beginning(generation),
            opts=self._care(generation),
        )
        self._fill(generation, server)
        return server

    def _beginning(self, generation: Generation) -> dict[str, Any]:
        """Return what the server begins with: nothing, or another server's past.

        A restored server has the user and the version of its source: Azure takes them from there.
        """
        if generation.database_source is None:
            return {"create_mode": "Create", "version": self._spec.major, "administrator_login": DATABASE_USER}
        source: str | pulumi.Output[str] = generation.database_source
        if not generation.database_source.startswith("/"):
            source = self._where.id(POSTGRESQL_SERVERS, generation.database_source)
        return {
            "create_mode": "PointInTimeRestore",
            "source_server_resource_id": source,
            "point_in_time_utc": generation.database_time,
        }

    def _care(self, generation: Generation) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            # Pulumi alone: a lock of Azure's would also keep old backups from being deleted when their time is over.
            protect=generation.protect,
            # Another source, or the zone that a failover has chosen, would replace the data. Other data is another
            # generation.
            ignore_changes=[*ZONES, *(ORIGIN if generation.restored else ())],
            depends_on=[self._link],
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="80m", delete="60m"),
        )

    def _fill(self, generation: Generation, server: postgres.Server) -> None:
        """Room for every node's connections, and, where nothing was restored, the database itself."""
        limit = postgres.Configuration(
            f"{self._name}-connections{generation.suffix}",
            configuration_name="max_connections",
            server_name=server.name,
            resource_group_name=self._where.group,
            source="user-override",
            value=str(self._spec.max_connections),
            opts=self._inside,
        )
        if generation.restored:
            return
        postgres.Database(
            f"{self._name}-database{generation.suffix}",
            database_name=DATABASE_NAME,
            server_name=server.name,
            resource_group_name=self._where.group,
            charset="UTF8",
            collation="C",
            # One change of a server at a time: Azure refuses the second.
            opts=pulumi.ResourceOptions(parent=self, protect=generation.protect, depends_on=[limit]),
        )


def dns_tags(tags: Mapping[str, pulumi.Input[str]]) -> dict[str, pulumi.Input[str]]:
    """Return the tags that a DNS zone takes: in their names Azure's DNS allows no signs, such as our colon."""
    return {name: value for name, value in tags.items() if re.fullmatch(r"[A-Za-z][\w.-]*", name)}


def storage_size(asked: int) -> int:
    """Return the smallest size, in GiB, that a server can have and that holds so much."""
    return next(size for size in SIZES if size >= asked)


def tier_of(size: str) -> str:
    """Return the tier that a size such as Standard_D2ds_v5 belongs to."""
    return TIERS.get(size.removeprefix("Standard_")[:1], "GeneralPurpose")


def standby(tier: str) -> dict[str, str]:
    """Return how available a server is: Azure offers burstable ones no standby."""
    return {"mode": "Disabled" if tier == TIERS["B"] else "ZoneRedundant"}
