"""A second stack of a program, made by the embedded Pulumi: config copied, secrets encrypted anew and never shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from automation.adapters.pulumi.stack import EstateStack, UpdateFailed
from automation.adapters.pulumi.staging import PulumiStacks
from automation.core.restores.staging import Setting
from automation.ports.errors import NotFound
from lab.pulumi.shim import write_shim

pytestmark = pytest.mark.lab
PROGRAM = """
import pathlib
import pulumi
config = pulumi.Config()
assert config.require_object("egressPorts") == [443]
assert config.get_bool("internal") is True
pulumi.export("licence", config.require_secret("license"))
if pulumi.get_stack() != "nameless":
    pulumi.Stash("it-secrets-database-value", input=pulumi.Output.secret('d8"base'))
    pulumi.export("url", f"https://{pulumi.get_stack()}.example.com")
"""
SPY = """#!/bin/sh
printf '%s\\n' "$*" >>"$SPY"
exec "$(dirname "$0")/real/pulumi" "$@"
"""
LICENCE = "AAAB-l1cence\nsecond-line"


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PulumiStacks:
    place = tmp_path / "project"
    place.mkdir()
    (tmp_path / "state").mkdir()
    write_shim(tmp_path / "bin" / "real", sys.executable)
    (tmp_path / "bin" / "pulumi").write_text(SPY)
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    (place / "Pulumi.yaml").write_text(
        "name: bitbucket-dc\nruntime: python\nconfig:\n"
        "  egressPorts: {type: array, items: {type: integer}, default: [443]}\n"
        "  internal: {type: boolean, default: true}\n"
    )
    (place / "__main__.py").write_text(PROGRAM)
    for name, value in {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SPY": str(tmp_path / "spy"),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_STACK": "prod",
        "PULUMI_OPTION_CONFIG_FILE": str(tmp_path / "stacks" / "Pulumi.prod.yaml"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "stacks").mkdir()
    from pulumi import automation  # noqa: PLC0415 (it looks for pulumi on PATH when it is first used)

    automation.create_stack("prod", work_dir=str(place))
    made = PulumiStacks(EstateStack(place, "prod"))
    made.write("prod", {"bitbucket-dc:license": Setting(LICENCE, secret=True), "bitbucket-dc:nodes": Setting(3)})
    return made


def test_a_stack_is_made_from_anothers_config_and_brought_about(
    stacks: PulumiStacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stacks.project() == "bitbucket-dc"
    source = stacks.source()
    assert source["bitbucket-dc:license"] == Setting(LICENCE, secret=True)
    before = (tmp_path / "stacks" / "Pulumi.prod.yaml").read_text()
    data = {"active": "staged", "generations": {"staged": {"homeSnapshots": ["snap-1"]}}, "retired": ["original"]}
    wanted = {**source, "bitbucket-dc:data": Setting(data), "bitbucket-dc:internal": Setting(value=True)}
    stacks.write("copy", wanted)
    again = stacks.config("copy")
    assert again is not None
    assert again["bitbucket-dc:data"].value == data
    assert again["bitbucket-dc:license"] == Setting(LICENCE, secret=True)
    assert stacks.up("copy") == "https://copy.example.com"
    assert (tmp_path / "stacks" / "Pulumi.prod.yaml").read_text() == before
    written = yaml.safe_load((tmp_path / "stacks" / "Pulumi.copy.yaml").read_text())["config"]
    assert written["bitbucket-dc:egressPorts"] == [443]
    assert stacks.database_password() == ""  # its program has not run yet
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "stacks" / "Pulumi.copy.yaml"))
    assert PulumiStacks(EstateStack(tmp_path / "project", "copy")).database_password() == 'd8"base'
    assert set(written["bitbucket-dc:license"]) == {"secure"}


def test_secrets_are_in_no_argument_and_no_file(stacks: PulumiStacks, tmp_path: Path) -> None:
    stacks.write("copy", stacks.source())
    assert "l1cence" not in (tmp_path / "spy").read_text()
    for file in (tmp_path / "stacks").iterdir():
        assert "l1cence" not in file.read_text()


def test_what_pulumi_refuses_is_told_without_values(stacks: PulumiStacks) -> None:
    with pytest.raises(UpdateFailed, match=r"^pulumi stack init failed: ") as failed:
        stacks.write("no name!", stacks.source())
    assert "l1cence" not in str(failed.value)
    stacks.write("nameless", stacks.source())
    with pytest.raises(NotFound, match="exports no url"):
        stacks.up("nameless")
