"""What an engine and its users rely on, beyond the life of one resource."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.pulumi.aws.server import serve
from lab.pulumi.aws.values import UNKNOWN
from tests.lab.pulumi_aws.harness import REGION, Engine, Live, Properties, Refused, World, struct, urn
from tests.lab.pulumi_aws.test_every_type import CASES, TRUST

VPC = "aws:ec2/vpc:Vpc"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GROUP = "aws:autoscaling/group:Group"
TARGETS = "aws:lb/targetGroup:TargetGroup"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
DATABASE = "aws:rds/instance:Instance"
ROLE = "aws:iam/role:Role"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"

Client = Callable[[str], Any]


def _inputs(kind: str, world: World, client: Client, **over: Any) -> Properties:
    merged = {**CASES[kind].inputs(world, client), **over}
    return {k: v for k, v in merged.items() if v is not None}


# Launch templates ---------------------------------------------------------------------------------------------------


def test_a_new_version_is_the_default_only_when_asked(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(TEMPLATE, world, client, name="versions", updateDefaultVersion=None)
    live = engine.create(TEMPLATE, inputs)
    live = engine.update(TEMPLATE, live, {**inputs, "userData": "Cg=="})
    assert (live.state["latestVersion"], live.state["defaultVersion"]) == (2, 1)
    live = engine.update(TEMPLATE, live, {**inputs, "userData": "Cg==", "updateDefaultVersion": True})
    assert (live.state["latestVersion"], live.state["defaultVersion"]) == (2, 2)
    live = engine.update(TEMPLATE, live, {**inputs, "userData": "Cw==", "updateDefaultVersion": True})
    assert (live.state["latestVersion"], live.state["defaultVersion"]) == (3, 3)
    live = engine.update(TEMPLATE, live, {**inputs, "userData": "Cw==", "defaultVersion": 1})
    assert (live.state["latestVersion"], live.state["defaultVersion"]) == (3, 1)
    engine.delete(TEMPLATE, live)


def test_a_version_carries_everything_and_nothing_else(engine: Engine, world: World, client: Client) -> None:
    live = engine.create(TEMPLATE, _inputs(TEMPLATE, world, client, name="complete"))
    found = client("ec2").describe_launch_template_versions(LaunchTemplateId=live.id, Versions=["1"])
    data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data["TagSpecifications"][0] == {
        "ResourceType": "instance",
        "Tags": [{"Key": "bitbucket-dc:version", "Value": "7.9.0"}],
    }
    disk = data["BlockDeviceMappings"][0]
    assert disk == {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 20, "VolumeType": "gp3"}}
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["EbsOptimized"] is True
    assert data["SecurityGroupIds"] == [world.group]
    engine.delete(TEMPLATE, live)


def test_a_preview_does_not_know_the_next_version(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(TEMPLATE, world, client, name="previewed")
    live = engine.create(TEMPLATE, inputs)
    previewed = engine.update(TEMPLATE, live, {**inputs, "userData": "Cg=="}, preview=True)
    assert previewed.state["latestVersion"] == previewed.state["defaultVersion"] == UNKNOWN
    retagged = engine.update(TEMPLATE, live, {**inputs, "tags": {"a": "b"}}, preview=True)
    assert retagged.state["latestVersion"] == 1
    assert retagged.state["tagsAll"] == {"a": "b"}
    found = client("ec2").describe_launch_template_versions(LaunchTemplateId=live.id)
    assert len(found["LaunchTemplateVersions"]) == 1
    engine.delete(TEMPLATE, live)


# Groups -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(engine: Engine, world: World, client: Client) -> Any:
    live = engine.create(GROUP, _inputs(GROUP, world, client))
    yield live
    engine.delete(GROUP, live)


def _news(live: Live, **over: Any) -> Properties:
    return {k: v for k, v in {**live.inputs, **over}.items() if not k.startswith("__")}


def test_a_refresh_sees_what_was_done_behind_the_program(engine: Engine, group: Live, client: Client) -> None:
    scaling = client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=group.id, DesiredCapacity=3)
    scaling.suspend_processes(AutoScalingGroupName=group.id, ScalingProcesses=["Terminate"])
    read = engine.read(GROUP, group)
    assert read is not None
    assert read.state["desiredCapacity"] == read.inputs["desiredCapacity"] == 3
    assert read.state["suspendedProcesses"] == ["AZRebalance", "ReplaceUnhealthy", "Terminate"]
    found = engine.diff(GROUP, read, _news(group))
    assert set(found.diffs) == {"desiredCapacity", "suspendedProcesses"}
    ignored = engine.diff(GROUP, read, _news(group), ("desiredCapacity", "suspendedProcesses"))
    assert ignored.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_an_update_sends_only_what_changed(engine: Engine, group: Live, client: Client) -> None:
    """A run may have raised the capacity and switched processes off: another property's change must not undo that."""
    scaling = client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=group.id, DesiredCapacity=3)
    scaling.suspend_processes(AutoScalingGroupName=group.id, ScalingProcesses=["Terminate"])
    ignore = ("desiredCapacity", "suspendedProcesses")
    updated = engine.update(GROUP, group, _news(group, healthCheckGracePeriod=77), ignore=ignore)
    assert updated.state["healthCheckGracePeriod"] == 77
    assert updated.state["desiredCapacity"] == 3
    assert "Terminate" in updated.state["suspendedProcesses"]


