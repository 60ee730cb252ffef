"""REST for programs: projects, repositories, branches, commits, users, under /rest/api/latest and /rest/api/1.0."""

from __future__ import annotations

import json
import re
import time

from aiohttp import web

from lab.bitbucket import paging
from lab.bitbucket.gitreader import Commit, GitFailed
from lab.bitbucket.here import HERE, user_of
from lab.bitbucket.records import Json, WorldRefused, build_number
from lab.bitbucket.refs import read_refs
from lab.bitbucket.refusals import INVALID, NO_COMMIT, NO_PROJECT, NO_REPOSITORY, NO_USER, TAKEN, Refusal
from lab.bitbucket.security import need_sysadmin, need_user
from lab.bitbucket.store import Project, Repository, User

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}")
_API = "/rest/api/{api:latest|1\\.0}"


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    project = _API + "/projects/{key}"
    repository = project + "/repos/{slug}"
    return [
        web.get(_API + "/application-properties", application_properties),
        web.get(_API + "/projects", projects),
        web.post(_API + "/projects", create_project),
        web.get(project, one_project),
        web.get(project + "/repos", repositories),
        web.post(project + "/repos", create_repository),
        web.get(_API + "/repos", all_repositories),
        web.get(repository, one_repository),
        web.get(repository + "/branches", branches),
        web.get(repository + "/tags", tags),
        web.get(repository + "/commits", commits),
        web.get(repository + "/commits/{commit}", one_commit),
        web.get(_API + "/users", users),
        web.get(_API + "/users/{slug}", one_user),
    ]


async def application_properties(request: web.Request) -> web.Response:
    """Version and build of the node that answers; anyone may ask."""
    here = request.app[HERE]
    version = here.config.version
    return web.json_response(
        {
            "version": version,
            "buildNumber": build_number(version),
            "buildDate": "1600000000000",
            "displayName": here.display_name,
        }
    )


async def projects(request: web.Request) -> web.Response:
    """Page of all projects; nobody known sees public ones."""
    rows = request.app[HERE].store.projects()
    if user_of(request) is None:
        rows = [row for row in rows if row.public]
    return web.json_response(paging.page(request, rows, lambda row: project_json(request, row)))


async def create_project(request: web.Request) -> web.Response:
    """Create a project from ``{key, name, description, public}``."""
    need_sysadmin(request)
    body = await read_body(request)
    key, name = str(body.get("key", "")), str(body.get("name") or body.get("key", ""))
    if not _KEY.fullmatch(key):
        raise Refusal.of(400, "The project key is not valid.", INVALID, context="key")
    store = request.app[HERE].store
    try:
        project = store.create_project(
            key, name, str(body.get("description") or ""), public=bool(body.get("public", False))
        )
    except WorldRefused as taken:
        raise Refusal.of(409, "This project key or name is already in use.", TAKEN, context="key") from taken
    return web.json_response(project_json(request, project), status=201)


async def one_project(request: web.Request) -> web.Response:
    """One project."""
    return web.json_response(project_json(request, find_project(request)))


async def repositories(request: web.Request) -> web.Response:
    """Page of one project's repositories."""
    rows = request.app[HERE].store.repositories(find_project(request))
    return web.json_response(paging.page(request, rows, lambda row: repository_json(request, row)))


async def all_repositories(request: web.Request) -> web.Response:
    """Page of all repositories, or of those whose name contains ``name``."""
    rows = request.app[HERE].store.repositories()
    if user_of(request) is None:
        rows = [row for row in rows if row.project.public]
    wanted = request.query.get("name", "").lower()
    rows = [row for row in rows if wanted in row.name.lower()]
    return web.json_response(paging.page(request, rows, lambda row: repository_json(request, row)))


async def create_repository(request: web.Request) -> web.Response:
    """Create a repository from ``{name, slug, description}``."""
    project = find_project(request)
    need_user(request)
    body = await read_body(request)
    name = str(body.get("name", ""))
    if not _NAME.fullmatch(name):
        raise Refusal.of(400, "The repository name is not valid.", INVALID, context="name")
    slug = re.sub(r"[^a-z0-9._-]+", "-", str(body.get("slug") or name).lower())
    store = request.app[HERE].store
    try:
        about = str(body.get("description") or "")
        repository = store.create_repository(project, slug, name, time.time(), about)
    except WorldRefused as taken:
        raise Refusal.of(409, "This repository URL is already taken.", TAKEN, context="name") from taken
    return web.json_response(repository_json(request, repository), status=201)


async def one_repository(request: web.Request) -> web.Response:
    """One repository."""
    return web.json_response(repository_json(request, find_repository(request)))


async def branches(request: web.Request) -> web.Response:
    """Page of a repository's branches."""
    here, repository = request.app[HERE], find_repository(request)
    found = await here.git.summary(here.store.path(repository.id))
    wanted = request.query.get("filterText", "").lower()
    rows = [(name, tip) for name, tip in found.branches.items() if wanted in name.lower()]

    def show(row: tuple[str, str]) -> Json:
        return _ref_json("refs/heads/", "BRANCH", row) | {"isDefault": row[0] == found.default_branch}

    return web.json_response(paging.page(request, rows, show))


async def tags(request: web.Request) -> web.Response:
    """Page of a repository's tags."""
    here, repository = request.app[HERE], find_repository(request)
    rows = list(read_refs(here.store.path(repository.id), "refs/tags/").items())
    return web.json_response(paging.page(request, rows, lambda row: _ref_json("refs/tags/", "TAG", row)))


