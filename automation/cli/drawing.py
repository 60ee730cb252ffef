"""Geometry of the report's picture: nodes over time, requests and failures under them on the same axis. Pure.

All lengths are units of the SVG's view box; the page scales it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from automation.cli.output import clock_time, span
from automation.cli.story import Lane, Span, Story
from automation.cli.traffic import Traffic
from automation.core.roll import Phase

WIDTH = 1120.0
LEFT, RIGHT = 176.0, 18.0
TOP = 34.0
LANE, GAP = 24.0, 12.0
TRAFFIC_HEIGHT = 110.0
FEWEST_TICKS = 5
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two ticks of the axis that people find easy to read."""
FULLEST = 0.88
"""Part of the height that the highest bar takes."""
MARGIN = 0.02
"""Part of the time that is shown before and after."""
MOST_BARS = 240
"""More bars than this would be thinner than a line: seconds are put together."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a hover title."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One node's line."""

    y: float
    name: str
    note: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line through the picture: something that happened to the whole cluster."""

    x: float
    label: str
    title: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Load:
    """The part with the traffic."""

    top: float
    base: float
    bars: tuple[Box, ...]
    failures: tuple[Box, ...]
    peak: float
    """Requests per second at the height of the part."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the template draws."""

    width: float
    height: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    load: Load | None
    bottom: float
    """Where the lanes, and the lines of the ticks, end."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds to units."""

    start: float
    end: float

    def x(self, at: float) -> float:
        """Return the place of a time, kept inside the picture."""
        share = (at - self.start) / max(self.end - self.start, 1e-9)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


def draw(story: Story, traffic: Traffic | None) -> Picture:
    """Return the picture of a story, with the traffic of its time where there is a report."""
    margin = max(1.0, (story.end - story.start) * MARGIN)
    axis = Axis(story.start - margin, story.end + margin)
    rows = tuple(_row(axis, number, _extended(lane, story, axis)) for number, lane in enumerate(story.lanes))
    lanes_end = TOP + len(rows) * (LANE + GAP)
    load = None if traffic is None else _load(axis, lanes_end + 40.0, traffic)
    bottom = lanes_end if load is None else load.base
    return Picture(WIDTH, bottom + 26.0, rows, _ticks(axis), _marks(axis, story), load, bottom)


def _extended(lane: Lane, story: Story, axis: Axis) -> Lane:
    """Let what was seen in service by the first and the last look reach into the picture's margins."""
    parts = list(lane.spans)
    if parts and parts[0].start == story.start and parts[0].phase is Phase.IN_SERVICE:
        parts[0] = replace(parts[0], start=axis.start)
    if parts and parts[-1].end == story.end and parts[-1].phase is Phase.IN_SERVICE:
        parts[-1] = replace(parts[-1], end=axis.end)
    return replace(lane, spans=tuple(parts))


def _row(axis: Axis, number: int, lane: Lane) -> Row:
    y = TOP + number * (LANE + GAP)
    note = " · ".join(part for part in (lane.address, lane.zone) if part)
    return Row(y, lane.instance, note, tuple(_box(axis, y, lane, part) for part in lane.spans))


def _box(axis: Axis, y: float, lane: Lane, part: Span) -> Box:
    left, right = axis.x(part.start), axis.x(part.end)
    width = max(right - left, 1.5)
    title = (
        f"{lane.instance}: {part.phase}, {part.version or 'version unknown'}, "
        f"{clock_time(part.start)}-{clock_time(part.end)} UTC ({span(part.seconds)})"
    )
    label = part.version or "" if part.phase is Phase.IN_SERVICE and width > NARROWEST_LABEL else ""
    return Box(left, y, width, LANE, style_of(part.phase), title, label)


def style_of(phase: Phase) -> str:
    """Return the CSS class of a phase."""
    return phase.value.replace(" ", "-")


def _ticks(axis: Axis) -> tuple[Tick, ...]:
    length = axis.end - axis.start
    step = next((s for s in reversed(STEPS) if length / s >= FEWEST_TICKS), STEPS[0])
    first = int(axis.start // step + 1) * step
    times = range(first, int(axis.end) + 1, step)
    return tuple(Tick(axis.x(at), clock_time(at) if step < 60 else clock_time(at)[:5]) for at in times)


NARROWEST_LABEL = 44.0
"""A narrower box shows no version."""
MARKED = {"start upgrade": "upgrade mode on", "approve": "approved", "cancel": "cancelled"}


def _marks(axis: Axis, story: Story) -> tuple[Mark, ...]:
    marks: dict[str, Mark] = {}
    for event in story.events:
        for words, label in MARKED.items():
            if event.kind == "act" and event.text.startswith(words) and label not in marks:
                x = axis.x(event.at)
                anchor = "end" if x > WIDTH - 130.0 else "start"
                marks[label] = Mark(x, label, f"{label} at {clock_time(event.at)} UTC", anchor)
    return tuple(marks.values())


def _load(axis: Axis, top: float, traffic: Traffic) -> Load:
    base = top + TRAFFIC_HEIGHT
    width = max(traffic.step, round((axis.end - axis.start) / MOST_BARS), 1.0)
    sums: dict[int, tuple[int, int]] = {}
    for second in traffic.slices:
        if axis.start <= second.at <= axis.end:
            slot = int((second.at - axis.start) // width)
            requests, failed = sums.get(slot, (0, 0))
            sums[slot] = (requests + second.requests, failed + second.failed)
    peak = max((requests / width for requests, _ in sums.values()), default=0.0) or 1.0
    bars, failures = [], []
    for slot, (requests, failed) in sorted(sums.items()):
        at = axis.start + slot * width
        x, right = axis.x(at), axis.x(at + width)
        height = requests / width / peak * TRAFFIC_HEIGHT * FULLEST
        title = f"{clock_time(at)} UTC: {requests / width:.0f} requests/s, {failed} failed"
        bars.append(Box(x, base - height, max(right - x - 0.6, 0.8), height, "load", title))
        if failed:
            failures.append(Box(x - 1.0, top - 14.0, max(right - x, 3.0), TRAFFIC_HEIGHT + 14.0, "failure", title))
    return Load(top, base, tuple(bars), tuple(failures), peak)
