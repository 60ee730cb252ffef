"""What went wrong, in words that say what was being done, to what, and what to do now."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ParamValidationError
from botocore.parsers import ResponseParserError

from lab.pulumi.aws.session import Cancelled, NotReached

CALL_ERRORS = (ClientError, BotoCoreError, ResponseParserError, NotReached, Cancelled, ValueError, LookupError)
"""What the calls of a resource type may raise; anything else is a defect of this provider and shows as such."""

_ADVICE = (
    (("AccessDenied", "Unauthorized"), "give the credentials the permission for this operation"),
    (
        ("AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (("Throttling", "RequestLimitExceeded", "SlowDown"), "run the same command again: what is done stays done"),
    (
        ("AlreadyExists", "Duplicate", "EntityAlreadyExists", "ResourceExists"),
        "it is there already: bring it into the stack with `pulumi import`, choose another name, or delete it",
    ),
    (("DependencyViolation", "DeleteConflict", "InUse"), "something still uses it; remove that first, then run again"),
    (
        ("OperationNotPermitted", "DeletionProtection"),
        "it is protected; lift the protection with an update, then run again",
    ),
    (("LimitExceeded", "QuotaExceeded"), "raise the quota or remove what is not needed"),
    (("NotFound", "NoSuchEntity"), "it is gone from the cloud; `pulumi refresh` makes the state follow"),
    (("Validation", "InvalidParameter", "Invalid", "Malformed"), "correct the property, then run again"),
)
_LOCAL_ADVICE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((EndpointConnectionError,), "check that the lab runs (`bbdc lab status`) and that AWS_ENDPOINT_URL names it"),
    ((ParamValidationError, ValueError), "correct the property, then run again"),
    ((NotReached,), "look at it in the cloud, then run the same command again: it continues"),
    ((Cancelled,), "run the same command again: it continues"),
)


def explained(error: Exception, doing: str, what: str) -> str:
    """Return one sentence for the engine to show.

    Args:
        error: What a call raised.
        doing: The act: "creating".
        what: The resource: `aws:ec2/vpc:Vpc main (vpc-1)`.
    """
    reason, advice = _reason(error)
    return f"{doing} {what}: {reason}. What to do: {advice}" if advice else f"{doing} {what}: {reason}"


def code(error: Exception) -> str:
    """Return the service's error code, empty when the service did not answer."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def _reason(error: Exception) -> tuple[str, str]:
    """Return what happened and what to do about it."""
    if isinstance(error, ClientError):
        message = str(error.response["Error"].get("Message", "")).rstrip(". \n")
        return f"operation {error.operation_name}: {code(error)}: {message}", _advice(code(error))
    if isinstance(error, ResponseParserError):
        return "the cloud's answer could not be read", "look into the lab's log; it may not know this operation"
    advice = next((advice for kinds, advice in _LOCAL_ADVICE if isinstance(error, kinds)), "")
    text = " ".join(str(error).split())
    return (text if advice else f"{type(error).__name__}: {text}"), advice


def _advice(error_code: str) -> str:
    return next((advice for parts, advice in _ADVICE if any(p in error_code for p in parts)), "")
