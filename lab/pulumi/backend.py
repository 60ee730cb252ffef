"""The file backend: stacks, checkpoints and history in the genuine command line's own layout.

.pulumi/meta.yaml
.pulumi/stacks/<project>/<stack>.json              the checkpoint; .bak is the one before
.pulumi/history/<project>/<stack>/<stack>-<ns>.history.json
.pulumi/locks/organization/<project>/<stack>/<uuid>.json
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pulumi.errors import EngineError, StackNotFound

ORGANIZATION = "organization"
CHECKPOINT_VERSION = 3


def short_name(stack: str) -> str:
    """The last part of `organization/project/stack`."""
    return stack.rsplit("/", 1)[-1]


def write_text(path: Path, text: str) -> None:
    """Replace a file at once and for its owner only: a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def backend_root(url: str, home: Path) -> Path:
    """The `.pulumi` directory of a backend URL.

    Args:
        url: `file://PATH` or `file://~`; empty means the home directory.
        home: the user's home directory.

    Raises:
        EngineError: the URL is of another kind.
    """
    if not (url or "file://~").startswith("file://"):
        raise EngineError(f"only file:// backends are supported, not '{url}': set PULUMI_BACKEND_URL")
    path = (url or "file://~").removeprefix("file://")
    base = home / path[1:].lstrip("/") if path.startswith("~") else Path(path)
    return base.absolute() / ".pulumi"


@dataclass(frozen=True, slots=True)
class StackSummary:
    """One line of `pulumi stack ls`."""

    name: str
    last_update: str
    resource_count: int | None
    locked: bool


@dataclass(frozen=True, slots=True)
class Backend:
    """One project's stacks in a file backend.

    Attributes:
        root: the `.pulumi` directory.
        project: the project's name.
    """

    root: Path
    project: str

    @property
    def url(self) -> str:
        """The backend's URL."""
        return f"file://{self.root.parent}"

    def full_name(self, stack: str) -> str:
        """`organization/project/stack`."""
        return f"{ORGANIZATION}/{self.project}/{short_name(stack)}"

    def path(self, stack: str, project: str = "") -> Path:
        """A stack's checkpoint file."""
        return self.root / "stacks" / (project or self.project) / f"{short_name(stack)}.json"

    def lock_directory(self, stack: str) -> Path:
        """Where a stack's locks are."""
        return self.root / "locks" / ORGANIZATION / self.project / short_name(stack)

    def exists(self, stack: str) -> bool:
        """Whether there is such a stack."""
        return self.path(stack).is_file()

    def require(self, stack: str) -> str:
        """The stack's short name.

        Raises:
            StackNotFound: there is no such stack.
        """
        if not self.exists(stack):
            raise StackNotFound(f"no stack named '{stack}' found")
        return short_name(stack)

    def create(self, stack: str) -> None:
        """Make an empty stack.

        Raises:
            EngineError: it exists already.
        """
        if self.exists(stack):
            raise EngineError(f"stack '{self.full_name(stack)}' already exists")
        meta = self.root / "meta.yaml"
        if not meta.exists():
            write_text(meta, "version: 1\n")
        self.write(stack, "null")

    def write(self, stack: str, latest: str) -> None:
        """Write a checkpoint.

        Args:
            stack: its stack.
            latest: the deployment as JSON text.
        """
        name = json.dumps(self.full_name(stack))
        text = f'{{"version": {CHECKPOINT_VERSION}, "checkpoint": {{"stack": {name}, "latest": {latest}}}}}\n'
        path = self.path(stack)
        if path.exists():
            backup = path.with_name(path.name + ".bak")
            backup.unlink(missing_ok=True)
            os.link(path, backup)
        write_text(path, text)

    def read(self, stack: str, project: str = "") -> dict[str, Any]:
        """A checkpoint's deployment; an empty mapping for a stack that was never updated.

        Raises:
            StackNotFound: there is no such stack.
        """
        path = self.path(stack, project)
        if not path.is_file():
            raise StackNotFound(f"no stack named '{stack}' found")
        document = json.loads(path.read_text(encoding="utf-8"))
        return document["checkpoint"].get("latest") or {}

    def names(self) -> list[str]:
        """The project's stacks, sorted."""
        return sorted(path.stem for path in (self.root / "stacks" / self.project).glob("*.json"))

    def remove(self, stack: str) -> None:
        """Remove a stack with its history."""
        path = self.path(stack)
        path.with_name(path.name + ".bak").unlink(missing_ok=True)
        path.unlink()
        for entry in self._history_files(stack):
            entry.unlink()

    def rename(self, stack: str, new: str) -> None:
        """Move a stack's history to another name (the caller writes the checkpoint)."""
        target = self._history_directory(new)
        if self._history_directory(stack).is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._history_directory(stack).rename(target)
        for path in list(target.glob(f"{short_name(stack)}-*.history.json")):
            path.rename(target / path.name.replace(short_name(stack), short_name(new), 1))

    def _history_directory(self, stack: str) -> Path:
        return self.root / "history" / self.project / short_name(stack)

    def _history_files(self, stack: str) -> list[Path]:
        return sorted(self._history_directory(stack).glob("*.history.json"), reverse=True)

    def add_history(self, stack: str, entry: Mapping[str, Any]) -> None:
        """Record a finished update."""
        name = f"{short_name(stack)}-{time.time_ns()}.history.json"
        write_text(self._history_directory(stack) / name, json.dumps(entry, indent=4))

    def history(self, stack: str) -> Iterator[dict[str, Any]]:
        """Finished updates, the newest first; `version` counts from 1."""
        files = self._history_files(stack)
        for index, path in enumerate(files):
            yield {"version": len(files) - index, **json.loads(path.read_text(encoding="utf-8"))}