def test_a_group_that_does_not_fill_is_remembered_as_unfinished(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(GROUP, world, client, name="unfilled", minElbCapacity=2, waitForCapacityTimeout="500ms")
    arn = inputs["targetGroupArns"][0]
    health = client("elbv2").describe_target_health(TargetGroupArn=arn)
    assert health["TargetHealthDescriptions"] == []
    inputs["desiredCapacity"], inputs["minElbCapacity"] = 1, 2  # more healthy targets than there are instances
    with pytest.raises(grpc.RpcError) as failed:
        engine.create(GROUP, inputs)
    assert "waited 0.5 s for 1 instances of unfilled" in failed.value.details()
    unfinished = _unfinished(failed.value)
    assert unfinished.id == "unfilled"
    assert unfinished.properties["desiredCapacity"] == 1
    engine.delete(GROUP, Live(unfinished.id, {}, {"region": REGION}))


def _unfinished(error: Any) -> Any:
    metadata = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def test_a_timeout_of_zero_waits_for_nothing(engine: Engine, world: World, client: Client) -> None:
    over = {"name": "unwaited", "waitForCapacityTimeout": "0", "minElbCapacity": 3}
    live = engine.create(GROUP, _inputs(GROUP, world, client, **over))
    engine.delete(GROUP, live)


def test_deleting_a_group_ends_protected_instances_too(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(GROUP, world, client, name="protected", protectFromScaleIn=True, suspendedProcesses=["Terminate"])
    live = engine.create(GROUP, inputs)
    found = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[live.id])
    machines = [i["InstanceId"] for i in found["AutoScalingGroups"][0]["Instances"]]
    assert len(machines) == 2
    engine.delete(GROUP, live)
    states = client("ec2").describe_instances(InstanceIds=machines)["Reservations"]
    assert {i["State"]["Name"] for r in states for i in r["Instances"]} == {"terminated"}


# Data ---------------------------------------------------------------------------------------------------------------


def test_a_protected_database_is_not_deleted(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(DATABASE, world, client, identifier="kept", deletionProtection=True)
    live = engine.create(DATABASE, inputs)
    with pytest.raises(grpc.RpcError, match="DeleteDBInstance") as refused:
        engine.delete(DATABASE, live)
    assert "What to do" in refused.value.details()
    live = engine.update(DATABASE, live, {**inputs, "deletionProtection": False})
    engine.delete(DATABASE, live)


def test_a_last_snapshot_is_made_unless_renounced(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(DATABASE, world, client, identifier="last", skipFinalSnapshot=None)
    live = engine.create(DATABASE, inputs)
    with pytest.raises(grpc.RpcError, match="finalSnapshotIdentifier is required"):
        engine.delete(DATABASE, live)
    live = engine.update(DATABASE, live, {**inputs, "finalSnapshotIdentifier": "last-final"})
    engine.delete(DATABASE, live)
    found = client("rds").describe_db_snapshots(DBSnapshotIdentifier="last-final")["DBSnapshots"]
    assert found[0]["DBInstanceIdentifier"] == "last"


def test_the_service_can_keep_the_master_password(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(DATABASE, world, client, identifier="managed", password=None, manageMasterUserPassword=True)
    live = engine.create(DATABASE, inputs)
    assert live.state["masterUserSecrets"][0]["secretArn"].startswith("arn:aws:secretsmanager:")
    assert engine.diff(DATABASE, live, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    engine.delete(DATABASE, live)


def test_secrets_are_marked_in_outputs(engine: Engine, client: Client) -> None:
    arn = client("secretsmanager").create_secret(Name="marked")["ARN"]
    inputs = engine.check(VERSION, {"secretId": arn, "secretString": "correct horse"})
    answer = engine.stub.Create(provider_pb2.CreateRequest(urn=urn(VERSION), properties=struct(inputs)))
    marked = answer.properties["secretString"]
    assert marked["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"
    assert marked["value"] == "correct horse"


def test_a_protected_balancer_is_not_deleted(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(BALANCER, world, client, name="kept", enableDeletionProtection=True)
    live = engine.create(BALANCER, inputs)
    with pytest.raises(grpc.RpcError, match="OperationNotPermitted"):
        engine.delete(BALANCER, live)
    live = engine.update(BALANCER, live, {**inputs, "enableDeletionProtection": False})
    engine.delete(BALANCER, live)


# Checks and names ---------------------------------------------------------------------------------------------------


def test_unknown_and_missing_properties_are_refused_by_name(engine: Engine, world: World) -> None:
    with pytest.raises(Refused) as refused:
        engine.check(GROUP, {"minSize": "three", "maxsize": 3, "launchTemplate": {"id": "lt-1", "vrsn": "1"}})
    assert set(refused.value.reasons) == {"minSize", "maxSize", "maxsize", "launchTemplate.vrsn"}
    assert "Missing required property" in refused.value.reasons["maxSize"]
    with pytest.raises(Refused) as refused:
        engine.check(GROUP, {"minSize": 1, "maxSize": 1, "vpcZoneIdentifiers": "subnet-1", "launchTemplate": {}})
    assert set(refused.value.reasons) == {"vpcZoneIdentifiers"}


def test_a_property_that_is_not_modelled_is_refused_and_not_swallowed(engine: Engine) -> None:
    with pytest.raises(Refused) as refused:
        engine.check(VPC, {"cidrBlock": "127.0.0.0/16", "ipv4IpamPoolId": "pool"})
    assert "does not model" in refused.value.reasons["ipv4IpamPoolId"]


@pytest.mark.parametrize(
    ("over", "path"),
    [
        ({"healthCheck": {"interval": 4}}, "healthCheck.interval"),
        ({"healthCheck": {"interval": 10, "timeout": 10}}, "healthCheck.timeout"),
        ({"healthCheck": {"unhealthyThreshold": 1}}, "healthCheck.unhealthyThreshold"),
        ({"deregistrationDelay": 4000}, "deregistrationDelay"),
        ({"name": "-wrong"}, "name"),
        ({"name": "x" * 33}, "name"),
        ({"vpcId": None}, "vpcId"),
    ],
)
def test_limits_of_a_target_group(engine: Engine, world: World, client: Client, over: Properties, path: str) -> None:
    with pytest.raises(Refused) as refused:
        engine.check(TARGETS, _inputs(TARGETS, world, client, **over))
    assert set(refused.value.reasons) == {path}


def test_what_is_not_known_yet_is_not_judged(engine: Engine) -> None:
    unknown = {"port": 80, "protocol": "HTTP", "vpcId": UNKNOWN, "healthCheck": {"interval": UNKNOWN, "timeout": 5}}
    assert engine.check(TARGETS, unknown)["vpcId"] == UNKNOWN


def test_names_are_made_up_once(engine: Engine) -> None:
    first = engine.check(ROLE, {"assumeRolePolicy": TRUST}, name="node")
    assert first["name"].startswith("node-")
    assert len(first["name"]) == len("node-") + 7
    assert "name" in first["__defaults"]
    again = engine.check(ROLE, {"assumeRolePolicy": TRUST}, first, name="renamed")
    assert again["name"] == first["name"]


def test_a_name_longer_than_the_service_takes_is_refused(engine: Engine, world: World) -> None:
    news = {"port": 80, "protocol": "HTTP", "vpcId": world.vpc}
    with pytest.raises(Refused) as refused:
        engine.check(TARGETS, news, name="a-name-of-twenty-six-signs")
    assert "at most 32" in refused.value.reasons["name"]


def test_the_engine_s_own_names_and_prefixes(engine: Engine) -> None:
    options = provider_pb2.CheckRequest.AutonamingOptions
    proposed = options(proposed_name="ours", mode=options.ENFORCE)
    assert engine.check(ROLE, {"assumeRolePolicy": TRUST}, autonaming=proposed)["name"] == "ours"
    with pytest.raises(Refused, match="forbid"):
        engine.check(ROLE, {"assumeRolePolicy": TRUST}, autonaming=options(mode=options.DISABLE))
    live = engine.create(ROLE, {"assumeRolePolicy": TRUST, "namePrefix": "pre-"})
    assert live.id.startswith("pre-")
    assert engine.diff(ROLE, live, {"assumeRolePolicy": TRUST, "namePrefix": "pre-"}).changes == 1
    engine.delete(ROLE, live)


@pytest.mark.parametrize(("name", "first"), [("chosen", True), (None, False)])
def test_a_chosen_name_makes_the_old_one_go_first(
    engine: Engine,
    world: World,
    client: Client,
    name: str | None,
    first: bool,  # noqa: FBT001 - a table's parameter
) -> None:
    inputs = _inputs(TARGETS, world, client, **({"name": name} if name else {}))
    live = engine.create(TARGETS, inputs)
    found = engine.diff(TARGETS, live, {**inputs, "port": 8080})
    assert list(found.replaces) == ["port"]
    assert found.deleteBeforeReplace is first
    assert found.detailedDiff["port"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    engine.delete(TARGETS, live)


def test_an_unknown_value_of_a_fixed_property_replaces(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(TARGETS, world, client, name="unknown")
    live = engine.create(TARGETS, inputs)
    assert list(engine.diff(TARGETS, live, {**inputs, "vpcId": UNKNOWN}).replaces) == ["vpcId"]
    engine.delete(TARGETS, live)


def test_a_policy_is_compared_by_meaning(engine: Engine) -> None:
    live = engine.create(ROLE, {"assumeRolePolicy": TRUST})
    document = json.loads(TRUST)
    document["Statement"] = document["Statement"][0]
    document["Statement"]["Action"] = ["sts:AssumeRole"]
    rewritten = json.dumps(document, indent=2)
    assert engine.diff(ROLE, live, {"assumeRolePolicy": rewritten}).changes == provider_pb2.DiffResponse.DIFF_NONE
    with pytest.raises(Refused, match="invalid JSON"):
        engine.check(ROLE, {"assumeRolePolicy": "{"})
    engine.delete(ROLE, live)


# Settings and errors ------------------------------------------------------------------------------------------------


def test_default_tags_reach_every_resource_with_tags(engine: Engine, client: Client) -> None:
    engine.configure(region=REGION, defaultTags=json.dumps({"tags": {"owner": "scm", "team": "a"}}))
    inputs = {"cidrBlock": "127.92.0.0/16", "tags": {"team": "b"}}
    live = engine.create(VPC, inputs)
    assert live.state["tagsAll"] == {"owner": "scm", "team": "b"}
    assert engine.diff(VPC, live, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    found = client("ec2").describe_vpcs(VpcIds=[live.id])["Vpcs"][0]["Tags"]
    assert {t["Key"]: t["Value"] for t in found} == {"owner": "scm", "team": "b"}
    engine.delete(VPC, live)


def test_settings_belong_to_a_connection(engine: Engine, server: Any) -> None:
    other = Engine(server.port)
    other.configure(region="us-east-1")
    try:
        assert engine.invoke("aws:index/getRegion:getRegion")["region"] == REGION
        assert other.invoke("aws:index/getRegion:getRegion")["region"] == "us-east-1"
        live = other.create(VPC, {"cidrBlock": "127.93.0.0/16"})
        assert live.state["region"] == "us-east-1"
        assert engine.read(VPC, live) is not None, "a resource is looked for in its own region"
        other.delete(VPC, live)
    finally:
        other.channel.close()


def test_a_resource_may_name_its_own_region(engine: Engine) -> None:
    inputs = {"cidrBlock": "127.94.0.0/16", "region": "us-west-2"}
    live = engine.create(VPC, inputs)
    assert ":us-west-2:" in live.state["arn"]
    assert list(engine.diff(VPC, live, {**inputs, "region": REGION}).replaces) == ["region"]
    engine.delete(VPC, live)


def test_an_error_of_the_service_says_what_and_what_to_do(engine: Engine, world: World) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        engine.create(ROLE, {"name": world.role, "assumeRolePolicy": TRUST})
    text = failed.value.details()
    for part in ("creating aws:iam/role:Role it", "CreateRole", "EntityAlreadyExists", "pulumi import"):
        assert part in text


def test_a_cloud_that_is_not_there(world: World) -> None:
    alone = serve(endpoint="http://127.0.0.1:9", region=REGION, access_key="lab", secret_key="lab")
    engine = Engine(alone.port)
    try:
        with pytest.raises(grpc.RpcError, match="check that the lab runs"):
            engine.create(VPC, {"cidrBlock": "127.95.0.0/16"})
    finally:
        engine.channel.close()
        alone.stop()


def test_an_unknown_type_or_function_is_refused(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.check("aws:glue/job:Job", {})
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as refused:
        engine.invoke("aws:s3/getBucket:getBucket")
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancelling_ends_a_wait(engine: Engine, world: World, client: Client) -> None:
    inputs = _inputs(GROUP, world, client, name="cancelled", minElbCapacity=9, waitForCapacityTimeout="5m")
    checked = engine.check(GROUP, inputs)
    creating = engine.stub.Create.future(provider_pb2.CreateRequest(urn=urn(GROUP), properties=struct(checked)))
    scaling = client("autoscaling")
    while not scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["cancelled"])["AutoScalingGroups"]:
        assert not creating.done()
    engine.stub.Cancel(struct_empty())
    with pytest.raises(grpc.RpcError, match="cancelled while waiting"):
        creating.result(timeout=10)
    engine.configure(region=REGION)  # a new run may wait again
    engine.delete(GROUP, Live("cancelled", {}, {"region": REGION}))


def struct_empty() -> Any:
    from google.protobuf import empty_pb2  # noqa: PLC0415 - needed here only

    return empty_pb2.Empty()


def test_imports_find_the_inputs(engine: Engine, world: World) -> None:
    read = engine.read("aws:ec2/subnet:Subnet", Live(world.subnets[0], {}, {}))
    assert read is not None
    assert read.inputs["vpcId"] == world.vpc
    assert read.inputs["cidrBlock"] == "127.90.0.0/24"


# Functions ----------------------------------------------------------------------------------------------------------


def test_functions(engine: Engine, world: World) -> None:
    zones = engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", state="available")
    assert zones["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    some = engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", excludeNames=["eu-west-1a"])
    assert some["names"] == ["eu-west-1b", "eu-west-1c"]
    assert len(engine.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"]) == 12
    image = engine.invoke("aws:ec2/getAmi:getAmi", owners=["self"], filters=[{"name": "name", "values": ["lab"]}])
    assert (image["id"], image["name"]) == (world.image, "lab")
    with pytest.raises(grpc.RpcError, match="no image"):
        engine.invoke("aws:ec2/getAmi:getAmi", filters=[{"name": "name", "values": ["none"]}])


def test_the_public_image_parameter(engine: Engine) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    found = engine.invoke("aws:ssm/getParameter:getParameter", name=name)
    assert found["name"] == name
    assert found["insecureValue"].startswith("ami-")


def test_a_preview_of_a_function_with_unknown_arguments_answers_nothing(engine: Engine) -> None:
    assert engine.invoke("aws:ssm/getParameter:getParameter", name=UNKNOWN) == {}
