"""Choose the adapters: settings in, ``World`` or ``Safe`` out. The one place that knows which cloud is behind them.

Nothing is asked over the network here, except for a credential that lies in a cloud's secret store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from automation import azure_ports
from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.maintenance import BitbucketMaintenance
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.outgoing import BitbucketOutgoing
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.clock import SystemClock
from automation.adapters.http import Credentials, Http, Timeouts
from automation.adapters.logs import Redactor
from automation.adapters.secrets import Reader, resolve
from automation.adapters.together import Threads
from automation.cloud_ports import CloudPorts, RestorePorts, SafePorts, missing_sdk
from automation.config import Cloud, Settings
from automation.ports.clock import Clock
from automation.ports.errors import Refused
from automation.ports.safe import Safe
from automation.ports.vaults import Vault
from automation.ports.world import World

if TYPE_CHECKING:
    from automation.adapters.runs.store import Store

_TO_A_NODE = Timeouts(connect=2.0, read=10.0)
"""A node is asked in every pass: one that hangs must not hold the pass up for long."""
_IN_STORES = ("aws-sm:", "azure-kv:")
"""What references to a cloud's secret store begin with."""
_UNDER_LOCK = Timeouts(connect=3.0, read=15.0)
"""Users wait: a call that hangs is asked again, or given up with the budget."""


def build(settings: Settings, *, clock: Clock | None = None, redactor: Redactor | None = None) -> World:
    """Return the ports of the estate that ``settings`` describe.

    Args:
        settings: parsed settings.
        clock: another clock than the machine's.
        redactor: learns every credential that is resolved here; give it to the logs as well.

    Raises:
        Refused: a setting is missing, or the cloud's SDK is not installed.
        BbdcError: a credential reference leads nowhere.
    """
    clock, redactor = clock or SystemClock(), redactor or Redactor()
    cloud = _CLOUDS[settings.cloud](settings, clock)
    credentials = _credentials(settings, cloud.stores)
    for secret in credentials.secrets:
        redactor.add(secret)
    through = Http(credentials=credentials, ca_bundle=settings.ca_bundle)
    direct = Http(credentials=credentials, ca_bundle=settings.ca_bundle, timeouts=_TO_A_NODE, through_proxy=False)
    return World(
        clock=clock,
        bitbucket=BitbucketRest(Client(through, _url(settings), clock, redactor)),
        nodes=NodeViews(direct, settings.node_url, clock, redactor),
        group=cloud.group,
        balancer=cloud.balancer,
        host=cloud.host,
        metrics=cloud.metrics,
        archive=cloud.archive,
        backups=cloud.backups,
        capabilities=cloud.capabilities,
    )


def build_safe(
    settings: Settings, *, clock: Clock | None = None, redactor: Redactor | None = None, store: Store | None = None
) -> Safe:
    """Return the ports of backups of the estate that ``settings`` describe.

    Args:
        settings: parsed settings.
        clock: another clock than the machine's.
        redactor: learns every credential, and every token of a lock; give it to the logs as well.
        store: where the journal is kept; the settings' own when None.

    Raises:
        Refused: a setting is missing, or the cloud's SDK is not installed.
        BbdcError: a credential reference leads nowhere.
    """
    from automation.adapters.journal import StoredJournal  # noqa: PLC0415 (whoever takes no backup need not wait for
    from automation.adapters.runs.store import Store  # noqa: PLC0415       the database's library)

    clock, redactor = clock or SystemClock(), redactor or Redactor()
    stores = _CLOUDS[settings.cloud](settings, clock).stores
    cloud = _SAFES[settings.cloud](settings, clock, redactor, stores)
    credentials, password = _credentials(settings, stores), _password(settings, stores)
    for secret in (*credentials.secrets, *password.secrets):
        redactor.add(secret)
    url = _url(settings)
    through = Http(credentials=credentials, ca_bundle=settings.ca_bundle)
    locking = Http(credentials=password, ca_bundle=settings.ca_bundle, timeouts=_UNDER_LOCK)
    return Safe(
        clock=clock,
        bitbucket=BitbucketRest(Client(through, url, clock, redactor)),
        maintenance=BitbucketMaintenance(locking, url, clock, redactor, user=password.user or ""),
        logs=cloud.logs,
        group=cloud.group,
        disks=cloud.disks,
        database=cloud.database,
        search=cloud.search,
        manifests=cloud.manifests,
        journal=StoredJournal(store or Store(settings.state, database_url(settings))),
        together=Threads(),
        timing=cloud.timing,
    )


