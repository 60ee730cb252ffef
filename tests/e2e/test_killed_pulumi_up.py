"""``pulumi up`` is killed (-9) again and again while it rolls; the next one goes on, and nobody notices."""

import json
import signal
import subprocess
import time

import psutil
import pytest

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.lab

KILLED_AFTER = ("upgrade mode on", "target-deregistered", "command", "leaving")
"""Events of the world by which the acts of a roll show: one of each is the last thing that a killed `up` has done."""


def counted(events, name):
    return [e for e in events if e["event"] == name]


def up_until_killed(lab, act=None):
    """Run ``pulumi up`` and kill it as soon as an act has happened again; return its exit code, or None if killed."""
    seen = len(counted(lab.events(), act))
    process = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=ROOT, env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None:
        if len(counted(lab.events(), act)) > seen:
            kill_all(process.pid)
            process.wait()
            return None
        time.sleep(0.05)
    return process.returncode


def kill_all(pid):
    """Kill the engine and everything it started, as a power cut would."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family[1:], timeout=10)


def test_every_killed_up_is_continued_by_the_next_and_no_request_fails(lab):
    where = ("--dir", str(lab.directory))
    lab.bbdc("lab", "traffic", "start", *where, "--rate", "20", "--clones", "1", "--pushes", "1")
    lab.run("pulumi", "config", "set", "version", "7.9.4")
    before = lab.events()
    assert [up_until_killed(lab, act) for act in KILLED_AFTER] == [None] * len(KILLED_AFTER), "it was over too early"
    assert up_until_killed(lab) == 0
    traffic = json.loads(lab.bbdc("lab", "traffic", "stop", *where, "--json", check=False).stdout)
    status = lab.status()
    events = lab.events()[len(before) :]
    assert (status["state"], status["upgrade_mode"]) == ("STABLE", False)
    assert {node["version"] for node in status["nodes"]} == {"7.9.4"}
    assert len(counted(events, "launched")) == len(counted(events, "leaving")) == 3, "no node twice, capacity as before"
    assert len(counted(events, "upgrade finalized")) == 1
    assert (traffic["failed"], traffic["missing"]) == (0, []), json.dumps(traffic["failures"], indent=1)
    again = lab.run("pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert "unchanged" in again.stdout


def test_no_secret_is_written_anywhere(lab, tmp_path):
    """Token and password stand in no log, state, plan, record, report or command line of any process."""
    page = tmp_path / "report.html"
    lab.bbdc("report", "--html", str(page))
    secrets = [lab.env[name].encode() for name in ("BITBUCKET_TOKEN", "BITBUCKET_PASSWORD", "PULUMI_CONFIG_PASSPHRASE")]
    own = {"lab.json", "control.token", "fabric.token"}  # the lab's own keys, 0600; it is Bitbucket and AWS in one
    leaks = [
        str(path)
        for folder in ("log", "pulumi", "state", "traffic", "instances", "archive")
        for path in (lab.directory / folder).rglob("*")
        if path.is_file() and path.name not in own and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert leaks == []
    spoken = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]]
    assert not [words for words in spoken if any(s.decode() in word for s in secrets for word in words)]
    said = (
        page.read_text()
        + lab.bbdc("status").stdout
        + lab.bbdc("report").stdout
        + lab.run("pulumi", "stack", "export").stdout
    )
    assert not [secret for secret in secrets if secret.decode() in said]


def test_files_with_tokens_are_private(lab):
    private = [lab.directory / name for name in ("lab.json", "control.token", "fabric.token", "Pulumi.lab.yaml")]
    private += list((lab.directory / "state").glob("*"))
    assert [str(p) for p in private if p.is_file() and p.stat().st_mode & 0o077] == []


def test_preview_refuses_by_name_and_changes_nothing(lab):
    lab.run("pulumi", "config", "set", "version", "7.10.0")  # the other names: tests/pulumi_adapters/test_resources.py
    done = lab.run("pulumi", "preview", "--non-interactive", check=False)
    assert done.returncode != 0
    assert "feature_upgrade" in done.stdout + done.stderr
    lab.run("pulumi", "config", "set", "version", "7.9.4")
    assert lab.status()["upgrade_mode"] is False
