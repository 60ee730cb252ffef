"""What inputs mean on each cloud: defaults, limits and forms that differ. Everything else is one for all."""

import re
from dataclasses import dataclass

_RESOURCE = r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+/providers"
_DATABASE = r"(?=.{1,255}$)(rds:)?[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*"


@dataclass(frozen=True, slots=True)
class Form:
    """How a text must look, and one that does."""

    pattern: re.Pattern[str]
    example: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud, as inputs see it."""

    name: str
    certificate: str
    """Name of the input with the certificate of the HTTPS listener."""
    certificate_from: str
    """Where one comes from, for whoever has none."""
    bucket_scheme: str
    """Scheme of an archive that lies in the cloud's own object storage."""
    instance_type: str
    database_class: str
    backup_days: int
    """Fewest days of automated database backups."""
    home_snapshot: Form
    database_source: Form
    database_snapshot: Form | None
    """None: a database is restored to a moment only."""


AWS = Cloud(
    name="aws",
    certificate="certificateArn",
    certificate_from="Request a certificate in ACM",
    bucket_scheme="s3",
    instance_type="m6i.xlarge",
    database_class="db.m6g.large",
    backup_days=1,
    home_snapshot=Form(re.compile(r"snap-[0-9a-f]{8,17}"), "snap-0123456789abcdef0"),
    database_source=Form(re.compile(_DATABASE), "bitbucket-database"),
    database_snapshot=Form(
        re.compile(rf"arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{{12}}:snapshot:{_DATABASE}|{_DATABASE}"), "bitbucket-20261121"
    ),
)
AZURE = Cloud(
    name="azure",
    certificate="certificateId",
    certificate_from="Keep a certificate in a key vault",
    bucket_scheme="azblob",
    instance_type="Standard_D4s_v5",
    database_class="Standard_D2ds_v5",
    backup_days=7,
    home_snapshot=Form(
        re.compile(
            rf"{_RESOURCE}/Microsoft\.Compute/"
            r"(snapshots/[\w.-]+|restorePointCollections/[\w.-]+/restorePoints/[\w.-]+/diskRestorePoints/[\w.-]+)",
            re.IGNORECASE,
        ),
        "the id of a snapshot or of a disk restore point",
    ),
    database_source=Form(
        re.compile(
            rf"({_RESOURCE}/Microsoft\.DBforPostgreSQL/flexibleServers/)?[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9]",
            re.IGNORECASE,
        ),
        "bitbucket-database",
    ),
    database_snapshot=None,
)
