"""What went wrong, in words that say what was being done, to what, and what to do now."""

from __future__ import annotations

import httpx

from lab.pulumi.azure.client import AlreadyThere, Cancelled, Refused

CALL_ERRORS = (Refused, AlreadyThere, Cancelled, TimeoutError, httpx.HTTPError, ValueError, LookupError)
"""What calls may raise; anything else is a defect of this provider and shows as such."""

_ADVICE = (
    (("AuthorizationFailed", "Forbidden"), "give the principal a role with this action on this scope"),
    (("invalid_client", "unauthorized", "InvalidAuthentication", "AuthenticationFailed", "invalid_request"),
     "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"),
    (("SubscriptionNotFound",), "check the subscription's id"),
    (("ScopeLocked",), "remove the management lock first, then run again"),
    (("Quota", "OperationNotAllowed"), "raise the quota or remove what is not needed"),
    (("TooManyRequests", "AnotherOperationInProgress", "ServerIsBusy"),
     "run the same command again: what is done stays done"),
    (("InUse", "CannotDelete", "CannotBeDeleted"), "something still uses it; remove that first, then run again"),
    (("NotFound",), "what it refers to is not in Azure; `pulumi refresh` makes the state follow"),
    (("ZonesNotSupport", "AvailabilityZones"), "choose a region with availability zones, or none of them"),
    (("Invalid", "BadRequest", "Required", "NotAllowed"), "correct the property, then run again"),
)  # fmt: skip
_LOCAL_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (AlreadyThere, "bring it into the stack with `pulumi import`, choose another name, or delete it"),
    (httpx.HTTPError, "check that the lab runs (`bbdc lab status`)"),
    (TimeoutError, "look at it in Azure, then run the same command again: it continues"),
    (Cancelled, "run the same command again: it continues"),
    (ValueError, "correct the property, then run again"),
)


def explained(error: Exception, doing: str, what: str) -> str:
    """Return one sentence for the engine to show.

    Args:
        error: What a call raised.
        doing: The act: "creating".
        what: The resource: `azure-native:network:Subnet nodes (/subscriptions/...)`.
    """
    if isinstance(error, Refused):
        reason = f"{error.code}: {error.message}".rstrip(". \n")
        advice = next((words for parts, words in _ADVICE if any(part in error.code for part in parts)), "")
    else:
        advice = next((words for kind, words in _LOCAL_ADVICE if isinstance(error, kind)), "")
        reason = " ".join(str(error).split()) if advice else f"{type(error).__name__}: {error}"
    return f"{doing} {what}: {reason}. What to do: {advice}" if advice else f"{doing} {what}: {reason}"
