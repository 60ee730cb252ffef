"""What a person and the operating system do to a run: two at once, kill -9, signals, failures."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pulumi import automation

from tests.lab.pulumi.conftest import Shell

pytestmark = pytest.mark.lab
URN = "urn:pulumi:lab::demo::pulumi-python:dynamic:Resource::thing"


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def checkpoint(shell: Shell) -> dict[str, Any]:
    path = Path(shell.env["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi/stacks/demo/lab.json"
    latest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["checkpoint"]["latest"] or {}
    return latest


def locks(shell: Shell) -> list[Path]:
    root = Path(shell.env["PULUMI_BACKEND_URL"].removeprefix("file://"))
    return list((root / ".pulumi/locks/organization/demo/lab").glob("*.json"))


def started(shell: Shell, *args: str) -> subprocess.Popen[str]:
    """A run whose resource operation is under way and waits."""
    shell.hold()
    before = shell.journal.count("begun")
    process = shell.start(*args)
    wait_until(lambda: shell.journal.count("begun") > before)
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_second_update_is_refused_while_the_first_runs(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    first = started(shell, "up", "--yes", "--skip-preview")
    refused = shell.run("up", "--yes", "--skip-preview", code=255)
    assert "the stack is currently locked by 1 lock(s)" in refused.stderr
    assert f"(pid {first.pid})" in refused.stderr
    monkeypatch.setenv("PATH", f"{shell.shim.parent}:{os.environ['PATH']}")
    options = automation.LocalWorkspaceOptions(env_vars={**shell.env, "PATH": os.environ["PATH"]})
    stack = automation.select_stack("lab", work_dir=str(shell.project), opts=options)
    with pytest.raises(automation.ConcurrentUpdateError):
        stack.up()
    assert "in progress" in shell.run("stack", "ls").stdout
    shell.release()
    assert finish(first)[0] == 0
    assert not locks(shell)


def test_kill_9_leaves_a_valid_state_and_the_next_update_goes_on(shell: Shell) -> None:
    first = started(shell, "up", "--yes", "--skip-preview")
    children = psutil.Process(first.pid).children(recursive=True)
    assert len(children) == 2, "the program and the server of its dynamic resources"
    first.kill()
    first.communicate()
    wait_until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    assert [item["type"] for item in checkpoint(shell)["pending_operations"]] == ["creating"]
    assert locks(shell), "the dead engine's lock is still there"
    shell.release()
    second = shell.run("up", "--yes", "--skip-preview")
    assert f"{URN}, interrupted while creating" in second.stdout
    assert json.loads(shell.run("stack", "output", "--json").stdout)["version"] == "1"
    assert not locks(shell)
    shell.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    assert "pending_operations" not in checkpoint(shell)
    assert "interrupted" not in shell.run("up", "--yes", "--skip-preview").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cancel_gracefully(shell: Shell, number: int) -> None:
    first = started(shell, "up", "--yes", "--skip-preview")
    first.send_signal(number)
    code, out, err = finish(first)
    assert code == 255
    assert "update cancelled" in err
    assert "the operation was cancelled" in out
    assert not locks(shell)
    names = [item["urn"].split("::")[-1] for item in checkpoint(shell)["resources"]]
    assert names == ["demo-lab", "default"]
    shell.release()
    assert "interrupted while creating" in shell.run("up", "--yes", "--skip-preview").stdout


def test_a_failed_update_keeps_the_old_inputs_and_is_tried_again(shell: Shell) -> None:
    shell.run("up", "--yes", "--skip-preview")
    shell.run("config", "set", "version", "2")
    (shell.project / "broken").touch()
    failed = shell.run("up", "--yes", "--skip-preview", code=255)
    assert "the roll is broken" in failed.stdout
    assert "error: update failed" in failed.stderr
    thing = next(item for item in checkpoint(shell)["resources"] if item["urn"] == URN)
    assert thing["inputs"]["version"] == "1"
    (shell.project / "broken").unlink()
    shell.run("up", "--yes", "--skip-preview")
    assert [line for line in shell.journal if line.startswith("update")] == ["update 1 2", "update 1 2"]


def test_preview_checks_and_compares_but_changes_nothing(shell: Shell) -> None:
    shell.run("up", "--yes", "--skip-preview")
    (shell.project / "journal").unlink()
    shell.run("config", "set", "version", "2")
    shell.run("preview")
    assert shell.journal == ["check", "diff"]
    shell.run("config", "set", "version", "0")
    refused = shell.run("preview", code=255)
    assert "resource 'thing': property version value {0} has a problem: may not go back" in refused.stdout
    assert "error: preview failed" in refused.stderr
    assert shell.run("up", "--yes", code=255).stderr == "error: preview failed\n"


def test_progress_shows_at_once(shell: Shell) -> None:
    run = started(shell, "up", "--yes", "--skip-preview")
    assert run.stdout is not None
    lines: list[str] = []
    # The resource's own create is still waiting: what comes now came without buffering.
    while not lines or "creating" not in lines[-1] or "thing" not in lines[-1]:
        lines.append(run.stdout.readline())
    shell.release()
    code, out, _ = finish(run)
    assert code == 0
    assert "thing one of three" in out
    assert out.count("for the record") == 2, "while it runs and in the diagnostics"
    assert out.count("one of three") == 1, "while it runs only"


def test_without_approval_nothing_happens(shell: Shell) -> None:
    refused = shell.run("up", code=255)
    assert "--yes or --skip-preview must be passed in to proceed when running in non-interactive mode" in refused.stderr
    assert shell.journal == []


def test_the_working_tree_stays_clean(shell: Shell) -> None:
    shell.run("config", "set", "version", "7.9.4")
    shell.run("config", "set", "token", "s3cret", "--secret")
    assert shell.run("config", "get", "version").stdout == "7.9.4\n"
    assert shell.run("config", "get", "token").stdout == "s3cret\n"
    assert "s3cret" not in shell.run("config").stdout
    assert "s3cret" not in Path(shell.env["PULUMI_OPTION_CONFIG_FILE"]).read_text(encoding="utf-8")
    up = shell.run("up", "--yes")
    assert sorted(path.name for path in shell.project.iterdir()) == ["Pulumi.yaml", "__main__.py", "journal"]
    assert "s3cret" not in up.stdout
    assert "hunter2" not in up.stdout
    assert shell.run("stack", "output", "version").stdout == "7.9.4\n"
    assert shell.run("stack", "output", "password").stdout == "[secret]\n"
    assert shell.run("stack", "output", "password", "--show-secrets").stdout == "hunter2\n"
    state = Path(shell.env["PULUMI_BACKEND_URL"].removeprefix("file://"))
    texts = [path.read_text(encoding="utf-8") for path in state.rglob("*.json")]
    assert not any("hunter2" in text or "s3cret" in text for text in texts)


def test_a_lock_of_the_genuine_command_line_counts_only_while_its_process_lives(shell: Shell) -> None:
    root = Path(shell.env["PULUMI_BACKEND_URL"].removeprefix("file://"))
    directory = root / ".pulumi/locks/organization/demo/lab"
    directory.mkdir(parents=True)
    record = {
        "pid": os.getpid(),
        "username": "me",
        "hostname": socket.gethostname(),
        "timestamp": "2199-01-01T00:00:00Z",
    }
    (directory / "one.json").write_text(json.dumps(record), encoding="utf-8")
    assert "locked by 1 lock(s)" in shell.run("destroy", "--yes", "--skip-preview", code=255).stderr
    # A process of that number that was born after the lock was written is another one.
    record["timestamp"] = "2001-01-01T00:00:00Z"
    (directory / "one.json").write_text(json.dumps(record), encoding="utf-8")
    shell.run("destroy", "--yes", "--skip-preview")
    assert not locks(shell)


def test_quick_commands_are_quick(shell: Shell) -> None:
    shell.run("config", "set", "version", "7.9.4")
    for args in (["version"], ["config", "get", "version"], ["whoami"]):
        before = os.times()
        shell.run(*args)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        assert used < 0.4, f"{args}: {used:.2f} s of processor time"


def answer(shell: Shell, text: str) -> tuple[int, str]:
    """Run `pulumi up` on a terminal and answer its question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(shell.shim), "up"], cwd=shell.project, env=shell.env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    with process, os.fdopen(ours, "r+b", buffering=0) as terminal:
        while b"[yes/no]" not in seen:
            seen += terminal.read(4096)
        terminal.write(f"{text}\n".encode())
        with contextlib.suppress(OSError):  # Linux reports the other side's end as an error
            while more := terminal.read(4096):
                seen += more
    return process.returncode, seen.decode()


