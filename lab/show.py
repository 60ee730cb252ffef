"""What ``bbdc lab`` prints: plain text for people, one object for scripts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.state import Record

Document = Mapping[str, Any]
NAMES = {"aws": "AWS", "azure": "Azure"}


def summary(place: Path, record: Record, status: Document) -> dict[str, Any]:
    """Return the lab as JSON: no secret in it."""
    return {
        "directory": str(place),
        "cloud": record.cloud,
        "cluster_name": record.cluster,
        "url": record.url,
        "ssh": f"ssh://git@127.0.0.1:{record.ssh}",
        "network": f"127.{record.octet}.0.0/16",
        record.cloud: record.endpoint,
        **status,
    }


def built(place: Path, record: Record, status: Document, *, news: bool) -> str:
    """Say what stands now."""
    head = "The lab serves" if news else "The lab runs already; nothing was changed"
    nodes = [machine for machine in status["machines"] if machine["role"] == "node"]
    versions = ", ".join(sorted({machine["version"] or "?" for machine in nodes}))
    return (
        f"{head}: {len(nodes)} nodes of Bitbucket {versions}, {status['cluster']['state']}\n"
        f"  Bitbucket  {record.url} (user admin; `bbdc lab env` has password and token)\n"
        f"  SSH        ssh://git@127.0.0.1:{record.ssh}\n"
        f"  {NAMES[record.cloud]:<9}  {record.endpoint}, network 127.{record.octet}.0.0/16\n"
        f"  directory  {place}\n"
        f'Work with it: eval "$(bbdc lab env --dir {place})"\n'
    )


def status(place: Path, record: Record, found: Document) -> str:
    """Show nodes, targets, faults and invariants."""
    cluster = found["cluster"]
    mode = f", upgrade mode on since {cluster['original']}" if cluster["upgrade_mode"] else ""
    lines = [f"{record.cluster} in {place}: {cluster['state']}{mode}", ""]
    lines += table(("instance", "address", "zone", "power", "version", "unit", "state"), found["machines"])
    lines += [f"{line['instance']}: {line['trouble']}" for line in found["machines"] if line["trouble"]]
    lines += ["", *table(("group", "instance", "state", "reason", "open"), found["targets"])]
    on = [fault(line) for line in found["faults"]]
    lines += ["", "faults: " + ("; ".join(on) if on else "none"), *_invariants(found["invariants"])]
    return "\n".join(lines) + "\n"


def faults(found: Document) -> str:
    """Show the catalogue and what is switched on."""
    width = max(len(name) for name in found["catalogue"])
    lines = []
    for name, kind in found["catalogue"].items():
        params = " ".join(f"{key}={value}" for key, value in kind["params"].items())
        times = "" if kind["times"] is None else f" times={kind['times']}"
        lines.append(f"{name:<{width}}  {kind['meaning']}")
        if params or times:
            lines.append(f"{'':<{width}}  {(params + times).strip()}")
    on = [fault(line) for line in found["on"]]
    return "\n".join([*lines, "", "switched on: " + ("; ".join(on) if on else "none")]) + "\n"


def fault(line: Document) -> str:
    """Return one fault in one line."""
    params = " ".join(f"{key}={value}" for key, value in line["params"].items())
    left = "" if line["left"] is None else f" ({line['left']} times more)"
    return f"{line['name']} {params}".strip() + left


def table(columns: Sequence[str], rows: Iterable[Document]) -> list[str]:
    """Return an aligned table."""
    texts = [[str("-" if row.get(name) is None else row[name]) for name in columns] for row in rows]
    widths = [
        max(len(name), *(len(row[at]) for row in texts)) if texts else len(name) for at, name in enumerate(columns)
    ]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(columns), *texts]
    ]


def _invariants(found: Document) -> list[str]:
    breaches = found["breaches"]
    if not breaches:
        return [f"invariants: all held in {found['checks']} looks"]
    lines = [f"invariants: {len(breaches)} times broken in {found['checks']} looks"]
    for breach in breaches:
        since = time.strftime("%H:%M:%S", time.localtime(breach["since"]))
        lasted = "still" if breach["until"] is None else f"{breach['until'] - breach['since']:.1f} s"
        why = f" (faults: {', '.join(breach['faults'])})" if breach["faults"] else ""
        lines.append(f"  {since} {breach['name']}: {breach['text']}, {lasted}{why}")
    return lines
