"""Names of databases: what RDS calls them, where they answer, and what storage calls them."""

from __future__ import annotations

REGION = "eu-west-1"
"""The world's region."""
AZURE = ".postgres.database.azure.com"


def storage_name(identifier: str, region: str) -> str:
    """Return what storage calls a database (lab.aws.ports.Storage)."""
    return identifier.lower() if region == REGION else f"{identifier.lower()}.{region}"


def storage_name_of(host: str) -> str:
    """Return what storage calls the database behind an endpoint.

    Endpoints are ``IDENTIFIER.HASH.REGION.rds.amazonaws.com``, or ``SERVER.postgres.database.azure.com``.
    """
    identifier, _, region, *_ = [*host.split("."), "", ""]
    if host.endswith(AZURE):
        return identifier
    return storage_name(identifier, region)
