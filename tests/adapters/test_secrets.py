"""Credentials by reference."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from automation.adapters.secrets import pick, resolve
from automation.ports.errors import BbdcError, NotFound, Refused


def value(reference, **options):
    return resolve(SecretStr(reference), **options).get_secret_value()


def test_a_plain_credential_is_itself():
    assert value("NjE2ODk") == "NjE2ODk"
    assert value("with:colon") == "with:colon"


def test_env(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", " abc\n")
    assert value("env:MY_TOKEN") == "abc"


def test_env_that_is_missing_or_empty(monkeypatch):
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(NotFound, match="MY_TOKEN"):
        value("env:MY_TOKEN")
    monkeypatch.setenv("MY_TOKEN", " ")
    with pytest.raises(NotFound, match="empty"):
        value("env:MY_TOKEN")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("abc\n")
    path.chmod(mode)
    assert value(f"file:{path}") == "abc"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_open_to_others_is_refused_with_the_command_that_closes_it(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("abc-secret")
    path.chmod(mode)
    with pytest.raises(Refused, match=f"chmod 600 {path}") as caught:
        value(f"file:{path}")
    assert "abc-secret" not in str(caught.value)


def test_a_file_that_is_missing_or_none(tmp_path):
    with pytest.raises(NotFound):
        value(f"file:{tmp_path}/nothing")
    with pytest.raises(BbdcError, match="no regular file"):
        value(f"file:{tmp_path}")


def test_a_store_of_the_cloud_in_use():
    assert value("aws-sm:bitbucket/token", stores={"aws-sm": lambda name: f"<{name}>"}) == "<bitbucket/token>"


def test_a_store_of_another_cloud_is_refused():
    with pytest.raises(Refused, match="BBDC_CLOUD"):
        value("azure-kv:vault/secret", stores={"aws-sm": str})


def test_a_key_inside_a_json_secret():
    assert pick('{"token": "abc"}', "token", "x") == "abc"
    assert pick("abc", None, "x") == "abc"


@pytest.mark.parametrize("text", ['{"token": 1}', "hunter22", "{}", "[]"])
def test_a_missing_key_is_named_and_the_secret_is_not(text):
    with pytest.raises(NotFound, match="'token'") as caught:
        pick(text, "token", "aws-sm:x")
    assert caught.value.__suppress_context__
    assert "hunter22" not in str(caught.value)
