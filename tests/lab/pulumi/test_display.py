"""What people and scripts are shown."""

from typing import Any

from lab.pulumi.display import PreviewDigest, ProgressDisplay, diff_lines, show_value
from lab.pulumi.events import step_metadata
from lab.pulumi.requests import Outcome
from lab.pulumi.state import State
from lab.pulumi.values import UNKNOWN, make_secret

URN = "urn:pulumi:s::p::x:y:Thing::thing"


def metadata(op: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    states = [
        State(URN, "x:y:Thing", custom=True, inputs=inputs) if inputs is not None else None for inputs in (old, new)
    ]
    return step_metadata(op, states[0], states[1], None, logical=True)


def diagnostic(text: str, **fields: Any) -> dict[str, Any]:
    return {"diagnosticEvent": {"message": text, "severity": "info", "urn": URN, **fields}}


def outcome(**fields: Any) -> Outcome:
    return Outcome(
        **{"changes": {}, "succeeded": True, "complaint": "", "seconds": 1.4, "before": {}, "after": {}, **fields}
    )


def test_steps_and_messages_show_as_they_come() -> None:
    lines: list[str] = []
    display = ProgressDisplay(lines.append, preview=False)
    display({"resourcePreEvent": {"metadata": metadata("update", {"a": 1}, {"a": 2})}})
    display(diagnostic("node 2 of 3", ephemeral=True))
    display({"resOutputsEvent": {"metadata": metadata("update", {"a": 1}, {"a": 2})}})
    assert lines[:2] == [" ~  x:y:Thing thing updating", " ~  x:y:Thing thing node 2 of 3"]
    assert lines[2].startswith(" ~  x:y:Thing thing updated (0.0")


def test_the_end_repeats_what_is_not_passing() -> None:
    lines: list[str] = []
    display = ProgressDisplay(lines.append, preview=False, quiet=True)
    display(diagnostic("passing", ephemeral=True))
    display(diagnostic("staying"))
    display(diagnostic("it broke\nbadly", severity="error", prefix="error: "))
    display.finish(
        outcome(changes={"same": 2, "update": 1}, before={"v": 1, "gone": 2}, after={"v": 3, "key": make_secret("x")}),
        outputs=True,
        show_secrets=False,
    )
    text = "\n".join(lines)
    assert "passing" not in text
    assert "  x:y:Thing (thing):\n    staying\n    error: it broke\n    badly\n" in text
    assert "  - gone: 2\n  + key: [secret]\n  ~ v: 1 => 3\n" in text
    assert "    ~ 1 updated\n    1 change.\n    2 unchanged\n" in text
    assert "Duration: 1s" in text


def test_a_diff_opens_maps_and_cuts_what_is_long() -> None:
    old = {"tags": {"a": "1", "b": "2"}, "gone": 1, "__provider": "x", "data": "x" * 1000}
    new = {"tags": {"a": "1", "b": "3"}, "more": make_secret("s"), "__provider": "y", "data": UNKNOWN}
    lines = list(diff_lines(old, new, ""))
    assert lines[1:] == ["- gone: 1", "+ more: [secret]", "~ tags:", '    ~ b: "2" => "3"']
    assert lines[0].startswith('~ data: "xxx')
    assert lines[0].endswith("(1002 characters) => [unknown]")


def test_values() -> None:
    assert show_value({"a": [make_secret(1)]}) == "[secret]"
    assert show_value({"a": [UNKNOWN]}) == "[unknown]"
    assert show_value("text") == '"text"'


def test_a_preview_as_one_document() -> None:
    digest = PreviewDigest()
    digest({"preludeEvent": {"config": {"p:k": "v"}}})
    digest({"resourcePreEvent": {"metadata": metadata("create", None, {"password": make_secret("hunter2")})}})
    digest(diagnostic("hello"))
    document = digest.document(outcome(changes={"create": 1}))
    assert document["config"] == {"p:k": "v"}
    assert document["changeSummary"] == {"create": 1}
    assert [(step["op"], step["urn"]) for step in document["steps"]] == [("create", URN)]
    assert document["diagnostics"][0]["message"] == "hello"
    assert document["duration"] == 1_400_000_000
    assert "hunter2" not in str(document)
