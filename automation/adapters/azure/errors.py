"""The one place where Azure's errors become ours.

Azure Resource Manager has a code for most things, and an HTTP status for the rest. What sign-in refuses is sorted in
``sign_in``.
"""

from __future__ import annotations

import re
from typing import Any

from azure.core import exceptions as azure
from azure.core.exceptions import HttpResponseError

from automation.adapters.azure import sign_in
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
_RIGHTS = (
    # First what is missing on another resource: the same text names the action that is allowed before it.
    re.compile(r"perform action\(s\) '(?P<right>[^']+)' on the linked scope\(s\) '(?P<scope>[^']+)'"),
    re.compile(r"perform action '(?P<right>[^']+)' over scope '(?P<scope>[^']+)'"),
    re.compile(r"Action: '(?P<right>[^']+)'\s+Resource: '(?P<scope>[^']+)'"),  # a key vault
)
_WHO = re.compile(r"client '([^']+)'(?: with object id '([^']+)')?|Caller: appid=([^;]+);oid=([^;\s]+)")
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_BLOB_VERBS = {"GET": "read", "HEAD": "read", "DELETE": "delete"}
_PLACE_HINTS = {
    "SubscriptionNotFound": "check BBDC_SUBSCRIPTION, and that this identity has a role in it",
    "InvalidSubscriptionId": "BBDC_SUBSCRIPTION is a subscription's id, not its name: az account show --query id",
    "ResourceGroupNotFound": "check BBDC_RESOURCE_GROUP",
}


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
        return Unreachable(message, hint=sign_in.NETWORK_HINT)
    if isinstance(error, azure.ServiceResponseError):
        return Unavailable(message)  # the connection broke: it may have been carried out
    return Unexpected(message)


def code_of(error: azure.AzureError) -> str:
    """Return Azure's code for an error: of the answer, or of the operation that failed; the status without one."""
    inner = getattr(error, "error", None)
    told = getattr(inner, "code", None) or getattr(error, "error_code", None)  # the latter is what stores of blobs have
    return str(getattr(told, "value", told) or _status(error) or "no code")


def _sign_in(error: azure.ClientAuthenticationError, doing: str) -> BbdcError:
    """Sort what stopped us before the request; who was known and may not is another matter."""
    code = code_of(error)
    return _answered(error, doing) if code in _FORBIDDEN else sign_in.translate(error, doing, code)


def _answered(error: HttpResponseError, doing: str) -> BbdcError:
    code, text, status = code_of(error), _text(error), _status(error)
    message = f"{doing}: {code}: {text}" if text else f"{doing}: {code}"
    if status == 401:
        return NotAuthenticated(message, hint=sign_in.TOKEN_HINTS.get(code, sign_in.LOGIN_HINT))
    if code in sign_in.TOKEN_HINTS:  # storage tells with 403 that clocks differ
        return NotAuthenticated(message, hint=sign_in.TOKEN_HINTS[code])
    if code in _FORBIDDEN or status == 403:
        return _forbidden(error, doing, code, message)
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
    if status == 404 or code.endswith("NotFound") or code in _PLACE_HINTS or _NOT_FOUND_TEXT.search(text):
        return NotFound(message, hint=_PLACE_HINTS.get(code, ""))
    if status in {409, 412} or code in {"Canceled", "Conflict", "OperationNotAllowed", "AnotherOperationInProgress"}:
        return Conflict(message)
    if status >= 500 or status == 408 or code in {"InternalExecutionError", "InternalServerError", "Failed"}:
        return Unavailable(message, after=_after(error))
    return Unexpected(message)


def _forbidden(error: HttpResponseError, doing: str, code: str, message: str) -> Forbidden:
    """Name the right, its scope, and who lacks it."""
    text = str(error)
    found = next((match for rule in _RIGHTS if (match := rule.search(text)) is not None), None)
    right, scope = (found["right"], found["scope"]) if found is not None else _of_data(error, code)
    if not right:
        return Forbidden(message)
    who = next((" ".join(part for part in match if part) for match in _WHO.findall(text)), "")
    to = f"this identity ({who})" if who else "this identity"
    return Forbidden(f"{doing}: {code}: {right} on {scope} is not allowed", right=right, hint=f"allow {right} to {to}")


def _of_data(error: HttpResponseError, code: str) -> tuple[str, str]:
    """Return right and scope where a store of blobs refuses: it names neither."""
    request = getattr(error.response, "request", None)
    method, url = str(getattr(request, "method", "")), str(getattr(request, "url", "")).partition("?")[0]
    if code not in {"AuthorizationPermissionMismatch", "AuthorizationFailure"} or not method:
        return "", ""
    return f"{_BLOBS}/{_BLOB_VERBS.get(method, 'write')}", url


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
