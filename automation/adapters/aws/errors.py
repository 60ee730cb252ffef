"""The one place where AWS's errors become ours.

AWS has a code for most things. Auto Scaling and Elastic Load Balancing answer ``ValidationError`` for several; only
there the text decides, because it is all there is.
"""

from __future__ import annotations

import re
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import ClientError

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

_THROTTLED = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete", "SlowDown",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
_NOT_AUTHENTICATED = {
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_FORBIDDEN = {
    "AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "UnauthorizedAccess",
    "UnauthorizedOperation",
}  # fmt: skip
_NOT_FOUND = {
    "InvalidInstanceId", "NoSuchEntity", "ParameterNotFound", "ResourceNotFoundException", "TargetGroupNotFound",
    "InvalidInstanceID.Malformed",
}  # fmt: skip
_CONFLICT = {
    "IncorrectInstanceState", "IncorrectState", "InstanceRefreshInProgress", "ResourceInUse", "ResourceInUseException",
    "ScalingActivityInProgress",
    "DBClusterSnapshotAlreadyExistsFault", "DBSnapshotAlreadyExists", "DBSnapshotAlreadyExistsFault",
    "InvalidDBClusterSnapshotStateFault", "InvalidDBClusterStateFault", "InvalidDBInstanceState",
    "InvalidDBInstanceStateFault", "InvalidDBSnapshotState", "InvalidDBSnapshotStateFault", "InvalidSnapshot.InUse",
}  # fmt: skip
_QUOTA = {
    "ConcurrentSnapshotLimitExceeded", "ResourceLimitExceeded", "SnapshotCreationPerVolumeRateExceeded",
    "SnapshotLimitExceeded", "SnapshotQuotaExceeded", "SnapshotQuotaExceededFault",
}  # fmt: skip
_UNAVAILABLE = {
    "InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "RequestTimeoutException",
    "ResourceContention", "ServiceUnavailable", "ServiceUnavailableException", "Unavailable",
}  # fmt: skip
_NOT_FOUND_TEXT = re.compile(r"not found|no managed instance|does not exist", re.IGNORECASE)
_CONFLICT_TEXT = re.compile(r"violat|not in (the )?InService|is not in a state|min(imum)? (size|value)", re.IGNORECASE)

_CREDENTIALS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.ProfileNotFound,
    boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError,
    boto.RefreshWithMFAUnsupportedError,
)  # fmt: skip
_NO_CONNECTION = (boto.EndpointConnectionError, boto.SSLError, boto.ProxyConnectionError)

LOGIN_HINT = "check the AWS credentials: aws sts get-caller-identity"


def translate(error: Exception, doing: str, service: str) -> BbdcError:
    """Return the error of our tree that ``error`` stands for.

    Args:
        error: a ``ClientError`` (AWS answered) or a ``BotoCoreError`` (it did not).
        doing: what was being done, for the message.
        service: the service's name in IAM actions, for the missing right.
    """
    if isinstance(error, ClientError):
        return _answered(error, doing, service)
    message = f"{doing}: {error}"
    if isinstance(error, _CREDENTIALS):
        return NotAuthenticated(message, hint=LOGIN_HINT)
    if isinstance(error, boto.NoRegionError):
        return Unreachable(message, hint="set AWS_REGION")
    if isinstance(error, _NO_CONNECTION):
        return Unreachable(message, hint="check the region, the network path to AWS, proxies and AWS_ENDPOINT_URL")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return Unavailable(message)  # timeouts and connections that broke: it may have been carried out
    return Unexpected(message)


def _answered(error: ClientError, doing: str, service: str) -> BbdcError:
    code, text = _code(error), _text(error)
    message = f"{doing}: {code}: {text}" if text else f"{doing}: {code}"
    if code in _FORBIDDEN or (code.isdigit() and _status(error) == 403):  # S3 answers HEAD with a status only
        right = _right(error, service)
        return Forbidden(message, right=right, hint=f"allow {right} to this identity")
    if code in _NOT_AUTHENTICATED:
        return NotAuthenticated(message, hint=LOGIN_HINT)
    if code in _THROTTLED:
        return Throttled(message)
    if code in _QUOTA:
        return Refused("snapshot_quota", message, hint="remove snapshots, ask AWS for more, or wait 15 s per volume")
    if "kms" in code.lower():
        return Refused("encryption_key", message, hint="check the key: its state, its policy, its account and region")
    return _state(error, code, text, message)


def _state(error: ClientError, code: str, text: str, message: str) -> BbdcError:
    if code in _CONFLICT or (code == "ValidationError" and _CONFLICT_TEXT.search(text)):
        return Conflict(message)
    if (
        code in _NOT_FOUND
        or (code.isdigit() and _status(error) == 404)
        or code.startswith("NoSuch")
        or code.endswith(("NotFound", "NotFoundException", "NotFoundFault"))
    ):
        return NotFound(message)
    if code == "ValidationError" and _NOT_FOUND_TEXT.search(text):
        return NotFound(message)
    if code in _UNAVAILABLE or _status(error) >= 500:
        return Unavailable(message)
    return Unexpected(message)


def _part(error: ClientError, name: str) -> dict[str, Any]:
    part = error.response.get(name)
    return part if isinstance(part, dict) else {}


def _code(error: ClientError) -> str:
    return str(_part(error, "Error").get("Code") or _status(error) or "no code")


def _text(error: ClientError) -> str:
    """Return AWS's message without the encoded blob that some carry, cut to a readable length."""
    said = str(_part(error, "Error").get("Message") or "")
    words = " ".join(said.partition("Encoded authorization failure message")[0].split())
    return words if len(words) <= 300 else words[:297] + "..."


def _status(error: ClientError) -> int:
    return int(_part(error, "ResponseMetadata").get("HTTPStatusCode") or 0)


def _right(error: ClientError, service: str) -> str:
    """Return the action that AWS names, or else the one that was called."""
    named = re.search(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)", _text(error))
    prefix = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}.get(service, service)
    return named[1] if named else f"{prefix}:{error.operation_name}"
