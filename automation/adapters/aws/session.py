"""One AWS session for all adapters: clients, retries, the count of calls, errors translated.

Credentials, profile and endpoints come from where every AWS tool takes them (``AWS_*`` variables, the shared
configuration, the instance's role); nothing about them is a setting of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, OperationNotPageableError, ParamValidationError

from automation.adapters.aws.errors import translate

_READS = Config(
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=5,
    read_timeout=30,
    user_agent_extra="bitbucket-dc",
)
_ONCE = _READS.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


class Aws:
    """Clients by service, made when first needed."""

    def __init__(self, region: str | None = None, *, role: str = "", behind: Aws | None = None) -> None:
        """Take the region, or leave it to ``AWS_REGION`` and the shared configuration.

        Args:
            region: where to work.
            role: ARN of a role to take, in whichever account.
            behind: whose identity takes the role; needed with ``role``.
        """
        self._region = region
        self._role = role
        self._behind = behind
        self._session: Any = None
        self._clients: dict[tuple[str, bool], Any] = {}
        self._others: dict[tuple[str, str], Aws] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """Name of the region in use, for messages."""
        return self._region or str(getattr(self._session, "region_name", None) or "the default region")

    def client(self, service: str, *, once: bool = False) -> Any:
        """Return the client of ``service``; ``once`` gives one that never repeats a request by itself."""
        with self._lock:  # making a client is not thread-safe, using one is
            if (service, once) not in self._clients:
                self._session = self._session or self._made()
                made = self._session.client(service, config=_ONCE if once else _READS)
                self._clients[service, once] = made
            return self._clients[service, once]

    def other(self, region: str, role: str = "") -> Aws:
        """Return the session for another region, or for a role's account; itself when neither differs."""
        if not role and region == self.region:
            return self
        with self._lock:
            behind = self if role else self._behind
            return self._others.setdefault((region, role), Aws(region, role=role or self._role, behind=behind))

    def caller(self) -> Caller:
        """Return a new counting caller; each port has its own."""
        return Caller(self)

    def _made(self) -> Any:
        if not self._role or self._behind is None:
            return boto3.session.Session(region_name=self._region)
        bare = botocore.session.Session()
        bare.register_component("credential_provider", CredentialResolver([_Role(self._role, self._behind)]))
        return boto3.session.Session(botocore_session=bare, region_name=self._region)


class _Role(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """Credentials of a role, taken anew whenever they run out: a copy takes longer than they last."""

    METHOD = "assume-role"

    def __init__(self, role: str, behind: Aws) -> None:
        super().__init__()
        self._role = role
        self._behind = behind

    def load(self) -> Any:
        """Return credentials that are fetched when first needed."""
        return DeferredRefreshableCredentials(refresh_using=self._take, method=self.METHOD)

    def _take(self) -> dict[str, str]:
        sts = self._behind.client("sts")
        taken = sts.assume_role(RoleArn=self._role, RoleSessionName="bitbucket-dc")["Credentials"]
        return {
            "access_key": taken["AccessKeyId"],
            "secret_key": taken["SecretAccessKey"],
            "token": taken["SessionToken"],
            "expiry_time": taken["Expiration"].isoformat(),
        }


class _Count:
    """Counts; threads may add at the same time."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        """Add to the total."""
        with self._lock:
            self.total += number


class Caller:
    """Calls operations of AWS for one port; threads may share it."""

    def __init__(self, aws: Aws, count: _Count | None = None) -> None:
        self._aws = aws
        self._counted = count or _Count()

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included, those to other regions and accounts too."""
        return self._counted.total

    @property
    def region(self) -> str:
        """Name of the region in use, for messages."""
        return self._aws.region

    def at(self, region: str, role: str = "") -> Caller:
        """Return the caller for another region, or for a role's account."""
        self._aws.client("sts")  # the session exists now, and with it the name of our own region
        return Caller(self._aws.other(region, role), self._counted)

    def prepare(self, *services: str) -> str:
        """Make the clients that acts need, so that no act waits for that; return the region's name."""
        for service in services:
            self._aws.client(service, once=True)
        return self._aws.region

    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a read, or an act that may be repeated without harm.

        Args:
            service: boto3's name, such as ``autoscaling``.
            operation: boto3's name, such as ``suspend_processes``.
            arguments: as boto3 takes them.

        Raises:
            BbdcError: see ``errors.translate``.
        """
        return self._send(service, operation, arguments, once=False)

    def once(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call an act that must not be repeated after a lost reply: the caller observes again instead."""
        return self._send(service, operation, arguments, once=True)

    def body(self, service: str, operation: str, /, **arguments: Any) -> bytes:
        """Call a read whose answer is a file, and return the file's content."""
        with self._translated(service, operation):
            answer = getattr(self._aws.client(service), operation)(**arguments)
            self._count(answer)
            content: bytes = answer["Body"].read()
            return content

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> list[Any]:
        """Call a read page by page and return everything under ``key``."""
        found: list[Any] = []
        with self._translated(service, operation):
            for page in self._aws.client(service).get_paginator(operation).paginate(**arguments):
                self._count(page)
                found.extend(page.get(key) or ())
        return found

    def _send(self, service: str, operation: str, arguments: dict[str, Any], *, once: bool) -> dict[str, Any]:
        with self._translated(service, operation):
            answer: dict[str, Any] = getattr(self._aws.client(service, once=once), operation)(**arguments)
            self._count(answer)
            return answer

    def _count(self, answer: dict[str, Any]) -> None:
        self._counted.add(1 + int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)))

    @contextmanager
    def _translated(self, service: str, operation: str) -> Iterator[None]:
        try:
            yield
        except (ParamValidationError, OperationNotPageableError):
            raise  # our own mistake, not the cloud's: it must not look like something to try again
        except (ClientError, BotoCoreError) as error:
            self._count(getattr(error, "response", None) or {})  # None where the connection broke
            doing = f"aws {service} {operation.replace('_', '-')} in {self._aws.region}"
            raise translate(error, doing, service) from error
