"""Capacity, archive, backups and secrets against the lab's AWS."""

from __future__ import annotations

import pytest

from automation.adapters.aws.capacity import STANDARD_VCPUS, Capacity
from automation.adapters.aws.nodes import AwsGroup
from automation.adapters.aws.secrets import reader
from automation.ports.errors import NotFound
from tests.lab.aws.estate import CLUSTER

# Capacity ------------------------------------------------------------------------------------------------------------


def names(problems):
    return [problem.name for problem in problems]


def test_a_running_instance_refresh_is_a_problem(caller, estate, lab):
    lab.client("autoscaling").start_instance_refresh(AutoScalingGroupName=estate.group)
    (problem,) = AwsGroup(caller, CLUSTER).problems(surge=0)
    assert problem.name == "instance_refresh"
    assert estate.group in problem.message


class Answers:
    """A caller that answers reads from a table: what the lab's AWS has no limits for."""

    def __init__(self, **answers):
        self._answers = answers
        self.calls = 0

    def call(self, service, operation, /, **arguments):
        answer = self._answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pages(self, service, operation, key, /, **arguments):
        return list(self.call(service, operation)[key])


GROUP = {"AutoScalingGroupName": "g", "VPCZoneIdentifier": "subnet-1,subnet-2", "Instances": [{"InstanceId": "i-1"}]}


def machine(name, kind="m6i.xlarge", vcpus=4, **more):
    return {
        "InstanceId": name,
        "InstanceType": kind,
        "CpuOptions": {"CoreCount": vcpus // 2, "ThreadsPerCore": 2},
        **more,
    }


ONE = (machine("i-1"),)


def capacity(*, free=(200, 200), limit=64.0, machines=ONE):
    subnets = [{"SubnetId": f"subnet-{n}", "AvailableIpAddressCount": count} for n, count in enumerate(free, 1)]
    return Capacity(
        Answers(
            describe_instance_refreshes={"InstanceRefreshes": [{"Status": "Successful", "InstanceRefreshId": "r"}]},
            describe_subnets={"Subnets": subnets},
            get_service_quota=limit if isinstance(limit, Exception) else {"Quota": {"Value": limit}},
            describe_instances={"Reservations": [{"Instances": list(machines)}]},
        )  # type: ignore[arg-type] # a caller in all that is used here
    )


def test_enough_of_everything():
    assert capacity().problems(GROUP, surge=1) == ()


def test_each_zone_needs_an_address_for_the_successor_and_the_surge():
    (problem,) = capacity(free=(2, 1)).problems(GROUP, surge=1)
    assert problem.name == "free_addresses"
    assert "subnet-2 (1 free)" in problem.message
    assert "subnet-1" not in problem.message
    assert capacity(free=(2, 1)).problems(GROUP, surge=0) == ()


def test_the_quota_must_hold_the_successor_beside_its_predecessor():
    assert names(capacity(limit=8.0).problems(GROUP, surge=1)) == ["vcpu_quota"]
    assert capacity(limit=8.0).problems(GROUP, surge=0) == ()


def test_other_families_and_spot_machines_count_against_other_quotas():
    others = (
        machine("i-2", "g5.xlarge"),
        machine("i-3", InstanceLifecycle="spot"),
        machine("i-4", "x2idn.16xlarge", 64),
    )
    assert capacity(limit=8.0, machines=(machine("i-1"), *others)).problems(GROUP, surge=0) == ()
    assert names(
        capacity(limit=8.0, machines=(machine("i-1"), machine("i-2", "c7g.medium", 2))).problems(GROUP, surge=0)
    ) == ["vcpu_quota"]


def test_a_quota_that_cannot_be_told_is_no_problem():
    assert capacity(limit=NotFound(STANDARD_VCPUS)).problems(GROUP, surge=9) == ()


# Archive -------------------------------------------------------------------------------------------------------------


# Backups and secrets -------------------------------------------------------------------------------------------------


def test_secrets(caller, lab):
    manager = lab.client("secretsmanager")
    manager.create_secret(Name="plain", SecretString="abc")
    manager.create_secret(Name="fields", SecretString='{"token": "def"}')
    manager.create_secret(Name="bytes", SecretBinary=b"ghi")
    assert reader(caller, "plain") == "abc"
    assert reader(caller, "fields#token") == "def"
    for wrong in ("fields#password", "bytes", "nothing"):
        with pytest.raises(NotFound):
            reader(caller, wrong)
