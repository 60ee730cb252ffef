"""What a person sees of an operation: one line as each thing happens, then diagnostics, outputs and counts."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.pulumi.events import Event
from lab.pulumi.requests import Outcome
from lab.pulumi.urns import STACK_TYPE, is_default_provider, name_of, type_of
from lab.pulumi.values import PropertyValue, has_secret, has_unknown, is_secret, plain, signature_of

GLYPHS = {
    "create": "+ ",
    "update": "~ ",
    "delete": "- ",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": "> ",
    "read-replacement": ">>",
    "refresh": "~ ",
    "import": "= ",
    "import-replacement": "=>",
    "discard": "< ",
    "discard-replaced": "<<",
    "remove-pending-replace": "~ ",
}
_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "read": "reading",
    "refresh": "refreshing",
    "import": "importing",
    "discard": "discarding",
    "create-replacement": "creating replacement",
    "delete-replaced": "deleting original",
    "read-replacement": "reading for replacement",
    "import-replacement": "importing replacement",
    "discard-replaced": "discarding original",
    "remove-pending-replace": "completing replacement",
}
_DONE = {
    **{op: text.replace("ing", "ed", 1) for op, text in _DOING.items()},
    "read": "read",
    "read-replacement": "read for replacement",
    "refresh": "refreshed",
}
_COUNTED = {
    "same": "unchanged",
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "read": "read",
    "import": "imported",
    "discard": "discarded",
}
_PLANNED = {
    "same": "unchanged",
    "create": "to create",
    "update": "to update",
    "delete": "to delete",
    "replace": "to replace",
    "read": "to read",
    "import": "to import",
    "discard": "to discard",
}
TITLES = {"update": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}


def _diff_text(metadata: Mapping[str, Any]) -> str:
    detailed = metadata.get("detailedDiff") or {}
    signs = {"add": "+", "delete": "-", "update": "~"}
    if detailed:
        parts = [signs[str(entry["diffKind"]).split("-")[0]] + path for path, entry in detailed.items()]
    else:
        parts = [f"~{key}" for key in metadata.get("diffs") or ()]
    return f" [diff: {','.join(parts)}]" if parts else ""


def show_value(value: PropertyValue) -> str:
    """An output as people read it: secrets and unknowns named as such."""
    if has_secret(value):
        return "[secret]"
    if has_unknown(value):
        return "[unknown]"
    return json.dumps(value)


LONGEST = 120
"""Characters of a value that `--diff` prints; user data and the like would fill screens."""


def shortened(value: PropertyValue) -> str:
    """A value in a diff, cut where it is long."""
    text = show_value(value)
    return (
        text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 4 :]} ({len(text)} characters)"
    )


def diff_lines(old: PropertyValue, new: PropertyValue, indent: str) -> Iterator[str]:
    """What differs between two maps, key by key, maps inside them opened up; internal keys left out."""
    for key in sorted({*old, *new}):
        if key.startswith("__") or (key in old and key in new and old[key] == new[key]):
            continue
        if key not in old:
            yield f"{indent}+ {key}: {shortened(new[key])}"
        elif key not in new:
            yield f"{indent}- {key}: {shortened(old[key])}"
        elif _both_maps(old[key], new[key]):
            yield f"{indent}~ {key}:"
            yield from diff_lines(old[key], new[key], indent + "    ")
        else:
            yield f"{indent}~ {key}: {shortened(old[key])} => {shortened(new[key])}"


def _both_maps(old: PropertyValue, new: PropertyValue) -> bool:
    return all(isinstance(value, dict) and signature_of(value) is None for value in (old, new))


@dataclass(slots=True)
class ProgressDisplay:
    """Prints events as they come.

    Attributes:
        write: prints a line at once.
        preview: this is a preview.
        quiet: print no progress, only the end.
        sames: print unchanged resources too.
        diff: print what changes in each resource.
    """

    write: Callable[[str], None]
    preview: bool
    quiet: bool = False
    sames: bool = False
    diff: bool = False
    _started: dict[tuple[str, str], float] = field(default_factory=dict)
    _running: dict[str, str] = field(default_factory=dict)
    _diagnostics: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if "resourcePreEvent" in event:
            self._before(event["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in event:
            self._after(event["resOutputsEvent"]["metadata"])
        elif "resOpFailedEvent" in event:
            self._failed(event["resOpFailedEvent"]["metadata"])
        elif "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])

    def _line(self, op: str, urn: str, text: str) -> None:
        if not self.quiet:
            self.write(f" {GLYPHS.get(op, '  ')} {type_of(urn)} {name_of(urn)} {text}".rstrip())

    def _before(self, metadata: Mapping[str, Any]) -> None:
        op, urn = str(metadata["op"]), str(metadata["urn"])
        if is_default_provider(urn) or (op == "same" and not self.sames):
            return
        self._started[op, urn] = time.monotonic()
        self._running[urn] = op
        if self.preview:
            self._line(op, urn, op + _diff_text(metadata))
            if self.diff:
                self._details(metadata)
        elif op not in {"same", "replace"}:
            self._line(op, urn, _DOING.get(op, op) + _diff_text(metadata))
            if self.diff:
                self._details(metadata)

    def _after(self, metadata: Mapping[str, Any]) -> None:
        op, urn = str(metadata["op"]), str(metadata["urn"])
        started = self._started.pop((op, urn), None)
        self._running.pop(urn, None)
        if started is not None and not self.preview and op not in {"same", "replace"}:
            self._line(op, urn, f"{_DONE.get(op, op)} ({time.monotonic() - started:.2f}s)")

    def _failed(self, metadata: Mapping[str, Any]) -> None:
        op, urn = str(metadata["op"]), str(metadata["urn"])
        self._running.pop(urn, None)
        if not is_default_provider(urn):
            self._line(op, urn, f"**{_DOING.get(op, op)} failed**")

    def _details(self, metadata: Mapping[str, Any]) -> None:
        for line in diff_lines(plain_inputs(metadata.get("old")), plain_inputs(metadata.get("new")), " " * 6):
            self.write(line)

    def _diagnostic(self, body: Mapping[str, Any]) -> None:
        """Messages show at once; all but the passing ones show again at the end."""
        urn = str(body.get("urn", ""))
        if not body.get("ephemeral"):
            self._diagnostics.append(body)
        if body["severity"] in {"warning", "error"}:
            return
        for line in str(body["message"]).rstrip("\n").split("\n"):
            if urn:
                self._line(self._running.get(urn, "same"), urn, line)
            elif not self.quiet:
                self.write(f"    {line}")

    # The end

    def finish(self, outcome: Outcome, *, outputs: bool, show_secrets: bool) -> None:
        """Print diagnostics, outputs, counts and the time it took."""
        self.write("")
        self._finish_diagnostics()
        if outputs:
            self._finish_outputs(outcome, show_secrets=show_secrets)
        self._finish_counts(outcome)
        self.write(f"Duration: {round(outcome.seconds)}s")
        self.write("")

    def _finish_diagnostics(self) -> None:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for body in self._diagnostics:
            groups.setdefault(str(body.get("urn", "")), []).append(body)
        if groups:
            self.write("Diagnostics:")
        for urn, bodies in groups.items():
            self.write(f"  {type_of(urn)} ({name_of(urn)}):" if urn else f"  {STACK_TYPE}:")
            for body in bodies:
                text = f"{body.get('prefix', '')}{body['message']}".rstrip("\n")
                self.write("    " + text.replace("\n", "\n    "))
            self.write("")

    def _finish_outputs(self, outcome: Outcome, *, show_secrets: bool) -> None:
        before, after = outcome.before, outcome.after
        lines = [_output_line(key, before, after, show_secrets=show_secrets) for key in sorted({*before, *after})]
        if lines:
            self.write("Outputs:")
            for line in lines:
                self.write(line)
            self.write("")

    def _finish_counts(self, outcome: Outcome) -> None:
        if not outcome.changes:
            return
        self.write("Resources:")
        words = _PLANNED if self.preview else _COUNTED
        for op, word in words.items():
            count = outcome.changes.get(op)
            if count and op != "same":
                self.write(f"    {GLYPHS.get(op, '  ')}{count} {word}")
        changed = sum(count for op, count in outcome.changes.items() if op != "same")
        if changed:
            self.write(f"    {changed} change{'' if changed == 1 else 's'}. ".rstrip())
        if outcome.changes.get("same"):
            self.write(f"    {outcome.changes['same']} unchanged")
        self.write("")


def plain_inputs(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """A step's inputs, as its event shows them."""
    return dict(state["inputs"]) if state else {}


