"""Adapters are chosen in one place; what is missing is said before anything is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from automation import bootstrap
from automation.adapters.logs import Redactor
from automation.config import Settings
from automation.ports.errors import NotFound, Refused
from automation.ports.world import World

GIVEN = {"url": "https://b.example.com", "token": SecretStr("tok-hunter22"), "cluster": "git", "region": "eu-west-1"}


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("TOKEN", "USER", "PASSWORD", "URL"):
        monkeypatch.delenv(f"BITBUCKET_{name}", raising=False)
        monkeypatch.delenv(f"BBDC_{name}", raising=False)
    for name in ("BBDC_CLUSTER", "BBDC_STACK", "PULUMI_STACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def without(name):
    return Settings.load(**{key: value for key, value in GIVEN.items() if key != name})


def test_a_world_is_built_without_asking_anybody():
    world = bootstrap.build(Settings.load(**GIVEN))
    assert isinstance(world, World)
    assert set(bootstrap.calls(world).values()) == {0}
    assert len(bootstrap.calls(world)) == 8


@pytest.mark.parametrize(
    ("name", "said"), [("url", "BITBUCKET_URL"), ("token", "BITBUCKET_TOKEN"), ("cluster", "BBDC_CLUSTER")]
)
def test_what_is_missing_is_named(name, said):
    with pytest.raises(Refused, match=said):
        bootstrap.build(without(name))


def test_a_user_without_a_password_is_not_enough():
    with pytest.raises(Refused, match="BITBUCKET_PASSWORD"):
        bootstrap.build(Settings.load(url=GIVEN["url"], cluster="git", user="admin"))


def test_the_redactor_learns_every_credential(monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", "hunter22")
    redactor = Redactor()
    settings = Settings.load(url=GIVEN["url"], cluster="git", user="admin", password=SecretStr("env:MY_PASSWORD"))
    bootstrap.build(settings, redactor=redactor)
    assert "hunter22" not in redactor.text("a hunter22 b YWRtaW46aHVudGVyMjI= c")
    assert "YWRtaW46aHVudGVyMjI=" not in redactor.text("YWRtaW46aHVudGVyMjI=")


def test_a_reference_that_leads_nowhere(monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(NotFound, match="NOT_THERE"):
        bootstrap.build(Settings.load(**GIVEN | {"token": SecretStr("env:NOT_THERE")}))


def test_database_url(tmp_path):
    path = tmp_path / "url"
    path.write_text("postgresql://u:p@h/d")
    path.chmod(0o600)
    assert bootstrap.database_url(Settings.load()) is None
    assert bootstrap.database_url(Settings.load(database_url=SecretStr(f"file:{path}"))) == "postgresql://u:p@h/d"
    plain = "postgresql://u:p@h/d"
    assert bootstrap.database_url(Settings.load(database_url=SecretStr(plain))) == plain


WITHOUT_BOTO = """
import sys
sys.modules["boto3"] = None
from automation import bootstrap
from automation.config import Settings
from automation.ports.errors import Refused
try:
    bootstrap.build(Settings.load(url="https://h", token="tok", cluster="git"))
except Refused as error:
    print(error)
"""


def test_a_missing_sdk_is_named_with_the_extra_that_brings_it():
    done = subprocess.run([sys.executable, "-c", WITHOUT_BOTO], capture_output=True, text=True, check=True)
    assert "pip install 'bitbucket-dc[aws]'" in done.stdout


def test_no_cloud_is_imported_before_it_is_chosen():
    script = "import sys, automation.bootstrap; print([m for m in ('boto3', 'botocore', 'azure') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
