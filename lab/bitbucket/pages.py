"""Pages for people: log-in, dashboard, project, repository. Plain HTML with real content."""

from __future__ import annotations

import time
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, urlsplit

from aiohttp import web

from lab.bitbucket.gitreader import Summary
from lab.bitbucket.here import HERE, user_of
from lab.bitbucket.refusals import NO_PROJECT, Refusal
from lab.bitbucket.rest import clone_links, find_repository
from lab.bitbucket.security import COOKIE, log_in, need_user
from lab.bitbucket.store import Activity, Repository

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#172b4d}"
    "header{background:#0747a6;color:#fff;padding:.7em 2em}"
    "header a{color:#fff;margin-right:1.5em;text-decoration:none}main{max-width:60em;margin:2em auto;padding:0 2em}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em .6em;border-bottom:1px solid #dfe1e6}"
    "code{background:#f4f5f7;padding:.1em .3em}footer{color:#6b778c;text-align:center;padding:2em}"
    ".banner{background:#fffae6;padding:.7em 2em}"
)


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        web.get("/", home),
        web.get("/login", login),
        web.post("/j_atl_security_check", check_login),
        web.get("/logout", logout),
        web.get("/dashboard", dashboard),
        web.get("/projects", dashboard),
        web.get("/projects/{key}", project),
        web.get("/projects/{key}/repos/{slug}", to_browse),
        web.get("/projects/{key}/repos/{slug}/browse", repository),
    ]


async def home(_request: web.Request) -> web.Response:
    """Lead to the dashboard."""
    raise web.HTTPFound("/dashboard")


async def login(request: web.Request) -> web.Response:
    """Show the log-in form."""
    return _login_page(request, "")


async def check_login(request: web.Request) -> web.Response:
    """Log in with ``j_username`` and ``j_password``, and go on to ``next``."""
    form = await request.post()
    cookie = log_in(request.app[HERE], str(form.get("j_username", "")), str(form.get("j_password", "")))
    if cookie is None:
        return _login_page(request, "<p><strong>Invalid username or password.</strong></p>")
    response = web.HTTPFound(_local(str(form.get("next", "/dashboard"))))
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="Lax", path="/")
    raise response


async def logout(_request: web.Request) -> web.Response:
    """End the session."""
    response = web.HTTPFound("/login")
    response.del_cookie(COOKIE, path="/")
    raise response


async def dashboard(request: web.Request) -> web.Response:
    """All repositories, and what was pushed last."""
    need_user(request)
    store = request.app[HERE].store
    repositories = store.repositories()
    names = {each.id: each for each in repositories}
    pushes = "".join(_push_row(each, names.get(each.repository)) for each in store.activity(limit=15))
    return _page(
        request,
        "Your work",
        f"<h2>Repositories</h2>{_repository_table(repositories)}<h2>Recently pushed</h2><table>{pushes}</table>",
    )


async def project(request: web.Request) -> web.Response:
    """One project's repositories."""
    need_user(request)
    store, key = request.app[HERE].store, request.match_info["key"]
    found = store.project(key)
    if found is None:
        raise Refusal.of(404, f"Project {key} does not exist.", NO_PROJECT)
    return _page(
        request, found.name, f"<p>{escape(found.description)}</p>{_repository_table(store.repositories(found))}"
    )


async def to_browse(request: web.Request) -> web.Response:
    """Lead to the repository's page."""
    raise web.HTTPFound(f"{request.path}/browse")


async def repository(request: web.Request) -> web.Response:
    """One repository: how to clone it, branches, last commits, last pushes."""
    here, found = request.app[HERE], find_repository(request)
    summary = await here.git.summary(here.store.path(found.id))
    pushes = "".join(_push_row(each, found) for each in here.store.activity(found.id, limit=10))
    links = "".join(
        f"<p>{escape(link['name'])}: <code>{escape(link['href'])}</code></p>" for link in clone_links(request, found)
    )
    body = f"<p>{escape(found.description)}</p>{links}{_summary(summary)}<h2>Pushes</h2><table>{pushes}</table>"
    return _page(request, f"{found.project.name} / {found.name}", body)


def _summary(summary: Summary) -> str:
    branches = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{tip[:11]}</code></td></tr>" for name, tip in summary.branches.items()
    )
    commits = "".join(
        f"<tr><td>{escape(c.author)}</td><td><code>{c.display_id}</code></td><td>{escape(c.message)}</td>"
        f"<td>{_when(c.at)}</td></tr>"
        for c in summary.commits
    )
    return f"<h2>Branches</h2><table>{branches}</table><h2>Commits</h2><table>{commits}</table>"


def _repository_table(repositories: Iterable[Repository]) -> str:
    rows = "".join(
        f'<tr><td><a href="/projects/{each.project.key}">{escape(each.project.name)}</a></td>'
        f'<td><a href="{_path(each)}">{escape(each.name)}</a></td><td>{escape(each.description)}</td></tr>'
        for each in repositories
    )
    return f"<table><tr><th>Project</th><th>Repository</th><th>Description</th></tr>{rows}</table>"


def _push_row(push: Activity, repository: Repository | None) -> str:
    where = f'<a href="{_path(repository)}">{escape(repository.name)}</a>' if repository else "?"
    branch = escape(push.update.ref.removeprefix("refs/heads/"))
    return (
        f"<tr><td>{escape(push.user)}</td><td>{where}</td><td>{branch}</td>"
        f"<td><code>{push.update.new[:11]}</code></td><td>{_when(push.at)}</td></tr>"
    )


def _path(repository: Repository) -> str:
    return f"/projects/{quote(repository.project.key)}/repos/{quote(repository.slug)}/browse"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _local(address: str) -> str:
    """Return where to go after the log-in; never to another site."""
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc and address.startswith("/") else "/dashboard"


def _login_page(request: web.Request, message: str) -> web.Response:
    onward = escape(request.query.get("nextUrl", request.query.get("next", "/dashboard")), quote=True)
    form = (
        f'{message}<form method="post" action="/j_atl_security_check">'
        '<p><label>Username <input name="j_username" autocomplete="username"></label></p>'
        '<p><label>Password <input name="j_password" type="password" autocomplete="current-password"></label></p>'
        f'<input type="hidden" name="next" value="{onward}"><button name="submit">Log in</button></form>'
    )
    return _page(request, "Log in", form)


def _page(request: web.Request, title: str, body: str) -> web.Response:
    here, user = request.app[HERE], user_of(request)
    banner = here.condition.get("banner")
    shown = f'<div class="banner">{escape(banner["message"])}</div>' if banner and banner["enabled"] else ""
    who = f'<a href="/logout">{escape(user.display_name)}</a>' if user else '<a href="/login">Log in</a>'
    name = escape(here.display_name)
    return web.Response(
        content_type="text/html",
        text=(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - {name}</title>'
            f"<style>{_STYLE}</style></head><body>{shown}"
            f'<header><a href="/dashboard"><strong>{name}</strong></a><a href="/projects">Projects</a>{who}</header>'
            f"<main><h1>{escape(title)}</h1>{body}</main>"
            f"<footer>Bitbucket {here.config.version} &middot; {escape(here.config.id)}</footer></body></html>"
        ),
    )
