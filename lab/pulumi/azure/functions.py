"""Functions of the provider: who is asking, reading any resource by its names, and keys that only a POST shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.pulumi.aws.values import Properties
from lab.pulumi.azure import bodies, paths
from lab.pulumi.azure.client import Arm
from lab.pulumi.azure.table import Type, table

Function = Callable[[Arm, Properties], Properties]

SECRET_RESULTS: Mapping[str, tuple[str, ...]] = {
    "azure-native:storage:listStorageAccountKeys": ("keys",),
    "azure-native:authorization:getClientToken": ("token",),
}
"""Function -> results that are marked secret."""


def _config(arm: Arm, _asked: Properties) -> Properties:
    account = arm.account
    return {
        "clientId": account.client,
        "objectId": account.object_id,
        "subscriptionId": account.subscription,
        "tenantId": account.tenant,
    }


def _token(arm: Arm, _asked: Properties) -> Properties:
    return {"token": arm.token()}


def _account_keys(arm: Arm, asked: Properties) -> Properties:
    kind = table().types["azure-native:storage:StorageAccount"]
    place = paths.filled(kind.path, {**asked, "subscriptionId": arm.account.subscription})
    return arm.post(f"{place}/listKeys", kind.api, {})


_KNOWN: Mapping[str, Function] = {
    "azure-native:authorization:getClientConfig": _config,
    "azure-native:authorization:getClientToken": _token,
    "azure-native:storage:listStorageAccountKeys": _account_keys,
}


def function(token: str) -> Function | None:
    """Return the function of a token; None when the provider has none."""
    package, module, name = token.split(":")
    kind = table().types.get(f"{package}:{module}:{name.removeprefix('get')}") if name.startswith("get") else None
    return _KNOWN.get(token) or (_reader(kind) if kind is not None else None)


def _reader(kind: Type) -> Function:
    def read(arm: Arm, asked: Properties) -> Properties:
        place = paths.filled(kind.path, {**asked, "subscriptionId": arm.account.subscription})
        found = arm.read(place, kind.api)
        return bodies.outputs(kind, found) | {"id": found["id"]}

    return read
