"""Azure's own SDK clients, pointed at a world; with a clock that moves by hand, what they wait for passes at once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

from lab.azure.identities import Principal
from lab.azure.ports import ManualClock

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


class Transport(RequestsTransport):  # type: ignore[misc]  # azure.core exports it lazily, without a type
    """The SDKs' usual transport; waiting between two polls or tries moves the world's clock instead.

    Args:
        sleep: what to do instead of sleeping.
    """

    def __init__(self, sleep: Callable[[float], None], **options: Any) -> None:
        super().__init__(**options)
        self._sleep = sleep

    def sleep(self, duration: float) -> None:
        """Let time pass."""
        self._sleep(duration)


class Clients:
    """The clients of one principal; close them before the world ends.

    Args:
        world: where they lead.
        principal: who signs in; the world's own by default.
        subscription: the world's by default.
        options: for every management client, such as ``retry_total``.
    """

    def __init__(
        self,
        world: AzureWorld,
        principal: Principal | None = None,
        subscription: str | None = None,
        **options: Any,
    ) -> None:
        who = principal or world.principal
        self.world = world
        self._open: list[Any] = []
        self.credential = self._keep(
            ClientSecretCredential(
                who.tenant,
                who.client,
                who.secret,
                authority=world.url,
                disable_instance_discovery=True,
                transport=self.transport(),
            )
        )
        scope = subscription or world.subscription
        self._subscription = scope
        self._options = options
        self.compute: ComputeManagementClient = self._client(ComputeManagementClient)
        self.network: NetworkManagementClient = self._client(NetworkManagementClient)
        self.postgres: PostgreSQLManagementClient = self._client(PostgreSQLManagementClient)
        self.monitor: MonitorManagementClient = self._client(MonitorManagementClient)

    def transport(self) -> RequestsTransport:
        """Return a transport that trusts the lab's authority."""
        trust = {"connection_verify": str(self.world.certificates.authority)}
        clock = self.world.clock
        if isinstance(clock, ManualClock):
            return Transport(clock.advance, **trust)
        return RequestsTransport(**trust)

    def _client(self, kind: Any) -> Any:
        made = kind(
            self.credential, self._subscription, base_url=self.world.url, transport=self.transport(), **self._options
        )
        return self._keep(made)

    def _keep(self, client: Any) -> Any:
        self._open.append(client)
        return client

    def close(self) -> None:
        """Close every connection."""
        for client in reversed(self._open):
            client.close()

    def __enter__(self) -> Self:
        """Use them."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()
