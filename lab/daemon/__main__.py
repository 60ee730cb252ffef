"""Run a lab: ``python -m lab.daemon DIR``. DIR/options.json says how it is to be; SIGTERM ends it."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from lab.daemon.service import Daemon
from lab.state import Options


def main() -> int:
    """Serve until told to end."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m lab.daemon DIR\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    directory = Path(sys.argv[1])
    daemon = Daemon(directory, Options.read(directory))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stopping.set())
    daemon.open()
    try:
        daemon.run()
    finally:
        daemon.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
