"""What Azure Resource Manager refuses, with its codes and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.aws.ports import Reply

THROTTLES = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})


class ArmError(Exception):
    """An answer that refuses, or the end of an operation that failed.

    Attributes:
        status: HTTP status.
        code: Azure's code for programs.
        details: codes and messages below it.
        retry_after: seconds for the header Retry-After; None for no such header.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, str]] = (),
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details
        self.retry_after = retry_after
        self.headers = dict(headers or {})

    def wire(self) -> dict[str, Any]:
        """Return the error as it stands in bodies and in operations."""
        found: dict[str, Any] = {"code": self.code, "message": str(self)}
        return found | ({"details": [dict(one) for one in self.details]} if self.details else {})


def of_reply(reply: Reply, retry_after: float = 1) -> ArmError:
    """Translate what the faults' port answers into Azure's codes; a throttle tells when to come again, in seconds."""
    if reply.code in THROTTLES:
        return ArmError(429, "TooManyRequests", "The request is being throttled.", retry_after=retry_after)
    if reply.status == 500:
        return ArmError(500, "InternalServerError", reply.message)
    return ArmError(reply.status, reply.code, reply.message)


def bad_content(reason: str) -> ArmError:
    """The body is no JSON object."""
    return ArmError(
        400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: {reason}."
    )


def invalid(message: str, code: str = "InvalidParameter") -> ArmError:
    """A value is not acceptable."""
    return ArmError(400, code, message)


def conflict(message: str, code: str = "OperationNotAllowed") -> ArmError:
    """The resource's state forbids it."""
    return ArmError(409, code, message)


def busy() -> ArmError:
    """Compute works on this resource already."""
    return conflict("The request failed due to conflict with a concurrent request.", "Conflict")


def not_found(what: str, group: str = "") -> ArmError:
    """There is no such resource; ``what`` is type and names."""
    where = f" under resource group '{group}'" if group else ""
    message = f"The Resource '{what}'{where} was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    return ArmError(404, "ResourceNotFound", message)


def group_not_found(group: str) -> ArmError:
    """There is no such resource group."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def subscription_not_found(subscription: str) -> ArmError:
    """There is no such subscription, or this tenant does not own it."""
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def no_subscription_id(subscription: str) -> ArmError:
    """What stands where a subscription's id belongs is no id."""
    message = f"The provided subscription identifier '{subscription}' is malformed or invalid."
    return ArmError(400, "InvalidSubscriptionId", message)


def another_tenant(authority: str, theirs: str, ours: str) -> ArmError:
    """The token is good, and of a tenant that does not own the subscription."""
    message = (
        f"The access token is from the wrong issuer '{authority}/{theirs}/'. It must match the tenant "
        f"'{authority}/{ours}/' associated with this subscription. Please use the authority (URL) "
        f"'{authority}/{ours}' to get the token. Note, if the subscription is transferred to another tenant there is "
        "no impact to the services, but information about new tenant could take time to propagate (up to an hour). "
        "If you just transferred your subscription and see this error message, please try back later."
    )
    refused = ArmError(401, "InvalidAuthenticationTokenTenant", message)
    return unauthenticated(refused, authority, ours)


def unauthenticated(error: ArmError, authority: str, tenant: str) -> ArmError:
    """Return a refusal of a token with where to get another one, which some clients learn their tenant from."""
    said = str(error).partition(" Note,")[0]
    where = f'Bearer authorization_uri="{authority}/{tenant}", error="invalid_token", error_description="{said}"'
    return ArmError(error.status, error.code, str(error), headers={"WWW-Authenticate": where})


def no_action(kind: str, name: str) -> ArmError:
    """The resource exists and cannot do that."""
    return ArmError(
        404, "InvalidResourceType", f"The resource type '{kind}/{name}' could not be found in its namespace."
    )


def precondition(header: str) -> ArmError:
    """Somebody changed the resource meanwhile."""
    return ArmError(412, "PreconditionFailed", f"The specified precondition 'If-Match = \"{header}\"' failed.")


def not_acceptable_version(kind: str, version: str, first: str, last: str) -> ArmError:
    """The type is not served with this api-version."""
    message = (
        f"No registered resource provider found for API version '{version}' for type '{kind}'. "
        f"The supported api-versions are '{first}' to '{last}'."
    )
    return ArmError(400, "NoRegisteredProviderFound", message)
