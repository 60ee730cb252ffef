"""Progress of a roll in a plain ``pulumi up``: the program tails the run's records and tells Pulumi's own display.

While the ``Roll`` resource is being updated, in another process, the program waits for it: a thread of the program
reads what the run stores and hands each line to the program's event loop. What passes is shown as the status of the
resource's row; milestones stay in the diagnostics.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pulumi

from automation.adapters.runs.reader import RunReader
from automation.adapters.runs.store import Store
from automation.adapters.runs.words import describe, is_milestone
from automation.core.roll import Record

LOOK = 0.5
"""Seconds between two looks at the run's records."""


def show_progress(resource: pulumi.Resource, *, cluster: str, store: Store) -> None:
    """Tell the display of a running ``pulumi up`` what the cluster's run does, until the program ends.

    Args:
        resource: the resource in whose row the lines appear.
        cluster: whose runs.
        store: where they are kept.
    """
    if pulumi.runtime.is_dry_run():
        return
    loop = asyncio.get_event_loop()

    def tell(record: Record) -> None:
        loop.call_soon_threadsafe(_log, record, resource)

    threading.Thread(target=_tail, args=(cluster, store, tell), name="roll-progress", daemon=True).start()


def _log(record: Record, resource: pulumi.Resource) -> None:
    pulumi.log.info(describe(record), resource, ephemeral=not is_milestone(record))


def _tail(cluster: str, store: Store, tell: Callable[[Record], None]) -> None:
    """Hand over every record that is stored from now on; ends when the program's event loop is closed."""
    pause = threading.Event()
    with RunReader(store) as reader:
        seen = _already_told(reader, cluster)
        while not pause.wait(LOOK):
            latest = reader.latest_id(cluster)
            if latest is None:
                continue
            for record in reader.records(latest, seen.get(latest, 0)):
                seen[latest] = seen.get(latest, 0) + 1
                try:
                    tell(record)
                except RuntimeError:  # the loop is closed: the program has ended
                    return


def _already_told(reader: RunReader, cluster: str) -> dict[str, int]:
    latest = reader.latest_id(cluster)
    return {} if latest is None else {latest: len(reader.records(latest))}
