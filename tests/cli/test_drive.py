"""What comes back from Pulumi as text becomes one of our errors again."""

from __future__ import annotations

import pytest

from automation.adapters.pulumi.stack import UpdateFailed
from automation.cli.drive import _as_ours
from automation.ports.errors import BbdcError, Conflict, Forbidden, NotFound, Refused, Unreachable

TRACE = "updating stack lab failed: Exception calling application: Traceback (most recent call last):\n"


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "property target has a problem: version_rule: feature_upgrade: no",
            Refused,
            "refused by version_rule: feature_upgrade: no",
        ),
        (TRACE + "automation.ports.errors.Conflict: another run holds a", Conflict, "another run holds a"),
        (TRACE + "automation.ports.errors.Unreachable: no connection", Unreachable, "no connection"),
        (TRACE + "automation.ports.errors.Forbidden: 403", Forbidden, "403"),
        (TRACE + "automation.ports.errors.Refused: licence: it has expired", Refused, "licence: it has expired"),
        (TRACE + "automation.adapters.pulumi.resources.RollPaused: soak", UpdateFailed, "soak"),
        ("updating stack lab failed: no space left on device", UpdateFailed, "no space left"),
    ],
)
def test_an_error_of_a_provider_is_found_in_what_pulumi_says(said: str, kind: type[BbdcError], message: str) -> None:
    found = _as_ours(UpdateFailed(said))
    assert type(found) is kind
    assert message in str(found)


def test_an_error_that_is_ours_already_stays() -> None:
    error = NotFound("no such stack")
    assert _as_ours(error) is error


def test_a_refusal_found_in_text_keeps_its_name() -> None:
    error = _as_ours(UpdateFailed("x has a problem: one_version: nodes run 7.9.0, 7.9.4"))
    assert isinstance(error, Refused)
    assert error.name == "one_version"
