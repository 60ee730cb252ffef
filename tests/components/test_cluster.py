"""The contract of AwsBitbucketCluster: what consumers, the automation and an auditor rely on."""

import asyncio
import json
from typing import Any

import pulumi
import pytest

from automation.adapters.aws.manifests import usual_name
from components.args import InstanceMetadata
from components.aws.backup_store import bucket_name
from components.aws.cluster import AwsBitbucketCluster
from components.naming import CLUSTER_TAG
from components.user_data import LIMITS
from tests.components.recorder import CALLS, record, strings

ARGS: Any = {"version": "7.9.0", "certificate_arn": "arn:aws:acm:cert"}
FULL: Any = {
    **ARGS,
    "search_url": "https://search.example",
    "search_password": "se4rch-S3cret",
    "license": "l1cence-S3cret",
    "admin_email": "admin@example.com",
    "admin_password": "adm1n-S3cret",
    "tags": {"owner": "platform", CLUSTER_TAG: "not-yours"},
}
ALLOWED = {
    "aws:autoscaling/group:Group",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ebs/volume:Volume",
    "aws:ec2/eip:Eip",
    "aws:ec2/instance:Instance",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "aws:ec2/vpc:Vpc",
    "aws:ec2transitgateway/instanceState:InstanceState",
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:kms/alias:Alias",
    "aws:kms/key:Key",
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:rds/instance:Instance",
    "aws:rds/parameterGroup:ParameterGroup",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:sns/topic:Topic",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
}
UNTAGGABLE = {
    "BucketLifecycleConfiguration",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "BucketVersioning",
    "InstanceState",
    "RouteTableAssociation",
    "VolumeAttachment",
    "RolePolicy",
    "RolePolicyAttachment",
    "SecretVersion",
    "Alias",
}
DATABASE = "aws:rds/instance:Instance"
MACHINE = "aws:ec2/instance:Instance"


def build(name="bitbucket", *, preview=False, **more):
    args: Any = FULL | more
    return record(lambda: AwsBitbucketCluster(name, args), preview=preview)


@pytest.fixture(scope="module")
def estate():
    return build()


def typed(estate, token):
    (found,) = [r for r in estate.resources if r.type == token]
    return found


# --- The tree ---------------------------------------------------------------------------------------------------------


def test_the_token_is_the_one_that_consumers_write(estate):
    assert estate.one("AwsBitbucketCluster").type == "bitbucket-dc:index:AwsBitbucketCluster"


def test_only_known_types_are_declared(estate):
    assert {r.type for r in estate.resources if r.custom} <= ALLOWED


def test_every_child_hangs_below_the_component(estate):
    root = estate.one("AwsBitbucketCluster").urn
    parents = {r.urn: r.parent for r in estate.resources}
    for child in estate.resources:
        urn = child.urn
        while urn in parents and urn != root:
            urn = parents[urn]
        assert urn == root, child.name


def test_names_of_children_come_from_the_components_own():
    short, long = build("one", cluster_name="same"), build("another-name", cluster_name="same")
    assert {r.name.removeprefix("one") for r in short.resources} == {
        r.name.removeprefix("another-name") for r in long.resources
    }


def test_every_component_registers_its_outputs_once(estate):
    components = {r.urn for r in estate.resources if not r.custom}
    assert {urn: len(outputs) for urn, outputs in estate.outputs.items() if urn in components} == dict.fromkeys(
        components, 1
    )


def test_the_automation_finds_what_it_needs_in_the_outputs(estate):
    (outputs,) = estate.outputs[estate.one("AwsBitbucketCluster").urn]
    assert {key: value for key, value in outputs.items() if key not in {"alarmTopicArn", "vpcId"}} == {
        "url": "https://lb.example",
        "sshUrl": "ssh://lb.example:7999",
        "clusterName": "bitbucket",
        "version": "7.9.0",
        "archiveUrl": "https://product-downloads.atlassian.com/software/stash/downloads/"
        "atlassian-bitbucket-{version}.tar.gz",
        "autoScalingGroupName": "bitbucket",
        "launchTemplateId": "bitbucket-nodes-template-id",
        "targetGroupArns": [
            "arn:aws:mock:bitbucket-load-balancer-http-targets",
            "arn:aws:mock:bitbucket-load-balancer-ssh-targets",
        ],
        "databaseIdentifier": "bitbucket-database",
        "fileServerId": "bitbucket-shared-home-server-id",
        "volumeIds": ["bitbucket-shared-home-volume-id"],
        "backupBucket": "bitbucket-backups-111122223333-eu-west-1",
        "encryptionKeyArn": "arn:aws:mock:bitbucket-encryption-key",
        "privateSubnetIds": [f"bitbucket-network-private-{zone}-id" for zone in range(3)],
        "dataGeneration": "original",
    }


