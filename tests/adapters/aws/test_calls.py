"""Against the lab's AWS: retries, lost replies, throttling, wrong keys, the count of calls."""

from __future__ import annotations

import pytest

from automation.adapters.aws.host import AwsHost
from automation.adapters.aws.load_balancer import AwsBalancer
from automation.adapters.aws.nodes import AwsGroup
from automation.ports.errors import Forbidden, NotAuthenticated, NotFound, Throttled, Unavailable, Unexpected
from lab.aws.ports import Reply
from tests.lab.aws.estate import CLUSTER, Estate

THROTTLE = Reply(400, "Throttling", "Rate exceeded")
TERMINATE = "TerminateInstanceInAutoScalingGroup"


@pytest.fixture
def group(caller):
    return AwsGroup(caller, CLUSTER)


def test_a_throttled_read_goes_through_at_the_second_try(group, estate, faults):
    faults.refusals["DescribeAutoScalingGroups"] = [THROTTLE]
    assert group.observe().desired == 3
    assert faults.seen.count("DescribeAutoScalingGroups") == 2


def test_a_read_that_stays_throttled_is_given_to_the_engine(group, estate, faults):
    faults.refusals["DescribeAutoScalingGroups"] = [THROTTLE] * 9
    with pytest.raises(Throttled):
        group.observe()
    assert faults.seen.count("DescribeAutoScalingGroups") == 3


def test_terminating_is_never_repeated_after_a_lost_reply(group, estate, faults, wait):
    """The second try could take a second machine's capacity away; the next look tells what happened."""
    group.resize(4, observed=3)
    wait(10)
    victim = group.observe().instances[0].id
    faults.lost.append(TERMINATE)
    with pytest.raises(Unavailable):
        group.retire(victim, "7.9.0")
    assert faults.seen.count(TERMINATE) == 1
    group.retire(victim, "7.9.0")  # what the engine does after it has looked again
    wait(10)
    seen = group.observe()
    assert (seen.desired, len(seen.instances)) == (3, 3)


def test_a_lost_reply_of_replace_does_not_replace_twice(group, estate, faults, wait):
    victim = group.observe().instances[0].id
    faults.lost.append(TERMINATE)
    with pytest.raises(Unavailable):
        group.replace(victim, "7.9.0")
    group.replace(victim, "7.9.0")
    wait(15)
    assert len(group.observe().instances) == 3
    assert faults.seen.count(TERMINATE) == 1


def test_a_lost_reply_of_a_stop_command_is_not_sent_again(caller, group, estate, faults):
    victim = group.observe().instances[0].id
    host = AwsHost(caller)
    faults.lost.append("SendCommand")
    with pytest.raises(Unavailable):
        host.stop_bitbucket(victim, key="one")
    host.stop_bitbucket(victim, key="one")
    assert faults.seen.count("SendCommand") == 1


def test_a_stop_that_failed_is_sent_again(caller, estate, faults, lab, wait):
    victim = estate.members()[0]
    (lab.machines.directory(victim) / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    host, ssm = AwsHost(caller), lab.client("ssm")
    host.stop_bitbucket(victim, key="one")
    for _ in range(200):  # the script is a real process: its end comes in its own time
        if ssm.list_commands()["Commands"][0]["Status"] == "Failed":
            break
        wait(0.25)
    host.stop_bitbucket(victim, key="one")
    assert faults.seen.count("SendCommand") == 2


def test_what_is_stopped_is_the_unit_of_the_settings(caller, group, estate, lab):
    AwsHost(caller, service="atlbitbucket").stop_bitbucket(group.observe().instances[0].id, key="one")
    assert lab.commands.sent[-1].script == "systemctl stop atlbitbucket"


def test_a_missing_right_is_named(group, estate, faults):
    faults.refusals["SuspendProcesses"] = [
        Reply(403, "AccessDenied", "User: x is not authorized to perform: autoscaling:SuspendProcesses")
    ]
    with pytest.raises(Forbidden) as caught:
        group.suspend(["AZRebalance"])
    assert caught.value.right == "autoscaling:SuspendProcesses"


def test_wrong_credentials(group, estate, faults):
    faults.refusals["DescribeAutoScalingGroups"] = [
        Reply(403, "InvalidClientTokenId", "The security token is invalid.")
    ]
    with pytest.raises(NotAuthenticated):
        group.observe()


def test_no_such_cluster_names_cluster_region_and_account(caller, estate):
    with pytest.raises(NotFound) as caught:
        AwsGroup(caller, "elsewhere").observe()
    said = str(caught.value)
    assert all(part in said for part in ("bitbucket-dc:cluster=elsewhere", "eu-west-1", "123456789012", "BBDC_CLUSTER"))


def test_two_groups_of_one_name_are_refused(caller, estate, lab):
    lab.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="copy", MinSize=0, MaxSize=0, VPCZoneIdentifier=estate.subnets[0],
        LaunchTemplate={"LaunchTemplateId": estate.template, "Version": "1"},
        Tags=[{"Key": "bitbucket-dc:cluster", "Value": CLUSTER, "PropagateAtLaunch": False}],
    )  # fmt: skip
    with pytest.raises(Unexpected, match="copy"):
        AwsGroup(caller, CLUSTER).observe()


def test_another_cluster_beside_it_is_left_alone(caller, estate, lab, wait):
    other = Estate.build(lab, nodes=2, octet=251, cluster="other")
    wait(10)
    ours, theirs = AwsGroup(caller, CLUSTER), AwsGroup(caller, "other")
    assert {i.id for i in ours.observe().instances}.isdisjoint(other.members())
    victim = theirs.observe().instances[0].id
    ours.replace(victim, "7.9.0")
    AwsBalancer(caller, CLUSTER).deregister(victim)
    wait(5)
    assert victim in {i.id for i in theirs.observe().instances}
    assert set(other.health().values()) == {"healthy"}


def test_a_target_group_that_was_replaced_is_found_at_the_next_look(caller, estate, faults):
    balancer = AwsBalancer(caller, CLUSTER)
    assert len(balancer.targets()) == 6
    faults.refusals["DescribeTargetHealth"] = [Reply(400, "TargetGroupNotFound", "One or more target groups not found")]
    with pytest.raises(NotFound):
        balancer.targets()
    faults.seen.clear()
    assert len(balancer.targets()) == 6
    assert "DescribeTargetGroups" in faults.seen


def test_calls_are_counted_and_few(group, caller, estate, faults):
    group.observe()
    before, faults.seen[:] = caller.calls, []
    group.observe()
    assert caller.calls - before == len(faults.seen) == 2  # the group and its machines; numbered templates are known
