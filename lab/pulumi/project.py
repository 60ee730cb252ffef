"""Pulumi.yaml: the project's name, runtime, options and configuration schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.pulumi.errors import EngineError

FILE_NAMES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping; an absent or empty file is an empty one.

    Raises:
        EngineError: the file is not YAML, or not a mapping.
    """
    if not path.exists():
        return {}
    try:
        # _LOADER is the safe loader, in C where there is one: ten times faster.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as error:
        raise EngineError(f"could not read {path}: {error}") from error
    if not isinstance(document, dict | None):
        raise EngineError(f"could not read {path}: expected a mapping at its top")
    return document or {}


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        name: the project's name, first part of unqualified configuration keys.
        root: directory of Pulumi.yaml.
        runtime: language; this engine runs `python`.
        virtualenv: path of the program's virtual environment relative to `root`, or empty.
        main: the program, relative to `root`; empty means `root` itself.
        config: the configuration schema by full key (`project:key`).
        refresh_always: `options: refresh: always`: every update and preview refreshes first.
        backend_url: `backend: url:`, or empty.
        stack_config_dir: where Pulumi.<stack>.yaml files live, relative to `root`.
    """

    name: str
    root: Path
    runtime: str = "python"
    virtualenv: str = ""
    main: str = ""
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    refresh_always: bool = False
    backend_url: str = ""
    stack_config_dir: str = ""

    def key(self, key: str) -> str:
        """The full form of a configuration key."""
        return key if ":" in key else f"{self.name}:{key}"


def _runtime(document: Mapping[str, Any]) -> tuple[str, str]:
    runtime = document.get("runtime") or ""
    if isinstance(runtime, dict):
        options = runtime.get("options") or {}
        return str(runtime.get("name", "")), str(options.get("virtualenv") or "")
    return str(runtime), ""


def _parse(path: Path) -> Project:
    document = read_yaml(path)
    name = document.get("name")
    if not name:
        raise EngineError(f"{path}: project is missing a 'name' attribute")
    runtime, virtualenv = _runtime(document)
    if not runtime:
        raise EngineError(f"{path}: project is missing a 'runtime' attribute")
    schema = {key if ":" in key else f"{name}:{key}": value for key, value in (document.get("config") or {}).items()}
    return Project(
        name=str(name),
        root=path.parent,
        runtime=runtime,
        virtualenv=virtualenv,
        main=str(document.get("main") or ""),
        description=str(document.get("description") or ""),
        config=schema,
        refresh_always=(document.get("options") or {}).get("refresh") == "always",
        backend_url=str((document.get("backend") or {}).get("url") or ""),
        stack_config_dir=str(document.get("stackConfigDir") or ""),
    )


def find_project_file(cwd: Path) -> Path | None:
    """The nearest Pulumi.yaml at or above a directory."""
    for directory in (cwd, *cwd.parents):
        for name in FILE_NAMES:
            if (directory / name).is_file():
                return directory / name
    return None


def load_project(cwd: Path) -> Project:
    """The project a directory belongs to.

    Raises:
        EngineError: there is none, or its file is wrong.
    """
    path = find_project_file(cwd)
    if path is None:
        raise EngineError(
            f"no Pulumi.yaml project file found (searching upwards from {cwd}). If you have not created a project "
            "yet, use `pulumi new` to do so: no project file found"
        )
    return _parse(path)
