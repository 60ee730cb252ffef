"""A recording engine: builds a component in a fresh runtime and remembers every registration, options included."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import grpc
import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import wait_for_rpcs

SECRET_MARK = "4dabf18193072939515e22adb298388d"
UNKNOWN_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

CALLS: dict[str, dict[str, Any]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": ["eu-west-1c", "eu-west-1a", "eu-west-1b"]},
    "aws:index/getRegion:getRegion": {"region": "eu-west-1"},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "111122223333"},
    "aws:ssm/getParameter:getParameter": {"value": "ami-newest"},
}
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
Answer = dict[str, Any] | str
"""Of a call; a text is the provider's refusal."""
NOT_FOUND = 'Status=404 Code="ResourceNotFound" Message="The Resource was not found."'
AZURE_CALLS: dict[str, dict[str, Any]] = {
    "azure-native:authorization:getClientConfig": {"subscriptionId": SUBSCRIPTION, "tenantId": "tenant-1"},
    "azure-native:compute:getVirtualMachineScaleSet": {},
    "azure-native:dbforpostgresql:getServer": {},
    "azure-native:network:getApplicationGateway": {},
    "azure-native:network:getLoadBalancer": {},
    "azure-native:resources:getResourceGroup": {"name": "somebody-elses", "location": "northeurope"},
}
"""Answers of an Azure without an estate."""
COMPUTED: dict[str, dict[str, Any]] = {
    "aws:lb/loadBalancer:LoadBalancer": {"dnsName": "lb.example", "arnSuffix": "app/lb/1"},
    "aws:lb/targetGroup:TargetGroup": {"arnSuffix": "targetgroup/tg/1"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 7},
    "aws:rds/instance:Instance": {"port": 5432},
    "aws:kms/key:Key": {"keyId": "key-1"},
    "aws:sqs/queue:Queue": {"url": "https://sqs.example/letters"},
    "aws:ecs/taskDefinition:TaskDefinition": {"arn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/backups:7"},
    "azure-native:keyvault:Key": {"keyUriWithVersion": "https://estate.vault.azure.net/keys/data/1"},
    "azure-native:keyvault:Vault": {"properties": {"vaultUri": "https://estate.vault.azure.net/"}},
    "azure-native:managedidentity:UserAssignedIdentity": {"clientId": "client-1", "principalId": "principal-1"},
    "azure-native:compute:DiskEncryptionSet": {"identity": {"principalId": "principal-2", "type": "SystemAssigned"}},
    "pulumi:pulumi:StackReference": {
        "outputs": {
            "clusterName": "bitbucket",
            "url": "https://bitbucket.example.com",
            "vpcId": "vpc-1",
            "privateSubnetIds": ["subnet-1", "subnet-2", "subnet-3"],
            "backupBucket": "bitbucket-backups-111122223333-eu-west-1",
            "encryptionKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/1",
        }
    },
}


@dataclass(frozen=True)
class Registered:
    """One registered resource."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    secrets: frozenset[str]
    """Inputs that are secret."""
    visible: dict[str, Any]
    """Inputs as plans show them: without what is secret, however deep."""
    parent: str
    protect: bool
    ignored: tuple[str, ...]
    dependencies: frozenset[str]
    secret_outputs: tuple[str, ...]
    deleted_with: str
    """URN of what it goes with."""
    delete_before_replace: bool
    replaced_on: tuple[str, ...]
    """Changes that replace it."""

    @property
    def kind(self) -> str:
        """The last part of the type token."""
        return self.type.rsplit(":", 1)[-1]


@dataclass
class Recorded:
    """What one program registered and asked for."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Registered]:
        return [r for r in self.resources if r.kind == kind]

    def one(self, kind: str, ending: str = "") -> Registered:
        found = [r for r in self.of(kind) if r.name.endswith(ending)]
        assert len(found) == 1, [r.name for r in self.of(kind)]
        return found[0]

    def user_data(self) -> str:
        if sets := self.of("VirtualMachineScaleSet"):
            return base64.b64decode(sets[0].inputs["virtualMachineProfile"]["userData"]).decode()
        return base64.b64decode(self.one("LaunchTemplate").inputs["userData"]).decode()


