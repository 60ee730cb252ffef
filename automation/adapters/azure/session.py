"""One session with Azure for all adapters: one credential, clients, retries, the count of requests, errors translated.

Credentials come from where every Azure tool takes them: ``AZURE_*`` variables, a workload's or machine's managed
identity, ``az login``; nothing about them is a setting of ours.

A POST is sent once: azure-core would send it again after a lost answer, and a restart, a reimaging or a command would
happen twice. GET, PUT, PATCH of whole values and DELETE mean the same when they arrive twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import AzureAuthorityHosts, DefaultAzureCredential

from automation.adapters.azure.errors import translate
from automation.adapters.azure.sign_in import quiet
from automation.adapters.azure.ticks import Listening, Ticks
from automation.adapters.clock import SystemClock
from automation.ports.clock import Clock

PUBLIC = "https://management.azure.com"
"""Azure Resource Manager of the public cloud."""
_CLIENTS: Mapping[str, tuple[str, str]] = {
    "compute": ("azure.mgmt.compute", "ComputeManagementClient"),
    "network": ("azure.mgmt.network", "NetworkManagementClient"),
    "monitor": ("azure.mgmt.monitor", "MonitorManagementClient"),
    "postgres": ("azure.mgmt.postgresqlflexibleservers", "PostgreSQLManagementClient"),
}
_READING = ("/backendhealth", "/health", "/read")
"""Ends of paths whose POST changes nothing, and may be sent again."""
_TRIES = {"retry_total": 3, "retry_status": 3, "retry_backoff_factor": 0.8, "retry_backoff_max": 20}
_OWNER = "bbdc_count"


class Azure:
    """Clients by name, made when first needed."""

    def __init__(
        self,
        subscription: str,
        resource_group: str,
        *,
        endpoint: str | None = None,
        ca: Path | str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the place; nothing is asked here.

        Args:
            subscription: id of the subscription.
            resource_group: the group that holds the cluster.
            endpoint: base URL of Azure Resource Manager; the public cloud's when None.
            ca: PEM file to check certificates with; None for the computer's, or ``REQUESTS_CA_BUNDLE``.
            clock: what waiting between tries and polls goes through.
        """
        self.subscription = subscription
        self.resource_group = resource_group
        self.endpoint = (endpoint or PUBLIC).rstrip("/")
        self._ca = None if ca is None else str(ca)
        self.clock = clock or SystemClock()
        self.ticks = Ticks(self.clock)
        self.places: dict[str, str] = {}
        """Addresses that were found once and hold for as long as the session does."""
        self._credential: DefaultAzureCredential | None = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def credential(self) -> DefaultAzureCredential:
        """The one credential; also for clients of data planes (blobs, secrets)."""
        with self._lock:
            if self._credential is None:
                quiet()
                self._credential = DefaultAzureCredential(
                    # A resource manager of one's own has an authority of its own, which Microsoft does not know.
                    disable_instance_discovery=_is_own(os.environ.get("AZURE_AUTHORITY_HOST", "")),
                    exclude_interactive_browser_credential=True,
                    exclude_shared_token_cache_credential=True,
                    exclude_visual_studio_code_credential=True,
                    exclude_developer_cli_credential=True,
                    exclude_powershell_credential=True,
                    transport=self.transport(),
                )
            return self._credential

    def transport(self) -> RequestsTransport:
        """Return a transport that trusts the given CA and waits by the clock."""
        return _Transport(self.clock, **({} if self._ca is None else {"connection_verify": self._ca}))

    def options(self) -> dict[str, Any]:
        """Return what every client of ours is made with: transport, careful retries, the counting policies."""
        return {
            "transport": self.transport(),
            "retry_policy": _Careful(**_TRIES),
            "per_call_policies": [_Owner()],
            "per_retry_policies": [_Counter(), Listening(self.ticks, self.clock)],
            "user_agent": "bitbucket-dc",
            "logging_enable": False,
        }

    def client(self, name: str) -> Any:
        """Return a management client: compute, network, monitor or postgres."""
        with self._lock:
            if name not in self._clients:
                module, kind = _CLIENTS[name]
                own = {} if self.endpoint == PUBLIC else {"base_url": self.endpoint}
                made = getattr(import_module(module), kind)(
                    self.credential, self.subscription, **own, **self.options(), polling_interval=5
                )
                self._clients[name] = made
            return self._clients[name]

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a client of a data plane (blobs, secrets), made when first needed and closed with the others."""
        with self._lock:
            if name not in self._clients:
                self._clients[name] = make()
            return self._clients[name]

    def caller(self) -> Caller:
        """Return a new counting caller; each port has its own."""
        return Caller(self)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            if self._credential is not None:
                self._credential.close()
                self._credential = None


class Count:
    """Counts; threads may add at the same time."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Add one."""
        with self._lock:
            self.total += 1


