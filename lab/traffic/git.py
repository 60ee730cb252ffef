"""Real git as a subprocess, in a clean environment of its own; credentials only in that environment."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from lab.traffic.settings import Target

SECONDS = 120.0
"""Longest time for one git command."""

KILLED_AFTER = "git took longer than {:g} s"


class GitFailed(Exception):
    """git ended with an error, or took too long."""

    def __init__(self, command: str, code: int | None, text: str) -> None:
        self.code = code
        super().__init__(f"git {command}: {text}")


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git as one user.

    Attributes:
        target: whose credentials are used.
        home: a folder without any configuration.
    """

    target: Target
    home: Path

    def url(self, clone_path: str) -> str:
        """Return a clone URL, without credentials."""
        return self.target.url + clone_path

    async def run(self, *words: str, cwd: Path | None = None, stdin: bytes = b"") -> str:
        """Run one command; return what it printed.

        Raises:
            GitFailed: it ended with another code than 0, or took longer than SECONDS.
        """
        process = await asyncio.create_subprocess_exec(
            "git",
            *words,
            cwd=cwd,
            env=self._environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # so that its helpers end with it
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate(stdin)
        except TimeoutError as error:
            raise GitFailed(words[0], None, KILLED_AFTER.format(SECONDS)) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            raise GitFailed(words[0], process.returncode, _last_lines(err.decode("utf-8", "replace")))
        return out.decode("utf-8", "replace")

    def _environment(self) -> dict[str, str]:
        settings = {
            "http.extraHeader": f"Authorization: {self.target.basic}",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "user.name": "Lab Traffic",
            "user.email": "lab-traffic@example.invalid",
            "init.defaultBranch": "main",
        }
        numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return numbered | {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "NO_PROXY": "*",
        }


def _last_lines(text: str) -> str:
    """Return the end of what git said: that is where the reason stands."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-5:])
