"""psql and aws of a lab machine: options, output and exit codes of the real ones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.daemon.control import Control
from lab.daemon.desk import Desk
from lab.daemon.on_aws import AwsCloud
from lab.files import write_json
from lab.shims import aws, psql
from tests.lab.data.conftest import Lab, run

pytestmark = pytest.mark.lab
PASSWORD = {"PGPASSWORD": "password1"}


@pytest.fixture
def host(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a database with a table, on a machine whose line to the daemon works."""
    file = lab.database()
    run(file, "CREATE TABLE repository (id INTEGER PRIMARY KEY, slug TEXT)")
    run(file, "INSERT INTO repository (slug) VALUES ('one'), (NULL)")
    cloud: Any = object.__new__(AwsCloud)  # over the world of this test, which it would make itself otherwise
    cloud.world, cloud._ground = lab.world, SimpleNamespace(record=SimpleNamespace(access_key="AKIA"))
    daemon: Any = SimpleNamespace(cloud=cloud, storage=lab.storage)
    control = Control("token", Desk(daemon).handlers())
    control.open()
    (tmp_path / "token").write_text("token\n")
    machine = {"id": "i-1", "control": control.url, "token_file": str(tmp_path / "token")}
    write_json(tmp_path / "machine.json", machine)
    monkeypatch.setenv("LAB_MACHINE", str(tmp_path))
    yield str(lab.rds.describe_db_instances(DBInstanceIdentifier="bb")["DBInstances"][0]["Endpoint"]["Address"])
    control.close()


def test_one_number(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"host={host} port=5432 dbname=bitbucket user=bitbucket sslmode=require"
    for arguments in ([text, "-AtXqc"], ["-d", text, "-A", "-t", "-c"], ["-h", host, "-U", "bitbucket", "-Atc"]):
        assert psql.main([*arguments, "select count(*) from repository"], PASSWORD) == 0
        assert capsys.readouterr().out == "2\n"
    url = f"postgresql://bitbucket:password1@{host}:5432/bitbucket"
    assert psql.main([url, "-At", "-F", ",", "-c", "select id, slug from repository"], {}) == 0
    assert capsys.readouterr().out == "1,one\n2,\n"
    assert psql.main(["-c", "select id, slug from repository"], {"PGHOST": host, **PASSWORD}) == 0
    assert capsys.readouterr().out == " id | slug\n----+------\n 1  | one\n 2  |\n(2 rows)\n\n"


def test_exit_codes(host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    here, bad = [f"host={host}"], "select * from nowhere; select 1"
    assert psql.main([*here, "-c", bad], PASSWORD) == 1
    assert psql.main([*here, "-v", "ON_ERROR_STOP=1", "-c", bad], PASSWORD) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(bad))
    assert psql.main([*here, "-v", "ON_ERROR_STOP=1"], PASSWORD) == 3
    assert capsys.readouterr().err.count("ERROR:  no such table") == 3
    monkeypatch.setattr("sys.stdin", io.StringIO(bad))
    assert psql.main([*here, "-At"], PASSWORD) == 0
    assert capsys.readouterr().out == "1\n"
    assert psql.main([*here, "-c", "select 1"], {"PGPASSWORD": "wrong"}) == 2
    assert "password authentication failed" in capsys.readouterr().err
    assert psql.main(["host=nobody", "-c", "select 1"], PASSWORD) == 2
    assert "nobody" in capsys.readouterr().err


def test_a_stopped_database_cannot_be_reached(host: str, lab: Lab) -> None:
    lab.rds.stop_db_instance(DBInstanceIdentifier="bb")
    assert psql.main([f"host={host}", "-c", "select 1"], PASSWORD) == 2


def test_a_table_made_here_is_part_of_the_history(host: str, lab: Lab, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a;b');")
    assert psql.main([f"host={host}", "-v", "ON_ERROR_STOP=on", "-f", str(script)], PASSWORD) == 0
    assert run(lab.file("bb"), "SELECT v FROM t") == [("a;b",)]
    assert run(lab.file("bb"), "SELECT count(*) FROM sqlite_master WHERE name = 'lab_history_t'") == [(1,)]


def test_a_secret(host: str, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    arn = lab.world.client("secretsmanager").create_secret(Name="s", SecretString="line")["ARN"]
    words = ["secretsmanager", "get-secret-value", "--region", "eu-west-1", "--secret-id"]
    assert aws.main([*words, arn, "--query", "SecretString", "--output", "text"]) == 0
    assert capsys.readouterr().out == "line\n"
    assert aws.main([*words, arn]) == 0
    assert json.loads(capsys.readouterr().out)["Name"] == "s"
    assert aws.main([*words, "nobody"]) == 254
    assert "ResourceNotFoundException" in capsys.readouterr().err
