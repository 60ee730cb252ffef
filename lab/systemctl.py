"""systemctl of a lab machine: ``python -m lab.systemctl VERB bitbucket``, run in the machine's directory.

Like systemd's, ``stop`` returns when the unit has stopped, unless ``--no-block`` is given; ``is-active`` prints the
state and returns 3 when it is not active; an unknown unit returns 5.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

UNITS = frozenset({"bitbucket", "bitbucket.service", "atlbitbucket", "atlbitbucket.service"})
POLL = 0.1


class Machine:
    """The machine's line to the daemon."""

    def __init__(self, directory: Path) -> None:
        document = json.loads((directory / "machine.json").read_text())
        self._url = f"{document['control']}/machines/{document['id']}/unit"
        self._token = Path(document["token_file"]).read_text().strip()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, verb: str) -> str:
        """Pass a verb on; return the unit's state."""
        body = json.dumps({"verb": verb}).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - loopback, by our own file
        with self._opener.open(request, timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
        return str(document["state"])

    def wait(self, *states: str) -> str:
        """Wait until the unit is in one of the states; return it."""
        while (state := self.ask("show")) not in states:
            time.sleep(POLL)
        return state


def main(arguments: Sequence[str]) -> int:
    """Do what systemctl would; return its exit code."""
    words = [word for word in arguments if not word.startswith("-")]
    verb, units = (words[0] if words else "help"), words[1:]
    if verb == "daemon-reload":
        return 0
    if not units or units[0] not in UNITS:
        sys.stderr.write(f"Failed to {verb} {' '.join(units)}: Unit {' '.join(units)} not loaded.\n")
        return 5
    machine = Machine(Path(os.environ["LAB_MACHINE"]))
    try:
        return _do(machine, verb, wait="--no-block" not in arguments, quiet=bool({"-q", "--quiet"} & set(arguments)))
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"Failed to {verb} {units[0]}: {error.reason}\n")
        return 5


def _do(machine: Machine, verb: str, *, wait: bool, quiet: bool) -> int:
    if verb in {"stop", "restart"}:
        machine.ask("stop")
        if wait or verb == "restart":
            machine.wait("inactive", "failed")
    if verb in {"start", "restart"}:
        machine.ask("start")
        return 0
    if verb == "stop":
        return 0
    state = machine.ask("show")
    if verb == "is-active":
        sys.stdout.write("" if quiet else f"{state}\n")
        return 0 if state == "active" else 3
    if verb in {"show", "status"}:
        sys.stdout.write(f"ActiveState={state}\n")
        return 0
    sys.stderr.write(f"Unknown command verb {verb}.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
