"""Generations of data in a stack's config, through the embedded Pulumi, read by the component's own reader."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from automation.adapters.pulumi.data import StackProgram
from automation.adapters.pulumi.stack import EstateStack
from automation.core.restores.generations import ORIGINAL, DataState, Generation
from automation.ports.errors import Conflict, NotFound
from lab.pulumi.shim import write_shim

pytestmark = pytest.mark.lab

PROGRAM = """
import pathlib, time
import pulumi
from components.clouds import AWS
from components.config import read
from components.generations import DataSpec

HERE = pathlib.Path(__file__).parent
program = read(pulumi.Config(), pulumi.get_stack())
data = DataSpec.read(program.args.get("data", {}), AWS, protect=True)
if not pulumi.runtime.is_dry_run():
    (HERE / "ups").open("a").write(f"{data.active.name}: {' '.join(each.name for each in data.generations)}\\n")
    while (HERE / "hold").exists():
        time.sleep(0.05)
if (HERE / "broken").exists():
    raise RuntimeError("the cloud is out of disks")
for each in data.generations:
    pulumi.ComponentResource("test:data:Generation", each.name)
"""
MARCH = Generation("march-2", ("snap-0123456789abcdef0",), "bitbucket-20260301")
APRIL = Generation(
    "april", ("snap-0fedcba9876543210",), database_source="bitbucket-database", database_time=1_775_037_600.25
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (tmp_path / "state").mkdir()
    write_shim(tmp_path / "bin", sys.executable)
    (place / "Pulumi.yaml").write_text("name: bitbucket-dc\nruntime: python\n")
    (place / "__main__.py").write_text(PROGRAM)
    for name, value in {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_STACK": "lab",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)
    (place / "Pulumi.lab.yaml").write_text("config:\n  bitbucket-dc:version: 7.9.2\n")
    return place


@pytest.fixture
def program(project: Path) -> Iterator[StackProgram]:
    from pulumi import automation  # noqa: PLC0415 (it looks for pulumi on PATH when it is first used)

    automation.create_stack("lab", work_dir=str(project))
    yield StackProgram(EstateStack(project))
    (project / "hold").unlink(missing_ok=True)


def ups(project: Path) -> list[str]:
    path = project / "ups"
    return path.read_text().splitlines() if path.exists() else []


def config(project: Path) -> object:
    return yaml.safe_load((project / "Pulumi.lab.yaml").read_text())["config"].get("bitbucket-dc:data")


def test_generations_are_declared_used_and_left_again(program: StackProgram, project: Path) -> None:
    program.declare(MARCH)
    program.declare(APRIL)
    program.declare(APRIL)  # what is declared is success
    assert program.data() == DataState(ORIGINAL, (MARCH, APRIL))
    program.activate("march-2")
    assert program.data().active == "march-2"
    program.activate(ORIGINAL)
    assert program.data().active == ORIGINAL
    assert ups(project) == [
        "original: original march-2",
        "original: original march-2 april",
        "original: original march-2 april",
        "march-2: original march-2 april",
        "original: original march-2 april",
    ]
    assert config(project) == {
        "active": ORIGINAL,
        "generations": {
            "march-2": {"homeSnapshots": ["snap-0123456789abcdef0"], "databaseSnapshot": "bitbucket-20260301"},
            "april": {
                "homeSnapshots": ["snap-0fedcba9876543210"],
                "databaseSource": "bitbucket-database",
                "databaseTime": "2026-04-01T10:00:00.250Z",
            },
        },
    }


def test_unknown_and_retired_data_is_not_used(program: StackProgram, project: Path) -> None:
    with pytest.raises(NotFound, match="declares no data called march"):
        program.activate("march")
    declared = {"bitbucket-dc:version": "7.9.2", "bitbucket-dc:data": {"retired": ["original"], "active": "x"}}
    (project / "Pulumi.lab.yaml").write_text(yaml.safe_dump({"config": declared}))
    assert program.data().there == set()
    with pytest.raises(NotFound):
        program.activate(ORIGINAL)
    assert ups(project) == []


def test_an_update_by_somebody_else_is_a_conflict_and_nothing_is_declared(program: StackProgram, project: Path) -> None:
    program.declare(MARCH)
    (project / "hold").touch()
    other = threading.Thread(target=EstateStack(project).up)
    other.start()
    while len(ups(project)) < 2:
        other.join(0.05)
    with pytest.raises(Conflict, match="another update"):
        program.declare(APRIL)
    with pytest.raises(Conflict, match="another update"):
        program.activate("march-2")
    (project / "hold").unlink()
    other.join()
    assert program.data() == DataState(ORIGINAL, (MARCH,))
