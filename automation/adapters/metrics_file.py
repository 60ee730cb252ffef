"""Metrics of backups as a Prometheus text file, for the node exporter's textfile collector.

Timestamps, not ages: an age in a file that nobody writes any more would stay young for ever.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from automation.core.backups.sets import BackupSet, SetState

PREFIX = "bitbucket_dc_backup_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One gauge: of which set it speaks, and what it says."""

    name: str
    about: str
    of: Callable[[BackupSet], bool]
    """Of the sets for which this is true, the newest counts."""
    value: Callable[[BackupSet], float | None]
    newest: Callable[[BackupSet], float] = attrgetter("created")


def _always(_: BackupSet) -> bool:
    return True


def _ended(found: BackupSet) -> bool:
    return found.state is not SetState.PENDING


def _complete(found: BackupSet) -> bool:
    return found.state is SetState.COMPLETE


def _drilled(found: BackupSet) -> bool:
    return found.drilled is not None


METRICS = (
    Metric("last_attempt_timestamp_seconds", "When the newest set was begun.", _always, attrgetter("created")),
    Metric("last_result", "1 when the newest set that has ended is complete, else 0.", _ended, _complete),
    Metric(
        "last_success_timestamp_seconds", "When the newest complete set was begun.", _complete, attrgetter("created")
    ),
    Metric(
        "lock_seconds",
        "How long the newest complete set locked users out.",
        _complete,
        lambda found: None if found.lock is None else found.lock.seconds,
    ),
    Metric(
        "lock_beyond_drain_seconds",
        "The part of it that was not Bitbucket's own draining.",
        _complete,
        lambda found: None if found.lock is None else found.lock.beyond_drain,
    ),
    Metric("skew_seconds", "Seconds between the members of the newest complete set.", _complete, attrgetter("skew")),
    Metric("size_bytes", "Size of everything that the newest complete set holds.", _complete, attrgetter("size")),
    Metric("members", "Members of the newest complete set.", _complete, lambda found: len(found.members)),
    Metric(
        "last_drill_timestamp_seconds",
        "When a set was last restored for trial.",
        _drilled,
        attrgetter("drilled.at"),
        attrgetter("drilled.at"),
    ),
    Metric(
        "drill_seconds",
        "How long that took: the recovery time to expect.",
        _drilled,
        attrgetter("drilled.seconds"),
        attrgetter("drilled.at"),
    ),
    Metric(
        "drill_passed",
        "1 when everything was right then, else 0.",
        _drilled,
        attrgetter("drilled.passed"),
        attrgetter("drilled.at"),
    ),
)


def render(sets: Sequence[BackupSet]) -> str:
    """Return the metrics of all sets, a line for each cluster and mode; what is unknown has no line."""
    groups: dict[tuple[str, str], list[BackupSet]] = {}
    for each in sets:
        groups.setdefault((each.cluster, each.mode.value), []).append(each)
    return "".join(_rendered(metric, groups) for metric in METRICS)


def write(path: Path, text: str) -> None:
    """Replace the file in one step, readable for everybody: a collector never reads half of it.

    Raises:
        OSError: the directory is missing, closed or full; the old file stays.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def _rendered(metric: Metric, groups: Mapping[tuple[str, str], Sequence[BackupSet]]) -> str:
    lines = [f"# HELP {PREFIX}{metric.name} {metric.about}", f"# TYPE {PREFIX}{metric.name} gauge"]
    for (cluster, mode), group in sorted(groups.items()):
        found = max(filter(metric.of, group), key=lambda each: (metric.newest(each), each.id), default=None)
        value = None if found is None else metric.value(found)
        if value is not None:
            lines.append(f'{PREFIX}{metric.name}{{cluster="{_escaped(cluster)}",mode="{mode}"}} {float(value)!r}')
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
