"""What runs a backup by the clock: the same command everywhere, and no secret in any file."""

import configparser
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted(file for file in DEPLOY.rglob("*") if file.is_file())


def unit(name):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parsed.read(DEPLOY / "systemd" / name)
    return parsed


def systemd_command():
    return shlex.split(unit("bbdc-backup.service")["Service"]["ExecStart"])


def cron_command():
    (line,) = [text for text in (DEPLOY / "cron" / "bbdc-backup").read_text().splitlines() if text[:1].isdigit()]
    found = re.search(r"bbdc backup [^|]*?(?= 2>&1)", line)
    assert found is not None
    return shlex.split(found[0])


@pytest.mark.parametrize("command", [systemd_command(), cron_command()], ids=["systemd", "cron"])
def test_the_command_is_one_that_bbdc_understands(command):
    program, name, *arguments = command
    assert Path(program).name == "bbdc"
    app = importlib.import_module(f"automation.cli.commands.{name}").app
    function, bound, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
    assert function.__name__ == "create"
    assert bound.arguments == {"json": True}


def test_the_timer_starts_the_service_once_a_day_and_makes_up_for_a_missed_time():
    timer = unit("bbdc-backup.timer")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 01:00:00"
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert {"bbdc-backup.service", "bbdc-backup.timer"} == {file.name for file in (DEPLOY / "systemd").iterdir()}


def test_the_service_runs_to_its_end_as_nobody_special_and_keeps_its_journal():
    service = unit("bbdc-backup.service")["Service"]
    assert (service["Type"], service["User"]) == ("oneshot", "bbdc")
    assert service["Environment"] == f"BBDC_STATE=/var/lib/{service['StateDirectory']}"
    assert service["KillMode"] == "mixed"  # TERM goes to bbdc alone, which gives the lock back


def test_cron_runs_once_at_a_time_and_not_as_root():
    (line,) = [text for text in (DEPLOY / "cron" / "bbdc-backup").read_text().splitlines() if text[:1].isdigit()]
    assert line.split()[:6] == ["0", "1", "*", "*", "*", "bbdc"]
    assert "flock --nonblock" in line


def test_the_image_holds_locked_packages_and_is_nobody():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert json.loads(lines[-1].removeprefix("ENTRYPOINT ")) == ["bbdc"]
    assert lines[-2] == "USER bbdc"
    installs = [line for line in lines if " install " in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert any("requirements/${CLOUD}.txt" in line for line in installs)
    assert "ARG CLOUD=aws" in lines


@pytest.mark.parametrize("cloud", ["aws", "azure"])
def test_each_cloud_has_its_lock_with_versions_of_the_whole_one(cloud):
    whole, own = (
        set(re.findall(r"^(\S+==\S+)", (DEPLOY.parent / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in ("all", cloud)
    )
    assert own < whole
    assert any(pin.startswith({"aws": "boto3==", "azure": "azure-identity=="}[cloud]) for pin in own)


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_no_file_holds_a_secret(file):
    """Neither a value nor a name that somebody would put one behind."""
    assert not re.search(r"(?i)(password|token|secret|key)\s*=", file.read_text())
