"""Bitbucket's pages: ``size, limit, start, isLastPage, nextPageStart, values``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web

from lab.bitbucket.records import Json
from lab.bitbucket.refusals import INVALID, Refusal

T = TypeVar("T")

_DEFAULT_LIMIT = 25
_HIGHEST_LIMIT = 1000
"""Bitbucket quietly gives no more than this, whatever is asked for."""


def bounds(request: web.Request) -> tuple[int, int]:
    """Return ``start`` and ``limit`` of the query.

    Raises:
        Refusal: 400 when they are no numbers, or the limit is 0.
    """
    return number(request.query.get("start", "0"), "start"), _limit(request.query.get("limit", str(_DEFAULT_LIMIT)))


def page(request: web.Request, rows: Sequence[T], show: Callable[[T], Json]) -> Json:
    """Return the asked page of ``rows``, each as ``show`` has it."""
    start, limit = bounds(request)
    return sliced([show(row) for row in rows[start : start + limit]], start, limit, last=start + limit >= len(rows))


def sliced(values: list[Json], start: int, limit: int, *, last: bool) -> Json:
    """Return a page of values that were cut out already."""
    return {
        "size": len(values),
        "limit": limit,
        "isLastPage": last,
        "values": values,
        "start": start,
        "nextPageStart": None if last else start + limit,
    }


def number(text: str, name: str) -> int:
    """Read a whole number from the query.

    Raises:
        Refusal: 400 when it is none.
    """
    if not text.isascii() or not text.isdigit():
        raise Refusal.of(400, f"The {name} parameter is not valid: {text}", INVALID, context=name)
    return int(text)


def _limit(text: str) -> int:
    limit = min(number(text, "limit"), _HIGHEST_LIMIT)
    if limit == 0:
        raise Refusal.of(400, "The limit parameter must be positive.", INVALID, context="limit")
    return limit