def _output_line(key: str, before: Mapping[str, Any], after: Mapping[str, Any], *, show_secrets: bool) -> str:
    def shown(value: PropertyValue) -> str:
        return show_value(plain(value) if show_secrets and is_secret(value) else value)

    if key not in after:
        return f"  - {key}: {shown(before[key])}"
    if key not in before:
        return f"  + {key}: {shown(after[key])}"
    if plain(before[key]) == plain(after[key]):
        return f"    {key}: {shown(after[key])}"
    return f"  ~ {key}: {shown(before[key])} => {shown(after[key])}"


@dataclass(slots=True)
class PreviewDigest:
    """`preview --json`: one document with every step, printed at the end."""

    _config: dict[str, str] = field(default_factory=dict)
    _steps: list[dict[str, Any]] = field(default_factory=list)
    _diagnostics: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        if "preludeEvent" in event:
            self._config = dict(event["preludeEvent"]["config"])
        elif "resourcePreEvent" in event:
            self._steps.append(_digest_step(event["resourcePreEvent"]["metadata"]))
        elif "diagnosticEvent" in event:
            body = event["diagnosticEvent"]
            names = ("urn", "prefix", "message", "severity")
            self._diagnostics.append({name: body[name] for name in names if name in body})

    def document(self, outcome: Outcome) -> dict[str, Any]:
        """The whole preview; durations in nanoseconds."""
        return {
            "config": self._config,
            "steps": self._steps,
            **({"diagnostics": self._diagnostics} if self._diagnostics else {}),
            "duration": int(outcome.seconds * 1e9),
            "changeSummary": dict(outcome.changes),
            "maybeCorrupt": False,
        }


def _digest_step(metadata: Mapping[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = {"op": metadata["op"], "urn": metadata["urn"]}
    if metadata.get("provider"):
        step["provider"] = metadata["provider"]
    if metadata.get("old"):
        step["oldState"] = metadata["old"]
    if metadata.get("new"):
        step["newState"] = metadata["new"]
    if metadata.get("diffs"):
        step["diffReasons"] = metadata["diffs"]
    if metadata.get("keys"):
        step["replaceReasons"] = metadata["keys"]
    details = metadata.get("detailedDiff") or {}
    step["detailedDiff"] = {path: {"kind": e["diffKind"], "inputDiff": e["inputDiff"]} for path, e in details.items()}
    return step
