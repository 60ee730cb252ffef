"""A project in a directory of its own, and the `pulumi` shim to run in it."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from lab.pulumi.shim import write_shim

REPOSITORY = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, pathlib, time
import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

HERE = pathlib.Path(__file__).parent


def note(text):
    with (HERE / "journal").open("a") as journal:
        journal.write(text + "\\n")


def held():
    note("begun")
    while (HERE / "hold").exists():
        time.sleep(0.02)


class Provider(ResourceProvider):
    def check(self, _olds, news):
        note("check")
        failures = [CheckFailure("version", "may not go back")] if news.get("version") == "0" else []
        return CheckResult(news, failures)

    def diff(self, _id, _olds, _news):
        note("diff")
        return DiffResult(changes=_olds.get("version") != _news.get("version"))

    def create(self, props):
        held()
        return CreateResult("thing", props)

    def update(self, _id, _olds, _news):
        note(f"update {_olds['version']} {_news['version']}")
        held()
        if (HERE / "broken").exists():
            raise Exception("the roll is broken")
        return UpdateResult(_news)


class Thing(Resource):
    def __init__(self, name, version, opts=None):
        super().__init__(Provider(), name, {"version": version}, opts)


config = pulumi.Config()
thing = Thing("thing", config.get("version") or "1")
pulumi.log.info("one of three", thing, ephemeral=True)
pulumi.log.info("for the record", thing)
pulumi.export("version", thing.version if hasattr(thing, "version") else config.get("version"))
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""


@dataclass(frozen=True)
class Shell:
    """Runs the shim as a person would."""

    project: Path
    shim: Path
    env: dict[str, str]
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *args: str) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            [str(self.shim), *args],
            cwd=self.project,
            env=self.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.runs.append(run)
        return run

    def close(self) -> None:
        for run in self.runs:
            with run:
                run.kill()

    def run(self, *args: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.shim), *args],
            cwd=self.project,
            env=self.env,
            text=True,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, f"pulumi {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def journal(self) -> list[str]:
        path = self.project / "journal"
        return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []

    def hold(self) -> None:
        (self.project / "hold").touch()

    def release(self) -> None:
        (self.project / "hold").unlink()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    state.mkdir()
    (project / "Pulumi.yaml").write_text("name: demo\nruntime: python\n", encoding="utf-8")
    (project / "__main__.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_STACK": "lab",
        "PULUMI_OPTION_CONFIG_FILE": str(tmp_path / "Pulumi.lab.yaml"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    shell = Shell(project, write_shim(tmp_path / "bin", sys.executable), env)
    shell.run("stack", "init", "lab")
    yield shell
    shell.close()
    left = [process for process in psutil.process_iter(["environ"]) if _belongs(process, tmp_path)]
    assert not left, f"processes were left behind: {left}"


def _belongs(process: psutil.Process, tmp_path: Path) -> bool:
    environment = process.info["environ"] or {}
    return bool(environment.get("HOME") == str(tmp_path))
