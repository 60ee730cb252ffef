"""Run the load: ``python -m lab.traffic DIR/traffic/<run>.json``; credentials come from the environment.

SIGTERM or SIGINT end the load; open requests are waited for and the pushes verified before the process ends. It also
ends the load when the lab's daemon is gone. Exit code 0: the run was carried out, whatever it found; 1: it was not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from lab.state import ProcessId, Record
from lab.traffic.run import CannotBegin, Run
from lab.traffic.settings import Settings, Target

WATCH_SECONDS = 1.0

_log = logging.getLogger("lab.traffic")


async def carry_out(settings: Settings, target: Target) -> None:
    """Carry out one run."""
    run = Run(settings, target)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, run.stop)
    record = Record.read(Path(settings.lab))
    watch = asyncio.create_task(_watch(record.daemon, run)) if record is not None else None
    try:
        report = await run.go()
    finally:
        if watch is not None:
            watch.cancel()
    _log.info("%s: %d requests, %d failed", report.run, report.requests, report.failed)


async def _watch(daemon: ProcessId, run: Run) -> None:
    while daemon.find() is not None:  # noqa: ASYNC110 - no event tells of another process's end
        await asyncio.sleep(WATCH_SECONDS)
    run.stop()


def main() -> int:
    """Parse the one argument and carry the run out."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m lab.traffic DIR/traffic/<run>.json\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(carry_out(Settings.read(Path(sys.argv[1])), Target.from_environment(os.environ)))
    except CannotBegin as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
