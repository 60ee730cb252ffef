"""Health checks: the verdict (pure), one probe over a real socket, and what is reported."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.balancer.health import HEALTHY, Verdict, probe
from lab.balancer.routing import INITIAL, Health
from lab.balancer.table import HealthCheck, parse_matcher
from tests.lab.balancer.world import Node, free_port, run, until, world

FAILED = Health(healthy=False, reason="Target.FailedHealthChecks", description="Health checks failed")


def check(**changes: object) -> HealthCheck:
    values: dict[str, object] = {"path": "/status", "port": None, "matcher": "200", "interval": 1.0, "timeout": 1.0}
    values |= {"healthy": 3, "unhealthy": 2}
    return HealthCheck(**(values | changes))  # type: ignore[arg-type] # a table of values


def verdicts(results: str, start: Health = INITIAL) -> str:
    """Feed "+" and "-"; return the health after each: "?", "+" or "-"."""
    verdict, now, seen = Verdict(check()), start, ""
    for result in results:
        now = verdict.next(now, HEALTHY if result == "+" else FAILED)
        seen += {None: "?", True: "+", False: "-"}[now.healthy]
    return seen


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+", "+"),  # one success is enough for a new target
        ("-+", "?+"),
        ("--+++", "?---+"),  # once unhealthy it takes three
        ("+-+-+-+", "+++++++"),  # never two in a row
        ("+--++-+++", "++------+"),
    ],
)
def test_thresholds(results: str, expected: str) -> None:
    assert verdicts(results) == expected


@given(st.text("+-", max_size=60))
def test_a_verdict_changes_only_after_its_threshold_in_a_row(results: str) -> None:
    seen = verdicts(results)
    for at in range(1, len(seen)):
        if seen[at - 1] != seen[at]:
            needed = 2 if seen[at] == "-" else (1 if seen[at - 1] == "?" else 3)
            assert results[: at + 1].endswith(seen[at] * needed)


def test_matchers() -> None:
    assert parse_matcher("200,202,300-399") == ((200, 200), (202, 202), (300, 399))


def test_reasons_of_a_probe() -> None:
    async def scenario() -> None:
        node = Node("i-a", status=503)
        await node.start()
        result = await probe("127.0.0.1", node.port, check(), timeout=1)
        assert (result.reason, result.description) == (
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [503]",
        )
        assert (await probe("127.0.0.1", node.port, check(matcher="200-599"), timeout=1)).healthy
        slow = await probe("127.0.0.1", node.port, check(path="/wait"), timeout=0.1)
        assert slow.reason == "Target.Timeout"
        assert (await probe("127.0.0.1", node.port, check(path=None), timeout=1)).healthy
        await asyncio.sleep(0.02)
        await node.stop()
        closed = await probe("127.0.0.1", free_port(), check(), timeout=1)
        assert closed.reason == "Target.FailedHealthChecks"

    run(scenario)


def test_health_follows_the_targets_answers_within_its_thresholds() -> None:
    """Tempo 50 turns the interval of 5 s into 0.1 s."""

    async def scenario() -> None:
        node, other = Node("i-a"), Node("i-b")
        async with world(node, other) as (made, _):
            changes: list[bool | None] = []
            made.balancer.router.on_change = lambda: changes.append(made.healthy()["i-a"])
            node.status, began = 503, time.monotonic()
            await until(lambda: made.healthy()["i-a"] is False)
            assert 0.1 <= time.monotonic() - began < 2  # two checks, not one
            node.status = 200
            await until(lambda: made.healthy()["i-a"] is True)
            assert {False, True} <= set(changes)

    run(scenario)


def test_a_target_registered_again_starts_anew_and_a_draining_one_is_not_checked() -> None:
    async def scenario() -> None:
        node, other = Node("i-a"), Node("i-b")
        async with world(node, other) as (made, _):
            await made.set_state(node, "draining")
            node.status = 503
            await asyncio.sleep(0.3)
            assert made.healthy()["i-a"] is True  # what was known last; nobody asked again
            await made.set_state(node, "registered")
            assert made.healthy()["i-a"] is None

    run(scenario)