def build_restores(settings: Settings, *, clock: Clock | None = None) -> RestorePorts:
    """Return what restores and drills of the estate need beyond ``build`` and ``build_safe``.

    Raises:
        Refused: the cloud's SDK is not installed.
    """
    return _RESTORES[settings.cloud](settings, clock or SystemClock())


def outgoing_of(
    settings: Settings, *, clock: Clock | None = None, redactor: Redactor | None = None
) -> Callable[[str], BitbucketOutgoing]:
    """Return what gives the outgoing side of a copy's Bitbucket by its URL; the users there are the source's.

    Raises:
        Refused: the credentials are not set.
    """
    clock, redactor = clock or SystemClock(), redactor or Redactor()
    credentials = _credentials(settings, _CLOUDS[settings.cloud](settings, clock).stores)
    for secret in credentials.secrets:
        redactor.add(secret)
    http = Http(credentials=credentials, ca_bundle=settings.ca_bundle)
    return lambda url: BitbucketOutgoing(Client(http, url, clock, redactor))


def calls(world: World) -> Mapping[str, int]:
    """Return the requests sent so far, by port; ports that do not count are left out."""
    names = ("bitbucket", "nodes", "group", "balancer", "host", "metrics", "archive", "backups")
    counts = {name: getattr(getattr(world, name), "calls", None) for name in names}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def database_url(settings: Settings) -> str | None:
    """Return the resolved URL of the runs' database; None for SQLite.

    Raises:
        BbdcError: the reference leads nowhere.
    """
    if settings.database_url is None:
        return None
    plain = settings.database_url.get_secret_value()
    stores = _CLOUDS[settings.cloud](settings, SystemClock()).stores if plain.startswith(_IN_STORES) else {}
    return resolve(settings.database_url, stores=stores).get_secret_value()


def notify_urls(settings: Settings) -> tuple[SecretStr, ...]:
    """Return the resolved URLs of those who hear how a backup ended.

    Raises:
        BbdcError: a reference leads nowhere.
    """
    urls = settings.backup.notify
    in_store = any(url.get_secret_value().startswith(_IN_STORES) for url in urls)
    stores = _CLOUDS[settings.cloud](settings, SystemClock()).stores if in_store else {}
    return tuple(resolve(url, stores=stores) for url in urls)


def _url(settings: Settings) -> str:
    if settings.url is None:
        raise Refused("settings", "where is Bitbucket? Its URL is not set", hint="set BITBUCKET_URL")
    return settings.url


def _credentials(settings: Settings, stores: Mapping[str, Reader]) -> Credentials:
    def known(secret: SecretStr | None) -> SecretStr | None:
        return None if secret is None else resolve(secret, stores=stores)

    if settings.token is None and (settings.user is None or settings.password is None):
        hint = "set BITBUCKET_TOKEN, or BITBUCKET_USER and BITBUCKET_PASSWORD"
        raise Refused("settings", "Bitbucket's credentials are not set", hint=hint)
    if settings.token is not None:
        return Credentials(token=known(settings.token))
    return Credentials(user=settings.user, password=known(settings.password))


def _password(settings: Settings, stores: Mapping[str, Reader]) -> Credentials:
    """Return user and password, which the lock takes even where a token is used for everything else."""
    if not settings.user or settings.password is None:
        return Credentials()
    return Credentials(user=settings.user, password=resolve(settings.password, stores=stores))


def _aws(settings: Settings, clock: Clock) -> CloudPorts:
    # Imported here: whoever works with another cloud has no AWS SDK, and need not wait for it.
    try:
        from automation.adapters.aws.archive import AwsArchive  # noqa: PLC0415
        from automation.adapters.aws.backups import AwsBackups  # noqa: PLC0415
        from automation.adapters.aws.host import AwsHost  # noqa: PLC0415
        from automation.adapters.aws.load_balancer import AwsBalancer  # noqa: PLC0415
        from automation.adapters.aws.metrics import AwsMetrics  # noqa: PLC0415
        from automation.adapters.aws.nodes import AwsGroup  # noqa: PLC0415
        from automation.adapters.aws.secrets import reader  # noqa: PLC0415
        from automation.adapters.aws.session import Aws  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_sdk("AWS", "aws", error) from error
    aws, cluster = Aws(settings.region), settings.cluster_name
    http = Http(ca_bundle=settings.ca_bundle)
    return CloudPorts(
        group=AwsGroup(aws.caller(), cluster),
        balancer=AwsBalancer(aws.caller(), cluster),
        host=AwsHost(aws.caller(), service=settings.service, timeout=settings.roll.stop_timeout),
        metrics=AwsMetrics(aws.caller(), clock),
        archive=AwsArchive(aws.caller(), cluster, http, settings.archive_url),
        backups=AwsBackups(aws.caller(), cluster),
        stores={"aws-sm": lambda reference: reader(aws.caller(), reference)},
    )


