"""The age of the newest complete set, told to Azure Monitor as a custom metric of the nodes' scale set.

The call is `Metrics - Custom - Create` of Azure Monitor's REST API, for which there is no package: a POST to the region
of the resource, with a token that is meant for Azure Monitor and not for the resource manager.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.session import Azure, Caller
from automation.core.backups.sets import BackupSet, SetState

METRIC, DIMENSION = "BackupAgeSeconds", "Cluster"
ENDPOINT = "https://{region}.monitoring.azure.com"
"""Where custom metrics go in the public cloud."""
_AUDIENCE = "https://monitoring.azure.com/"
_REGION = "{region}."


def publish(
    caller: Caller,
    namespace: str,
    cluster: str,
    sets: Sequence[BackupSet],
    *,
    now: float,
    endpoint: str | None = None,
) -> None:
    """Publish the age in seconds; nothing while no set is complete, so that silence alarms.

    Args:
        caller: who sends it.
        namespace: the metric's namespace, such as BitbucketDC.
        cluster: whose sets these are; its scale set is the resource that the metric belongs to.
        sets: all that there are.
        now: seconds since 1970. Azure Monitor takes what is up to twenty minutes old.
        endpoint: URL with ``{region}``; that of the public cloud when None.

    Raises:
        NotFound: the cluster has no scale set.
        BbdcError: Azure Monitor did not take it.
    """
    begun = max((each.created for each in sets if each.state is SetState.COMPLETE), default=None)
    if begun is None:
        return
    group = Estate(caller, cluster).group()
    where = endpoint or ENDPOINT
    url = where.rstrip("/").replace("{region}", str(group["location"])) + f"{group['id']}/metrics"
    client = caller.azure.kept("metrics-ingestion", lambda: _client(caller.azure, where))
    document = _document(namespace, cluster, max(0.0, now - begun), now)
    with caller.translated(f"metrics of {group['name']}"):
        answer = client.send_request(HttpRequest("POST", url, json=document), **caller.counting())
        answer.raise_for_status()


def _client(azure: Azure, endpoint: str) -> PipelineClient[Any, Any]:
    # Azure's tokens for this service name it with a slash at its end; the second slash of the scope keeps it.
    sign = BearerTokenCredentialPolicy(azure.credential, f"{_audience(endpoint)}/.default")
    sent = azure.options()
    policies = [*sent["per_call_policies"], UserAgentPolicy(sent["user_agent"]), sent["retry_policy"], sign]
    policies += sent["per_retry_policies"]
    return PipelineClient(endpoint, policies=policies, transport=sent["transport"])


def _audience(endpoint: str) -> str:
    """Return whom a token must be meant for: another cloud's own service, else that of the public cloud."""
    host = urlsplit(endpoint).netloc
    return f"https://{host.removeprefix(_REGION)}/" if host.startswith(_REGION) else _AUDIENCE


def _document(namespace: str, cluster: str, age: float, now: float) -> dict[str, Any]:
    series = {"dimValues": [cluster], "min": age, "max": age, "sum": age, "count": 1}
    base = {"metric": METRIC, "namespace": namespace, "dimNames": [DIMENSION], "series": [series]}
    moment = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": moment, "data": {"baseData": base}}