async def commits(request: web.Request) -> web.Response:
    """Page of commits reachable from ``until`` (a branch or an id), else from the default branch."""
    here, repository = request.app[HERE], find_repository(request)
    path = here.store.path(repository.id)
    start, limit = paging.bounds(request)
    until = request.query.get("until", "HEAD")
    try:
        found = await here.git.commits(path, until, start, limit + 1)
    except GitFailed as missing:
        if until == "HEAD":  # a repository without commits has an empty page
            return web.json_response(paging.sliced([], start, limit, last=True))
        message = f"Commit '{until}' does not exist in repository '{repository.slug}'."
        raise Refusal.of(404, message, NO_COMMIT) from missing
    values = [_commit_json(commit) for commit in found[:limit]]
    return web.json_response(paging.sliced(values, start, limit, last=len(found) <= limit))


async def one_commit(request: web.Request) -> web.Response:
    """One commit by id or name."""
    here, repository = request.app[HERE], find_repository(request)
    wanted = request.match_info["commit"]
    try:
        found = await here.git.commits(here.store.path(repository.id), wanted, 0, 1)
    except GitFailed as missing:
        message = f"Commit '{wanted}' does not exist in repository '{repository.slug}'."
        raise Refusal.of(404, message, NO_COMMIT) from missing
    return web.json_response(_commit_json(found[0]))


async def users(request: web.Request) -> web.Response:
    """Page of accounts."""
    need_user(request)
    return web.json_response(paging.page(request, request.app[HERE].store.users(), lambda u: user_json(request, u)))


async def one_user(request: web.Request) -> web.Response:
    """One account."""
    need_user(request)
    user = request.app[HERE].store.user(request.match_info["slug"])
    if user is None:
        raise Refusal.of(404, f"User {request.match_info['slug']} does not exist.", NO_USER)
    return web.json_response(user_json(request, user))


def find_repository(request: web.Request) -> Repository:
    """Return the repository of the path, if it is there and may be seen.

    Raises:
        Refusal: 404, or 401 for nobody known.
    """
    project = find_project(request)
    slug = request.match_info["slug"]
    repository = request.app[HERE].store.repository(project.key, slug)
    if repository is None:
        raise Refusal.of(404, f"Repository {project.key}/{slug} does not exist.", NO_REPOSITORY)
    return repository


def find_project(request: web.Request) -> Project:
    """Return the project of the path, if it is there and may be seen.

    Raises:
        Refusal: 404, or 401 for nobody known.
    """
    key = request.match_info["key"]
    project = request.app[HERE].store.project(key)
    if project is None or not project.public:
        need_user(request)
    if project is None:
        raise Refusal.of(404, f"Project {key} does not exist.", NO_PROJECT)
    return project


async def read_body(request: web.Request) -> Json:
    """Return the JSON object that was sent.

    Raises:
        Refusal: 400 when it is none.
    """
    try:
        body = await request.json()
    except json.JSONDecodeError as problem:
        raise Refusal.of(400, "The request body is no JSON.", INVALID) from problem
    if not isinstance(body, dict):
        raise Refusal.of(400, "The request body is no JSON object.", INVALID)
    return body


def project_json(request: web.Request, project: Project) -> Json:
    """Return a project as REST shows it."""
    href = f"{request.app[HERE].base_url(request)}/projects/{project.key}"
    return {
        "key": project.key,
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "public": project.public,
        "type": "NORMAL",
        "links": {"self": [{"href": href}]},
    }


def clone_links(request: web.Request, repository: Repository) -> list[Json]:
    """Return the addresses to clone from."""
    here, key = request.app[HERE], repository.project.key.lower()
    path = f"{key}/{repository.slug}.git"
    links = [{"href": f"{here.base_url(request)}/scm/{path}", "name": "http"}]
    if here.config.ssh_port:
        links.append({"href": f"{here.ssh_url(request)}/{path}", "name": "ssh"})
    return links


def repository_json(request: web.Request, repository: Repository) -> Json:
    """Return a repository as REST shows it."""
    project = project_json(request, repository.project)
    href = f"{project['links']['self'][0]['href']}/repos/{repository.slug}/browse"
    return {
        "slug": repository.slug,
        "id": repository.id,
        "name": repository.name,
        "description": repository.description,
        "scmId": "git",
        "state": "AVAILABLE" if repository.available else "OFFLINE",
        "statusMessage": "Available" if repository.available else "The repository's directory is missing",
        "forkable": True,
        "project": project,
        "public": repository.project.public,
        "archived": False,
        "links": {"clone": clone_links(request, repository), "self": [{"href": href}]},
    }


def user_json(request: web.Request, user: User) -> Json:
    """Return an account as REST shows it."""
    return {
        "name": user.name,
        "emailAddress": user.email,
        "id": user.id,
        "displayName": user.display_name,
        "active": True,
        "slug": user.name,
        "type": "NORMAL",
        "links": {"self": [{"href": f"{request.app[HERE].base_url(request)}/users/{user.name}"}]},
    }


def _ref_json(prefix: str, kind: str, row: tuple[str, str]) -> Json:
    name, tip = row
    return {"id": prefix + name, "displayId": name, "type": kind, "latestCommit": tip, "latestChangeset": tip}


def _commit_json(commit: Commit) -> Json:
    who = {"name": commit.author, "emailAddress": commit.email}
    return {
        "id": commit.id,
        "displayId": commit.display_id,
        "author": who,
        "authorTimestamp": commit.at * 1000,
        "committer": who,
        "committerTimestamp": commit.at * 1000,
        "message": commit.message,
        "parents": [{"id": parent, "displayId": parent[:11]} for parent in commit.parents],
    }
