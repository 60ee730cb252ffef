"""People and programs at work: sessions with cookies, and what they look at."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote, urlencode

from lab.traffic.client import Answer, Broken, Client
from lab.traffic.lock import TurnedAway, says_maintenance
from lab.traffic.settings import Target

LOGIN, DASHBOARD, REPOSITORY, REST = "login", "dashboard", "repository", "rest"

SESSION_COOKIE = "BITBUCKETSESSIONID"

_BROWSER = {"User-Agent": "lab-traffic", "Accept": "text/html", "Accept-Encoding": "identity"}
_PROGRAM = {"User-Agent": "lab-traffic", "Accept": "application/json"}


class Unexpected(Exception):
    """The answer is not what a user wants to see."""

    def __init__(self, answer: Answer, wanted: str) -> None:
        self.answer = answer
        super().__init__(f"{answer.status} instead of {wanted}" + (f" ({answer.reason})" if answer.reason else ""))


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository to look at, clone and push to."""

    project: str
    slug: str
    default_branch: str | None = None

    @property
    def name(self) -> str:
        """PROJECT/slug."""
        return f"{self.project}/{self.slug}"

    @property
    def page(self) -> str:
        """Path of its page."""
        return f"/projects/{quote(self.project)}/repos/{quote(self.slug)}/browse"

    @property
    def clone_path(self) -> str:
        """Path of its clone URL."""
        return f"/scm/{quote(self.project.lower())}/{quote(self.slug)}.git"


@dataclass(frozen=True, slots=True)
class Look:
    """A page or a list to ask for, and what must be in it."""

    kind: str
    path: str
    marker: bytes


@dataclass
class Person:
    """A browser with its cookies, logged in through the form."""

    client: Client
    target: Target
    cookies: dict[str, str] = field(default_factory=dict)

    async def log_in(self) -> Answer:
        """Log in.

        Raises:
            Broken, TimeoutError: as Client.request; Unexpected: the log-in was refused.
        """
        form = urlencode({"j_username": self.target.user, "j_password": self.target.password, "next": "/dashboard"})
        fields = _BROWSER | {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Atlassian-Token": "no-check",
        }
        answer = await self._ask("POST", "/j_atl_security_check", fields, form.encode())
        if answer.status != HTTPStatus.FOUND or SESSION_COOKIE not in self.cookies:
            raise Unexpected(answer, "a redirect with a session cookie")
        return answer

    async def look(self, look: Look) -> Answer:
        """Load a page as a browser, or a list as a program with a token.

        Raises:
            Broken, TimeoutError: as Client.request; Unexpected: another status, or another page; TurnedAway: Bitbucket
                is locked for maintenance.
        """
        if look.kind == REST:
            fields = _PROGRAM | {"Authorization": self.target.bearer}
            answer = await self.client.request("GET", look.path, fields)
        else:
            answer = await self._ask("GET", look.path, _BROWSER)
        if says_maintenance(answer):
            raise TurnedAway
        if answer.status != HTTPStatus.OK:
            raise Unexpected(answer, "200")
        if look.marker not in answer.body:
            raise Unexpected(answer, f"a page with {look.marker.decode()!r}")
        return answer

    async def _ask(self, method: str, path: str, fields: dict[str, str], body: bytes = b"") -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.client.request(method, path, fields | ({"Cookie": cookies} if cookies else {}), body)
        for line in answer.head.all(b"set-cookie"):
            name, _, value = line.decode("latin-1").partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        return answer


def looks(repositories: Sequence[Repository]) -> list[Look]:
    """Return everything there is to look at."""
    found = [Look(DASHBOARD, "/dashboard", b"</html>"), Look(REST, "/rest/api/latest/projects?limit=25", b'"values"')]
    for each in repositories:
        rest = f"/rest/api/latest/projects/{quote(each.project)}/repos"
        found.append(Look(REPOSITORY, each.page, each.slug.encode()))
        found.append(Look(REST, f"{rest}?limit=25", b'"values"'))
        found.append(Look(REST, f"{rest}/{quote(each.slug)}/commits?limit=10", b'"values"'))
    return found


class Mix:
    """What is looked at next: repository pages above all, then lists, then the dashboard."""

    def __init__(self, repositories: Sequence[Repository], chance: random.Random) -> None:
        self._chance = chance
        by_kind: dict[str, list[Look]] = {}
        for look in looks(repositories):
            by_kind.setdefault(look.kind, []).append(look)
        weights = {REPOSITORY: 50, REST: 35, DASHBOARD: 15}
        self._kinds = [kind for kind in weights if kind in by_kind]
        self._weights = [weights[kind] for kind in self._kinds]
        self._looks = by_kind

    def next(self) -> Look:
        """Return the next thing to look at."""
        kind = self._chance.choices(self._kinds, self._weights)[0]
        return self._chance.choice(self._looks[kind])


async def discover(client: Client, target: Target) -> list[Repository]:
    """List all repositories through REST, page by page.

    Raises:
        Broken, TimeoutError: as Client.request; Unexpected: the list is refused, or is no list.
    """
    found: list[Repository] = []
    start: int | None = 0
    while start is not None:
        path = f"/rest/api/latest/repos?limit=100&start={start}"
        answer = await client.request("GET", path, _PROGRAM | {"Authorization": target.bearer})
        try:
            page = json.loads(answer.body)
            found += [Repository(entry["project"]["key"], entry["slug"]) for entry in page["values"]]
            start = None if page["isLastPage"] else int(page["nextPageStart"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unexpected(answer, "a page of repositories") from error
    return found


async def gather_people(client: Client, target: Target, count: int) -> list[Person]:
    """Return ``count`` people who are logged in. Raises what Person.log_in raises."""
    people = [Person(client, target) for _ in range(count)]
    for at in range(0, count, 4):  # a few at a time: checking a password is expensive on purpose
        outcomes = await asyncio.gather(*(person.log_in() for person in people[at : at + 4]), return_exceptions=True)
        for problem in (outcome for outcome in outcomes if isinstance(outcome, BaseException)):
            raise problem  # the first one, now that all have ended
    return people


__all__ = ["Broken", "Look", "Mix", "Person", "Repository", "Unexpected", "discover", "gather_people"]
