"""The door: unknown actions, wrong keys, throttles and lost replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.exceptions import ConnectionError as Cut
from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.ec2.models.instances import Instance

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from lab.faults import FaultBook

ONCE = Config(retries={"max_attempts": 0})


@pytest.fixture
def book() -> FaultBook:
    return FaultBook()


@pytest.fixture
def faulty(tmp_path: Path, clock: ManualClock, book: FaultBook) -> Iterator[AwsWorld]:
    machines = PlainMachines(tmp_path, clock)
    with AwsWorld(machines, clock=clock, faults=book, access_key="AKIALAB") as world:
        yield world


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("autoscaling", lambda c: c.describe_account_limits()),
        ("ec2", lambda c: c.describe_fast_snapshot_restores()),
        ("ssm", lambda c: c.describe_sessions(State="Active")),
        ("elbv2", lambda c: c.describe_trust_stores()),
        ("rds", lambda c: c.describe_db_recommendations()),
        ("backup", lambda c: c.list_frameworks()),
    ],
)
def test_what_is_missing_says_so_in_the_services_own_format(
    faulty: AwsWorld, service: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        call(faulty.client(service))
    error = caught.value.response
    assert error["Error"]["Code"] == "NotImplemented"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert error["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("autoscaling", lambda c: c.describe_auto_scaling_groups(), "InvalidClientTokenId"),
        ("ec2", lambda c: c.describe_vpcs(), "AuthFailure"),
        ("ssm", lambda c: c.list_commands(), "UnrecognizedClientException"),
    ],
)
def test_a_wrong_key_is_refused(faulty: AwsWorld, service: str, call: Callable[[Any], Any], code: str) -> None:
    stranger = boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=faulty.url,
        aws_access_key_id="AKIASTRANGER",
        aws_secret_access_key="x",
    )
    with pytest.raises(ClientError) as caught:
        call(stranger)
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("autoscaling", lambda c: c.describe_auto_scaling_groups(), "Throttling"),
        ("ec2", lambda c: c.describe_vpcs(), "RequestLimitExceeded"),
        ("ssm", lambda c: c.list_commands(), "ThrottlingException"),
    ],
)
def test_throttling(faulty: AwsWorld, book: FaultBook, service: str, call: Callable[[Any], Any], code: str) -> None:
    book.set("throttled", times=1, service=service)
    client = faulty.client(service, config=ONCE)
    with pytest.raises(ClientError) as caught:
        call(client)
    assert caught.value.response["Error"]["Code"] == code
    call(client)
    assert book.list() == []


def test_the_sdk_gets_over_a_throttle_by_itself(faulty: AwsWorld, book: FaultBook) -> None:
    book.set("throttled", times=1, service="ec2")
    answer = faulty.client("ec2", config=Config(retries={"mode": "standard"})).describe_vpcs()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_lost_reply_was_carried_out(faulty: AwsWorld, book: FaultBook) -> None:
    book.set("lost-reply", service="ec2", action="CreateVpc")
    client = faulty.client("ec2", config=ONCE)
    with pytest.raises((ConnectionClosedError, Cut)):
        client.create_vpc(CidrBlock="127.99.0.0/16")
    assert "127.99.0.0/16" in {vpc["CidrBlock"] for vpc in client.describe_vpcs()["Vpcs"]}


def test_faults_meant_for_another_service_do_nothing(faulty: AwsWorld, book: FaultBook) -> None:
    book.set("throttled", service="autoscaling")
    faulty.client("ec2", config=ONCE).describe_vpcs()


def test_one_world_a_process(faulty: AwsWorld, tmp_path: Path, clock: ManualClock) -> None:
    other = AwsWorld(PlainMachines(tmp_path / "other", clock), clock=clock)
    with pytest.raises(RuntimeError, match="one AWS world"), other:
        pass


def test_it_listens_on_loopback_only(faulty: AwsWorld) -> None:
    assert faulty.url.startswith("http://127.0.0.1:")


def test_moto_is_as_before_afterwards(tmp_path: Path, clock: ManualClock) -> None:
    watched = {cls: dict(vars(cls)) for cls in (AutoScalingBackend, AutoScalingResponse, Instance)}
    with AwsWorld(PlainMachines(tmp_path, clock), clock=clock):
        assert any(dict(vars(cls)) != before for cls, before in watched.items())
    assert all(dict(vars(cls)) == before for cls, before in watched.items())