class Caller:
    """Calls operations of Azure for one port; threads may share it."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self._counted = Count()

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included; sign-in is not counted."""
        return self._counted.total

    @property
    def group(self) -> str:
        """Name of the resource group: the first argument of most operations."""
        return self.azure.resource_group

    @property
    def place(self) -> str:
        """Where we are, for messages."""
        return f"resource group {self.azure.resource_group}, subscription {self.azure.subscription}"

    def call(self, client: str, operation: str, /, *arguments: Any, **more: Any) -> Any:
        """Call an operation that answers at once; return what it answers, as JSON where it is a resource.

        Args:
            client: a name that ``Azure.client`` knows.
            operation: the SDK's, such as ``virtual_machine_scale_sets.get``.
            arguments: as the SDK takes them.
            more: as the SDK takes them.

        Raises:
            BbdcError: see ``errors.translate``.
        """
        with self.translated(f"{client} {operation}"):
            return _plain(self._function(client, operation)(*arguments, **self.counting(), **more))

    def pages(self, client: str, operation: str, /, *arguments: Any, **more: Any) -> list[Any]:
        """Call a listing page by page and return everything, each as JSON."""
        with self.translated(f"{client} {operation}"):
            found = self._function(client, operation)(*arguments, **self.counting(), **more)
            return [_plain(one) for one in found]

    def begin(self, client: str, operation: str, /, *arguments: Any, **more: Any) -> None:
        """Begin a long-running operation and return once it is accepted; who wants to know its end looks later."""
        with self.translated(f"{client} {operation}"):
            self._function(client, operation)(*arguments, polling=False, **self.counting(), **more)

    def finish(self, client: str, operation: str, /, *arguments: Any, **more: Any) -> Any:
        """Call a long-running operation and wait until it has ended; return its result, as JSON.

        Raises:
            BbdcError: it was refused, or it ended badly.
        """
        with self.translated(f"{client} {operation}"):
            return _plain(self._function(client, operation)(*arguments, **self.counting(), **more).result())

    def counting(self) -> dict[str, Any]:
        """Return the option by which a request of any client made with ``Azure.options`` is counted here."""
        return {_OWNER: self._counted}

    def hearing(self) -> dict[str, Any]:
        """Return the same for clients of blobs, whose requests pass through a pipeline of their own."""
        return {"raw_response_hook": lambda _response: self._counted.add()}

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn what Azure raises inside into our errors; ``doing`` goes into the message."""
        try:
            yield
        except AzureError as error:
            raise translate(error, f"azure {doing} in {self.place}") from error

    def _function(self, client: str, operation: str) -> Any:
        found = self.azure.client(client)
        for part in operation.split("."):
            found = getattr(found, part)
        return found


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure.core exports it lazily, without a type
    """The SDKs' usual transport; waiting goes through our clock."""

    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock

    def sleep(self, duration: float) -> None:
        """Wait."""
        self._clock.sleep(duration)


class _Careful(RetryPolicy):  # type: ignore[misc]  # azure has no types here
    """azure-core's retries, except for a POST that does something."""

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send, and again where that can do no harm."""
        sent = request.http_request
        path = urlsplit(sent.url).path.lower()
        if sent.method == "POST" and not path.endswith(_READING):
            request.context.options["retry_total"] = 0
        return super().send(request)

    def sleep(
        self, settings: dict[str, Any], transport: Any, response: PipelineResponse[Any, Any] | None = None
    ) -> None:
        """Wait for the next try; the answer that is not wanted gives its connection back first."""
        if response is not None and hasattr(response.http_response, "close"):
            # Operations are streamed: azure-core leaves such an answer unread, and its connection open.
            response.http_response.close()
        super().sleep(settings, transport, response=response)


class _Owner(SansIOHTTPPolicy):  # type: ignore[misc]  # azure has no types here
    """Takes the count that a request belongs to out of its options, before they reach the transport."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Remember it with the request."""
        request.context[_OWNER] = request.context.options.pop(_OWNER, None)


class _Counter(SansIOHTTPPolicy):  # type: ignore[misc]  # azure has no types here
    """Counts each try of a request."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Count it for its owner."""
        owner = request.context.get(_OWNER)
        if isinstance(owner, Count):
            owner.add()


def _is_own(authority: str) -> bool:
    """Tell whether an authority is none of Microsoft's clouds."""
    known = {
        AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        AzureAuthorityHosts.AZURE_CHINA,
        AzureAuthorityHosts.AZURE_GOVERNMENT,
    }
    host = urlsplit(authority).netloc or authority
    return bool(host) and host.strip("/") not in known


def _plain(found: Any) -> Any:
    """Return a resource as JSON with Azure Resource Manager's own names; anything else as it is."""
    return found.as_dict() if hasattr(found, "_is_model") else found
