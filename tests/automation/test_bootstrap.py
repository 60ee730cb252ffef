"""Adapters are chosen in one place; what is missing is said before anything is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from automation import bootstrap
from automation.adapters.logs import Redactor
from automation.config import Settings
from automation.core.capabilities import AWS, AZURE
from automation.ports.errors import NotAuthenticated, NotFound, Refused
from automation.ports.safe import Safe
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


def test_a_safe_is_built_without_asking_anybody(tmp_path):
    safe = bootstrap.build_safe(Settings.load(**GIVEN, state=tmp_path / "state"))
    assert isinstance(safe, Safe)
    assert [vault.kind for vault in safe.vaults] == ["disk", "database"]
    assert not (tmp_path / "state").exists()


def test_with_a_token_only_nobody_can_lock():
    safe = bootstrap.build_safe(Settings.load(**GIVEN))
    assert safe.maintenance.user() == ""
    with pytest.raises(NotAuthenticated, match="BITBUCKET_PASSWORD"):
        safe.maintenance.lock()


def test_with_token_and_password_the_lock_takes_the_password_and_both_are_hidden():
    redactor = Redactor()
    settings = Settings.load(**GIVEN, user="admin", password=SecretStr("hunter22-password"))
    assert bootstrap.build_safe(settings, redactor=redactor).maintenance.user() == "admin"
    assert "hunter22" not in redactor.text("tok-hunter22 hunter22-password")


@pytest.mark.parametrize(
    ("name", "said"), [("url", "BITBUCKET_URL"), ("token", "BITBUCKET_TOKEN"), ("cluster", "BBDC_CLUSTER")]
)
def test_what_a_safe_misses_is_named(name, said):
    with pytest.raises(Refused, match=said):
        bootstrap.build_safe(without(name))


def test_the_search_index_belongs_to_a_set_when_its_settings_say_so():
    search = {"search_url": "https://search.example.com", "search_repository": "s3"}
    safe = bootstrap.build_safe(Settings.load(**GIVEN, backup=search))
    assert [vault.kind for vault in safe.vaults] == ["disk", "database", "search"]
    for half, value in search.items():
        with pytest.raises(Refused, match="SEARCH_REPOSITORY"):
            bootstrap.build_safe(Settings.load(**GIVEN, backup={half: value}))


def test_notification_urls_are_resolved(monkeypatch):
    monkeypatch.setenv("CHAT_URL", "json://example.com/secret")
    settings = Settings.load(backup={"notify": ["env:CHAT_URL", "json://example.com/plain"]})
    urls = [url.get_secret_value() for url in bootstrap.notify_urls(settings)]
    assert urls == ["json://example.com/secret", "json://example.com/plain"]


WITHOUT_BOTO = """
import sys
sys.modules["boto3"] = None
from automation import bootstrap
from automation.config import Settings
from automation.core.capabilities import AWS, AZURE
from automation.ports.errors import Refused
try:
    bootstrap.{call}(Settings.load(url="https://h", token="tok", cluster="git"))
except Refused as error:
    print(error)
"""


ON_AZURE = GIVEN | {"cloud": "azure", "subscription": "5b5b5b5b-0000-4000-8000-000000000002", "resource_group": "git"}


def test_the_same_ports_on_azure(tmp_path):
    settings = Settings.load(**ON_AZURE, state=tmp_path / "state")
    world = bootstrap.build(settings)
    assert set(bootstrap.calls(world).values()) == {0}
    assert len(bootstrap.calls(world)) == 8
    assert world.capabilities == AZURE
    assert bootstrap.build(Settings.load(**GIVEN)).capabilities == AWS
    assert [vault.kind for vault in bootstrap.build_safe(settings).vaults] == ["disk", "database"]
    assert bootstrap.build_restores(settings).launch == frozenset()


@pytest.mark.parametrize("name", ["subscription", "resource_group"])
def test_on_azure_the_place_must_be_known(name, monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    settings = Settings.load(**{key: value for key, value in ON_AZURE.items() if key != name})
    for build in (bootstrap.build, bootstrap.build_safe, bootstrap.build_restores):
        with pytest.raises(Refused, match="BBDC_RESOURCE_GROUP"):
            build(settings)


def test_on_azure_no_search_index_belongs_to_a_set():
    search = {"search_url": "https://search.example.com", "search_repository": "s3"}
    with pytest.raises(Refused, match="SEARCH_URL"):
        bootstrap.build_safe(Settings.load(**ON_AZURE, backup=search))


@pytest.mark.parametrize("endpoint", ["http://arm.example.com", "arm.example.com", "https://", "https://u:p@h"])
def test_tokens_go_to_encrypted_endpoints_only(endpoint):
    with pytest.raises(Refused, match="azure_endpoint"):
        Settings.load(**ON_AZURE, azure_endpoint=endpoint)


def test_a_missing_sdk_of_azure_is_named():
    script = WITHOUT_BOTO.replace('"boto3"', '"azure.identity"').replace(
        'cluster="git"', 'cluster="git", cloud="azure", subscription="s", resource_group="g"'
    )
    done = subprocess.run(
        [sys.executable, "-c", script.format(call="build")], capture_output=True, text=True, check=True
    )
    assert "pip install 'bitbucket-dc[azure]'" in done.stdout


@pytest.mark.parametrize("call", ["build", "build_safe"])
def test_a_missing_sdk_is_named_with_the_extra_that_brings_it(call):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_BOTO.format(call=call)], capture_output=True, text=True, check=True
    )
    assert "pip install 'bitbucket-dc[aws]'" in done.stdout


def test_no_cloud_is_imported_before_it_is_chosen():
    script = "import sys, automation.bootstrap; print([m for m in ('boto3', 'botocore', 'azure') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
