"""The program of this estate through the Automation API, with whatever ``pulumi`` is on PATH."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi import automation

from automation.ports.errors import BbdcError, Conflict, NotFound, Refused

PROJECT_FILE = "Pulumi.yaml"
VERSION_KEY = "version"
"""Config key, in the project's namespace, whose change rolls the cluster."""
_STACK_VARIABLE = "PULUMI_STACK"


_ROLL_KEYS = {
    "approval": "approval",
    "soak": "soak",
    "surge": "surge",
    "failureBudget": "failure_budget",
    "nodes": "planned",
    "archiveUrl": "archive_url",
}
"""Config keys of the program that are settings of a roll."""


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


class UpdateFailed(BbdcError):
    """``pulumi up`` or ``preview`` failed; the message holds what Pulumi said."""


def find_project(start: Path) -> Path | None:
    """Return the nearest directory, from ``start`` upwards, that holds a Pulumi project; None when there is none."""
    return next((place for place in (start, *start.parents) if (place / PROJECT_FILE).exists()), None)


class EstateStack:
    """One stack of the program: its version, previews and updates.

    Args:
        program: directory with Pulumi.yaml.
        name: the stack; None takes ``PULUMI_STACK``, else the selected one.
        environment: variables for ``pulumi``, besides this process's own.

    Raises:
        NotFound: there is no ``pulumi`` on PATH, no such stack, or none is selected.
    """

    def __init__(self, program: Path, name: str | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        if shutil.which("pulumi") is None:
            raise NotFound(
                "there is no `pulumi` on PATH",
                hint="install it from https://www.pulumi.com/docs/install/; "
                'to rehearse without it, `bbdc lab up` brings its own: eval "$(bbdc lab env)"',
            )
        self.program = program
        """Directory with Pulumi.yaml."""
        self._name = name or os.environ.get(_STACK_VARIABLE) or _selected(program)
        with _translated(f"selecting stack {self._name}"):
            options = automation.LocalWorkspaceOptions(env_vars=dict(environment or {}))
            self._stack = automation.select_stack(self._name, work_dir=str(program), opts=options)

    @property
    def name(self) -> str:
        """The stack's name."""
        return self._name

    def version(self) -> str:
        """Return the version that the stack's config wants."""
        with _translated(f"reading the config of stack {self._name}"):
            return self._stack.get_config(VERSION_KEY).value

    def value(self, key: str) -> str | None:
        """Return a value of the stack's config, structured ones as JSON; None when it is not set."""
        with _translated(f"reading the config of stack {self._name}"):
            config = self._stack.get_all_config()
        return {name.rpartition(":")[2]: value.value for name, value in config.items()}.get(key)

    def put(self, path: str, value: automation.ConfigValue) -> None:
        """Set a value inside a structured one, such as ``data.active``."""
        with _translated(f"writing the config of stack {self._name}"):
            self._stack.set_config(path, value, path=True)

    def put_all(self, values: Mapping[str, str]) -> None:
        """Set plain values inside structured ones, all of them or none."""
        with _translated(f"writing the config of stack {self._name}"):
            self._stack.set_all_config(
                {path: automation.ConfigValue(value) for path, value in values.items()}, path=True
            )

    def drop(self, path: str) -> None:
        """Remove a value inside a structured one."""
        with _translated(f"writing the config of stack {self._name}"):
            self._stack.remove_config(path, path=True)

    @contextmanager
    def configured(self, values: Mapping[str, str]) -> Iterator[None]:
        """Write plain values into the stack's config, ``version`` among them: what the update inside shall bring.

        When that is refused, or finds the stack held by another, nothing has changed: then neither has the config.
        """
        with _translated(f"writing the config of stack {self._name}"):
            before = self._stack.get_all_config()
            for key, value in values.items():
                self._stack.set_config(key, automation.ConfigValue(value))
        try:
            yield
        except (Conflict, Refused):
            self._restore(values, before)
            raise

    def _restore(self, keys: Iterable[str], before: Mapping[str, automation.ConfigValue]) -> None:
        plain = {key.rpartition(":")[2]: value for key, value in before.items()}
        with _translated(f"restoring the config of stack {self._name}"):
            for key in keys:
                if key in plain:
                    self._stack.set_config(key, plain[key])
                else:
                    self._stack.remove_config(key)

    def settings(self) -> dict[str, Any]:
        """Return what the stack's config says of the roll, by the settings' own names; what is not set is left out.

        The program hands the same settings to its resources (components.config): a preflight from the command line
        must judge with them, not with the defaults.
        """
        with _translated(f"reading the config of stack {self._name}"):
            config = self._stack.get_all_config()
        plain = {key.rpartition(":")[2]: value.value for key, value in config.items() if not value.secret}
        more = json.loads(plain.get("roll", "{}"))
        found = {name: plain[key] for key, name in _ROLL_KEYS.items() if key in plain}
        return found | {_snake_case(key): value for key, value in more.items()}

    def preview(self) -> dict[str, int]:
        """Show what an update would change; returns counts by operation.

        Raises:
            UpdateFailed: the program or a check failed; the message holds Pulumi's diagnostics.
        """
        said = _Diagnostics()
        with _translated(f"previewing stack {self._name}", said):
            summary = self._stack.preview(on_event=said).change_summary
        return {str(getattr(kind, "value", kind)): count for kind, count in summary.items()}

    def outputs(self) -> dict[str, Any]:
        """Return what the stack exports."""
        with _translated(f"reading the outputs of stack {self._name}"):
            return {name: output.value for name, output in self._stack.outputs().items()}

    def up(self, on_event: Callable[[automation.EngineEvent], None] | None = None) -> None:
        """Update the estate.

        Raises:
            UpdateFailed: as ``preview``.
            Conflict: another update of the stack is in progress.
        """
        said = _Diagnostics(on_event)
        with _translated(f"updating stack {self._name}", said):
            self._stack.up(on_event=said)


class _Diagnostics:
    """Collects the errors among Pulumi's events, and passes all events on."""

    def __init__(self, then: Callable[[automation.EngineEvent], None] | None = None) -> None:
        self._then = then
        self.errors: list[str] = []

    def __call__(self, event: automation.EngineEvent) -> None:
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            self.errors.append(_without_markup(diagnostic.message).strip())
        if self._then is not None:
            self._then(event)


def _without_markup(text: str) -> str:
    """Remove Pulumi's colour marks, such as ``<{%reset%}>``."""
    head, *rest = text.split("<{%")
    return head + "".join(part.partition("%}>")[2] for part in rest)


def _selected(program: Path) -> str:
    with _translated("listing the stacks"):
        workspace = automation.LocalWorkspace(work_dir=str(program))
        found = workspace.stack()
    if found is None:
        raise NotFound("no stack is selected", hint=f"set {_STACK_VARIABLE}, or run `pulumi stack select`")
    return found.name


@contextmanager
def _translated(doing: str, said: _Diagnostics | None = None) -> Iterator[None]:
    """Turn the Automation API's errors into ours; the only place that knows them."""
    try:
        yield
    except automation.StackNotFoundError as error:
        raise NotFound(
            f"{doing} failed: there is no such stack",
            hint="`pulumi stack ls` lists them; `pulumi stack init` makes one",
        ) from error
    except automation.ConcurrentUpdateError as error:
        raise Conflict(
            f"{doing} failed: another update of the stack is in progress",
            hint="wait for it; `pulumi cancel` frees a stack whose update was killed",
        ) from error
    except automation.CommandError as error:
        raise UpdateFailed(f"{doing} failed: {_reason(error, said)}") from error


def _reason(error: automation.CommandError, said: _Diagnostics | None) -> str:
    if said is not None and said.errors:
        return "\n".join(dict.fromkeys(said.errors))
    text = str(error)
    lines = [line for line in text.splitlines() if line.strip().startswith("error:")]
    return "\n".join(lines) or text
