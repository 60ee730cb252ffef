"""A backup set as one HTML page: no script, nothing loaded from elsewhere, light and dark, fit to print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from automation.cli.backup_drawing import draw
from automation.cli.backup_show import size
from automation.cli.output import span
from automation.cli.trouble import redactor
from automation.core.backups.manifest import moment
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.core.backups.validity import judge

SKEW_SHOWN = 5.0
"""Seconds that the page's own judgement allows between members; the run's limit decided when the set was taken."""
KEY = (
    ("locking", "lock asked for"),
    ("draining", "draining"),
    ("drained", "drained"),
    ("begun", "member begun"),
    ("copying", "completed by the cloud"),
    ("instant", "instant that a member holds"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    figure: str
    caption: str
    style: str = ""


def render(found: BackupSet) -> str:
    """Return the page of a set."""
    environment = Environment(
        loader=PackageLoader("automation.cli"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"moment": lambda at: moment(at) or "-", "size": size, "span": span}
    text = environment.get_template("backup.html.j2").render(
        set=found,
        strips=draw(found),
        tiles=list(_tiles(found)),
        rules=judge(found, skew_limit=SKEW_SHOWN),
        examinations=[(n, e) for n, e in (("Verified", found.verified), ("Drilled", found.drilled)) if e is not None],
        key=[
            (style, name)
            for style, name in KEY
            if found.mode is Mode.LOCKED or style in {"begun", "copying", "instant"}
        ],
        verdict=_verdict(found),
        is_good=found.state is SetState.COMPLETE,
    )
    return redactor().text(text)


def _verdict(found: BackupSet) -> str:
    if found.state is SetState.COMPLETE:
        drilled = "restored in a drill" if found.was_drilled else "no drill has restored it yet"
        return f"Complete: it may be restored; {drilled}."
    if found.state is SetState.PENDING:
        return "Pending: nothing may rely on it yet."
    return f"Invalid, never to be restored: {found.reason}. {found.detail}"


def _tiles(found: BackupSet) -> Iterator[Tile]:
    if found.mode is Mode.LOCKED:
        yield from _lock_tiles(found)
    else:
        yield Tile("0 s", "users locked out", "good")
    if found.skew is not None:
        yield Tile(f"{found.skew:.3g} s", "between earliest and latest instant")
    yield Tile(f"{len(found.members)} of {len(found.expected)}", "members")
    yield Tile(size(found.size), "in all")
    if found.drilled is not None:
        yield Tile(span(found.drilled.seconds), "to restore it, in a drill", "good" if found.drilled.passed else "bad")


def _lock_tiles(found: BackupSet) -> Iterator[Tile]:
    lock = found.lock
    if lock is None or lock.seconds is None:
        yield Tile("-", "users locked out")
        return
    yield Tile(f"{lock.seconds:.3g} s", "users locked out")
    if lock.beyond_drain is not None:
        yield Tile(f"{lock.beyond_drain:.3g} s", "of it beyond the drain", "good" if lock.beyond_drain <= 1 else "")
