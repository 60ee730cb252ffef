from __future__ import annotations

import base64
import subprocess
import sys
import traceback
from collections.abc import Iterator

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from automation.adapters.pulumi.resources import RollPaused, RollProvider, WindowProvider
from automation.core.roll import Ending, Outcome
from automation.ports.errors import Refused, Unreachable
from tests.pulumi_adapters import fakes
from tests.pulumi_adapters.fakes import FakeRoller, fake_rollers


@pytest.fixture
def roller(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoller]:
    monkeypatch.setattr(fakes, "THE", FakeRoller())
    yield fakes.THE
    vars(sys).pop("tracebacklimit", None)  # the provider's process sets it; this one has more tests to report


def props(target: str, **more: object) -> dict[str, object]:
    return {"cluster": "alpha", "target": target, "settings": {"soak": 1.0}, "__provider": "x", **more}


window, roll = WindowProvider(fake_rollers), RollProvider(fake_rollers)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("7.10.0", "feature_upgrade"),
        ("8.0.0", "platform_upgrade"),
        ("7.8.9", "lower_version"),
        ("latest", "unknown_version"),
    ],
)
def test_a_version_that_cannot_be_rolled_to_is_refused_by_name_at_preview(
    roller: FakeRoller, target: str, reason: str
) -> None:
    result = window.check(props("7.9.0"), props(target))
    assert [failure.property for failure in result.failures] == ["target"]
    assert reason in result.failures[0].reason


def test_a_bug_fix_version_passes_and_the_preview_knows_what_the_model_will_carry(roller: FakeRoller) -> None:
    result = window.check(props("7.9.0"), props("7.9.4"))
    assert not result.failures
    assert result.inputs["version"] == "7.9.4"


def test_nothing_is_asked_of_the_estate_while_the_version_stays(roller: FakeRoller) -> None:
    window.check(props("7.9.0"), props("7.9.0"))
    window.check({}, props("7.9.0"))
    assert roller.calls == []


def test_an_estate_that_does_not_answer_fails_the_preview_in_words(roller: FakeRoller) -> None:
    roller.unreachable = True
    (failure,) = window.check(props("7.9.0"), props("7.9.4")).failures
    assert "no connection" in failure.reason


def test_a_first_deployment_opens_and_rolls_nothing(roller: FakeRoller) -> None:
    assert window.create(props("7.9.0")).outs == {
        "cluster": "alpha",
        "target": "7.9.0",
        "settings": {"soak": 1.0},
        "version": "7.9.0",
        "run": "",
    }
    roll.create(props("7.9.0", run=""))
    assert roller.calls == []


def test_a_roll_that_was_lost_from_the_state_still_sees_its_run_through(roller: FakeRoller) -> None:
    roll.create(props("7.9.4", run="alpha:1"))
    assert roller.calls == ["finish alpha:1 7.9.4", "close"]


def test_an_update_opens_then_rolls(roller: FakeRoller) -> None:
    outs = window.update("id", props("7.9.0", version="7.9.0", run=""), props("7.9.4")).outs
    assert outs is not None
    assert (outs["version"], outs["run"]) == ("7.9.4", "alpha:1")
    rolled = roll.update("id", props("7.9.0", run=""), props("7.9.4", run="alpha:1")).outs
    assert rolled is not None
    assert rolled["rolled"] == "7.9.4"
    assert roller.calls == ["preflight 7.9.4", "open 7.9.4", "finish alpha:1 7.9.4", "close"]


def test_a_refused_update_opens_nothing(roller: FakeRoller) -> None:
    with pytest.raises(Refused, match="feature_upgrade"):
        window.update("id", props("7.9.0"), props("7.10.0"))
    assert roller.calls == ["preflight 7.10.0", "close"]


def test_an_unfinished_roll_is_continued_without_another_judgement(roller: FakeRoller) -> None:
    roller.open_target = "7.9.4"
    window.update("id", props("7.9.0"), props("7.9.4"))
    assert roller.calls == ["open 7.9.4"]


def test_an_unfinished_roll_shows_as_a_change_though_no_input_differs(roller: FakeRoller) -> None:
    assert window.diff("id", props("7.9.0"), props("7.9.0")).changes is False
    assert roll.diff("id", props("7.9.0", run=""), props("7.9.0", run="")).changes is False
    roller.open_target = "7.9.4"
    assert window.diff("id", props("7.9.0"), props("7.9.0")).changes is True
    assert roll.diff("id", props("7.9.0", run=""), props("7.9.0", run="")).changes is True


def test_the_original_version_rolls_an_open_upgrade_back(roller: FakeRoller) -> None:
    roller.open_target = "7.9.4"
    window.update("id", props("7.9.4"), props("7.9.0"))
    assert roller.calls == ["preflight 7.9.0", "open 7.9.0"]


def test_changed_settings_alone_touch_nothing(roller: FakeRoller) -> None:
    olds = props("7.9.4", run="alpha:1", version="7.9.4")
    news = {**olds, "settings": {"soak": 2.0}}
    assert window.diff("id", olds, news).changes is True
    outs = window.update("id", olds, news).outs
    assert outs is not None
    assert outs["run"] == "alpha:1"
    roll.update("id", olds, news)
    assert roller.calls == []


def test_a_pause_fails_the_update_with_its_name_and_what_to_do(roller: FakeRoller) -> None:
    roller.outcome = Outcome(Ending.PAUSED, "never_joined", "i-7 did not join within 2400 s")
    with pytest.raises(RollPaused, match=r"never_joined: i-7 did not join.*run `pulumi up` again"):
        roll.update("id", props("7.9.0", run=""), props("7.9.4", run="alpha:1"))
    assert roller.calls[-1] == "close"


def test_an_expected_error_is_shown_without_lines_of_code(roller: FakeRoller) -> None:
    roller.fails_to_open = True
    with pytest.raises(Unreachable):
        window.update("id", props("7.9.0"), props("7.9.4"))
    try:
        window.update("id", props("7.9.0"), props("7.9.4"))
    except Unreachable:
        shown = traceback.format_exc()
    assert "File" not in shown
    assert shown.strip().endswith("no connection")


@pytest.mark.parametrize("provider", [window, roll])
def test_a_provider_is_pickled_by_reference_and_loads_in_a_process_of_its_own(provider: WindowProvider) -> None:
    text = serialize_provider(provider)
    assert len(base64.b64decode(text)) < 400, "code went into the state"
    code = f"import base64, dill; print(type(dill.loads(base64.b64decode({text!r}))).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == type(provider).__name__