class _Monitor(mocks.MockMonitor):
    def __init__(self, recorded: Recorded, cloud: mocks.Mocks) -> None:
        super().__init__(cloud)
        self._recorded = recorded

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the protocol's name)
        response = super().RegisterResource(request)
        raw = MessageToDict(request.object)
        if request.type != "pulumi:pulumi:Stack":
            self._recorded.resources.append(
                Registered(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    custom=request.custom,
                    inputs=_plain(raw),
                    secrets=frozenset(key for key, value in raw.items() if _is_secret(value)),
                    visible=_plain(_without_secrets(raw)),
                    parent=request.parent,
                    protect=request.protect,
                    ignored=tuple(request.ignoreChanges),
                    dependencies=frozenset(request.dependencies),
                    secret_outputs=tuple(request.additionalSecretOutputs),
                    deleted_with=request.deletedWith,
                    delete_before_replace=request.deleteBeforeReplace,
                    replaced_on=tuple(request.replaceOnChanges),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 (the protocol's name)
        self._recorded.outputs.setdefault(request.urn, []).append(_plain(MessageToDict(request.outputs)))
        return super().RegisterResourceOutputs(request)


class _RefusedCall(grpc.RpcError):  # type: ignore[misc]  # grpc comes without types
    """What the engine answers when a provider refuses a call."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class _Cloud(mocks.Mocks):
    def __init__(self, recorded: Recorded, answers: dict[str, Answer]) -> None:
        self._recorded, self._answers = recorded, {**CALLS, **AZURE_CALLS, **answers}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ.startswith("azure-native:"):
            return _on_azure(args)
        if args.typ == "pulumi:index:Stash":
            return args.name, {**args.inputs, "output": args.inputs["input"]}
        computed = {"arn": f"arn:aws:mock:{args.name}", "name": args.name, **COMPUTED.get(args.typ, {})}
        if args.typ == "aws:rds/instance:Instance":
            computed["address"] = f"{args.inputs['identifier']}.db.example"
        return f"{args.name}-id", {**computed, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        self._recorded.calls.append(args.token)
        answer = self._answers[args.token]
        if isinstance(answer, str):
            raise _RefusedCall(answer)
        return answer, []


PHYSICAL = {
    "azure-native:app:Job": ("Microsoft.App/jobs", "jobName"),
    "azure-native:compute:VirtualMachineScaleSet": ("Microsoft.Compute/virtualMachineScaleSets", "vmScaleSetName"),
    "azure-native:compute:VirtualMachine": ("Microsoft.Compute/virtualMachines", "vmName"),
    "azure-native:compute:Disk": ("Microsoft.Compute/disks", "diskName"),
    "azure-native:dbforpostgresql:Server": ("Microsoft.DBforPostgreSQL/flexibleServers", "serverName"),
    "azure-native:keyvault:Vault": ("Microsoft.KeyVault/vaults", "vaultName"),
    "azure-native:network:ApplicationGateway": ("Microsoft.Network/applicationGateways", "applicationGatewayName"),
    "azure-native:network:LoadBalancer": ("Microsoft.Network/loadBalancers", "loadBalancerName"),
    "azure-native:network:VirtualNetwork": ("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
    "azure-native:resources:ResourceGroup": ("", "resourceGroupName"),
    "azure-native:storage:StorageAccount": ("Microsoft.Storage/storageAccounts", "accountName"),
}
"""Types whose ids or names others use: ARM's name of the type, and the input with the name."""


def _on_azure(args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
    """Return id and outputs of a resource as Azure gives them."""
    kind, key = PHYSICAL.get(args.typ, ("", ""))
    name = str(args.inputs.get(key, args.name))
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{args.inputs.get('resourceGroupName')}"
    outputs = {"name": name, "location": "westeurope", **args.inputs, **COMPUTED.get(args.typ, {})}
    if isinstance(given := args.inputs.get("identity"), dict) and "userAssignedIdentities" in given:
        # Written as a list, shown as a map.
        outputs["identity"] = {**given, "userAssignedIdentities": {one: {} for one in given["userAssignedIdentities"]}}
    if args.typ.endswith(":Server"):
        outputs["fullyQualifiedDomainName"] = f"{name}.postgres.database.azure.com"
    if args.typ.endswith(":StorageAccount"):
        outputs["primaryEndpoints"] = {"blob": f"https://{name}.blob.core.windows.net/"}
    return (f"{group}/providers/{kind}/{name}" if kind else f"{args.name}-id"), outputs


def record(
    program: Callable[[], object], *, preview: bool = False, answers: dict[str, Answer] | None = None
) -> Recorded:
    """Run a program in a runtime of its own; return what it registered.

    ``answers`` are the cloud's to calls, over those of a cloud without an estate.

    Raises whatever the program, or an `apply` in it, raises.
    """
    recorded = Recorded()
    monitor = _Monitor(recorded, _Cloud(recorded, answers or {}))

    async def run() -> None:
        # The first failure is raised below; what waited for the same output fails with it, and nobody asks those.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        mocks.set_mocks(monitor.mocks, project="bitbucket-dc", stack="test", preview=preview, monitor=monitor)
        with _closing_loops(), mock.patch.object(pulumi.resource, "collapse_alias_to_urn", _no_alias):
            program()
            await wait_for_rpcs()

    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    asyncio.run(run())
    return recorded


def _no_alias(*_: object) -> str:
    """Stand for an alias: Azure's SDK gives each resource one for every older API, most of a recording's time."""
    return "urn:pulumi:test::bitbucket-dc::alias::alias"


@contextmanager
def _closing_loops() -> Iterator[None]:
    """Give the engine's worker threads event loops that somebody closes; it would make them, and forget them."""
    loops: list[asyncio.AbstractEventLoop] = []

    def begin() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    try:
        with ThreadPoolExecutor(initializer=begin) as pool:
            asyncio.get_running_loop().set_default_executor(pool)
            yield
    finally:
        for loop in loops:
            loop.close()


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and SECRET_MARK in value


def _without_secrets(value: Any) -> Any:
    if _is_secret(value):
        return None
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if SECRET_MARK in value:
            return _plain(value.get("value"))
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def strings(value: object) -> Sequence[str]:
    """Return every text inside a value."""
    if isinstance(value, dict):
        return list(itertools.chain.from_iterable(strings(inner) for inner in value.values()))
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(strings(inner) for inner in value))
    return [value] if isinstance(value, str) else []
