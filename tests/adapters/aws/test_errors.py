"""AWS's errors become ours in one place."""

from __future__ import annotations

import boto3
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from automation.adapters.aws.errors import translate
from automation.adapters.aws.session import Aws
from automation.ports.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Throttled,
    Unavailable,
    Unexpected,
    Unreachable,
)


def answered(code, message="", status=400, operation="SuspendProcesses"):
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered("Throttling", "Rate exceeded"), Throttled),
        (answered("RequestLimitExceeded", status=503), Throttled),
        (answered("TooManyRequestsException", status=429), Throttled),
        (answered("ExpiredToken"), NotAuthenticated),
        (answered("AuthFailure", status=401), NotAuthenticated),
        (answered("InvalidClientTokenId", status=403), NotAuthenticated),
        (answered("SignatureDoesNotMatch", status=403), NotAuthenticated),
        (answered("AccessDenied", status=403), Forbidden),
        (answered("UnauthorizedOperation", status=403), Forbidden),
        (answered("403", "Forbidden", 403, "HeadObject"), Forbidden),
        (answered("404", "Not Found", 404, "HeadObject"), NotFound),
        (answered("InvalidInstanceID.NotFound"), NotFound),
        (answered("InvalidLaunchTemplateId.NotFound"), NotFound),
        (answered("TargetGroupNotFound"), NotFound),
        (answered("InvalidInstanceId"), NotFound),
        (answered("ValidationError", "AutoScalingGroup name not found - null"), NotFound),
        (answered("ValidationError", "No managed instance found for instance ID: i-1"), NotFound),
        (answered("ValidationError", "This will violate group's min size constraint."), Conflict),
        (answered("ScalingActivityInProgress"), Conflict),
        (answered("ResourceContention", status=500), Unavailable),
        (answered("InternalFailure", status=500), Unavailable),
        (answered("SomethingNew", status=503), Unavailable),
        (answered("SomethingNew"), Unexpected),
        (answered("ValidationError", "1 validation error detected"), Unexpected),
        (answered("", "", 502), Unavailable),
        (boto.NoCredentialsError(), NotAuthenticated),
        (boto.ProfileNotFound(profile="x"), NotAuthenticated),
        (boto.NoRegionError(), Unreachable),
        (boto.EndpointConnectionError(endpoint_url="https://x"), Unreachable),
        (boto.SSLError(endpoint_url="https://x", error="bad"), Unreachable),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), Unavailable),
        (boto.ReadTimeoutError(endpoint_url="https://x"), Unavailable),
        (boto.ConnectionClosedError(endpoint_url="https://x"), Unavailable),
        (boto.UnknownServiceError(service_name="x", known_service_names="y"), Unexpected),
    ],
)  # fmt: skip
def test_every_error_has_its_place(error, expected):
    translated = translate(error, "aws autoscaling suspend-processes", "autoscaling")
    assert type(translated) is expected
    assert str(translated).startswith("aws autoscaling suspend-processes: ")


DENIED = (
    "User: arn:aws:sts::1:assumed-role/ops/me is not authorized to perform: autoscaling:SuspendProcesses on resource: "
    "arn:x because no identity-based policy allows the autoscaling:SuspendProcesses action"
)
OPAQUE = "You are not authorized to perform this operation."


@pytest.mark.parametrize(
    ("error", "service", "right"),
    [
        (answered("AccessDenied", DENIED, 403), "autoscaling", "autoscaling:SuspendProcesses"),
        (answered("UnauthorizedOperation", OPAQUE, 403, "DescribeInstances"), "ec2", "ec2:DescribeInstances"),
        (answered("AccessDenied", "", 403, "RegisterTargets"), "elbv2", "elasticloadbalancing:RegisterTargets"),
        (answered("AccessDenied", "", 400, "GetServiceQuota"), "service-quotas", "servicequotas:GetServiceQuota"),
    ],
)  # fmt: skip
def test_the_missing_right_is_named(error, service, right):
    translated = translate(error, "x", service)
    assert isinstance(translated, Forbidden)
    assert translated.right == right
    assert right in translated.hint


def test_an_encoded_message_is_left_out():
    message = "You are not authorized. Encoded authorization failure message: " + "A" * 900
    assert "AAAA" not in str(translate(answered("UnauthorizedOperation", message, 403), "x", "ec2"))


def test_every_error_that_the_services_declare_lands_somewhere_on_purpose():
    """Codes that botocore's models declare for the operations in use, as far as they say what to do."""
    model = boto3.session.Session(region_name="eu-west-1").client("autoscaling").meta.service_model
    declared = {
        shape.metadata.get("error", {}).get("code", shape.name)
        for name in (
            "TerminateInstanceInAutoScalingGroup",
            "UpdateAutoScalingGroup",
            "SuspendProcesses",
            "ResumeProcesses",
        )
        for shape in model.operation_model(name).error_shapes
    }
    assert declared >= {"ResourceContention", "ScalingActivityInProgress"}
    for code in declared - {"ServiceLinkedRoleFailure"}:
        assert not isinstance(translate(answered(code), "x", "autoscaling"), Unexpected), code


# Through a real client ------------------------------------------------------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No region, no credentials, no profile, and no way to find any."""
    for name in (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_no_region(nowhere):
    with pytest.raises(Unreachable, match="AWS_REGION"):
        Aws().caller().call("autoscaling", "describe_auto_scaling_groups")


def test_no_credentials(nowhere):
    with pytest.raises(NotAuthenticated, match="get-caller-identity"):
        Aws("eu-west-1").caller().call("autoscaling", "describe_auto_scaling_groups")


def test_nobody_listens(nowhere, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-hunter22")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as caught:
        Aws("eu-west-1").caller().once("autoscaling", "describe_auto_scaling_groups")
    assert "hunter22" not in str(caught.value)


def test_our_own_mistakes_are_not_the_clouds(nowhere):
    with pytest.raises(boto.ParamValidationError):
        Aws("eu-west-1").caller().call("autoscaling", "suspend_processes")
