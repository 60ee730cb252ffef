"""The ports of backups, restores and drills on Azure, in one place for whoever puts an estate together."""

from __future__ import annotations

from dataclasses import dataclass

from automation.adapters.azure.database import LAG, AzureDatabase
from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.drills import AzureDrills
from automation.adapters.azure.manifests import BlobManifests
from automation.adapters.azure.node_logs import AzureNodeLogs
from automation.adapters.azure.session import Azure
from automation.adapters.azure.shell import AzureShell
from automation.adapters.azure.ticks import BeforeSecond
from automation.adapters.logs import Redactor


@dataclass(frozen=True, slots=True)
class AzureSafe:
    """What backups need of Azure; each port counts its own requests."""

    logs: AzureNodeLogs
    disks: AzureDisks
    database: AzureDatabase
    manifests: BlobManifests
    timing: BeforeSecond


def safe_of(
    azure: Azure, cluster: str, redactor: Redactor, *, home: str, container: str | None = None, log_lag: float = LAG
) -> AzureSafe:
    """Return the ports of backups.

    Args:
        azure: the session.
        cluster: the cluster's name.
        redactor: learns every unlock token that is found in a log.
        home: Bitbucket's home directory on the nodes.
        container: URL of the blob container; None finds it by the cluster's tag.
        log_lag: seconds that the database's log may be behind.
    """
    shell, database = AzureShell(azure.caller(), cluster), azure.caller()
    return AzureSafe(
        logs=AzureNodeLogs(azure.caller(), cluster, shell, home, redactor),
        disks=AzureDisks(azure.caller(), cluster),
        database=AzureDatabase(database, cluster, container, lag=log_lag),
        manifests=BlobManifests(azure.caller(), cluster, container),
        # The question goes where the members' will go: its connection is open then.
        timing=BeforeSecond(
            azure.ticks,
            azure.clock,
            lambda: database.pages("postgres", "servers.list_by_resource_group", azure.resource_group),
        ),
    )


def shell_of(azure: Azure, cluster: str) -> AzureShell:
    """Return what runs scripts on machines."""
    return AzureShell(azure.caller(), cluster)


def drills_of(azure: Azure, cluster: str, *, instance_type: str = "") -> AzureDrills:
    """Return what makes and removes drills' places."""
    return AzureDrills(azure.caller(), cluster, instance_type=instance_type)
