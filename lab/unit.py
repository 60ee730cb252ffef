"""``bitbucket.service`` on one machine: a process with systemd's states."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
INACTIVE, ACTIVE, DEACTIVATING, FAILED = "inactive", "active", "deactivating", "failed"


@dataclass(slots=True)
class Unit:
    """One service.

    Attributes:
        command: what ExecStart runs.
        log: file that takes its output.
        directory: working directory of the process.
        stop_timeout: TimeoutStopSec: seconds after which a stop becomes SIGKILL.
        state: as ``systemctl is-active`` says.
        hold: a fault: the stop is asked for, and nothing happens until the time-out.
    """

    command: Sequence[str]
    log: Path
    directory: Path
    stop_timeout: float
    state: str = INACTIVE
    hold: bool = False
    process: subprocess.Popen[bytes] | None = None
    _deadline: float = field(default=0.0)

    @property
    def pid(self) -> int | None:
        """The running process."""
        return None if self.process is None else self.process.pid

    def start(self) -> None:
        """Start it; nothing happens when it is active."""
        if self.process is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=_environment(),
            )  # fmt: skip
        self.state = ACTIVE

    def stop(self, now: float, timeout: float | None = None) -> None:
        """Begin a graceful stop: SIGTERM, SIGKILL after the time-out."""
        if self.process is None:
            self.state = INACTIVE
            return
        deadline = now + (self.stop_timeout if timeout is None else timeout)
        self._deadline = deadline if self.state != DEACTIVATING else min(deadline, self._deadline)
        if self.state != DEACTIVATING and not self.hold:
            self.process.send_signal(signal.SIGTERM)
        self.state = DEACTIVATING

    def kill(self) -> None:
        """SIGKILL, as a crash or a power cut does."""
        if self.process is not None:
            self.process.kill()

    def reap(self) -> None:
        """Wait for the end of a process that was killed."""
        if self.process is not None:
            self.process.wait()
            self.state, self.process = FAILED, None

    def poll(self, now: float) -> bool:
        """Take in the process's end; say whether the state changed."""
        if self.process is None:
            return False
        if self.state == DEACTIVATING and now >= self._deadline:
            self.process.kill()
        code = self.process.poll()
        if code is None:
            return False
        asked = self.state == DEACTIVATING
        self.state = INACTIVE if asked and code in {0, -signal.SIGTERM} else FAILED
        self.process = None
        return True


def _environment() -> dict[str, str]:
    """Return the environment of a node's process: no credentials of the caller, no proxies."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": ROOT}
