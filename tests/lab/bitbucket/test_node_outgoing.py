"""What leaves Bitbucket by itself, and what a backup asks beside the maintenance: mail, webhooks, mirrors, replicas."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.lab.bitbucket.rig import PASSWORD, QUICK, Rig

pytestmark = pytest.mark.lab

API = "/rest/api/latest"
MAIL = f"{API}/admin/mail-server"
HOOKS = f"{API}/projects/PAY/repos/gateway-service/webhooks"


def test_the_mail_server_is_set_shown_without_its_password_and_removed(rig: Rig) -> None:
    settings = {"hostname": "mail.invalid", "port": 25, "protocol": "SMTP", "sender-address": "git@example.com"}
    with rig.client(1) as one, rig.client(2) as two:
        assert one.get(MAIL).status_code == 404
        assert one.put(MAIL, json={"port": 25}).status_code == 400
        assert one.put(MAIL, json=settings | {"password": "secret"}).status_code == 200
        assert two.get(MAIL).json() == settings
        assert two.delete(MAIL).status_code == 204
        assert one.get(MAIL).status_code == 404
    assert httpx.get(f"http://{rig.address(1)}:7990{MAIL}", auth=("developer", PASSWORD)).status_code == 401


@pytest.mark.parametrize("hooks", [HOOKS, f"{API}/projects/PAY/webhooks"])
def test_webhooks_are_listed_and_switched_off(rig: Rig, hooks: str) -> None:
    wanted = {"name": "build", "url": "http://ci.invalid/hook", "events": ["repo:refs_changed"]}
    with rig.client(1) as one, rig.client(2) as two:
        assert one.post(hooks, json={"name": "x", "url": "ftp://x"}).status_code == 400
        made = one.post(hooks, json=wanted)
        assert (made.status_code, made.json()["active"]) == (201, True)
        mine = f"{hooks}/{made.json()['id']}"
        assert two.put(mine, json={"active": False}).json() == made.json() | {"active": False}
        assert [hook["active"] for hook in one.get(hooks).json()["values"]] == [False]
        assert two.delete(mine).status_code == 204
        assert one.get(mine).status_code == 404
        assert one.get(hooks).json()["values"] == []


def test_pull_requests_are_opened_between_branches_that_exist(rig: Rig) -> None:
    pulls = f"{API}/projects/PAY/repos/gateway-service/pull-requests"
    with rig.client(1) as client:
        body = {"title": "Back", "fromRef": {"id": "refs/heads/release/1.0"}, "toRef": {"id": "main"}}
        assert client.post(pulls, json=body | {"toRef": {"id": "none"}}).status_code == 400
        before = client.get(pulls).json()["size"]
        made = client.post(pulls, json=body).json()
        assert (made["state"], made["toRef"]["id"]) == ("OPEN", "refs/heads/main")
        assert client.get(pulls).json()["values"][0] == made
        assert client.get(pulls).json()["size"] == before + 1
        assert client.get(pulls, params={"state": "MERGED"}).json()["values"] == []


def test_mirrors_and_replicas(rig: Rig) -> None:
    replicas = "/rest/ui/latest/admin/git/mesh/inconsistent-replicas"
    with rig.client(1) as client:
        assert client.get("/rest/mirroring/latest/mirrorServers").json()["values"] == []
        assert client.get(replicas).json()["values"] == []
        rig.fabric.configure(mirror_servers=2)
        rig.fabric.fault("mesh_inconsistent", repositories=3)
        assert [m["id"] for m in client.get("/rest/mirroring/latest/mirrorServers").json()["values"]] == [
            "mirror-1",
            "mirror-2",
        ]
        assert client.get(replicas).json()["size"] == 3
        rig.fabric.clear_faults()
        rig.fabric.configure(mirror_servers=QUICK.mirror_servers)
        assert replace(QUICK, mirror_servers=0) == QUICK
