"""What Azure Resource Manager says without a client of its own: the resource group's region, its storage accounts."""

from __future__ import annotations

from typing import Any

from azure.core.rest import HttpRequest

from automation.adapters.azure.session import Caller

_GROUPS = "2021-04-01"
_STORAGE = "2024-01-01"
Json = dict[str, Any]


def group_path(caller: Caller) -> str:
    """Return the id of the estate's resource group."""
    return f"/subscriptions/{caller.azure.subscription}/resourceGroups/{caller.azure.resource_group}"


def region(caller: Caller) -> str:
    """Return the region of the estate: its resource group's.

    Raises:
        NotFound: there is no such group.
    """
    return str(read(caller, group_path(caller), _GROUPS).get("location") or "")


def storage_accounts(caller: Caller) -> list[Json]:
    """Return the storage accounts of the resource group."""
    path = f"{group_path(caller)}/providers/Microsoft.Storage/storageAccounts"
    return list(read(caller, path, _STORAGE).get("value") or ())


def read(caller: Caller, path: str, version: str) -> Json:
    """GET a path of Azure Resource Manager.

    Args:
        caller: who asks.
        path: from ``/subscriptions`` on.
        version: the api-version.

    Raises:
        BbdcError: see ``errors.translate``.
    """
    with caller.translated(f"GET {path}"):
        request = HttpRequest("GET", f"{caller.azure.endpoint}{path}", params={"api-version": version})
        answer = caller.azure.client("compute").send_request(request, **caller.counting())
        answer.raise_for_status()
        found: Json = answer.json()
        return found
