"""REST for pull requests: list them, open one. No reviews, no merges."""

from __future__ import annotations

import time

from aiohttp import web

from lab.bitbucket import paging
from lab.bitbucket.here import HERE
from lab.bitbucket.pulls import DECLINED, MERGED, OPEN, PullRequest, PullRequests
from lab.bitbucket.records import Json
from lab.bitbucket.refs import read_refs
from lab.bitbucket.refusals import INVALID, Refusal
from lab.bitbucket.rest import find_repository, read_body
from lab.bitbucket.security import need_user
from lab.bitbucket.store import Repository

_PULLS = "/rest/api/{api:latest|1\\.0}/projects/{key}/repos/{slug}/pull-requests"
_STATES = {OPEN: "OPEN", MERGED: "MERGED", DECLINED: "DECLINED"}
_HEADS = "refs/heads/"


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [web.get(_PULLS, pull_requests), web.post(_PULLS, open_pull_request)]


async def pull_requests(request: web.Request) -> web.Response:
    """Page of a repository's pull requests in ``state`` (OPEN unless given; ALL for all)."""
    repository = find_repository(request)
    wanted = request.query.get("state", "OPEN").upper()
    rows = PullRequests(request.app[HERE].store.database).of(repository)
    rows = [row for row in rows if wanted in ("ALL", _STATES[row.state])]
    return web.json_response(paging.page(request, rows, lambda row: _json(repository, row)))


async def open_pull_request(request: web.Request) -> web.Response:
    """Open one from ``{title, fromRef: {id}, toRef: {id}}``, both branches of this repository."""
    need_user(request)
    repository, store = find_repository(request), request.app[HERE].store
    body = await read_body(request)
    branches = read_refs(store.path(repository.id), _HEADS)
    source, target = _end(body, "fromRef", branches), _end(body, "toRef", branches)
    title = str(body.get("title") or f"{source[0]} into {target[0]}")
    wanted = PullRequest(0, title, OPEN, time.time(), *source, *target)
    made = PullRequests(store.database).open(repository, title, wanted)
    return web.json_response(_json(repository, made), status=201)


def _end(body: Json, name: str, branches: dict[str, str]) -> tuple[str, str]:
    """Return full name and commit of one end."""
    given = body.get(name)
    branch = str(given.get("id", "")).removeprefix(_HEADS) if isinstance(given, dict) else ""
    if branch not in branches:
        raise Refusal.of(400, f"There is no branch {branch!r}.", INVALID, context=name)
    return _HEADS + branch, branches[branch]


def _json(repository: Repository, row: PullRequest) -> Json:
    where = {"slug": repository.slug, "id": repository.id, "project": {"key": repository.project.key}}
    ends = {"fromRef": (row.from_branch, row.from_hash), "toRef": (row.to_branch, row.to_hash)}
    return {
        "id": row.number,
        "title": row.title,
        "state": _STATES[row.state],
        "open": row.state == OPEN,
        "createdDate": round(row.created * 1000),
        **{
            end: {"id": ref, "displayId": ref.removeprefix(_HEADS), "latestCommit": tip, "repository": where}
            for end, (ref, tip) in ends.items()
        },
    }
