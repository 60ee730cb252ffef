"""The one place where Azure's errors become ours.

Azure Resource Manager has a code for most things, and an HTTP status for the rest. What sign-in refuses comes as a
``ClientAuthenticationError`` whose text begins with an ``AADSTS`` number: the only thing to tell the reasons apart by.
"""

from __future__ import annotations

import re
from typing import Any

from azure.core import exceptions as azure
from azure.core.exceptions import HttpResponseError

from automation.ports.errors import (
    BbdcError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
    Unexpected,
    Unreachable,
)

_FORBIDDEN = {
    "AuthorizationFailed", "AuthorizationPermissionMismatch", "Forbidden", "LinkedAuthorizationFailed",
    "RequestDisallowedByPolicy", "AuthorizationFailure",
}  # fmt: skip
_QUOTA = {
    "AllocationFailed", "OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest", "QuotaExceeded",
    "ResourceQuotaExceeded", "SkuNotAvailable", "SnapshotCountExceeded", "SubnetIsFull", "ZonalAllocationFailed",
    "MaxStorageAccountsCountPerSubscriptionExceeded",
}  # fmt: skip
_PLACE = {
    "LocationNotAvailableForResourceType", "LocationNotSupportAvailabilityZones",
    "AvailabilityZoneNotSupported", "ZonesNotAllowed",
}  # fmt: skip
_NOT_FOUND_TEXT = re.compile(r"is not an active Virtual Machine Scale Set VM", re.IGNORECASE)
_QUOTA_TEXT = re.compile(r"exceeding approved .* quota|quota .*exceeded", re.IGNORECASE | re.DOTALL)
_ACTION = re.compile(r"perform action '([^']+)'")
_SIGN_IN = re.compile(r"AADSTS(\d+)")
_SIGN_IN_HINTS = {
    "90002": "there is no such tenant: check AZURE_TENANT_ID",
    "700016": "the tenant does not know this application: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    "7000215": "the client secret is wrong: set the secret's value, not its id, in AZURE_CLIENT_SECRET",
    "7000222": "the client secret has expired: make a new one",
    "700027": "the certificate is not registered with this application",
    "53003": "conditional access forbids this sign-in",
}

_NO_WAY_TO_SIGN_IN = re.compile(
    r"SSL:|certificate verify|failed to (resolve|establish)|name or service not known|max retries|timed out|refused",
    re.IGNORECASE,
)
"""What azure-identity says where it did not get through: it has one kind of error for that and for a wrong password."""
_NETWORK_HINT = "check the network path to Azure, proxies, REQUESTS_CA_BUNDLE and BBDC_AZURE_ENDPOINT"

LOGIN_HINT = "check the Azure credentials: az account show, or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"


def translate(error: azure.AzureError, doing: str) -> BbdcError:
    """Return the error of our tree that ``error`` stands for.

    Args:
        error: an ``HttpResponseError`` (Azure answered, or an operation ended badly) or another ``AzureError``.
        doing: what was being done, for the message.
    """
    if isinstance(error, azure.ClientAuthenticationError):
        return _sign_in(error, doing)
    if isinstance(error, HttpResponseError):
        return _answered(error, doing)
    message = f"{doing}: {_cut(str(error))}"
    if isinstance(error, azure.ServiceRequestError):
        return Unreachable(message, hint=_NETWORK_HINT)
    if isinstance(error, azure.ServiceResponseError):
        return Unavailable(message)  # the connection broke: it may have been carried out
    return Unexpected(message)


def code_of(error: azure.AzureError) -> str:
    """Return Azure's code for an error: of the answer, or of the operation that failed; the status without one."""
    inner = getattr(error, "error", None)
    return str(getattr(inner, "code", None) or _status(error) or "no code")


