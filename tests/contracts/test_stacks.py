"""``ports.staging.Stacks``: what every implementation must do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from automation.adapters.pulumi.stack import EstateStack
from automation.adapters.pulumi.staging import PulumiStacks
from automation.core.restores.staging import Setting
from automation.ports.staging import Stacks
from lab.pulumi.shim import write_shim
from tests.cli.worlds import FakeStacks

SOURCE = """
import pulumi
pulumi.export("url", f"http://{pulumi.get_stack()}.example")
"""
CONFIG = {
    "bitbucket-dc:version": Setting("7.9.4"),
    "bitbucket-dc:name": Setting("sim"),
    "bitbucket-dc:license": Setting("AAAB-l1cence", secret=True),
}


@contextmanager
def pulumi(root: Path, patch: pytest.MonkeyPatch) -> Iterator[Stacks]:
    place = root / "project"
    place.mkdir()
    (root / "state").mkdir()
    (root / "stacks").mkdir()
    write_shim(root / "bin", sys.executable)
    (place / "Pulumi.yaml").write_text("name: bitbucket-dc\nruntime: python\n")
    (place / "__main__.py").write_text(SOURCE)
    for name, value in {
        "PATH": f"{root / 'bin'}:/usr/bin:/bin",
        "HOME": str(root),
        "PULUMI_HOME": str(root / "home"),
        "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_STACK": "prod",
        "PULUMI_OPTION_CONFIG_FILE": str(root / "stacks" / "Pulumi.prod.yaml"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }.items():
        patch.setenv(name, value)
    from pulumi import automation  # noqa: PLC0415 (it looks for pulumi on PATH when it is first used)

    automation.create_stack("prod", work_dir=str(place))
    stacks = PulumiStacks(EstateStack(place, "prod"))
    stacks.write("prod", CONFIG)
    yield stacks


@contextmanager
def memory(_: Path, __: pytest.MonkeyPatch) -> Iterator[Stacks]:
    yield FakeStacks({"prod": dict(CONFIG)}, password="")


IMPLEMENTATIONS: Mapping[str, Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[Stacks]]] = {
    "pulumi": pulumi,
    "memory": memory,
}


@pytest.mark.parametrize("name", sorted(IMPLEMENTATIONS))
def test_a_stack_is_made_from_anothers_config(name, tmp_path, monkeypatch):
    """One body for all of it: each command of the embedded Pulumi takes long."""
    with IMPLEMENTATIONS[name](tmp_path, monkeypatch) as stacks:
        assert (stacks.project(), stacks.database_password()) == ("bitbucket-dc", "")  # the program has not run yet
        source = stacks.source()
        assert source == CONFIG
        assert stacks.config("copy") is None
        wanted = {**source, "bitbucket-dc:data": Setting({"active": "staged"}), "bitbucket-dc:name": Setting("copy")}
        stacks.write("copy", wanted)
        stacks.write("copy", wanted)  # goes on where it was cut short
        assert stacks.config("copy") == wanted
        assert stacks.source() == source
        assert stacks.up("copy") == "http://copy.example"
