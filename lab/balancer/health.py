"""Health checks, as a target group declares them."""

from __future__ import annotations

import asyncio

from lab.balancer import http1
from lab.balancer.routing import Backend, Health, Pool, Router
from lab.balancer.table import HealthCheck, parse_matcher

HEALTHY = Health(healthy=True, reason=None, description=None)


async def probe(host: str, port: int, check: HealthCheck, *, timeout: float) -> Health:  # noqa: ASYNC109 - part of the check
    """Check a target once. ``timeout`` is in real seconds, over the connection and the answer together."""
    try:
        async with asyncio.timeout(timeout):
            status = await _ask(host, port, check.path)
    except TimeoutError:
        return Health(healthy=False, reason="Target.Timeout", description="Request timed out")
    except (OSError, http1.InvalidMessage, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Health(healthy=False, reason="Target.FailedHealthChecks", description="Health checks failed")
    if status is None or any(low <= status <= high for low, high in parse_matcher(check.matcher)):
        return HEALTHY
    why = f"Health checks failed with these codes: [{status}]"
    return Health(healthy=False, reason="Target.ResponseCodeMismatch", description=why)


async def _ask(host: str, port: int, path: str | None) -> int | None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if path is None:
            return None
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        raw = await reader.readuntil(http1.END_OF_HEAD)
        status, _ = http1.status_line(http1.parse_head(raw[: -len(http1.END_OF_HEAD)]))
        return status
    finally:
        writer.transport.abort()


class Verdict:
    """Turns a row of results into healthy or unhealthy (pure).

    A target that is not known yet is healthy after one success; after that it takes ``healthy`` or ``unhealthy``
    results in a row to change.
    """

    def __init__(self, check: HealthCheck) -> None:
        self._check = check
        self._successes = 0
        self._failures = 0

    def next(self, now: Health, result: Health) -> Health:
        """Return the target's health after one more result."""
        if result.healthy:
            self._successes, self._failures = self._successes + 1, 0
            enough = self._successes >= (1 if now.healthy is None else self._check.healthy)
        else:
            self._successes, self._failures = 0, self._failures + 1
            enough = self._failures >= self._check.unhealthy
        # The same verdict again may have another reason.
        return result if enough or now.healthy == result.healthy else now


class Checker:
    """Runs one task of checks for each registered target."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._tasks: dict[Backend, tuple[tuple[object, ...], asyncio.Task[None]]] = {}

    def follow(self) -> None:
        """Start and stop checks after a change of the routing table."""
        wanted = {
            backend: (pool, (pool.group.health, self._router.tempo, backend.target.since))
            for pool in self._router.pools.values()
            for backend in pool.backends.values()
            if backend.registered
        }
        for backend, (key, task) in list(self._tasks.items()):
            if backend not in wanted or wanted[backend][1] != key:
                task.cancel()
                del self._tasks[backend]
        for backend, (pool, key) in wanted.items():
            if backend not in self._tasks:
                self._tasks[backend] = (key, asyncio.create_task(self._check(pool, backend)))

    def stop(self) -> None:
        """End all checks."""
        for _, task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _check(self, pool: Pool, backend: Backend) -> None:
        check, tempo = pool.group.health, self._router.tempo
        verdict = Verdict(check)
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            result = await probe(
                backend.target.host, check.port or backend.target.port, check, timeout=check.timeout / tempo
            )
            self._router.judge(pool, backend, verdict.next(backend.health, result))
            await asyncio.sleep(max(0.0, started + check.interval / tempo - loop.time()))
