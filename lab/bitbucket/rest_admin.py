"""REST for administrators: the rolling upgrade, the cluster, licence, banner, Mesh, apps, health, maintenance."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from lab.bitbucket import paging
from lab.bitbucket.here import HERE
from lab.bitbucket.records import Json
from lab.bitbucket.refusals import INVALID, Refusal, answer
from lab.bitbucket.security import need_sysadmin

_API = "/rest/api/{api:latest|1\\.0}/admin"
_CHANGES_THE_NODES = frozenset(f"maintenance.{call}" for call in ("lock", "unlock", "backup", "progress", "cancel"))
"""Calls after which the node that answers shall know at once what the others hear with their next heartbeat."""
MAINTENANCE_TOKEN = "X-Atlassian-Maintenance-Token"  # noqa: S105 -- a header's name


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        web.get("/status", status),
        web.get("/rest/zdu/{call:cluster|state}", upgrade),
        web.get("/rest/zdu/nodes/{id}", upgrade_node),
        web.post("/rest/zdu/{call:start|cancel|approve}", upgrade),
        web.get(_API + "/cluster", cluster),
        web.get(_API + "/license", licence),
        web.get(_API + "/banner", banner),
        web.put(_API + "/banner", set_banner),
        web.delete(_API + "/banner", remove_banner),
        web.get(_API + "/git/mesh/nodes", mesh),
        web.get("/rest/ui/latest/admin/git/mesh/inconsistent-replicas", inconsistent_replicas),
        web.get("/rest/mirroring/{api:latest|1\\.0}/mirrorServers", mirror_servers),
        web.post("/rest/mirroring/{api:latest|1\\.0}/zdu/{switch:start|end}", mirrors),
        web.get("/rest/plugins/1.0/product-updates/", updates),
        web.get("/rest/plugins/1.0/product-updates/{build}/compatibility", compatibility),
        web.get("/rest/troubleshooting/1.0/check/", health),
        web.post("/mvc/maintenance/lock", lock),
        web.get("/mvc/maintenance/lock", lock_owner),
        web.delete("/mvc/maintenance/lock", unlock),
        web.get("/mvc/maintenance", maintenance),
        web.post("/mvc/maintenance", cancel_maintenance),
        web.post("/mvc/admin/backups", backup),
        web.post("/mvc/admin/backups/progress/client", progress),
    ]


async def status(request: web.Request) -> web.Response:
    """State of this node; anyone may ask. Read the body: MAINTENANCE and FIRST_RUN come with 200."""
    shown = request.app[HERE].condition.get("status") or {"code": 503, "body": {"state": "STARTING"}}
    return web.json_response(shown["body"], status=shown["code"])


async def upgrade(request: web.Request) -> web.Response:
    """Listing, state, start, cancel, approve."""
    need_sysadmin(request, refused=403)
    return await _ask(request, f"zdu.{request.match_info['call']}")


async def upgrade_node(request: web.Request) -> web.Response:
    """One node."""
    need_sysadmin(request, refused=403)
    return await _ask(request, "zdu.node", id=request.match_info["id"])


async def cluster(request: web.Request) -> web.Response:
    """The members that this node sees."""
    need_sysadmin(request)
    return await _ask(request, "admin.cluster")


async def licence(request: web.Request) -> web.Response:
    """The licence; 404 when there is none."""
    need_sysadmin(request)
    return await _ask(request, "admin.license", users=len(request.app[HERE].store.users()))


async def banner(request: web.Request) -> web.Response:
    """The announcement banner; 204 when there is none."""
    need_sysadmin(request)
    return await _ask(request, "banner.get")


async def set_banner(request: web.Request) -> web.Response:
    """Set the announcement banner from ``{audience, enabled, message}``."""
    need_sysadmin(request)
    try:
        body = await request.json()
    except json.JSONDecodeError as problem:
        raise Refusal.of(400, "The request body is no JSON.", INVALID) from problem
    return await _ask(request, "banner.put", banner=body)


async def remove_banner(request: web.Request) -> web.Response:
    """Remove the announcement banner."""
    need_sysadmin(request)
    return await _ask(request, "banner.delete")


async def mesh(request: web.Request) -> web.Response:
    """All Mesh nodes; a plain list."""
    need_sysadmin(request)
    reply, _ = await request.app[HERE].link.call("admin.mesh", {})
    return web.json_response((reply.body or {}).get("values", []))


async def inconsistent_replicas(request: web.Request) -> web.Response:
    """Page of the repositories whose replicas on Mesh nodes differ."""
    need_sysadmin(request)
    return await _page_of(request, "admin.mesh.inconsistent")


async def mirror_servers(request: web.Request) -> web.Response:
    """Page of the Smart Mirrors."""
    need_sysadmin(request)
    return await _page_of(request, "mirrors.list")


async def mirrors(request: web.Request) -> web.Response:
    """Switch the upgrade mode of mirror farms on or off."""
    need_sysadmin(request)
    on = request.match_info["switch"] == "start"
    return await _ask(request, "mirrors.switch", on=on, version=request.app[HERE].config.version)


async def updates(request: web.Request) -> web.Response:
    """Versions that Bitbucket could be upgraded to."""
    need_sysadmin(request)
    return await _ask(request, "apps.updates", version=request.app[HERE].config.version)


async def compatibility(request: web.Request) -> web.Response:
    """Which apps run on the version with this build number."""
    need_sysadmin(request)
    return await _ask(request, "apps.compatibility", build=request.match_info["build"])


async def health(request: web.Request) -> web.Response:
    """Support Tools' health checks."""
    need_sysadmin(request)
    return await _ask(request, "health")