def _aws_safe(settings: Settings, clock: Clock, redactor: Redactor, stores: Mapping[str, Reader]) -> SafePorts:
    # Imported here: as above; ``_aws`` was called before and has told what is not installed.
    from automation.adapters.aws.disks import AwsDisks  # noqa: PLC0415
    from automation.adapters.aws.manifests import S3Manifests  # noqa: PLC0415
    from automation.adapters.aws.node_logs import AwsNodeLogs  # noqa: PLC0415
    from automation.adapters.aws.nodes import AwsGroup  # noqa: PLC0415
    from automation.adapters.aws.rds import AwsDatabase  # noqa: PLC0415
    from automation.adapters.aws.session import Aws  # noqa: PLC0415
    from automation.adapters.aws.shell import AwsShell  # noqa: PLC0415

    aws, cluster, backup = Aws(settings.region), settings.cluster_name, settings.backup
    shell = AwsShell(aws.caller(), cluster, clock)
    return SafePorts(
        group=AwsGroup(aws.caller(), cluster),
        logs=AwsNodeLogs(aws.caller(), cluster, shell, backup.home, redactor),
        disks=AwsDisks(aws.caller(), cluster),
        database=AwsDatabase(aws.caller(), cluster),
        manifests=S3Manifests(aws.caller(), cluster, backup.bucket),
        search=_search(settings, redactor, stores),
    )


def _search(settings: Settings, redactor: Redactor, stores: Mapping[str, Reader]) -> Vault | None:
    backup = settings.backup
    if backup.search_url is None or backup.search_repository is None:
        if backup.search_url or backup.search_repository:
            hint = "set both BBDC_BACKUP__SEARCH_URL and BBDC_BACKUP__SEARCH_REPOSITORY, or none"
            raise Refused("settings", "only a part of the search index's settings is set", hint=hint)
        return None
    from automation.adapters.aws.opensearch import AwsSearch  # noqa: PLC0415 (as above)

    password = None if backup.search_password is None else resolve(backup.search_password, stores=stores)
    credentials = Credentials(user=backup.search_user, password=password)
    for secret in credentials.secrets:
        redactor.add(secret)
    http = Http(credentials=credentials, ca_bundle=settings.ca_bundle, timeouts=_UNDER_LOCK)
    return AwsSearch(http, backup.search_url, backup.search_repository, settings.cluster_name)


def _aws_restores(settings: Settings, clock: Clock) -> RestorePorts:
    # Imported here: as above.
    try:
        from automation.adapters.aws.drills import AwsDrills  # noqa: PLC0415
        from automation.adapters.aws.nodes import LAUNCHING  # noqa: PLC0415
        from automation.adapters.aws.session import Aws  # noqa: PLC0415
        from automation.adapters.aws.shell import AwsShell  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_sdk("AWS", "aws", error) from error
    aws, cluster, sizes = Aws(settings.region), settings.cluster_name, settings.restore
    return RestorePorts(
        shell=AwsShell(aws.caller(), cluster, clock),
        drills=AwsDrills(
            aws.caller(),
            cluster,
            instance_type=sizes.drill_instance_type,
            database_class=sizes.drill_database_class,
        ),
        launch=LAUNCHING,
    )


_CLOUDS: Mapping[Cloud, Callable[[Settings, Clock], CloudPorts]] = {
    Cloud.AWS: _aws,
    Cloud.AZURE: azure_ports.world_ports,
}
_SAFES: Mapping[Cloud, Callable[[Settings, Clock, Redactor, Mapping[str, Reader]], SafePorts]] = {
    Cloud.AWS: _aws_safe,
    Cloud.AZURE: azure_ports.safe_ports,
}
_RESTORES: Mapping[Cloud, Callable[[Settings, Clock], RestorePorts]] = {
    Cloud.AWS: _aws_restores,
    Cloud.AZURE: azure_ports.restore_ports,
}
