"""Child processes that never outlive the engine: the program, and the server of its dynamic resources."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.pulumi.errors import EngineError
from lab.pulumi.project import Project

HOST = Path(__file__).parent / "hosts" / "host.py"
GRACE = 5.0
"""Seconds a child has between being asked to end and being killed."""


def find_python(project: Project, env: Mapping[str, str]) -> str:
    """The interpreter of a project's program: its virtualenv, the active one, or this very interpreter.

    Raises:
        EngineError: Pulumi.yaml names a virtualenv that is not there.
    """
    if project.virtualenv:
        python = project.root / project.virtualenv / "bin" / "python"
        if not python.exists():
            raise EngineError(
                f"The 'virtualenv' option in Pulumi.yaml is set to '{project.virtualenv}', but "
                f"'{project.root / project.virtualenv}' doesn't appear to be a virtual environment; "
                "run `pulumi install`"
            )
        return str(python)
    active = Path(env.get("VIRTUAL_ENV", "")) / "bin" / "python"
    return str(active) if env.get("VIRTUAL_ENV") and active.exists() else sys.executable


class Child:
    """A running host process (hosts/host.py)."""

    def __init__(self, python: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            python: interpreter, one that has `pulumi`.
            arguments: what hosts/host.py is to do.
            cwd: its working directory.
            env: its whole environment.
        """
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [python, "-u", str(HOST), str(lifeline), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=dict(env),
                pass_fds=(lifeline,),
                text=True,
                errors="replace",
            )
        finally:
            os.close(lifeline)
        self._readers: list[threading.Thread] = []
        self._closing = threading.Lock()

    @property
    def stdout(self) -> IO[str]:
        """Its standard output."""
        if self._process.stdout is None:
            raise RuntimeError("started without pipes")
        return self._process.stdout

    @property
    def stderr(self) -> IO[str]:
        """Its standard error."""
        if self._process.stderr is None:
            raise RuntimeError("started without pipes")
        return self._process.stderr

    def forward(self, stream: IO[str], sink: Callable[[str], None]) -> None:
        """Pass every further line on, from a thread."""

        def pump() -> None:
            for line in stream:
                sink(line.rstrip("\n"))

        reader = threading.Thread(target=pump, daemon=True)
        reader.start()
        self._readers.append(reader)

    def wait(self) -> int:
        """Wait for its end and its last words; the exit code."""
        code = self._process.wait()
        self._close_streams()
        return code

    def stop(self) -> None:
        """End it: politely, then by force."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self.wait()

    def _close_streams(self) -> None:
        for reader in self._readers:
            reader.join(GRACE)
        with self._closing:
            self.stdout.close()
            self.stderr.close()
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
