"""One cluster as its backups need it: ports, limits, retention, and who hears of them. Composition only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automation import azure_ports, bootstrap
from automation.adapters import metrics_file
from automation.adapters.logs import Redactor
from automation.adapters.notify import notify
from automation.adapters.runs.store import Store
from automation.config import Cloud, Settings
from automation.core.backups.memory import BackupSettings
from automation.core.backups.retention import Retention
from automation.core.backups.sets import BackupSet
from automation.ports.safe import Safe

Measure = Callable[[Sequence[BackupSet]], None]
Announce = Callable[[str, str], None]


@dataclass(frozen=True)
class BackupEstate:
    """One cluster: how to see it and keep its sets."""

    cluster: str
    safe: Safe
    settings: BackupSettings
    store: Store
    """Whoever acts on the cluster holds it here: one backup, or one roll, at a time."""
    retention: Retention = field(default_factory=Retention)
    measures: Sequence[Measure] = ()
    """Write the metrics of all sets; called after every change."""
    announce: Announce | None = None
    """Tells people how a backup ended, by title and text."""


def estate_of(plain: Mapping[str, Any], *, redactor: Redactor | None = None) -> BackupEstate:
    """Return the estate that plain settings, and the environment's credentials, lead to.

    Args:
        plain: settings by name; they win over the environment.
        redactor: learns every credential, and every token of a lock.

    Raises:
        Refused: a setting is wrong or missing.
    """
    settings = Settings.load(**plain)
    backup = settings.backup
    store = Store(settings.state, bootstrap.database_url(settings))
    safe = bootstrap.build_safe(settings, redactor=redactor, store=store)
    return BackupEstate(
        cluster=settings.cluster_name,
        safe=safe,
        settings=backup.limits,
        store=store,
        retention=backup.retention,
        measures=tuple(_measures(settings, safe)),
        announce=_announce_to(settings) if backup.notify else None,
    )


def _measures(settings: Settings, safe: Safe) -> Iterator[Measure]:
    file, namespace = settings.backup.metrics_file, settings.backup.metrics_namespace
    if file is not None:
        yield lambda sets: metrics_file.write(file, metrics_file.render(sets))
    if namespace is not None:
        yield (
            _age_on_azure(settings, safe, namespace)
            if settings.cloud is Cloud.AZURE
            else _age(settings, safe, namespace)
        )


def _age(settings: Settings, safe: Safe, namespace: str) -> Measure:
    """Return what tells CloudWatch; whoever does not use it need not have boto3."""
    from automation.adapters.aws.age import publish  # noqa: PLC0415 (as said)
    from automation.adapters.aws.session import Aws  # noqa: PLC0415

    caller = Aws(settings.region).caller()
    return lambda sets: publish(caller, namespace, settings.cluster_name, sets, now=safe.clock.now())


def _age_on_azure(settings: Settings, safe: Safe, namespace: str) -> Measure:
    """Return what tells Azure Monitor."""
    from automation.adapters.azure.age import publish  # noqa: PLC0415 (whoever does not use it need not have the SDK)

    caller, endpoint = azure_ports.session(settings, safe.clock).caller(), settings.backup.metrics_endpoint
    return lambda sets: publish(caller, namespace, settings.cluster_name, sets, now=safe.clock.now(), endpoint=endpoint)


def _announce_to(settings: Settings) -> Announce:
    def announce(title: str, text: str) -> None:
        # Resolved only now: a reference that leads nowhere must not keep anybody from a backup.
        notify([url.get_secret_value() for url in bootstrap.notify_urls(settings)], title, text)

    return announce
