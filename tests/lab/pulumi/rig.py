"""Runs inline programs through the Automation API against the engine in this process."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation
from pulumi.automation import PulumiCommand

from tests.lab.pulumi.bucket_provider import Buckets, serve

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT = "edge"
Program = Callable[[], Any]
SDK_LEAVES_LOOPS_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The SDK's server of inline programs does not close its event loop when the program fails."""


@dataclass
class Rig:
    """A backend of its own, the bucket cloud, and the command under test."""

    root: Path
    cloud: Buckets
    port: int
    command: PulumiCommand
    stacks: dict[str, automation.Stack] = field(default_factory=dict)

    def stack(self, name: str) -> automation.Stack:
        if name not in self.stacks:
            options = automation.LocalWorkspaceOptions(env_vars=self.env(), pulumi_command=self.command)
            self.stacks[name] = automation.create_stack(name, project_name=PROJECT, program=lambda: None, opts=options)
        return self.stacks[name]

    def env(self) -> dict[str, str]:
        return {
            "PULUMI_BACKEND_URL": f"file://{self.root}",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_HOME": str(self.root / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self.port}",
            "PYTHONPATH": str(REPOSITORY),
        }

    def left(self, stack: str) -> list[dict[str, Any]]:
        deployment = self.stack(stack).export_stack().deployment or {}
        resources: list[dict[str, Any]] = deployment.get("resources", [])
        return resources

    def find(self, stack: str, name: str) -> dict[str, Any]:
        return next(item for item in self.left(stack) if item["urn"].endswith(f"::{name}"))


@contextmanager
def open_rig(root: Path, command: PulumiCommand) -> Iterator[Rig]:
    """A rig with its provider served."""
    cloud = Buckets()
    root.mkdir()
    with serve(cloud) as port:
        yield Rig(root, cloud, port, command)
    gc.collect()  # what the SDK leaves open is found here, where SDK_LEAVES_LOOPS_OPEN covers it


@dataclass(frozen=True)
class Observed:
    """What one operation led to, as the transcript has it."""

    result: Any
    ops: list[tuple[str, str]]
    errors: list[str]
    left: list[str]


def last_part(urn: str) -> str:
    return urn.rsplit("::", maxsplit=1)[-1]


def _first_errors(events: list[automation.EngineEvent]) -> list[str]:
    found = [event.diagnostic_event for event in events if event.diagnostic_event]
    return [item.message.strip().splitlines()[-1][:110] for item in found if item.severity == "error"][:2]


def ordered_steps(events: list[automation.EngineEvent]) -> list[tuple[str, str]]:
    """The steps that change something, in order."""
    steps = [event.resource_pre_event.metadata for event in events if event.resource_pre_event]
    return [(step.op.value, last_part(step.urn)) for step in steps if step.op.value != "same"]


def observe(rig: Rig, name: str, program: Program | None, op: str = "up", **options: Any) -> Observed:
    """Run one operation of the Automation API and take down what happened."""
    stack, events = rig.stack(name), list[automation.EngineEvent]()
    if program is not None:
        options["program"] = program
    try:
        done = getattr(stack, op)(on_event=events.append, **options)
        changes = done.summary.resource_changes if hasattr(done, "summary") else done.change_summary
        result: Any = sorted((str(getattr(kind, "value", kind)), count) for kind, count in changes.items())
    except automation.CommandError as error:
        result = type(error).__name__
    left = sorted(last_part(item["urn"]) for item in rig.left(name))
    return Observed(result, sorted(set(ordered_steps(events))), _first_errors(events), left)
