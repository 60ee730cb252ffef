"""Geometry of a set's two pictures: the seconds around its instant, and the whole way to its end. Pure.

All lengths are units of the SVG's view box; the page scales it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from automation.cli.drawing import GAP, LANE, TOP, WIDTH, Axis, Box, Mark, Row, Tick
from automation.cli.output import clock_time
from automation.core.backups.manifest import moment
from automation.core.backups.sets import BackupSet, Member

STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two ticks that people find easy to read."""
FEWEST_TICKS = 4
MARGIN = 0.04
"""Part of the time that is shown before and after."""
THINNEST = 2.0
INSTANT = 4.0
"""Width of the mark that shows a member's instant."""
LABEL = 70.0
"""Width of a mark's label."""
NEAR_RIGHT = WIDTH - 130.0
"""A mark's label right of this stands left of its line."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One picture: lanes over time."""

    title: str
    width: float
    height: float
    bottom: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a lane."""

    start: float
    end: float
    style: str
    what: str


def draw(found: BackupSet) -> tuple[Strip, ...]:
    """Return the pictures of a set; none when nothing was begun."""
    moments = sorted(_near_moments(found))
    if not moments:
        return ()
    title = "While users were locked out" if found.lock is not None else "While the members were begun"
    near = _strip(found, moments[0], moments[-1], title, relative=True)
    ends = [at for at in (found.ended, *(m.completed for m in found.members)) if at is not None]
    if not ends or max(ends) <= moments[-1]:
        return (near,)
    return near, _strip(found, found.created, max(ends), "Until everything was completed", relative=False)


def _near_moments(found: BackupSet) -> Iterator[float]:
    if found.lock is not None:
        yield from (at for at in (found.lock.asked, found.lock.released) if at is not None)
    for member in found.members:
        yield from (at for at in (member.begun, member.answered) if at is not None)


def _strip(found: BackupSet, start: float, end: float, title: str, *, relative: bool) -> Strip:
    margin = max(0.05, (end - start) * MARGIN)
    axis = Axis(start - margin, end + margin)
    lanes = tuple(_lanes(found, axis))
    rows = tuple(_row(axis, number, lane) for number, lane in enumerate(lanes))
    bottom = TOP + len(rows) * (LANE + GAP)
    origin = start if relative else None
    return Strip(title, WIDTH, bottom + 26.0, bottom, rows, _ticks(axis, origin), tuple(_marks(axis, found)))


Lane = tuple[str, str, tuple[Bar, ...], float | None]
"""Name, note, bars, and the instant that a member holds."""


def _lanes(found: BackupSet, axis: Axis) -> Iterator[Lane]:
    if found.lock is not None:
        yield "users", "locked out", tuple(_lock_bars(found, axis)), None
    for member in found.members:
        # The instant is by the cloud's clock, all else by ours: one that lies outside is not drawn.
        inside = member.at is not None and axis.start <= member.at <= axis.end
        yield (
            member.role or member.kind.value,
            member.source,
            tuple(_member_bars(member)),
            member.at if inside else None,
        )


def _lock_bars(found: BackupSet, axis: Axis) -> Iterator[Bar]:
    lock = found.lock
    if lock is None:
        return
    released = lock.released if lock.released is not None else axis.end
    drained = lock.drained if lock.drained is not None else released
    yield Bar(lock.asked, lock.held, "locking", "the lock was asked for")
    yield Bar(lock.held, drained, "draining", "running pushes, clones and transactions ended")
    if lock.drained is not None:
        yield Bar(lock.drained, released, "drained", "drained, until the unlock")


def _member_bars(member: Member) -> Iterator[Bar]:
    if member.begun is None or member.answered is None:
        return
    yield Bar(member.begun, member.answered, "begun", f"{member.snapshot} was begun and its instant fixed")
    if member.completed is not None:
        yield Bar(member.answered, member.completed, "copying", f"the cloud completed {member.snapshot}")


def _row(axis: Axis, number: int, lane: Lane) -> Row:
    name, note, bars, instant = lane
    y = TOP + number * (LANE + GAP)
    boxes = [_box(axis, y, bar) for bar in bars if bar.end >= axis.start and bar.start <= axis.end]
    if instant is not None:
        x = axis.x(instant) - INSTANT / 2
        boxes.append(Box(x, y - 3.0, INSTANT, LANE + 6.0, "instant", f"instant that it holds: {_exact(instant)} UTC"))
    return Row(y, name, note, tuple(boxes))


def _box(axis: Axis, y: float, bar: Bar) -> Box:
    left, right = axis.x(bar.start), axis.x(bar.end)
    title = f"{bar.what}: {_exact(bar.start)}-{_exact(bar.end)} UTC, {bar.end - bar.start:.3f} s"
    return Box(left, y, max(right - left, THINNEST), LANE, bar.style, title)


def _exact(at: float) -> str:
    return (moment(at) or "")[11:23]


def _ticks(axis: Axis, origin: float | None) -> tuple[Tick, ...]:
    length = axis.end - axis.start
    step = next((s for s in reversed(STEPS) if length / s >= FEWEST_TICKS), STEPS[0])
    base = origin if origin is not None else axis.start // step * step
    first = int((axis.start - base) // step) + 1
    times = [base + n * step for n in range(first, first + int(length / step) + 1)]
    return tuple(Tick(axis.x(at), _label(at, origin, step)) for at in times if axis.start <= at <= axis.end)


def _label(at: float, origin: float | None, step: float) -> str:
    if origin is not None:
        return f"{round(at - origin, 2):g} s"
    return clock_time(at) if step < 60 else clock_time(at)[:5]


def _marks(axis: Axis, found: BackupSet) -> Iterator[Mark]:
    lock = found.lock
    moments = (
        ("locked", None if lock is None else lock.asked),
        ("drained", None if lock is None else lock.drained),
        ("unlocked", None if lock is None else lock.released),
        (found.state.value, found.ended),
    )
    last = -1e9
    for label, at in moments:
        if at is None or not axis.start <= at <= axis.end:
            continue
        x = axis.x(at)
        shown = label if x - last > LABEL else ""  # labels that would overlap leave it to the line's title
        last = x if shown else last
        yield Mark(x, shown, f"{label} at {_exact(at)} UTC", "end" if x > NEAR_RIGHT else "start")
