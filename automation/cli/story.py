"""Turn a run's records into what a page draws: spans of every node's phases, waits at gates, and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from automation.adapters.runs.words import describe
from automation.core.roll import Phase, Record


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of one node."""

    phase: Phase
    start: float
    end: float
    version: str | None

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Lane:
    """One node's life during the run."""

    instance: str
    zone: str | None
    address: str | None
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that was waited for."""

    name: str
    subject: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it was waited for."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story."""

    at: float
    kind: str
    text: str
    state: str = ""
    """Bitbucket's cluster state, where it has just changed."""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that a page or a text tells of a run."""

    start: float
    end: float
    lanes: tuple[Lane, ...]
    gates: tuple[Gate, ...]
    events: tuple[Event, ...]
    records: int
    approved_by: str

    def waited(self) -> tuple[tuple[str, int, float], ...]:
        """Return gates by name with how often and how long in all they were waited for, longest first."""
        names = dict.fromkeys(gate.name for gate in self.gates)
        sums = [
            (n, sum(g.name == n for g in self.gates), sum(g.seconds for g in self.gates if g.name == n)) for n in names
        ]
        return tuple(sorted(sums, key=lambda row: -row[2]))


def tell(records: Sequence[Record]) -> Story:
    """Return the story of ``records``, which are in the order of their times."""
    if not records:
        return Story(0.0, 0.0, (), (), (), 0, "")
    start, end = records[0].at, records[-1].at
    return Story(start, end, _lanes(records), _gates(records), _events(records), len(records), _approver(records))


def _lanes(records: Sequence[Record]) -> tuple[Lane, ...]:
    """Draw each node from one observation to the next; a phase lasts until the first record that shows another."""
    lanes: dict[str, Lane] = {}
    observed = [record for record in records if record.nodes]
    for record, until in zip(observed, [*observed[1:], records[-1]], strict=True):
        for node in record.nodes:
            lane = lanes.get(node.instance, Lane(node.instance, node.zone, node.address, ()))
            span = Span(node.phase, record.at, max(until.at, record.at), node.version)
            lane = replace(lane, address=lane.address or node.address, zone=lane.zone or node.zone)
            lanes[node.instance] = replace(lane, spans=_joined(lane.spans, span))
    return tuple(lanes.values())


def _joined(spans: tuple[Span, ...], span: Span) -> tuple[Span, ...]:
    if spans and (spans[-1].phase, spans[-1].version) == (span.phase, span.version) and spans[-1].end >= span.start:
        return (*spans[:-1], replace(spans[-1], end=span.end))
    return (*spans, span)


def _gates(records: Sequence[Record]) -> tuple[Gate, ...]:
    """Find each stretch of waiting at one gate; it ends with the first record of another kind or gate."""
    gates: list[Gate] = []
    for record, after in zip(records, [*records[1:], records[-1]], strict=True):
        if record.kind != "wait":
            continue
        gate = Gate(record.name, record.subject, record.at, after.at)
        last = gates[-1] if gates else None
        if last and (last.name, last.subject, last.end) == (gate.name, gate.subject, gate.start):
            gates[-1] = replace(last, end=gate.end)
        else:
            gates.append(gate)
    return tuple(gates)


def _events(records: Iterable[Record]) -> tuple[Event, ...]:
    """Tell everything but waits, and each wait once."""
    events: list[Event] = []
    before: tuple[str, str, str] | None = None
    state = ""
    for record in records:
        key = (record.kind, record.name, record.subject)
        changed = record.state if record.state != state else ""
        if key != before or changed:
            events.append(Event(record.at, record.kind, describe(replace(record, state="")), changed))
        before, state = key, record.state or state
    return tuple(events)


def _approver(records: Sequence[Record]) -> str:
    told = [record.subject for record in records if record.kind == "finish" and record.subject]
    automatic = ["automatically"] if any((r.kind, r.name) == ("act", "approve") for r in records) else []
    return next(iter(told + automatic), "")
