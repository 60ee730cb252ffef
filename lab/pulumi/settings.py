"""A stack's settings file (Pulumi.<stack>.yaml, or the one named by --config-file): salt and raw configuration."""

import os
from pathlib import Path
from typing import Any

import yaml

from lab.pulumi.errors import EngineError
from lab.pulumi.project import Project, read_yaml


def settings_path(project: Project, stack: str, config_file: str, cwd: Path) -> Path:
    """Where a stack's settings are.

    Args:
        project: the project.
        stack: the stack's short name.
        config_file: --config-file or PULUMI_OPTION_CONFIG_FILE; empty for the usual place.
        cwd: what a relative `config_file` is relative to.
    """
    if config_file:
        return cwd / config_file
    return project.root / project.stack_config_dir / f"Pulumi.{stack}.yaml"


class StackSettings:
    """The file's contents, written back whole; comments in it are not kept."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            EngineError: it is not a mapping, or names a secrets provider other than the passphrase.
        """
        self.path = path
        self._document = read_yaml(path)
        provider = str(self._document.get("secretsprovider") or "passphrase")
        if provider not in {"passphrase", "default"}:
            raise EngineError(f"{path}: secrets provider '{provider}' is not supported, only 'passphrase' is")

    @property
    def salt(self) -> str | None:
        """The passphrase's salt and check, `v1:…`."""
        return self._document.get("encryptionsalt")

    @salt.setter
    def salt(self, value: str) -> None:
        self._document["encryptionsalt"] = value

    @property
    def config(self) -> dict[str, Any]:
        """The raw configuration by full key; secrets are `{"secure": ciphertext}`."""
        found = self._document.get("config")
        if not isinstance(found, dict):
            found = self._document["config"] = {}
        return found

    def save(self) -> None:
        """Write the file (0600, atomically), keys of the configuration sorted."""
        document = {key: value for key, value in self._document.items() if value}
        if "config" in document:
            document["config"] = dict(sorted(document["config"].items()))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            yaml.safe_dump(document, file, sort_keys=False, default_flow_style=False, width=1 << 20, indent=2)
        temporary.replace(self.path)

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
