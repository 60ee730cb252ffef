"""One run from its first log-in to its last verified push."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections.abc import Awaitable, Callable

from lab.files import write_private
from lab.traffic.client import Broken, Client
from lab.traffic.committers import Cloner, Committers, read_pushes
from lab.traffic.git import Git, GitFailed
from lab.traffic.ledger import Ledger
from lab.traffic.load import Ask, Load
from lab.traffic.lock import Lock, TurnedAway
from lab.traffic.people import Mix, Person, Repository, Unexpected, discover, gather_people
from lab.traffic.report import TrafficReport
from lab.traffic.settings import Settings, Target
from lab.traffic.verify import verify

CLONE, PUSH = "clone", "push"

SUMMARY_SECONDS = 1.0
SETTLE_SECONDS = 60.0


class CannotBegin(Exception):
    """The server cannot be loaded: it does not let us in, or has no repositories."""


class Run:
    """One run of traffic.

    Args:
        settings: rates and folders.
        target: the server and the credentials.
    """

    def __init__(self, settings: Settings, target: Target) -> None:
        self._settings = settings
        self._target = target
        asked = {"pages": settings.rate, "clones": settings.clones, "pushes": settings.pushes}
        self._ledger = Ledger(settings.run, target.url, asked, time.time())
        self._load = Load(self._ledger)
        self._client = Client(target.url)
        self._lock = Lock(self._client)
        self._chance = random.Random(settings.seed)  # noqa: S311 - chance, not secrets
        self._git = Git(target, settings.work)

    def stop(self) -> None:
        """End the load; what is open is waited for, and the pushes are verified."""
        self._load.stop()

    async def go(self) -> TrafficReport:
        """Load, then verify; the summary file follows each second.

        Raises:
            CannotBegin: nothing was loaded.
        """
        self._settings.work.mkdir(parents=True)
        try:
            people, repositories = await self._prepare()
            await self._keep_up(people, repositories)
            return await self._conclude()
        except CannotBegin as error:
            self._write(self._ledger.report(time.time(), "failed", error=str(error)))
            raise
        finally:
            self._client.close()
            await asyncio.to_thread(shutil.rmtree, self._settings.work, ignore_errors=True)

    async def _prepare(self) -> tuple[list[Person], list[Repository]]:
        self._write(self._ledger.report(time.time(), "starting"))
        try:
            repositories = await discover(self._client, self._target)
            people = await gather_people(self._client, self._target, self._settings.sessions)
        except (Broken, Unexpected, TimeoutError) as error:
            raise CannotBegin(f"the load on {self._target.url} cannot begin: {error!r}") from error
        if not repositories:
            raise CannotBegin(f"{self._target.url} has no repositories to look at")
        return people, repositories

    async def _keep_up(self, people: list[Person], repositories: list[Repository]) -> None:
        settings, work = self._settings, self._settings.work
        self._ledger.begin(time.time())
        cloner = Cloner(self._git, work, repositories, self._chance)
        committers = Committers(self._git, work, repositories, settings.run, settings.folder / "pushes.jsonl")
        summaries = asyncio.create_task(self._summarise())
        limit = asyncio.get_running_loop().call_later(settings.seconds, self.stop) if settings.seconds else None
        try:
            async with asyncio.TaskGroup() as streams:
                streams.create_task(self._load.keep(settings.rate, self._looks(people, repositories)))
                streams.create_task(self._load.keep(settings.clones, lambda: self._clone(cloner), offset=0.1))
                streams.create_task(self._load.keep(settings.pushes, lambda: self._push(committers), offset=0.35))
        finally:
            if limit is not None:
                limit.cancel()
            self._ledger.ended = time.time()
            await self._load.settle(SETTLE_SECONDS)
            summaries.cancel()

    def _looks(self, people: list[Person], repositories: list[Repository]) -> Callable[[], Ask]:
        mix, turn = Mix(repositories, self._chance), 0

        def choose() -> Ask:
            nonlocal turn
            turn += 1
            person, look = people[turn % len(people)], mix.next()

            async def make() -> str | None:
                try:
                    return (await person.look(look)).upstream
                except TurnedAway:
                    self._lock.noted()
                    raise

            return Ask(look.kind, f"GET {look.path}", make)

        return choose

    def _push(self, committers: Committers) -> Ask:
        async def push() -> None:
            await committers.push()
            self._ledger.acknowledged += 1

        return Ask(PUSH, "git push", lambda: self._unless_locked(push()))

    def _clone(self, cloner: Cloner) -> Ask:
        repository = cloner.choose()
        return Ask(CLONE, f"git clone {repository.name}", lambda: self._unless_locked(cloner.clone(repository)))

    async def _unless_locked(self, work: Awaitable[None]) -> None:
        """Carry out one git command; raise TurnedAway when a lock is why it failed."""
        began = asyncio.get_running_loop().time()
        try:
            await work
        except GitFailed as failed:
            if await self._lock.explains(failed, began):
                raise TurnedAway from failed
            raise

    async def _conclude(self) -> TrafficReport:
        self._write(self._ledger.report(time.time(), "verifying"))
        pushes = read_pushes(self._settings.folder / "pushes.jsonl")
        verification = await verify(self._git, self._settings.work, pushes)
        report = self._ledger.report(time.time(), "finished", verification=verification)
        self._write(report)
        return report

    async def _summarise(self) -> None:
        while True:
            self._write(self._ledger.report(time.time(), "running"))
            await asyncio.sleep(SUMMARY_SECONDS)

    def _write(self, report: TrafficReport) -> None:
        write_private(self._settings.folder / "summary.json", json.dumps(report.to_json()))