def _sign_in(error: azure.ClientAuthenticationError, doing: str) -> BbdcError:
    """Sort what stopped us before the request: no credential, a refused one, or a token that is not taken."""
    text = str(error)
    found = _SIGN_IN.search(text)
    if found is None and code_of(error) in _FORBIDDEN:
        return _answered(error, doing)
    if found is None and _NO_WAY_TO_SIGN_IN.search(text):
        return Unreachable(f"{doing}: {_cut(text)}", hint=_NETWORK_HINT)
    if "authority configuration" in text:  # how MSAL tells that the authority does not know the tenant
        return NotAuthenticated(f"{doing}: {_cut(text)}", hint=_SIGN_IN_HINTS["90002"])
    hint = _SIGN_IN_HINTS.get(found[1], LOGIN_HINT) if found else LOGIN_HINT
    if "InvalidAuthenticationTokenTenant" in code_of(error):
        hint = "the subscription belongs to another tenant: check AZURE_TENANT_ID and BBDC_SUBSCRIPTION"
    return NotAuthenticated(f"{doing}: {_cut(text)}", hint=hint)


def _answered(error: HttpResponseError, doing: str) -> BbdcError:
    code, text, status = code_of(error), _text(error), _status(error)
    message = f"{doing}: {code}: {text}" if text else f"{doing}: {code}"
    if status == 401:
        return NotAuthenticated(message, hint=LOGIN_HINT)
    if code in _FORBIDDEN or status == 403:
        right = _right(str(error), error)
        return Forbidden(message, right=right, hint=f"allow {right} to this identity" if right else "")
    if status == 429 or code == "TooManyRequests":
        return Throttled(message, after=_after(error))
    refused = _refusal(code, text, message)
    return refused or _state(error, code, text, message)


def _refusal(code: str, text: str, message: str) -> BbdcError | None:
    """What no second try mends: quotas, regions, keys, locks."""
    if code in _QUOTA or _QUOTA_TEXT.search(text):
        return Refused("quota", message, hint="ask Azure for more, choose another size or zone, or remove something")
    if code in _PLACE:
        return Refused("region", message, hint="choose a region that has what the estate needs")
    if "keyvault" in code.lower() or "diskencryptionset" in code.lower():
        return Refused("encryption_key", message, hint="check the key: its state, and who may use it")
    if code == "ScopeLocked":
        return Refused("scope_locked", message, hint="remove the management lock")
    return None


def _state(error: HttpResponseError, code: str, text: str, message: str) -> BbdcError:
    status = _status(error)
    # The operation's own status before the answer's: an operation that failed is told with HTTP 200.
    if status == 404 or code.endswith("NotFound") or _NOT_FOUND_TEXT.search(text):
        hint = "check BBDC_SUBSCRIPTION" if code == "SubscriptionNotFound" else ""
        hint = "check BBDC_RESOURCE_GROUP" if code == "ResourceGroupNotFound" else hint
        return NotFound(message, hint=hint)
    if status in {409, 412} or code in {"Canceled", "Conflict", "OperationNotAllowed", "AnotherOperationInProgress"}:
        return Conflict(message)
    if status >= 500 or status == 408 or code in {"InternalExecutionError", "InternalServerError", "Failed"}:
        return Unavailable(message, after=_after(error))
    return Unexpected(message)


def _right(text: str, error: HttpResponseError) -> str:
    named = _ACTION.search(text)
    if named is not None:
        return named[1]
    # A store of data (blobs, secrets) names no action; the caller's message says what was being done.
    return "" if error.response is None else "a data-plane role"


def _status(error: Any) -> int:
    return int(getattr(error, "status_code", None) or 0)


def _text(error: HttpResponseError) -> str:
    inner = getattr(error, "error", None)
    return _cut(str(getattr(inner, "message", None) or error.message or ""))


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else words[:297] + "..."


def _after(error: HttpResponseError) -> float | None:
    """Return the seconds of ``Retry-After``; None where Azure gives none, or a date."""
    headers: Any = getattr(error.response, "headers", None) or {}
    try:
        return float(headers.get("Retry-After") or headers.get("retry-after"))
    except (TypeError, ValueError):
        return None
