from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from automation.adapters.runs.sealed import KEY_VARIABLE, Sealed, load_key, rebuild
from automation.core.roll import Ending, Memory, Outcome, Phase
from automation.ports.errors import Forbidden
from tests.runs.scripted import plan


def test_what_was_sealed_comes_back_equal() -> None:
    sealed = Sealed(Fernet.generate_key())
    value = {
        "memory": Memory(plan(), acted={"a": 1.0}),
        "outcome": Outcome(Ending.PAUSED, "why"),
        "phase": Phase.BOOTING,
    }
    assert sealed.deserialize(sealed.serialize(value)) == value


def test_another_key_reads_nothing_and_says_so() -> None:
    text = Sealed(Fernet.generate_key()).serialize("words")
    with pytest.raises(Forbidden, match="stored with another key"):
        Sealed(Fernet.generate_key()).deserialize(text)


def test_a_value_of_another_version_keeps_the_fields_both_know() -> None:
    fields = {f.name: getattr(plan(), f.name) for f in dataclasses.fields(plan())}
    del fields["surge"]
    fields["forgotten"] = "an old field"
    assert rebuild(type(plan()), fields) == plan()


def test_the_key_is_made_once_and_is_closed_to_others(tmp_path: Path) -> None:
    first = load_key(tmp_path)
    assert load_key(tmp_path) == first
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_key_from_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Fernet.generate_key()
    monkeypatch.setenv(KEY_VARIABLE, key.decode())
    assert load_key(tmp_path) == key
    monkeypatch.setenv(KEY_VARIABLE, "not a key")
    with pytest.raises(Forbidden, match=KEY_VARIABLE):
        load_key(tmp_path)
