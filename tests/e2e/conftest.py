"""A whole lab, built by the Pulumi program, for the stories that need everything at once."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BBDC = [sys.executable, "-m", "automation.cli"]


class Lab:
    """A lab in a directory of its own, and the environment of somebody who works with it."""

    def __init__(self, directory: Path, env: dict[str, str]) -> None:
        self.directory, self.env = directory, env

    def run(self, *words, check=True):
        """Run a command in the repository root with the lab's environment; return the finished process."""
        done = subprocess.run(words, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=400)
        told = f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, told + self.turned_away()
        return done

    def turned_away(self):
        """Return what the nodes wrote of their last 401s: none at all means that it was no node of this lab."""
        logs = self.directory.glob("instances/*/home/log/atlassian-bitbucket-access.log")
        lines = [
            f"{log.parts[-4]}: {line}" for log in logs for line in log.read_text().splitlines() if "| 401 |" in line
        ]
        return "\n".join(["", "401 by nodes:", *lines[-10:]])

    def bbdc(self, *words, check=True):
        return self.run(*BBDC, *words, check=check)

    def events(self):
        log = self.directory / "log" / "events.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]

    def pushed(self, run, *, at_least):
        """Wait until so many pushes of a run have been acknowledged: a set that is taken now holds them."""
        record, deadline = self.directory / "traffic" / run / "pushes.jsonl", time.monotonic() + 60
        while not record.exists() or record.read_text().count("\n") < at_least:
            assert time.monotonic() < deadline, "nobody's push is acknowledged"
            time.sleep(0.1)

    def status(self):
        return json.loads(self.bbdc("status", "--json").stdout)


STRANGERS = ("AWS_", "AZURE_", "ARM_", "BITBUCKET_", "BBDC_", "PULUMI_")
"""What the environment's names begin with that would lead out of the lab."""


@pytest.fixture(scope="module")
def lab(request, tmp_path_factory):
    """A lab of its own for each module, which says with ``LAB`` what words it takes beyond the usual ones."""
    directory, failed = tmp_path_factory.mktemp("lab"), request.session.testsfailed
    env = {k: v for k, v in os.environ.items() if not k.startswith(STRANGERS)}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    where, words = ("--dir", str(directory)), getattr(request.module, "LAB", ())
    try:
        up = subprocess.run(
            [*BBDC, "lab", "up", *where, "--boot", "2", *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert up.returncode == 0, up.stdout + up.stderr
        said = subprocess.run(
            [*BBDC, "lab", "env", *where], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        for line in said.stdout.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            env[name] = "".join(shlex.split(value))
        yield Lab(directory, env)
    finally:
        if request.session.testsfailed > failed:
            keep_logs(directory, tmp_path_factory.mktemp("logs"))
        subprocess.run([*BBDC, "lab", "down", *where], cwd=ROOT, env=env, capture_output=True, check=True)


def keep_logs(directory, beside):
    """Copy what tells why a story failed, before the lab goes with everything that it wrote; no file with a secret."""
    for found in ("log/*", "traffic/*/summary.json", "traffic/*/pushes.jsonl", "instances/*/home/log/*", "tasks/*/log"):
        for file in (file for file in directory.glob(found) if file.is_file()):
            target = beside / file.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
