"""REST for what leaves Bitbucket by itself: the mail server, and the webhooks of projects and repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from lab.bitbucket import paging
from lab.bitbucket.here import HERE
from lab.bitbucket.outgoing import Outgoing, Scope, Webhook
from lab.bitbucket.records import Json
from lab.bitbucket.refusals import INVALID, Refusal
from lab.bitbucket.rest import find_project, find_repository, read_body
from lab.bitbucket.security import need_sysadmin

_API = "/rest/api/{api:latest|1\\.0}"
_MAIL_FIELDS = ("hostname", "port", "protocol", "use-start-tls", "require-start-tls", "username", "sender-address")
"""What is kept and shown; a password is taken and, as no mail is ever sent, forgotten."""
NO_MAIL_SERVER = "com.atlassian.bitbucket.mail.NoMailHostConfigurationException"
NO_WEBHOOK = "com.atlassian.bitbucket.webhook.NoSuchWebhookException"


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    mail = _API + "/admin/mail-server"
    found = [
        web.get(mail, mail_server),
        web.put(mail, set_mail_server),
        web.delete(mail, remove_mail_server),
    ]
    for hooks in (_API + "/projects/{key}/webhooks", _API + "/projects/{key}/repos/{slug}/webhooks"):
        found += [
            web.get(hooks, webhooks),
            web.post(hooks, create_webhook),
            web.get(hooks + "/{id:\\d+}", one_webhook),
            web.put(hooks + "/{id:\\d+}", put_webhook),
            web.delete(hooks + "/{id:\\d+}", remove_webhook),
        ]
    return found


async def mail_server(request: web.Request) -> web.Response:
    """The mail server's settings, without its password; 404 when there are none."""
    need_sysadmin(request)
    settings = _outgoing(request).mail_server()
    if settings is None:
        raise Refusal.of(404, "No mail server has been configured.", NO_MAIL_SERVER)
    return web.json_response(settings)


async def set_mail_server(request: web.Request) -> web.Response:
    """Set the mail server."""
    need_sysadmin(request)
    body = await read_body(request)
    if not body.get("hostname"):
        raise Refusal.of(400, "A mail server needs a host name.", INVALID, context="hostname")
    settings = {name: body[name] for name in _MAIL_FIELDS if body.get(name) is not None}
    _outgoing(request).set_mail_server(settings)
    return web.json_response(settings)


async def remove_mail_server(request: web.Request) -> web.Response:
    """Remove the mail server; nothing is mailed from then on."""
    need_sysadmin(request)
    _outgoing(request).remove_mail_server()
    return web.Response(status=204)


async def webhooks(request: web.Request) -> web.Response:
    """Page of webhooks."""
    rows = _outgoing(request).webhooks(*_scope(request))
    return web.json_response(paging.page(request, rows, _json))


async def create_webhook(request: web.Request) -> web.Response:
    """Create a webhook from ``{name, url, events, active}``."""
    scope, scope_id = _scope(request)
    body = _checked(await read_body(request))
    outgoing = _outgoing(request)
    made = outgoing.create_webhook(scope, scope_id, body["name"], body["url"], body["events"])
    if not body["active"]:
        made = replace(made, active=False)
        outgoing.put_webhook(made)
    return web.json_response(_json(made), status=201)


async def one_webhook(request: web.Request) -> web.Response:
    """One webhook."""
    return web.json_response(_json(_webhook(request)))


async def put_webhook(request: web.Request) -> web.Response:
    """Change a webhook, such as to ``{"active": false}``; what is not sent stays."""
    known = _webhook(request)
    body = _checked(_json(known) | await read_body(request))
    changed = replace(
        known, name=body["name"], url=body["url"], events=tuple(body["events"]), active=bool(body["active"])
    )
    _outgoing(request).put_webhook(changed)
    return web.json_response(_json(changed))


async def remove_webhook(request: web.Request) -> web.Response:
    """Delete a webhook."""
    _outgoing(request).remove_webhook(_webhook(request))
    return web.Response(status=204)


def _outgoing(request: web.Request) -> Outgoing:
    return Outgoing(request.app[HERE].store.database)


def _scope(request: web.Request) -> tuple[Scope, int]:
    need_sysadmin(request)
    if "slug" in request.match_info:
        return "REPOSITORY", find_repository(request).id
    return "PROJECT", find_project(request).id


def _webhook(request: web.Request) -> Webhook:
    wanted = int(request.match_info["id"])
    for each in _outgoing(request).webhooks(*_scope(request)):
        if each.id == wanted:
            return each
    raise Refusal.of(404, f"Webhook {wanted} does not exist.", NO_WEBHOOK)


def _checked(body: Json) -> dict[str, Any]:
    events = body.get("events", [])
    if not body.get("name") or not str(body.get("url", "")).startswith(("http://", "https://")):
        raise Refusal.of(400, "A webhook needs a name and a URL.", INVALID, context="url")
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise Refusal.of(400, "The events of a webhook are a list of names.", INVALID, context="events")
    return {"name": str(body["name"]), "url": str(body["url"]), "events": events, "active": body.get("active", True)}


def _json(webhook: Webhook) -> Json:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": list(webhook.events),
        "active": webhook.active,
        "configuration": {},
        "scopeType": webhook.scope.lower(),
        "sslVerificationRequired": True,
    }
