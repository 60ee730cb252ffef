"""Settings of backups: the table ``[backup]``, or ``BBDC_BACKUP__`` and the name in capitals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from automation.core.backups.memory import BackupSettings
from automation.core.backups.retention import Retention

_Count = Annotated[int, Field(ge=0)] | None


def listed(value: object) -> tuple[object, ...]:
    """Return several values: a list as it is, a text split at spaces and commas."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)


@dataclass(frozen=True)
class BackupOptions(BackupSettings):
    """What an operator can say about backups; the limits of taking one are inherited. Times in seconds."""

    bucket: str | None = None
    """S3 bucket of the manifests, on Azure a blob container's URL. None: the one that the estate's program made."""
    home: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")] = "/var/atlassian/application-data/bitbucket"
    """Bitbucket's home directory on the nodes: its log tells a lost unlock token."""
    database_log_lag: Annotated[float, Field(ge=0)] = 300.0
    """Seconds after which the log of a database on Azure is certain to be kept: Azure says five minutes at most. A set
    is complete no earlier; nobody is locked out for it."""
    search_url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+/?$")] | None = None
    """OpenSearch domain whose index belongs to a set; with ``search_repository``. None: it is built anew instead."""
    search_repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """Snapshot repository that is registered there."""
    search_user: str | None = None
    search_password: SecretStr | None = None
    keep_last: _Count = None
    """Newest complete sets that are kept. Without any rule everything is kept."""
    keep_daily: _Count = None
    keep_weekly: _Count = None
    keep_monthly: _Count = None
    keep_yearly: _Count = None
    keep_invalid_days: Annotated[float, Field(ge=0)] = 7.0
    """Days for which invalid sets, and snapshots of no set, stay to be looked at."""
    notify: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(listed)] = ()
    """Apprise URLs, or references to them, that hear how a backup ended."""
    metrics_file: Path | None = None
    """Prometheus text file that is written after every change; None writes none."""
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]+$")] | None = None
    """Namespace of the metric, in CloudWatch or Azure Monitor, that is told the newest complete set's age after every
    change; None tells nobody."""
    metrics_endpoint: Annotated[str, Field(pattern=r"^https://[^/@\s]+/?$")] | None = None
    """Azure: where custom metrics are sent, with ``{region}``. None: ``https://{region}.monitoring.azure.com``."""

    @property
    def limits(self) -> BackupSettings:
        """The part that taking a set needs."""
        return BackupSettings(**{field.name: getattr(self, field.name) for field in dataclasses.fields(BackupSettings)})

    @property
    def retention(self) -> Retention:
        """The part that pruning needs."""
        return Retention(
            last=self.keep_last,
            daily=self.keep_daily,
            weekly=self.keep_weekly,
            monthly=self.keep_monthly,
            yearly=self.keep_yearly,
            invalid_days=self.keep_invalid_days,
        )
