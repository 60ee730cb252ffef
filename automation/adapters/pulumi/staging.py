"""The stacks of a program, for a staging copy (``ports.staging.Stacks``): through the CLI, by whose input secrets go.

The Automation API hands every value to ``pulumi`` as an argument, which anybody on the machine can read.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automation.adapters.pulumi.stack import EstateStack, UpdateFailed
from automation.core.restores.staging import Config, Setting
from automation.ports.errors import NotFound

CONFIG_FILE = "PULUMI_OPTION_CONFIG_FILE"
"""Names the config file of whichever stack a command is about: the copy needs one of its own beside it."""
_KEPT = "-secrets-database-value"
"""How the name ends of the resource that keeps the database's password."""


class PulumiStacks:
    """Implements ``ports.staging.Stacks`` for the stacks of one program."""

    def __init__(self, source: EstateStack, *, on_event: Callable[[Any], None] | None = None) -> None:
        """Take the source's stack; ``on_event`` hears the events of the copy's update."""
        self._program, self._source, self._on_event = source.program, source, on_event

    def project(self) -> str:
        """Return the project's name."""
        return next(
            line.partition(":")[2].strip().strip("'\"")
            for line in (self._program / "Pulumi.yaml").read_text(encoding="utf-8").splitlines()
            if line.startswith("name:")
        )

    def source(self) -> Config:
        """Return the source's config, secrets readable."""
        return self._read(self._source.name, {})

    def database_password(self) -> str:
        """Return the password of the source's database, out of the stack's state; empty when the program made none."""
        state = json.loads(self._pulumi("stack", "export", "--stack", self._source.name, "--show-secrets"))
        for resource in state["deployment"].get("resources") or []:
            if resource["urn"].endswith(_KEPT):
                return _secret(resource["outputs"]["output"])
        return ""

    def config(self, stack: str) -> Config | None:
        """Return a stack's config; None when there is no such stack."""
        listed = json.loads(self._pulumi("stack", "ls", "--json"))
        if stack not in {str(each["name"]).rpartition("/")[2] for each in listed}:
            return None
        return self._read(stack, self._own_file(stack))

    def write(self, stack: str, config: Config) -> None:
        """Make the stack unless it is there, and write its config."""
        own = self._own_file(stack)
        if self.config(stack) is None:
            self._pulumi("stack", "init", stack, "--no-select", environment=own)
        plain = {key: _plain(setting.value) for key, setting in config.items() if not setting.secret}
        self._pulumi("config", "set-all", "--stack", stack, "--json", json.dumps(plain), environment=own)
        for key, setting in config.items():
            if setting.secret:
                words = ("config", "set", "--secret", key, "--stack", stack)
                self._pulumi(*words, environment=own, entered=str(setting.value))

    def up(self, stack: str) -> str:
        """Bring the stack about; returns the URL of its Bitbucket."""
        made = EstateStack(self._program, stack, environment=self._own_file(stack))
        made.up(self._on_event)
        url = made.outputs().get("url")
        if not isinstance(url, str):
            raise NotFound(f"stack {stack} exports no url", hint="the program has to export its cluster's url")
        return url

    def _own_file(self, stack: str) -> dict[str, str]:
        known = os.environ.get(CONFIG_FILE)
        return {} if not known else {CONFIG_FILE: str(Path(known).with_name(f"Pulumi.{stack}.yaml"))}

    def _read(self, stack: str, environment: dict[str, str]) -> Config:
        text = self._pulumi("config", "--stack", stack, "--json", "--show-secrets", environment=environment)
        found: dict[str, dict[str, Any]] = json.loads(text)
        return {
            key: Setting(each.get("objectValue", each.get("value", "")), secret=bool(each.get("secret")))
            for key, each in found.items()
        }

    def _pulumi(self, *words: str, environment: dict[str, str] | None = None, entered: str = "") -> str:
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self._program,
            env={**os.environ, **(environment or {})},
            input=entered,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = done.stderr.strip() or done.stdout.strip()
            raise UpdateFailed(f"pulumi {' '.join(words[:2])} failed: {reason[-300:]}")
        return done.stdout


def _plain(value: object) -> dict[str, Any]:
    """Return a value as ``pulumi config set-all --json`` takes it."""
    if isinstance(value, dict | list):
        return {"value": json.dumps(value), "objectValue": value, "secret": False}
    return {"value": str(value).lower() if isinstance(value, bool) else str(value), "secret": False}


def _secret(kept: Any) -> str:
    """Return the text of a secret of a state that shows its secrets."""
    return str(json.loads(kept["plaintext"]) if isinstance(kept, dict) else kept)