async def lock(request: web.Request) -> web.Response:
    """Lock the cluster for maintenance."""
    user = need_sysadmin(request)
    return await _ask(request, "maintenance.lock", user=user.name, display_name=user.display_name)


async def lock_owner(request: web.Request) -> web.Response:
    """Tell who holds the lock."""
    need_sysadmin(request)
    return await _ask(request, "maintenance.owner")


async def unlock(request: web.Request) -> web.Response:
    """Free the cluster."""
    need_sysadmin(request)
    return await _ask(request, "maintenance.unlock", token=request.query.get("token", ""))


async def maintenance(request: web.Request) -> web.Response:
    """The running task and how far it has drained."""
    need_sysadmin(request)
    return await _ask(request, "maintenance.view", token=request.headers.get(MAINTENANCE_TOKEN, ""))


async def cancel_maintenance(request: web.Request) -> web.Response:
    """Cancel the running task."""
    need_sysadmin(request)
    return await _ask(request, "maintenance.cancel", token=request.query.get("token", ""))


async def backup(request: web.Request) -> web.Response:
    """Start a backup that somebody else carries out; only ``external=true`` is offered."""
    need_sysadmin(request)
    if request.query.get("external", "").lower() != "true":
        raise Refusal.of(400, "Only external backups are supported.", INVALID, context="external")
    return await _ask(request, "maintenance.backup", token=request.headers.get(MAINTENANCE_TOKEN, ""))


async def progress(request: web.Request) -> web.Response:
    """Take the client's own progress in per cent."""
    need_sysadmin(request)
    percentage = paging.number(request.query.get("percentage", ""), "percentage")
    return await _ask(request, "maintenance.progress", token=request.query.get("token", ""), percentage=percentage)


async def _page_of(request: web.Request, name: str) -> web.Response:
    reply, _ = await request.app[HERE].link.call(name, {})
    if not reply.ok:
        return answer(reply)
    rows: list[Json] = (reply.body or {})["values"]
    return web.json_response(paging.page(request, rows, lambda row: row))


async def _ask(request: web.Request, name: str, **args: object) -> web.Response:
    passed: Json = dict(args)
    here = request.app[HERE]
    reply, delay = await here.link.call(name, passed)
    if name in _CHANGES_THE_NODES and here.refresh is not None:
        await here.refresh()
    if delay:
        await asyncio.sleep(delay)
    return answer(reply)