def test_a_preview_asks_the_cloud_for_nothing_but_facts_about_region_and_account():
    assert set(build(preview=True).calls) == set(CALLS)


def test_a_preview_works_while_the_version_is_unknown():
    def program():
        future = asyncio.get_event_loop().create_future()
        future.set_result(pulumi.output.UNKNOWN)
        known = asyncio.get_event_loop().create_future()
        known.set_result(False)
        args: Any = FULL | {"version": pulumi.Output(set(), future, known)}
        AwsBitbucketCluster("bitbucket", args)

    assert "Group" in {r.kind for r in record(program, preview=True).resources}


def test_a_new_version_changes_the_launch_template_and_nothing_else(estate):
    after = {r.urn: r.inputs for r in build(version="7.9.4").resources}
    changed = {(r.name, key) for r in estate.resources for key in _changes(r, after)}
    assert changed == {("bitbucket-nodes-template", key) for key in ("userData", "tagSpecifications", "tags")}


def test_a_second_run_changes_nothing_but_what_is_ignored(estate):
    again = {r.urn: r.inputs for r in build().resources}
    assert [(r.name, key) for r in estate.resources for key in _changes(r, again)] == []


def _changes(resource, after):
    """What a later run would change. The database's password follows the stored secret, which is ignored."""
    unlike = {key for key in resource.inputs if resource.inputs[key] != after[resource.urn][key]}
    return unlike - set(resource.ignored) - ({"password"} if resource.type == DATABASE else set())


# --- Data -------------------------------------------------------------------------------------------------------------

HOLDS_DATA = {
    DATABASE,
    "aws:s3/bucket:Bucket",
    "aws:ebs/volume:Volume",
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
}


def test_what_holds_data_is_protected(estate):
    for resource in estate.resources:
        if resource.type in HOLDS_DATA:
            assert resource.protect, resource.name
    assert typed(estate, DATABASE).inputs["deletionProtection"] is True
    assert typed(estate, DATABASE).inputs["skipFinalSnapshot"] is False
    assert typed(estate, MACHINE).inputs["disableApiTermination"] is True


