"""``ports.program.Program``: what every implementation must do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from automation.adapters.pulumi.data import StackProgram
from automation.adapters.pulumi.stack import EstateStack
from automation.core.restores.generations import ORIGINAL, DataState, Generation
from automation.ports.errors import BbdcError, Conflict, NotFound
from automation.ports.program import Program
from lab.pulumi.shim import write_shim
from lab.sim.restore_ports import SimProgram
from lab.sim.restores import RestoreWorld

SOURCE = """
import json, pathlib
import pulumi
here = pathlib.Path(__file__).parent
data = json.loads(pulumi.Config().get("data") or "{}")
if not pulumi.runtime.is_dry_run():
    with (here / "ups").open("a") as ups:
        ups.write("up\\n")
    if (here / "broken").exists():
        raise RuntimeError("the cloud is out of disks")
for name in data.get("generations", {}):
    pulumi.ComponentResource("test:data:Generation", name)
"""
MARCH = Generation("march-2", ("snap-0123456789abcdef0",), "bitbucket-20260301")
APRIL = Generation(
    "april", ("snap-0fedcba9876543210",), database_source="bitbucket-database", database_time=1_775_037_600.25
)


@dataclass(frozen=True)
class ProgramSubject:
    """One implementation over an estate with its original data, at 7.9.0."""

    program: Program
    broken: Callable[[], AbstractContextManager[None]]
    """Lets updates fail in the middle for a while."""


class Cut(BbdcError):
    """The update of the simulated program failed."""


@contextmanager
def sim(_: Path, __: pytest.MonkeyPatch) -> Iterator[ProgramSubject]:
    program = SimProgram(RestoreWorld())

    def cut(step: str) -> None:
        if step == "config":
            raise Cut("the cloud is out of disks")

    @contextmanager
    def broken() -> Iterator[None]:
        whole, program.between = program.between, cut
        yield
        program.between = whole

    yield ProgramSubject(program, broken)


@contextmanager
def pulumi(root: Path, patch: pytest.MonkeyPatch) -> Iterator[ProgramSubject]:
    place = root / "project"
    place.mkdir()
    (root / "state").mkdir()
    write_shim(root / "bin", sys.executable)
    (place / "Pulumi.yaml").write_text("name: bitbucket-dc\nruntime: python\n")
    (place / "__main__.py").write_text(SOURCE)
    (place / "Pulumi.lab.yaml").write_text("config:\n  bitbucket-dc:version: 7.9.0\n")
    for name, value in {
        "PATH": f"{root / 'bin'}:/usr/bin:/bin",
        "HOME": str(root),
        "PULUMI_HOME": str(root / "home"),
        "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_STACK": "lab",
        "PYTHONDONTWRITEBYTECODE": "1",
    }.items():
        patch.setenv(name, value)
    patch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)
    from pulumi import automation  # noqa: PLC0415 (it looks for pulumi on PATH when it is first used)

    automation.create_stack("lab", work_dir=str(place))

    @contextmanager
    def broken() -> Iterator[None]:
        (place / "broken").touch()
        yield
        (place / "broken").unlink()

    yield ProgramSubject(StackProgram(EstateStack(place)), broken)


IMPLEMENTATIONS: Mapping[str, Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[ProgramSubject]]] = {
    "pulumi": pulumi,
    "sim": sim,
}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProgramSubject]:
    with IMPLEMENTATIONS[request.param](tmp_path, monkeypatch) as made:
        yield made


def test_an_estate_begins_with_its_original_data(subject):
    assert subject.program.data() == DataState(ORIGINAL)
    assert subject.program.version() == "7.9.0"


def test_what_is_declared_stays_what_it_is(subject):
    """One body for all of it: an update of the embedded Pulumi takes seconds."""
    program = subject.program
    program.declare(MARCH)
    program.declare(MARCH)  # what is declared is success
    assert program.data() == DataState(ORIGINAL, (MARCH,))
    with pytest.raises(Conflict, match="march-2"):
        program.declare(replace(MARCH, database_snapshot="another"))
    with pytest.raises(NotFound, match="april"):
        program.activate("april")
    assert program.data() == DataState(ORIGINAL, (MARCH,))


def test_an_update_that_failed_keeps_what_was_wanted_and_the_next_one_brings_it_about(subject):
    with subject.broken(), pytest.raises(BbdcError, match="out of disks"):
        subject.program.declare(APRIL)
    assert subject.program.data() == DataState(ORIGINAL, (APRIL,))
    subject.program.declare(APRIL)
    assert subject.program.data() == DataState(ORIGINAL, (APRIL,))
