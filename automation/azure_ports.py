"""Azure's adapters for what the settings describe; imported late, because not everybody has Azure's SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automation.adapters.http import Http
from automation.adapters.logs import Redactor
from automation.adapters.secrets import Reader
from automation.cloud_ports import CloudPorts, RestorePorts, SafePorts, missing_sdk
from automation.config import Settings
from automation.core.capabilities import AZURE
from automation.ports.clock import Clock
from automation.ports.errors import Refused

if TYPE_CHECKING:
    from automation.adapters.azure.session import Azure


def session(settings: Settings, clock: Clock) -> Azure:
    """Return the session that everything on Azure goes through.

    Raises:
        Refused: Azure's SDK is not installed, or nobody said where the cluster is.
    """
    try:
        from automation.adapters.azure.session import Azure  # noqa: PLC0415 (as with AWS)
    except ModuleNotFoundError as error:
        raise missing_sdk("Azure", "azure", error) from error
    if not settings.subscription or not settings.resource_group:
        hint = "set BBDC_SUBSCRIPTION (or AZURE_SUBSCRIPTION_ID) and BBDC_RESOURCE_GROUP"
        raise Refused("settings", "where on Azure is the cluster? Subscription or resource group is not set", hint=hint)
    # The CA bundle is Bitbucket's: Azure's own certificates are not signed by it, those of a private cloud may be.
    ca = settings.ca_bundle if settings.azure_endpoint else None
    return Azure(settings.subscription, settings.resource_group, endpoint=settings.azure_endpoint, ca=ca, clock=clock)


def world_ports(settings: Settings, clock: Clock) -> CloudPorts:
    """Return what rolls need."""
    azure, cluster, http = session(settings, clock), settings.cluster_name, Http(ca_bundle=settings.ca_bundle)
    from automation.adapters.azure.archive import AzureArchive  # noqa: PLC0415 (as with AWS)
    from automation.adapters.azure.backups import AzureBackups  # noqa: PLC0415
    from automation.adapters.azure.host import AzureHost  # noqa: PLC0415
    from automation.adapters.azure.load_balancer import AzureBalancer  # noqa: PLC0415
    from automation.adapters.azure.metrics import AzureMetrics  # noqa: PLC0415
    from automation.adapters.azure.nodes import AzureGroup  # noqa: PLC0415
    from automation.adapters.azure.secrets import reader  # noqa: PLC0415

    return CloudPorts(
        group=AzureGroup(azure.caller(), cluster),
        balancer=AzureBalancer(azure.caller(), cluster, clock),
        host=AzureHost(azure.caller(), cluster, service=settings.service),
        metrics=AzureMetrics(azure.caller(), cluster, clock),
        archive=AzureArchive(azure.caller(), cluster, http, settings.archive_url),
        backups=AzureBackups(azure.caller(), cluster),
        stores={"azure-kv": lambda reference: reader(azure.caller(), reference)},
        capabilities=AZURE,
    )


def safe_ports(settings: Settings, clock: Clock, redactor: Redactor, stores: Mapping[str, Reader]) -> SafePorts:
    """Return what backups need.

    Raises:
        Refused: a search index is set, whose snapshots go to S3 only.
    """
    del stores  # credentials of the search index are all that they could be for
    azure, cluster, backup = session(settings, clock), settings.cluster_name, settings.backup
    from automation.adapters.azure.nodes import AzureGroup  # noqa: PLC0415 (as above)
    from automation.adapters.azure.safe import safe_of  # noqa: PLC0415

    if backup.search_url or backup.search_repository:
        hint = "unset BBDC_BACKUP__SEARCH_URL and BBDC_BACKUP__SEARCH_REPOSITORY: the index is built anew"
        raise Refused("settings", "on Azure no search index belongs to a set", hint=hint)
    parts = safe_of(
        azure,
        cluster,
        redactor,
        home=backup.home,
        container=backup.bucket,
        log_lag=backup.database_log_lag,
    )
    return SafePorts(
        group=AzureGroup(azure.caller(), cluster),
        logs=parts.logs,
        disks=parts.disks,
        database=parts.database,
        manifests=parts.manifests,
        timing=parts.timing,
    )


def restore_ports(settings: Settings, clock: Clock) -> RestorePorts:
    """Return what restores and drills need."""
    azure, cluster = session(settings, clock), settings.cluster_name
    from automation.adapters.azure.nodes import LAUNCHING  # noqa: PLC0415 (as above)
    from automation.adapters.azure.safe import drills_of, shell_of  # noqa: PLC0415

    return RestorePorts(
        shell=shell_of(azure, cluster),
        drills=drills_of(azure, cluster, instance_type=settings.restore.drill_instance_type),
        launch=LAUNCHING,
    )
