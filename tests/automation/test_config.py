"""Settings: sources, their order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.config import Settings
from automation.config_backup import BackupOptions
from automation.config_restore import RestoreOptions
from automation.core.backups.memory import BackupSettings
from automation.core.backups.retention import Retention
from automation.core.restores.drills import DrillSettings
from automation.core.restores.memory import RestoreSettings
from automation.core.roll import Approval, RollSettings
from automation.ports.errors import Refused


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An empty working directory, and no setting from the environment of whoever runs the tests."""
    import os  # noqa: PLC0415 - only here

    for name in list(os.environ):
        if name.startswith(("BBDC_", "BITBUCKET_", "AWS_", "PULUMI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_has_a_default():
    settings = Settings.load()
    assert (settings.cloud, settings.url, settings.node_url) == ("aws", None, "http://{address}:7990")
    assert settings.roll == RollSettings()


@pytest.mark.parametrize(
    ("variable", "field", "value"),
    [
        ("BITBUCKET_URL", "url", "https://b.example.com"),
        ("BBDC_URL", "url", "https://b.example.com"),
        ("BITBUCKET_USER", "user", "admin"),
        ("AWS_REGION", "region", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "region", "eu-west-1"),
        ("BBDC_CLUSTER", "cluster", "git"),
        ("PULUMI_STACK", "stack", "prod"),
    ],
)
def test_environment(monkeypatch, variable, field, value):
    monkeypatch.setenv(variable, value)
    assert getattr(Settings.load(), field) == value


def test_the_login_name_of_this_machine_is_no_bitbucket_user(monkeypatch):
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("URL", "https://elsewhere")
    assert (Settings.load().user, Settings.load().url) == (None, None)


def test_state_and_its_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib")
    assert Settings.load().state == Path("/var/lib/bitbucket-dc")
    monkeypatch.setenv("BBDC_STATE", str(tmp_path))
    assert Settings.load().state == tmp_path


def test_arguments_win_over_environment_and_environment_over_file(monkeypatch, tmp_path):
    (tmp_path / "bbdc.toml").write_text('cluster = "file"\nstack = "file"\nregion = "file"\n')
    monkeypatch.setenv("BBDC_CLUSTER", "environment")
    monkeypatch.setenv("PULUMI_STACK", "environment")
    settings = Settings.load(cluster="argument", stack=None)
    assert (settings.cluster, settings.stack, settings.region) == ("argument", "environment", "file")


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("BITBUCKET_URL", "")
    assert Settings.load().url is None


def test_roll_settings_from_environment_and_file(monkeypatch, tmp_path):
    (tmp_path / "bbdc.toml").write_text('[roll]\nsoak = 5\napproval = "manual"\n')
    monkeypatch.setenv("BBDC_ROLL__DRAIN_TIMEOUT", "120")
    monkeypatch.setenv("BBDC_ROLL__SURGE", "true")
    roll = Settings.load().roll
    assert (roll.soak, roll.approval, roll.drain_timeout, roll.surge) == (5.0, Approval.MANUAL, 120.0, True)


def test_roll_settings_of_different_sources_come_together(monkeypatch, tmp_path):
    (tmp_path / "bbdc.toml").write_text("[roll]\nsoak = 5\npoll = 2\n")
    monkeypatch.setenv("BBDC_ROLL__SOAK", "7")
    roll = Settings.load(roll={"surge": True}).roll
    assert (roll.soak, roll.poll, roll.surge) == (7.0, 2.0, True)


def test_backup_settings_from_environment_and_file(monkeypatch, tmp_path):
    (tmp_path / "bbdc.toml").write_text('[backup]\nlock_budget = 60\nkeep_daily = 7\nnotify = ["env:A", "file:/b"]\n')
    monkeypatch.setenv("BBDC_BACKUP__KEEP_MONTHLY", "12")
    backup = Settings.load().backup
    assert backup.limits == BackupSettings(lock_budget=60.0)
    assert type(backup.limits) is BackupSettings
    assert backup.retention == Retention(daily=7, monthly=12)
    assert [url.get_secret_value() for url in backup.notify] == ["env:A", "file:/b"]


def test_several_notification_urls_in_one_variable(monkeypatch):
    monkeypatch.setenv("BBDC_BACKUP__NOTIFY", "mailto://u:hunter22@example.com, json://example.com/x")
    settings = Settings.load()
    assert len(settings.backup.notify) == 2
    assert "hunter22" not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize("name", ["notify", "search_password"])
def test_a_secret_of_backups_in_the_file_is_refused_and_not_shown(tmp_path, name):
    (tmp_path / "bbdc.toml").write_text(f'[backup]\n{name} = "slack://hunter22"\n')
    with pytest.raises(Refused, match=rf"backup\.{name}") as caught:
        Settings.load()
    assert (caught.value.name, "hunter22" in str(caught.value)) == ("secret_in_file", False)


def test_without_rules_everything_is_kept():
    assert Settings.load().backup.retention.is_empty


def test_another_file(monkeypatch, tmp_path):
    (tmp_path / "other.toml").write_text('cluster = "git"\n')
    monkeypatch.setenv("BBDC_CONFIG", str(tmp_path / "other.toml"))
    assert Settings.load().cluster == "git"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cloud": "gcp"}, "cloud"),
        ({"url": "bitbucket.example.com"}, "https://host/path"),
        ({"url": "https://admin:hunter22@host"}, "leave user and password out"),
        ({"node_url": "http://node:7990"}, "{address}"),
        ({"node_url": "http://{address}:{port}"}, "{address}"),
        ({"archive_url": "https://mirror/bitbucket.tar.gz"}, "{version}"),
        ({"service": "bitbucket; rm -rf /"}, "service"),
        ({"nonsense": 1}, "nonsense"),
        ({"roll": {"soaak": 1}}, "there is no soaak"),
        ({"roll": {"soak": "long"}}, "roll.soak"),
        ({"backup": {"lock": 1}}, "there is no lock"),
        ({"restore": {"drill": 1}}, "there is no drill"),
        ({"restore": {"drill_sample": 0}}, "restore.drill_sample"),
        ({"backup": {"keep_daily": -1}}, "backup.keep_daily"),
        ({"backup": {"home": "/home; rm -rf /"}}, "backup.home"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_without_its_value(arguments, said):
    with pytest.raises(Refused) as caught:
        Settings.load(**arguments)
    assert said in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_every_wrong_setting_is_told_at_once():
    with pytest.raises(Refused, match=r"cloud.*node_url"):
        Settings.load(cloud="gcp", node_url="x")


@pytest.mark.parametrize("name", ["token", "password", "database_url"])
def test_a_credential_in_the_file_is_refused_and_not_shown(tmp_path, name):
    (tmp_path / "bbdc.toml").write_text(f'{name} = "hunter22"\n')
    with pytest.raises(Refused, match=name) as caught:
        Settings.load()
    assert (caught.value.name, "hunter22" in str(caught.value)) == ("secret_in_file", False)


def test_a_reference_in_the_file_is_welcome(tmp_path):
    (tmp_path / "bbdc.toml").write_text('token = "file:/run/secrets/bitbucket"\n')
    token = Settings.load().token
    assert token is not None
    assert token.get_secret_value() == "file:/run/secrets/bitbucket"


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / "bbdc.toml").write_text("cluster = \n")
    with pytest.raises(Refused, match="no TOML"):
        Settings.load()


def test_credentials_have_no_visible_form(monkeypatch):
    monkeypatch.setenv("BITBUCKET_TOKEN", "tok-hunter22")
    monkeypatch.setenv("BITBUCKET_PASSWORD", "hunter22")
    monkeypatch.setenv("BBDC_DATABASE_URL", "postgresql://u:hunter22@h/d")
    settings = Settings.load()
    assert "hunter22" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"cluster": "git", "stack": "prod"}, "git"),
        ({"stack": "prod"}, "bitbucket-dc-prod"),
        ({"stack": "org/bitbucket-dc/prod"}, "bitbucket-dc-prod"),
    ],
)
def test_the_name_of_the_cluster(arguments, name):
    assert Settings.load(**arguments).cluster_name == name


def test_a_cluster_without_a_name_is_refused_with_what_to_set():
    with pytest.raises(Refused, match="BBDC_CLUSTER"):
        _ = Settings.load().cluster_name


def test_settings_of_restores_from_environment_and_file(monkeypatch, tmp_path):
    (tmp_path / "bbdc.toml").write_text("[restore]\nstop_timeout = 60\ndrill_sample = 3\n")
    monkeypatch.setenv("BBDC_RESTORE__POLL", "0.5")
    restore = Settings.load().restore
    assert restore.limits == RestoreSettings(stop_timeout=60.0, poll=0.5)
    assert restore.drill == DrillSettings(sample=3, poll=0.5)


REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_reference_page_has_every_setting():
    page = REFERENCE.read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in page
        assert field.description
    for kind in (RollSettings, BackupOptions, RestoreOptions):
        for name in kind.__dataclass_fields__:
            assert f"`{name}`" in page
