"""``ports.staging.Outgoing``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.outgoing import BitbucketOutgoing
from automation.adapters.clock import SystemClock
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from automation.ports.staging import Outgoing
from tests.cli.worlds import FakeOutgoing
from tests.lab.bitbucket.rig import TOKEN, Rig

API = "/rest/api/latest"


class OutgoingHands(Protocol):
    """What an administrator sets up in a Bitbucket."""

    def set_up(self, webhooks: int, mirrors: int) -> None:
        """Let there be a mail server, so many active webhooks more and so many mirrors."""
        ...


@dataclass(frozen=True)
class OutgoingSubject:
    """One implementation over a Bitbucket that serves, without mail server, webhooks and mirrors."""

    port: Outgoing
    hands: OutgoingHands


@dataclass
class RestHands:
    """``OutgoingHands`` over a running node of the lab."""

    rig: Rig

    def set_up(self, webhooks: int, mirrors: int) -> None:
        """Send it over REST."""
        self.rig.fabric.configure(mirror_servers=mirrors)
        with self.rig.client(1) as client:
            client.put(f"{API}/admin/mail-server", json={"hostname": "mail.invalid"}).raise_for_status()
            key = client.get(f"{API}/projects").json()["values"][0]["key"]
            for number in range(webhooks):
                hook = {"name": f"hook {number}", "url": "http://ci.invalid/", "events": ["repo:refs_changed"]}
                client.post(f"{API}/projects/{key}/webhooks", json=hook).raise_for_status()


@dataclass
class FakeHands:
    """``OutgoingHands`` over the fake."""

    fake: FakeOutgoing

    def set_up(self, webhooks: int, mirrors: int) -> None:
        """Set its fields."""
        self.fake.mail, self.fake.webhooks = True, webhooks
        self.fake.known = tuple(f"mirror-{number}" for number in range(1, mirrors + 1))


@contextmanager
def rest(root: Path) -> Iterator[OutgoingSubject]:
    rig = Rig(root, repositories=2)
    try:
        rig.start(1)
        http = Http(credentials=Credentials(token=SecretStr(TOKEN)), through_proxy=False)
        client = Client(http, f"http://{rig.address(1)}:7990", SystemClock(), Redactor())
        yield OutgoingSubject(BitbucketOutgoing(client), RestHands(rig))
        http.close()
    finally:
        rig.close()


@contextmanager
def memory(_: Path) -> Iterator[OutgoingSubject]:
    fake = FakeOutgoing(serves_at=1, mail=False, webhooks=0, known=())
    yield OutgoingSubject(fake, FakeHands(fake))


IMPLEMENTATIONS: Mapping[str, Callable[[Path], AbstractContextManager[OutgoingSubject]]] = {
    "rest": rest,
    "memory": memory,
}


@pytest.mark.parametrize("name", sorted(IMPLEMENTATIONS))
def test_everything_goes_off_once_and_may_be_asked_for_again(name, tmp_path):
    """One body for all of it: a node takes seconds to start."""
    with IMPLEMENTATIONS[name](tmp_path) as subject:
        port = subject.port
        assert port.status() == "RUNNING"
        assert (port.mail_off(), port.webhooks_off(), port.mirrors()) == (False, 0, ())
        subject.hands.set_up(webhooks=3, mirrors=2)
        assert (port.mail_off(), port.webhooks_off(), len(port.mirrors())) == (True, 3, 2)
        assert (port.mail_off(), port.webhooks_off()) == (False, 0)
        assert len(port.mirrors()) == 2
        subject.hands.set_up(webhooks=1, mirrors=0)
        assert (port.mail_off(), port.webhooks_off(), port.mirrors()) == (True, 1, ())
