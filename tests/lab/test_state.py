from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.environment import exports, genuine_pulumi, variables
from lab.state import Options, ProcessId, Record, default_directory, end

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def record() -> Record:
    return Record(
        daemon=ProcessId.of(os.getpid(), "daemon"),
        ready=True,
        octet=17,
        endpoint="http://127.0.0.1:5000",
        provider=5001,
        control="http://127.0.0.1:5002",
        http=20170,
        ssh=20171,
        token="control-token",
        access_key="AKIALAB",
        password="it's a secret",
        bitbucket_token="BBDC-token",
        passphrase="pass phrase",
        cluster="bitbucket-dc-lab",
        variables={"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
    )


def test_the_record_survives_and_is_private(tmp_path: Path, record: Record) -> None:
    record.write(tmp_path)
    assert Record.read(tmp_path) == record
    assert (tmp_path / "lab.json").stat().st_mode & 0o777 == 0o600
    assert record.alive()
    assert Record.read(tmp_path / "elsewhere") is None


def test_options_survive(tmp_path: Path) -> None:
    options = Options(nodes=5, version="8.9.1", seed=3)
    options.write(tmp_path)
    assert Options.read(tmp_path) == options


def test_a_reused_process_id_is_nobodys() -> None:
    mine = ProcessId.of(os.getpid())
    assert mine.find() is not None
    assert ProcessId(mine.pid, mine.created - 100).find() is None


def test_end_ends_exactly_the_process_meant() -> None:
    stubborn = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        one = ProcessId.of(process.pid)
        assert end([ProcessId(one.pid, one.created - 100)]) == 0
        assert process.poll() is None
        assert end([one], patience=0.3) == 1
        assert one.find() is None


def test_the_directory_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BBDC_LAB_DIR", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("BBDC_LAB_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "bitbucket-dc" / "lab"


def test_exports_are_read_by_a_shell_as_they_were_meant(tmp_path: Path, record: Record) -> None:
    text = exports(tmp_path, record)
    assert all(line.startswith("export ") for line in text.splitlines())
    script = text + 'printf "%s|%s|%s" "$BITBUCKET_PASSWORD" "$PULUMI_CONFIG_PASSPHRASE" "$BITBUCKET_URL"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "it's a secret|pass phrase|http://127.0.0.1:20170"


def test_every_promised_variable_is_there(tmp_path: Path, record: Record) -> None:
    promised = """
    AWS_ENDPOINT_URL BITBUCKET_URL BITBUCKET_USER BITBUCKET_PASSWORD BITBUCKET_TOKEN BBDC_CLUSTER BBDC_STATE
    PULUMI_BACKEND_URL PULUMI_CONFIG_PASSPHRASE
    PULUMI_DEBUG_PROVIDERS PULUMI_STACK PULUMI_OPTION_CONFIG_FILE PULUMI_SKIP_UPDATE_CHECK
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION
    """
    found = variables(tmp_path, record)
    assert set(promised.split()) <= set(found)
    assert found["PULUMI_DEBUG_PROVIDERS"] == "aws:5001"
    assert variables(tmp_path, replace(record, cloud="azure"))["PULUMI_DEBUG_PROVIDERS"] == "azure-native:5001"


def test_a_shim_is_not_the_genuine_program(tmp_path: Path) -> None:
    shim, genuine = tmp_path / "shim", tmp_path / "genuine"
    for folder, text in ((shim, "#!/bin/sh\nexec python -m lab.pulumi"), (genuine, "#!/bin/sh\necho v3")):
        folder.mkdir()
        (folder / "pulumi").write_text(text)
        (folder / "pulumi").chmod(0o755)
    assert genuine_pulumi(str(shim)) is None
    assert genuine_pulumi(f"{shim}{os.pathsep}{genuine}") == str(genuine / "pulumi")
