"""The HTTP application of a node: who may come in, what goes wrong on purpose, how errors look."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import web

from lab.bitbucket import git_http, pages, rest, rest_admin, rest_outgoing, rest_pulls
from lab.bitbucket.gate import Latched
from lab.bitbucket.here import HERE, Here, user_of
from lab.bitbucket.link import FabricGone, FabricRefused
from lab.bitbucket.records import Json
from lab.bitbucket.refusals import Refusal, locked
from lab.bitbucket.security import attach, identify, refuse_forgery

_LOG = logging.getLogger(__name__)
_ACCESS = logging.getLogger("lab.bitbucket.access")
_DAY = 86_400.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(here: Here) -> web.Application:
    """Build the application of one node."""
    app = web.Application(middlewares=[counted, faulty, forgiving, admitted], client_max_size=16 * 1024 * 1024)
    app[HERE] = here
    for module in (rest_admin, rest, rest_outgoing, rest_pulls, git_http, pages):
        app.add_routes(module.routes())
    return app


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count open requests (they are this node's running tasks) and write the access log."""
    if request.path == "/status":
        return await handler(request)
    here, began = request.app[HERE], time.monotonic()
    here.opened()
    code = 499
    try:
        response = await handler(request)
        code = response.status
    finally:
        here.closed()
        user = user_of(request)
        _ACCESS.info(
            '%s | %s | "%s %s" | %d | %.3f',
            request.remote,
            user.name if user else "-",
            request.method,
            request.path,
            code,
            time.monotonic() - began,
        )
    if not response.prepared:
        response.headers["X-ANODEID"] = here.config.id
        if user := user_of(request):
            response.headers["X-AUSERNAME"] = quote(user.name)
        if here.stopping:
            response.force_close()
    return response


@web.middleware
async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Act out the faults that are switched on for this node."""
    here = request.app[HERE]
    for fault in here.condition.get("faults", ()):
        if _concerns(fault, request) and (not fault["counted"] or await here.link.take_fault(fault["uid"])):
            if fault["name"] == "slow":
                await asyncio.sleep(float(fault["params"]["seconds"]))
                continue
            return await _go_wrong(fault, request, handler)
    return await handler(request)


def _concerns(fault: Json, request: web.Request) -> bool:
    if fault["name"] == "busy_status":
        return request.path == "/status"
    params = fault["params"]
    return request.path.startswith(params.get("path", "/")) and params.get("method", "*") in ("*", request.method)


async def _go_wrong(fault: Json, request: web.Request, handler: Handler) -> web.StreamResponse:
    name, params = fault["name"], fault["params"]
    if name == "hang":
        await asyncio.sleep(_DAY)
    if name == "lost_reply":
        await handler(request)
    if name == "html":
        return web.Response(text="<html><body><h1>Sign in to continue</h1></body></html>", content_type="text/html")
    if name == "http_error":
        return _error_of(params)
    return _cut(request)


def _error_of(params: Json) -> web.Response:
    wait = params["retry_after"]
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if params["body"] == "json":
        return Refusal.of(int(params["status"]), "A fault was switched on.", headers=headers).response(as_page=False)
    if params["body"] == "message":
        said = {"message": "A fault was switched on.", "status-code": int(params["status"])}
        return web.json_response(said, status=int(params["status"]), headers=headers)
    return web.Response(status=int(params["status"]), headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@web.middleware
async def forgiving(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into Bitbucket's error answers."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return _refused(request, refusal)
    except Latched:
        return locked(request.path)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _refused(request, Refusal.of(error.status, error.reason))
    except (FabricGone, FabricRefused) as problem:
        _LOG.warning("%s %s: %s", request.method, request.path, problem)
        return _refused(request, Refusal.of(503, "The cluster cannot be reached from this node."))


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    as_page = not request.path.startswith(("/rest/", "/mvc/", "/scm/"))
    if as_page and refusal.reply.status == 401:
        return web.Response(status=302, headers={"Location": f"/login?nextUrl={quote(request.path_qs, safe='')}"})
    return refusal.response(as_page=as_page)


@web.middleware
async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in what this node's state allows, and find out who it is."""
    if request.path == "/status":
        return await handler(request)
    here = request.app[HERE]
    if here.state not in ("ACTIVE", "DRAINING"):
        code = 500 if here.state == "ERROR" else 503
        raise Refusal.of(code, f"Bitbucket is not available on this node: {here.state}.")
    if here.condition.get("locked") and not _is_maintenance(request.path):
        return locked(request.path)  # before anybody is asked who they are: the database may be latched
    refuse_forgery(request)
    attach(request, identify(request))
    return await handler(request)


def _is_maintenance(path: str) -> bool:
    """Tell whether a path belongs to the maintenance that the cluster is locked for."""
    return any(path == root or path.startswith(f"{root}/") for root in ("/mvc/maintenance", "/mvc/admin/backups"))