def test_manifests_are_kept_in_a_private_versioned_encrypted_bucket(estate):
    assert estate.one("Bucket").inputs["forceDestroy"] is False
    assert estate.one("BucketVersioning").inputs["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = estate.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 400}
    assert not {"expiration", "transitions"} & set(rule)  # the manifest that counts never goes
    (encryption,) = estate.one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert encryption == {
        "applyServerSideEncryptionByDefault": {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": "arn:aws:mock:bitbucket-encryption-key",
        },
        "bucketKeyEnabled": True,
    }
    block = estate.one("BucketPublicAccessBlock").inputs
    assert [block[k] for k in sorted(block) if k != "bucket"] == [True] * 4
    (statement,) = json.loads(estate.one("BucketPolicy").inputs["policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("cluster", ["bb", "b" * 40])
def test_the_buckets_name_says_whose_it_is_and_fits(cluster):
    names = [bucket_name(f"{cluster[:-1]}{end}", "111122223333", "ap-southeast-2") for end in "xy"]
    assert len(set(names)) == 2
    assert all(len(name) <= 63 and name.endswith("-backups-111122223333-ap-southeast-2") for name in names)
    assert names == [usual_name(f"{cluster[:-1]}{end}", "111122223333", "ap-southeast-2") for end in "xy"]


def test_protection_can_be_lifted_so_that_an_estate_can_be_destroyed():
    open_estate = build(protect_data=False)
    assert not any(r.protect for r in open_estate.resources)
    database = typed(open_estate, DATABASE).inputs
    assert (database["deletionProtection"], database["skipFinalSnapshot"]) == (False, True)
    assert {s.inputs["recoveryWindowInDays"] for s in open_estate.of("Secret")} == {0}
    assert open_estate.one("Bucket").inputs["forceDestroy"] is True
    assert not any(b.inputs["enableDeletionProtection"] for b in open_estate.of("LoadBalancer"))


def test_everything_at_rest_is_encrypted_with_the_estates_own_key(estate):
    key = "arn:aws:mock:bitbucket-encryption-key"
    template = estate.one("LaunchTemplate").inputs["blockDeviceMappings"][0]["ebs"]
    root = typed(estate, MACHINE).inputs["rootBlockDevice"]
    disks = [estate.one("Volume").inputs, template, root]
    assert all(str(disk["encrypted"]).lower() == "true" and disk["kmsKeyId"] == key for disk in disks)
    assert typed(estate, DATABASE).inputs["storageEncrypted"] is True
    assert typed(estate, DATABASE).inputs["kmsKeyId"] == key
    assert {r.inputs["kmsKeyId"] for r in [*estate.of("Secret"), *estate.of("LogGroup")]} == {key}
    assert estate.one("Topic").inputs["kmsMasterKeyId"] == key


def test_secrets_are_secret_wherever_they_go(estate):
    for version in estate.of("SecretVersion"):
        assert version.secrets == {"secretString"}
        assert "secretString" in version.secret_outputs
    assert "password" in typed(estate, DATABASE).secrets
    values = [v.inputs["secretString"] for v in estate.of("SecretVersion")]
    assert len(set(values)) == len(values) == 5
    for resource in estate.resources:
        open_texts = [
            s for key, value in resource.inputs.items() if key not in resource.secrets for s in strings(value)
        ]
        assert not [t for t in open_texts if any(value in t for value in values)], resource.name
    assert not [value for value in values if value in estate.user_data()]


def test_generated_secrets_stay_as_first_generated_and_given_ones_follow_the_configuration(estate):
    ignored = {v.name.rsplit("-", 1)[-1]: v.ignored for v in estate.of("SecretVersion")}
    generated, given = ("secretString",), ()
    assert ignored == {
        "database": generated,
        "hazelcast": generated,
        "search": given,
        "license": given,
        "admin": given,
    }


def test_the_database_gets_the_password_that_the_nodes_will_read(estate):
    stored = estate.one("SecretVersion", "-database").inputs["secretString"]
    assert typed(estate, DATABASE).inputs["password"] == stored


def test_the_database_is_standing_by_in_a_second_zone_and_has_room_for_every_node(estate):
    inputs = typed(build(nodes=9), DATABASE).inputs
    assert (inputs["multiAz"], inputs["backupRetentionPeriod"], inputs["autoMinorVersionUpgrade"]) == (True, 14, False)
    for nodes, least in ((3, 500), (9, 80 * 10 + 20)):
        parameters = build(nodes=nodes).one("ParameterGroup").inputs["parameters"]
        assert {p["name"]: p["value"] for p in parameters} == {"max_connections": str(least), "rds.force_ssl": "1"}


def test_the_shared_home_is_a_volume_of_its_own_behind_an_address_that_stays(estate):
    server = typed(estate, MACHINE)
    assert server.inputs["privateIp"] == "10.0.0.10"
    assert server.delete_before_replace
    assert set(server.ignored) == {"ami", "userDataBase64"}
    attachment = estate.one("VolumeAttachment").inputs
    assert attachment["volumeId"] == "bitbucket-shared-home-volume-id"
    assert attachment["stopInstanceBeforeDetaching"] is True
    assert "SHARED_HOME_SERVER='10.0.0.10'" in estate.user_data()


# --- Who may reach whom -----------------------------------------------------------------------------------------------


def test_every_taggable_resource_carries_our_tags_and_the_operators(estate):
    for resource in estate.resources:
        if not resource.custom or resource.kind in UNTAGGABLE:
            continue
        tags = resource.inputs["tags"]
        if isinstance(tags, list):  # the auto-scaling group's own way to write tags
            tags = {tag["key"]: tag["value"] for tag in tags}
        assert (tags[CLUSTER_TAG], tags["owner"]) == ("bitbucket", "platform"), resource.name


def test_no_machine_and_no_database_has_a_public_address(estate):
    private = {f"bitbucket-network-private-{zone}-id" for zone in range(3)}
    assert set(estate.one("Group").inputs["vpcZoneIdentifiers"]) == private
    assert typed(estate, MACHINE).inputs["subnetId"] in private
    assert typed(estate, MACHINE).inputs["associatePublicIpAddress"] is False
    assert set(estate.one("SubnetGroup").inputs["subnetIds"]) == private
    assert typed(estate, DATABASE).inputs["publiclyAccessible"] is False
    assert not any(s.inputs["mapPublicIpOnLaunch"] for s in estate.of("Subnet"))


def test_the_world_reaches_the_load_balancers_only(estate):
    open_doors = {
        (r.inputs["securityGroupId"], r.inputs["fromPort"])
        for r in estate.of("SecurityGroupIngressRule")
        if "cidrIpv4" in r.inputs
    }
    assert open_doors == {
        ("bitbucket-firewall-balancer-id", 80),
        ("bitbucket-firewall-balancer-id", 443),
        ("bitbucket-firewall-ssh-balancer-id", 7999),
    }


def test_allowed_networks_replace_the_world(estate):
    rules = build(allowed_cidrs=["10.1.0.0/16", "10.2.0.0/16"]).of("SecurityGroupIngressRule")
    assert {r.inputs["cidrIpv4"] for r in rules if "cidrIpv4" in r.inputs} == {"10.1.0.0/16", "10.2.0.0/16"}
    assert build(allowed_cidrs=["10.1.0.0/16"], internal=True).one("LoadBalancer", "-http").inputs["internal"] is True


def test_each_flow_is_allowed_on_both_sides(estate):
    def pairs(kind, own, other):
        return {
            (r.inputs[own], r.inputs[other], r.inputs["ipProtocol"], r.inputs["fromPort"], r.inputs["toPort"])
            for r in estate.of(kind)
            if "referencedSecurityGroupId" in r.inputs
        }

    into = pairs("SecurityGroupIngressRule", "referencedSecurityGroupId", "securityGroupId")
    out = pairs("SecurityGroupEgressRule", "securityGroupId", "referencedSecurityGroupId")
    assert into == out
    assert ("bitbucket-firewall-nodes-id", "bitbucket-firewall-database-id", "tcp", 5432, 5432) in into
    assert not [flow for flow in into if "database" in flow[0]]


def test_security_groups_have_no_rules_of_their_own(estate):
    assert not [g for g in estate.of("SecurityGroup") if {"ingress", "egress"} & set(g.inputs)]


def test_machines_may_do_only_what_they_need(estate):
    statements = json.loads(estate.one("RolePolicy").inputs["policy"])["Statement"]
    by_name = {s["Sid"]: s for s in statements}
    assert set(by_name) == {"FindMembers", "ReadOwnSecrets", "DecryptOwnSecrets"}
    assert [s["Sid"] for s in statements if s["Resource"] == "*"] == ["FindMembers"]  # EC2 has no narrower one
    assert by_name["FindMembers"]["Action"] == "ec2:DescribeInstances"
    assert not [s for s in statements if "*" in json.dumps(s["Action"])]
    assert by_name["ReadOwnSecrets"]["Resource"] == sorted(f"arn:aws:mock:{s.name}" for s in estate.of("Secret"))


def test_an_archive_in_a_bucket_may_be_read_and_nothing_else_in_it():
    policy = json.loads(
        build(archive_url="s3://mirror/bitbucket/b-{version}.tar.gz").one("RolePolicy").inputs["policy"]
    )
    (statement,) = [s for s in policy["Statement"] if s["Sid"] == "FetchArchive"]
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == "arn:aws:s3:::mirror/bitbucket/b-*.tar.gz"


def test_machines_answer_the_second_metadata_version_only_unless_asked(estate):
    expected = {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}
    assert estate.one("LaunchTemplate").inputs["metadataOptions"] == expected
    assert typed(estate, MACHINE).inputs["metadataOptions"] == expected
    relaxed = build(imdsv2=InstanceMetadata.OPTIONAL).one("LaunchTemplate").inputs["metadataOptions"]
    assert relaxed["httpTokens"] == "optional"


# --- Load balancers ---------------------------------------------------------------------------------------------------


def test_pages_are_balanced_with_sessions_that_stick_and_time_to_finish(estate):
    targets = estate.one("TargetGroup", "-http-targets").inputs
    assert targets["stickiness"] == {
        "type": "app_cookie",
        "enabled": True,
        "cookieName": "BITBUCKETSESSIONID",
        "cookieDuration": 86400,
    }
    assert targets["deregistrationDelay"] == 300
    balancer = estate.one("LoadBalancer", "-http").inputs
    assert (balancer["idleTimeout"], balancer["dropInvalidHeaderFields"]) == (3600, True)


@pytest.mark.parametrize("kind", ["http", "ssh"])
def test_targets_of_both_kinds_are_judged_by_status(estate, kind):
    check = estate.one("TargetGroup", f"-{kind}-targets").inputs["healthCheck"]
    assert (check["protocol"], check["port"], check["path"], check["matcher"]) == ("HTTP", "7990", "/status", "200")
    assert check["timeout"] < check["interval"]


def test_target_groups_say_what_they_are(estate):
    kinds = {t.inputs["port"]: t.inputs["tags"]["bitbucket-dc:target-group"] for t in estate.of("TargetGroup")}
    assert kinds == {7990: "http", 7999: "ssh"}


def test_plain_http_is_redirected(estate):
    (action,) = estate.one("Listener", "-http-listener").inputs["defaultActions"]
    assert action["redirect"] == {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}
    https = estate.one("Listener", "-https-listener").inputs
    assert (https["port"], https["certificateArn"]) == (443, "arn:aws:acm:cert")
    assert "TLS13" in https["sslPolicy"]


def test_plain_http_is_served_only_when_that_is_asked_for():
    args: Any = {"version": "7.9.0", "insecure_http": True}
    insecure = record(lambda: AwsBitbucketCluster("bitbucket", args))
    (action,) = insecure.one("Listener", "-http-listener").inputs["defaultActions"]
    assert action["type"] == "forward"
    assert [r.name for r in insecure.of("Listener") if r.inputs["port"] == 443] == []


def test_git_over_ssh_may_be_silent_for_an_hour(estate):
    listener = estate.one("Listener", "-ssh-listener").inputs
    assert (listener["port"], listener["protocol"], listener["tcpIdleTimeoutSeconds"]) == (7999, "TCP", 3600)


# --- Nodes ------------------------------------------------------------------------------------------------------------


def test_the_group_keeps_its_number_and_never_scales(estate):
    inputs = estate.one("Group").inputs
    assert (inputs["minSize"], inputs["desiredCapacity"], inputs["maxSize"]) == (3, 3, 4)
    assert inputs["healthCheckType"] == "EC2"
    assert inputs["suspendedProcesses"] == ["AZRebalance"]
    assert inputs["capacityRebalance"] is False
    assert not [r for r in estate.resources if "policy" in r.type.lower() and "autoscaling" in r.type]


def test_the_group_starts_one_version_of_the_template_by_number(estate):
    group = estate.one("Group")
    assert group.inputs["launchTemplate"] == {"id": "bitbucket-nodes-template-id", "version": "7"}
    assert set(group.ignored) == {"desiredCapacity", "suspendedProcesses"}
    assert all(tag["propagateAtLaunch"] is False for tag in group.inputs["tags"])


def test_nodes_start_after_all_that_they_need(estate):
    needed = {
        *(r.urn for r in estate.of("RouteTableAssociation")),
        *(r.urn for r in estate.of("SecretVersion")),
        *(r.urn for r in estate.of("SecurityGroupEgressRule")),
        estate.one("VolumeAttachment").urn,
        estate.one("RolePolicy").urn,
    }
    assert needed <= estate.one("Group").dependencies


def test_machines_carry_their_version_cluster_and_role(estate):
    expected = {
        "bitbucket-dc:version": "7.9.0",
        "bitbucket-dc:cluster": "bitbucket",
        "bitbucket-dc:role": "node",
        "bitbucket-dc:member": "bitbucket",
    }
    for specification in estate.one("LaunchTemplate").inputs["tagSpecifications"]:
        assert expected.items() <= specification["tags"].items()
    server = typed(estate, MACHINE).inputs["tags"]
    assert server["bitbucket-dc:role"] == "file-server"
    assert "bitbucket-dc:member" not in server  # Hazelcast would wait for its closed port


def test_user_data_fits_and_begins_with_plain_values():
    longest = {
        "cluster_name": "b" * 40,
        "archive_url": "s3://" + "m" * 63 + "/" + "k" * 200 + "{version}.tar.gz",
        "archive_sha256": {"7.9.0": "a" * 64},
        "base_url": f"https://{'h' * 60}.{'h' * 60}.example.com",
        "jvm_arguments": "-D" + "x" * 500,
    }
    text = build(**longest).user_data()
    assert len(text.encode()) < LIMITS["aws"] - 1024, "leave room for names that the cloud makes longer"
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[1] == "BITBUCKET_VERSION='7.9.0'"
    assert lines[2] == f"BBDC_CLUSTER='{'b' * 40}'"
    assert f"ARCHIVE_SHA256='{'a' * 64}'" in lines


def test_user_data_is_readable_in_a_plan(estate):
    assert "userData" not in estate.one("LaunchTemplate").secrets


def test_alarms_speak_to_the_topic(estate):
    alarms = estate.of("MetricAlarm")
    assert {a.inputs["metricName"] for a in alarms} == {
        "UnHealthyHostCount",
        "FreeStorageSpace",
        "CPUUtilization",
        "DatabaseConnections",
        "StatusCheckFailed",
    }
    assert {tuple(a.inputs["alarmActions"]) for a in alarms} == {("arn:aws:mock:bitbucket-alarms-topic",)}
