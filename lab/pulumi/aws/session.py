"""The connection to the lab's cloud: boto3 clients, calls with coerced parameters, and waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config

from lab.pulumi.aws.coerce import coerce

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, max_pool_connections=32, connect_timeout=5)
_POLL_SECONDS = 0.2


class NotReached(Exception):
    """A state that was waited for did not come about in time."""


class Cancelled(Exception):
    """The engine asked to stop; what was begun may be half done and the next run continues."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the cloud is and who asks.

    Attributes:
        endpoint: Base URL of every service, on loopback.
        region: The region of resources that name none.
        access_key: Access key id; the cloud derives the account from it.
        secret_key: Secret access key.
    """

    endpoint: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


class Aws:
    """Calls to one region of one account. Safe to use from several threads."""

    def __init__(self, account: Account, cancelled: threading.Event) -> None:
        self.account = account
        self.region = account.region
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._session = boto3.Session(account.access_key, account.secret_key, region_name=account.region)
        self._account_id = ""

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, made once."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.account.endpoint, config=_CONFIG
                )
            return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call an operation by its name in the service's API.

        Parameters that are None are left out; the others are converted to the types the operation declares,
        as the genuine provider converts `"true"` and `"8"`.

        Raises:
            botocore.exceptions.ClientError: The service refused.
        """
        client = self.client(service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        given = {name: value for name, value in parameters.items() if value is not None}
        return getattr(client, xform_name(operation))(**(coerce(shape, given) if shape is not None else given))

    def pages(self, service: str, operation: str, result: str, **parameters: Any) -> list[Any]:
        """Return the items named `result` of all pages of a list operation."""
        client = self.client(service)
        given = {name: value for name, value in parameters.items() if value is not None}
        paginator = client.get_paginator(xform_name(operation))
        return [item for page in paginator.paginate(**given) for item in page.get(result, [])]

    @property
    def account_id(self) -> str:
        """The account's twelve digits."""
        if not self._account_id:
            self._account_id = str(self.call("sts", "GetCallerIdentity")["Account"])
        return self._account_id

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """Return the name of a resource in the form that AWS gives to it."""
        return f"arn:aws:{service}:{self.region if region else ''}:{self.account_id}:{resource}"

    def wait(self, what: str, reached: Callable[[], bool], seconds: float) -> None:
        """Ask until `reached()` holds.

        Args:
            what: What is waited for, for the error: "gateway nat-1 to be available".
            reached: Asks the cloud once.
            seconds: How long to go on asking.

        Raises:
            NotReached: It did not hold in time.
            Cancelled: The engine cancelled.
        """
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() >= deadline:
                raise NotReached(f"waited {seconds:g} s for {what}")
            if self._cancelled.wait(_POLL_SECONDS):
                raise Cancelled(f"cancelled while waiting for {what}")


def picked(source: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters for the properties that `source` has; `names` maps property to parameter."""
    return {parameter: source[name] for name, parameter in names.items() if source.get(name) is not None}


def seen(description: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties that a service's description shows; one that it does not show is None."""
    return {name: description.get(parameter) for name, parameter in names.items()}
