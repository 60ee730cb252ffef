"""Run the balancer: ``python -m lab.balancer DIR/balancer.json``.

It ends with code 0 on SIGTERM or SIGINT, and when its parent is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from lab.balancer.control import ControlLine, Settings, read_settings
from lab.balancer.service import Balancer

PARENT_SECONDS = 0.5
"""How often the parent is looked for."""


async def serve(settings: Settings) -> None:
    """Balance until told to end, or until the parent is gone."""
    balancer = Balancer()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = [
        asyncio.create_task(ControlLine(settings, balancer).run()),
        asyncio.create_task(_watch_parent(settings.parent or os.getppid())),
        asyncio.create_task(stop.wait()),
    ]
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        balancer.close()


async def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of a parent's end
        await asyncio.sleep(PARENT_SECONDS)


def main() -> int:
    """Parse the one argument and serve."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m lab.balancer DIR/balancer.json\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(read_settings(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
