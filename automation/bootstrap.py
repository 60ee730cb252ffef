"""Choose the adapters: settings in, ``World`` out. The one place that knows which cloud is behind the ports.

Nothing is asked over the network here, except for a credential that lies in a cloud's secret store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.clock import SystemClock
from automation.adapters.http import Credentials, Http, Timeouts
from automation.adapters.logs import Redactor
from automation.adapters.secrets import Reader, resolve
from automation.config import Cloud, Settings
from automation.ports.clock import Clock
from automation.ports.cloud import Archive, Backups, Balancer, Group, Host, Metrics
from automation.ports.errors import Refused
from automation.ports.world import World

_TO_A_NODE = Timeouts(connect=2.0, read=10.0)
"""A node is asked in every pass: one that hangs must not hold the pass up for long."""


@dataclass(frozen=True, slots=True)
class CloudPorts:
    """What one cloud brings into a world."""

    group: Group
    balancer: Balancer
    host: Host
    metrics: Metrics
    archive: Archive
    backups: Backups
    stores: Mapping[str, Reader]
    """Secret stores by the scheme of their references."""


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
    )


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
    stores = _CLOUDS[settings.cloud](settings, SystemClock()).stores if plain.startswith("aws-sm:") else {}
    return resolve(settings.database_url, stores=stores).get_secret_value()


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
        raise _missing_sdk("AWS", "aws", error) from error
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


def _missing_sdk(cloud: str, extra: str, error: ModuleNotFoundError) -> Refused:
    message = f"the adapters for {cloud} need a package that is not installed: {error.name}"
    return Refused("missing_extra", message, hint=f"pip install 'bitbucket-dc[{extra}]'")


_CLOUDS: Mapping[Cloud, Callable[[Settings, Clock], CloudPorts]] = {Cloud.AWS: _aws}
