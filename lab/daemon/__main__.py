"""Run a lab: ``python -m lab.daemon DIR``. DIR/options.json says how it is to be; SIGTERM ends it.

With ``--background`` the command prints the daemon's process id and returns at once. Its log says why it ended.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.daemon.service import Daemon

_log = logging.getLogger(__name__)
USAGE = "usage: python -m lab.daemon DIR [--background]\n"


def main() -> int:
    """Serve until told to end."""
    arguments = [word for word in sys.argv[1:] if word != "--background"]
    if len(arguments) != 1:
        sys.stderr.write(USAGE)
        return 2
    if "--background" in sys.argv[1:]:
        _detach()
    faulthandler.enable()  # a crash in a library leaves where it was
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request that the provider sends
    return _serve(Path(arguments[0]))


def _detach() -> None:
    """Go on in a process of its own, child of nobody; the caller's process prints its id and ends."""
    child = os.fork()
    if child:
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os._exit(0)
    os.setsid()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _serve(directory: Path) -> int:
    from lab.daemon.service import Daemon  # noqa: PLC0415 - after the fork: gRPC does not like to be forked
    from lab.state import Options  # noqa: PLC0415 - as above

    daemon = Daemon(directory, Options.read(directory))
    told: list[signal.Signals] = []

    def stop(number: int, _frame: object) -> None:
        told.append(signal.Signals(number))
        daemon.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        daemon.open()
        daemon.run()
        _log.info("the lab ends: %s", _why(daemon, told))
    except Exception:
        _log.exception("the lab ends")
        raise
    finally:
        daemon.close()
    return 0


def _why(daemon: Daemon, told: Sequence[signal.Signals]) -> str:
    if told:
        return told[0].name
    return "somebody asked for it" if daemon.stopping.is_set() else f"{daemon.directory} is gone"


if __name__ == "__main__":
    sys.exit(main())