def test_on_a_terminal_it_asks_first(shell: Shell) -> None:
    code, seen = answer(shell, "no")
    assert code == 255
    assert "Do you want to perform this update? [yes/no]" in seen
    assert "begun" not in shell.journal
    code, seen = answer(shell, "yes")
    assert code == 0
    assert shell.journal.count("begun") == 1


def test_a_preview_is_one_json_document(shell: Shell) -> None:
    document = json.loads(shell.run("preview", "--json").stdout)
    assert [(step["op"], step["urn"].split("::")[-1]) for step in document["steps"]] == [
        ("create", "demo-lab"),
        ("create", "default"),
        ("create", "thing"),
    ]
    assert document["changeSummary"] == {"create": 2}
    lines = shell.run("up", "--yes", "-f", "--json").stdout.splitlines()
    assert all(json.loads(line)["sequence"] == number for number, line in enumerate(lines))


def test_nothing_secret_is_in_any_argument_or_event(shell: Shell, tmp_path: Path) -> None:
    shell.run("config", "set", "token", "--secret", stdin="s3cret")
    run = started(shell, "up", "--yes", "--skip-preview", "--event-log", str(tmp_path / "events"))
    family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    arguments = " ".join(" ".join(process.cmdline()) for process in family)
    shell.release()
    code, out, err = finish(run)
    assert code == 0
    events = (tmp_path / "events").read_text(encoding="utf-8")
    for text in (arguments, out, err, events):
        assert "s3cret" not in text
        assert "hunter2" not in text
