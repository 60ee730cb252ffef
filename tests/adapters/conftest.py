"""What all adapter tests share: a clock that jumps, and a Bitbucket client over a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor

TOKEN = "NjE2-very-secret-token"

Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class JumpingClock:
    """Sleeping moves the time and returns at once."""

    time: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += max(0.0, seconds)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def over(clock: JumpingClock) -> Iterator[Callable[[Handler], BitbucketRest]]:
    """Build the real adapter over a function that answers requests."""
    opened: list[Http] = []

    def build(handler: Handler) -> BitbucketRest:
        credentials = Credentials(token=SecretStr(TOKEN))
        opened.append(Http(credentials=credentials, transport=httpx.MockTransport(handler)))
        return BitbucketRest(Client(opened[-1], "https://bitbucket.example.com", clock, Redactor(credentials.secrets)))

    yield build
    for http in opened:
        http.close()


@pytest.fixture
def views(clock: JumpingClock) -> Iterator[Callable[[Handler], NodeViews]]:
    """Build the real node adapter over a function that answers requests."""
    opened: list[Http] = []

    def build(handler: Handler) -> NodeViews:
        credentials = Credentials(token=SecretStr(TOKEN))
        opened.append(Http(credentials=credentials, transport=httpx.MockTransport(handler)))
        return NodeViews(opened[-1], "http://{address}:7990", clock, Redactor(credentials.secrets))

    yield build
    for http in opened:
        http.close()
