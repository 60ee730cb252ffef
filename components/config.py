"""A stack's configuration, read in one place: what the component gets, and what the automation gets.

The keys, their types, descriptions and defaults are declared in Pulumi.yaml; a test keeps the two together. An empty
value means "not set", because a declared key without a default would be required.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pulumi

from components.args import AwsBitbucketClusterArgs, AzureBitbucketClusterArgs
from components.checks import InvalidInput

FLAGS = ("internal", "insecureHttp", "protectData", "geoRedundantBackup", "webApplicationFirewall")
NUMBERS = (
    "nodes",
    "nodeVolumeSize",
    "deregistrationDelay",
    "sshDeregistrationDelay",
    "healthCheckInterval",
    "uid",
    "homeSize",
    "homeIops",
    "homeThroughput",
    "databaseSize",
    "databaseBackupDays",
)
STRUCTURES = ("availabilityZones", "allowedCidrs", "egressPorts", "archiveSha256", "tags")
RECORDS = ("data",)
"""Structures whose keys are ours, down to the names that an operator chooses."""
SECRETS = ("databasePassword", "searchPassword", "license", "adminPassword")
TEXTS = (
    "instanceType",
    "imageId",
    "adminSshKey",
    "resourceGroup",
    "vpcCidr",
    "certificateArn",
    "certificateId",
    "certificateIdentity",
    "baseUrl",
    "sshBaseUrl",
    "archiveUrl",
    "javaPackage",
    "jvmHeap",
    "jvmArguments",
    "imdsv2",
    "waitForCapacityTimeout",
    "fileServerInstanceType",
    "databaseInstanceClass",
    "databaseEngineVersion",
    "searchUrl",
    "searchUser",
    "searchRegion",
    "adminUser",
    "adminEmail",
)


Args = AwsBitbucketClusterArgs | AzureBitbucketClusterArgs
CLOUDS: Mapping[str, type[Any]] = {"aws": AwsBitbucketClusterArgs, "azure": AzureBitbucketClusterArgs}
"""Clouds that an estate can be on, and the inputs of its component there."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one stack's configuration asks for."""

    cloud: str
    """Name of the cloud."""
    cluster: str
    """Name of the cluster."""
    version: str
    """Bitbucket version that every node shall run."""
    args: Args
    """Inputs of the component."""
    settings: Mapping[str, Any]
    """Plain settings of the automation. Never a secret: they are stored as they are."""


def read(config: pulumi.Config, stack: str) -> Program:
    """Read a stack's configuration.

    Raises:
        InvalidInput: a value is wrong; the message names the key.
        pulumi.ConfigMissingError: there is no version.
    """
    if (cloud := config.get("cloud") or "aws") not in CLOUDS:
        raise InvalidInput("cloud", f"must be one of {sorted(CLOUDS)}, not {cloud!r}")
    cluster, version = config.get("name") or f"bitbucket-dc-{stack}", config.require("version")
    args = {"version": version, "cluster_name": cluster, **_understood(cloud, _inputs(config))}
    return Program(
        cloud=cloud,
        cluster=cluster,
        version=version,
        args=cast("Args", args),
        settings=_settings(config, cloud, args),
    )


def _understood(cloud: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs by their names in Python.

    Raises:
        InvalidInput: one is set that means nothing on this cloud: what it asks for would silently not happen.
    """
    known = CLOUDS[cloud].__annotations__
    for key, value in inputs.items():
        if snake_case(key) not in known and value is not False:
            raise InvalidInput(key, f"means nothing on {cloud}")
    return {name: value for key, value in inputs.items() if (name := snake_case(key)) in known}


def snake_case(key: str) -> str:
    """Return a configuration key as a Python name: ``archiveSha256`` as ``archive_sha256``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _record(value: object, *, named: bool = False) -> object:
    """Return a structure with its keys as Python names; ``named`` keys are the operator's own and stay."""
    if not isinstance(value, Mapping):
        return value
    return {
        key if named else snake_case(key): _record(inner, named=not named and key == "generations")
        for key, inner in value.items()
    }


def _inputs(config: pulumi.Config) -> dict[str, Any]:
    """Return every input that is set."""
    readers: tuple[tuple[tuple[str, ...], Callable[[str], Any]], ...] = (
        (TEXTS, config.get),
        (FLAGS, config.get_bool),
        (NUMBERS, config.get_int),
        (STRUCTURES, config.get_object),
        (RECORDS, lambda key: _record(config.get_object(key))),
        (SECRETS, lambda key: _secret(config, key)),
    )
    found = {key: reader(key) for keys, reader in readers for key in keys}
    return {key: value for key, value in found.items() if value is not None and value != ""}


def _secret(config: pulumi.Config, key: str) -> pulumi.Output[str] | None:
    """Read a secret that may be missing.

    The schema cannot say ``secret: true`` of it: Pulumi then refuses the default, which is not encrypted, and without
    a default the key would be required. So the refusal of a plain value is here.
    """
    if not config.get(key):
        return None
    if not pulumi.runtime.is_config_secret(config.full_key(key)):
        raise InvalidInput(key, f"is in the stack's file in clear; use `pulumi config set --secret {key}`")
    return config.get_secret(key)


def _settings(config: pulumi.Config, cloud: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the automation's settings: the way to the estate, and how careful a roll is."""
    careful = {snake_case(key): value for key, value in (config.get_object("roll") or {}).items()}
    settings = {
        "cloud": cloud,
        **_place(cloud, args),
        "url": args.get("base_url"),
        "archive_url": args.get("archive_url"),
        "planned": args.get("nodes"),
        "approval": config.get("approval"),
        "soak": config.get_int("soak"),
        "surge": config.get_bool("surge"),
        "failure_budget": config.get_int("failureBudget"),
        **careful,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _place(cloud: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the estate is, as the automation looks for it; what is None is found out by itself."""
    if cloud == "aws":
        return {"region": pulumi.Config("aws").get("region")}
    return {
        "subscription": pulumi.Config("azure-native").get("subscriptionId"),
        "resource_group": args.get("resource_group", args["cluster_name"]),
    }
