"""The Automation API against a ``pulumi`` that says what the genuine one says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automation.adapters.pulumi.stack import EstateStack, UpdateFailed, _without_markup, find_project
from automation.ports.errors import Conflict, NotFound

SCRIPT = """#!/bin/sh
case "$*" in
  version*) echo v3.272.0;;
  *"stack select"*missing*) echo "error: no stack named 'missing' found" >&2; exit 255;;
  *"stack select"*) exit 0;;
  *config*--json*) cat "$FAKE/config.json";;
  *"config set"*) echo "$*" >> "$FAKE/set";;
  *"config rm"*) echo "$*" >> "$FAKE/set";;
  *up*) echo "$FAKE_UP" >&2; exit 255;;
  *) exit 0;;
esac
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "pulumi"
    fake.write_text(SCRIPT)
    fake.chmod(0o755)
    values = {"version": "7.9.0", "soak": "5", "nodes": "3", "roll": '{"bootTimeout": 900}'}
    config = {f"bitbucket-dc:{key}": {"value": value, "secret": False} for key, value in values.items()}
    config["bitbucket-dc:license"] = {"value": "AAAB", "secret": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "Pulumi.yaml").write_text("name: bitbucket-dc\nruntime: python\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PULUMI_STACK", "lab")
    return tmp_path


def test_without_pulumi_the_error_says_how_to_get_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFound, match=r"no `pulumi` on PATH.*bbdc lab"):
        EstateStack(program)


def test_a_stack_that_does_not_exist_is_not_found(program: Path) -> None:
    with pytest.raises(NotFound, match=r"selecting stack missing failed: there is no such stack \(`pulumi stack ls`"):
        EstateStack(program, "missing")


def test_the_rolls_settings_are_read_from_the_config_without_its_secrets(program: Path) -> None:
    assert EstateStack(program).settings() == {"soak": "5", "planned": "3", "boot_timeout": 900}


def test_an_update_that_another_one_holds_is_a_conflict_and_the_config_is_put_back(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "error: [409] Conflict: Another update is currently in progress."
    monkeypatch.setenv("FAKE_UP", said)
    stack = EstateStack(program)
    with (
        pytest.raises(Conflict, match="another update of the stack is in progress"),
        stack.configured({"version": "7.9.4", "surge": "true"}),
    ):
        stack.up()
    commands = (program / "set").read_text()
    assert commands.index("7.9.4") < commands.index("7.9.0")
    assert "config rm surge" in commands


def test_a_failed_update_keeps_the_config_for_the_next_try(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_UP", "error: the roll of alpha paused: soak")
    stack = EstateStack(program)
    with pytest.raises(UpdateFailed, match="paused: soak"), stack.configured({"version": "7.9.4"}):
        stack.up()
    assert "7.9.0" not in (program / "set").read_text()


def test_the_project_is_found_from_below(program: Path) -> None:
    below = program / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == program
    assert find_project(Path("/usr")) is None


def test_pulumis_colours_are_taken_out() -> None:
    assert _without_markup("<{%fg 1%}>error: <{%reset%}>no") == "error: no"
