"""Settings: everything that an operator can say, parsed once at the edge.

Sources, the stronger first: arguments, environment (``BBDC_*``, and the well-known names that other tools use too),
``bbdc.toml`` in the working directory (another path in ``BBDC_CONFIG``). Credentials may be references; see
``automation.adapters.secrets``. What is wrong is refused with the name of the setting, never with its value.
"""

from __future__ import annotations

import dataclasses
import os
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from automation.config_backup import BackupOptions, listed
from automation.config_restore import RestoreOptions
from automation.core.roll import RollSettings
from automation.ports.errors import Refused

_REFERENCES = ("env:", "file:", "aws-sm:", "azure-kv:")
_SPELLING = '"env:NAME", "file:/path", "aws-sm:name" or "azure-kv:vault/name"'
_SECRETS = ("token", "password", "database_url")


class Cloud(StrEnum):
    """Where the estate stands."""

    AWS = "aws"
    AZURE = "azure"


def default_state() -> Path:
    """Return ``$XDG_STATE_HOME/bitbucket-dc``, or the place that stands for it."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "bitbucket-dc"


class Settings(BaseSettings):
    """One operator's settings for one cluster."""

    model_config = SettingsConfigDict(
        env_prefix="BBDC_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        extra="forbid",
        frozen=True,
    )

    cloud: Cloud = Field(Cloud.AWS, description="Cloud in which the estate stands.")
    region: str | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the estate. Unset: as the cloud's own configuration has it.",
    )
    subscription: str | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_SUBSCRIPTION", "AZURE_SUBSCRIPTION_ID"),
        description="Azure: id of the subscription that the estate stands in.",
    )
    resource_group: str | None = Field(None, description="Azure: resource group of the cluster, which is alone in it.")
    azure_endpoint: str | None = Field(
        None, description="Azure: base URL of Azure Resource Manager, where it is not the public cloud's."
    )
    cluster: str | None = Field(
        None,
        description="Cluster name: value of the tag bitbucket-dc:cluster. Unset: bitbucket-dc-STACK.",
    )
    url: str | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_URL", "BITBUCKET_URL"),
        description="Base URL of Bitbucket through its load balancer, context path included, without user or password.",
    )
    token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_TOKEN", "BITBUCKET_TOKEN"),
        description="Personal access token of a system administrator, or a reference to it. Wins over the password.",
    )
    user: str | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_USER", "BITBUCKET_USER"),
        description="User name of a Bitbucket system administrator.",
    )
    password: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_PASSWORD", "BITBUCKET_PASSWORD"),
        description="The user's password, or a reference to it.",
    )
    ca_bundle: Path | None = Field(
        None, description="PEM file with further CAs to trust, for a Bitbucket with a certificate of your own CA."
    )
    node_url: str = Field(
        "http://{address}:7990",
        description="URL of a single node, {address} being its private IP; with the context path if Bitbucket has one.",
    )
    service: str = Field(
        "bitbucket",
        pattern=r"^[A-Za-z0-9@_.:-]+$",  # it goes into a shell command on the machine
        description="systemd unit of Bitbucket on the machines, stopped before a machine is replaced.",
    )
    archive_url: str | None = Field(
        None,
        description="Where nodes fetch Bitbucket from, with {version}. Unset: as the nodes' start-up script says.",
    )
    state: Path = Field(default_factory=default_state, description="Directory of the runs; made with mode 0700.")
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://... for runs that several machines share, or a reference to it. Unset: SQLite.",
    )
    project: Path = Field(Path(), description="Directory of the Pulumi program. Unset: the working directory.")
    stack: str | None = Field(
        None,
        validation_alias=AliasChoices("BBDC_STACK", "PULUMI_STACK"),
        description="Pulumi stack of the estate. Unset: the one that Pulumi has selected.",
    )
    roll: RollSettings = Field(
        default_factory=RollSettings,
        description="How patient and careful a roll is; each field as BBDC_ROLL__FIELD or in the table [roll].",
    )
    backup: BackupOptions = Field(
        default_factory=BackupOptions,
        description="How backups are taken and kept; each field as BBDC_BACKUP__FIELD or in the table [backup].",
    )
    restore: RestoreOptions = Field(
        default_factory=RestoreOptions,
        description="How patient restores and drills are; each field as BBDC_RESTORE__FIELD or in the table [restore].",
    )

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """Read the settings; arguments that are None count as not given.

        Raises:
            Refused: something is wrong; the message names every wrong setting and shows no value.
        """
        try:
            return cls(**{name: value for name, value in arguments.items() if value is not None})
        except ValidationError as error:
            raise Refused("settings", _told(error), hint="see docs/reference/settings.md") from None

    @property
    def cluster_name(self) -> str:
        """The cluster's name.

        Raises:
            Refused: neither a name nor a stack is known.
        """
        if self.cluster:
            return self.cluster
        if self.stack:
            return f"bitbucket-dc-{self.stack.rpartition('/')[2]}"
        raise Refused("settings", "which cluster? Its name is not set", hint="set BBDC_CLUSTER or PULUMI_STACK")

    @field_validator("url", "node_url", "archive_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {"http", "https", "s3"} or not rest.strip("/"):
            raise ValueError("write it as https://host/path")
        if "@" in rest.partition("/")[0]:
            raise ValueError("leave user and password out of the address")
        return value

    @field_validator("azure_endpoint")
    @classmethod
    def _is_encrypted(cls, value: str | None) -> str | None:
        """Refuse plain HTTP: tokens go there."""
        if value is not None and (not value.startswith("https://") or "@" in value or not value[8:].strip("/")):
            raise ValueError("write it as https://host")
        return value

    @field_validator("node_url")
    @classmethod
    def _has_address(cls, value: str) -> str:
        if value.count("{") != 1 or "{address}" not in value:
            raise ValueError("it needs {address} where a node's IP address goes, and no other braces")
        return value

    @field_validator("archive_url")
    @classmethod
    def _has_version(cls, value: str | None) -> str | None:
        if value is not None and "{version}" not in value:
            raise ValueError("it needs {version} where the Bitbucket version goes")
        return value

    @field_validator("roll", "backup", "restore", mode="before")
    @classmethod
    def _known_fields(cls, value: object, info: ValidationInfo) -> object:
        """Refuse misspelled fields: a dataclass would ignore them."""
        kind = {"roll": RollSettings, "backup": BackupOptions, "restore": RestoreOptions}[str(info.field_name)]
        if isinstance(value, dict):
            unknown = sorted(set(value) - {field.name for field in dataclasses.fields(kind)})
            if unknown:
                raise ValueError(f"there is no {', '.join(unknown)}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, file; nothing else."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _TomlFile(settings_cls, Path(os.environ.get("BBDC_CONFIG") or "bbdc.toml"))


class _TomlFile(TomlConfigSettingsSource):
    """``bbdc.toml``: may be committed and shared, so it holds references to credentials, never credentials."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path) -> None:
        try:
            super().__init__(settings_cls, path)
        except ValueError as error:  # tomllib's error; its text shows a position and no content
            raise Refused("settings", f"{path} is no TOML: {error}") from None

    def __call__(self) -> dict[str, Any]:
        """Return the file's values, refusing credentials."""
        for name in _SECRETS:
            if name in self.toml_data and not str(self.toml_data[name]).startswith(_REFERENCES):
                hint = f"write {name} = {_SPELLING}"
                raise Refused("secret_in_file", f"{self.toml_file_path} holds a credential: {name}", hint=hint)
        self._refuse_secrets_of_backups()
        return super().__call__()

    def _refuse_secrets_of_backups(self) -> None:
        table = self.toml_data.get("backup")
        for name in ("notify", "search_password"):
            values = listed(table.get(name)) if isinstance(table, dict) else ()
            if any(not str(value).startswith(_REFERENCES) for value in values):
                hint = f"write {name} = {_SPELLING}"
                raise Refused("secret_in_file", f"{self.toml_file_path} holds a credential: backup.{name}", hint=hint)


def _told(error: ValidationError) -> str:
    """Return one line with every wrong setting, and no value."""
    lines = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in item["loc"])
        lines.append(f"{name}: {item['msg'].removeprefix('Value error, ')}")
    return "wrong settings: " + "; ".join(lines)
