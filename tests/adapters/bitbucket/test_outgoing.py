"""What leaves a Bitbucket by itself, switched off on a real node of the lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.outgoing import BitbucketOutgoing
from automation.adapters.clock import SystemClock
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from automation.ports.errors import NotAuthenticated
from tests.lab.bitbucket.rig import TOKEN, Rig

pytestmark = pytest.mark.lab
API = "/rest/api/latest"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One running node."""
    rig = Rig(tmp_path_factory.mktemp("outgoing"), repositories=3)
    try:
        rig.start(1)
        yield rig
    finally:
        rig.close()


def outgoing(rig: Rig, token: str = TOKEN) -> BitbucketOutgoing:
    http = Http(credentials=Credentials(token=SecretStr(token)), through_proxy=False)
    return BitbucketOutgoing(Client(http, f"http://{rig.address(1)}:7990", SystemClock(), Redactor()))


def test_mail_goes_off_once(rig: Rig) -> None:
    assert not outgoing(rig).mail_off()
    with rig.client(1) as client:
        client.put(f"{API}/admin/mail-server", json={"hostname": "mail.invalid"}).raise_for_status()
        assert outgoing(rig).mail_off()
        assert client.get(f"{API}/admin/mail-server").status_code == 404
    assert not outgoing(rig).mail_off()


def test_every_webhook_of_projects_and_repositories_goes_off_and_stays_to_be_seen(rig: Rig) -> None:
    with rig.client(1) as client:
        projects = [each["key"] for each in client.get(f"{API}/projects").json()["values"]]
        repositories = [(r["project"]["key"], r["slug"]) for r in client.get(f"{API}/repos").json()["values"]]
        places = [f"{API}/projects/{key}/webhooks" for key in projects]
        places += [f"{API}/projects/{key}/repos/{slug}/webhooks" for key, slug in repositories]
        assert len(places) >= 4
        for number, place in enumerate(places):
            hook = {"name": f"hook {number}", "url": "http://ci.invalid/", "events": ["repo:refs_changed"]}
            client.post(place, json=hook).raise_for_status()
        assert outgoing(rig).webhooks_off() == len(places)
        for number, place in enumerate(places):
            (hook,) = client.get(place).json()["values"]
            assert (hook["name"], hook["active"], hook["events"]) == (f"hook {number}", False, ["repo:refs_changed"])
    assert outgoing(rig).webhooks_off() == 0


def test_mirrors_are_named(rig: Rig) -> None:
    assert outgoing(rig).mirrors() == ()
    rig.fabric.configure(mirror_servers=2)
    assert len(outgoing(rig).mirrors()) == 2
    rig.fabric.configure(mirror_servers=0)


def test_the_state_needs_no_credentials_and_the_rest_does(rig: Rig) -> None:
    assert outgoing(rig, "wrong").status() == "RUNNING"
    with pytest.raises(NotAuthenticated):
        outgoing(rig, "wrong").mail_off()
