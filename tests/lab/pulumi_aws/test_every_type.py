"""The life of one resource of every type: nothing differs after it was made, read or changed."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from lab.pulumi.aws.registry import RESOURCES
from lab.pulumi.aws.values import UNKNOWN
from tests.lab.pulumi_aws.harness import Engine, Live, Properties, World

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"ec2.amazonaws.com"}}]}'
)
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeTags"],"Resource":"*"}]}'
KEY_POLICY = POLICY.replace("ec2:DescribeTags", "kms:*").replace('"Resource"', '"Principal":{"AWS":"*"},"Resource"')
SECRET_POLICY = KEY_POLICY.replace("kms:*", "secretsmanager:GetSecretValue")
OTHER_POLICY = POLICY.replace("DescribeTags", "DescribeVolumes")
TAGS = {"bitbucket-dc:cluster": "main", "Name": "one"}
_NUMBERS = itertools.count()
OTHER_TAGS = {"bitbucket-dc:cluster": "main", "team": "b"}


@dataclass(frozen=True)
class Case:
    """How a type is tried.

    `changed` is laid over `inputs` for the update; what it maps to None is taken out. `id` is how ids begin,
    `outputs` are values that only the cloud knows. What `lingers` stays in the cloud after its deletion.
    """

    inputs: Callable[[World, Any], Properties]
    changed: Callable[[World, Any], Properties] = lambda _w, _c: {}
    id: str = ""
    outputs: tuple[str, ...] = ("arn",)
    lingers: bool = False


def _unique(name: str) -> str:
    return f"{name}-{next(_NUMBERS)}"


def _balancer(world: World, client: Any, name: str) -> str:
    made = client("elbv2").create_load_balancer(Name=_unique(name), Subnets=list(world.subnets))
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def _target_group(world: World, client: Any, name: str) -> str:
    made = client("elbv2").create_target_group(Name=_unique(name), Protocol="HTTP", Port=7990, VpcId=world.vpc)
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _security_group(world: World, client: Any) -> str:
    name = _unique("other")
    return str(client("ec2").create_security_group(GroupName=name, Description=name, VpcId=world.vpc)["GroupId"])


def _machine(world: World, client: Any) -> str:
    made = client("ec2").run_instances(ImageId=world.image, MinCount=1, MaxCount=1, SubnetId=world.subnets[0])
    return str(made["Instances"][0]["InstanceId"])


def _subnet_group(world: World, client: Any) -> str:
    name = _unique("database")
    client("rds").create_db_subnet_group(
        DBSubnetGroupName=name, DBSubnetGroupDescription=name, SubnetIds=list(world.subnets)
    )
    return name


def _listener(world: World, client: Any) -> Properties:
    return {
        "loadBalancerArn": _balancer(world, client, "for-listener"),
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [{"type": "forward", "targetGroupArn": _target_group(world, client, "for-listener")}],
        "tags": TAGS,
    }


def _template(world: World, _: Any) -> Properties:
    return {
        "description": "7.9.0",
        "imageId": world.image,
        "instanceType": "m5.large",
        "userData": "IyEvYmluL3NoCg==",
        "ebsOptimized": "true",
        "iamInstanceProfile": {"name": world.profile},
        "vpcSecurityGroupIds": [world.group],
        "blockDeviceMappings": [
            {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 20, "volumeType": "gp3", "encrypted": "true"}}
        ],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
        "monitoring": {"enabled": True},
        "tagSpecifications": [{"resourceType": "instance", "tags": {"bitbucket-dc:version": "7.9.0"}}],
        "updateDefaultVersion": True,
        "tags": TAGS,
    }


def _group(world: World, client: Any) -> Properties:
    return {
        "minSize": 1,
        "maxSize": 3,
        "desiredCapacity": 2,
        "launchTemplate": {"id": world.template, "version": "$Latest"},
        "vpcZoneIdentifiers": list(world.subnets),
        "targetGroupArns": [_target_group(world, client, "for-group")],
        "healthCheckType": "ELB",
        "healthCheckGracePeriod": 60,
        "defaultCooldown": 10,
        "terminationPolicies": ["OldestInstance"],
        "suspendedProcesses": ["AZRebalance", "ReplaceUnhealthy"],
        "maxInstanceLifetime": 0,
        "protectFromScaleIn": False,
        "enabledMetrics": ["GroupInServiceInstances"],
        "waitForCapacityTimeout": "10s",
        "tags": [{"key": "bitbucket-dc:cluster", "value": "main", "propagateAtLaunch": False}],
    }


def _bucket(client: Any) -> str:
    name = _unique("kept")
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def _retention(days: int) -> Properties:
    rule = {"id": "old", "status": "Enabled", "filter": {"prefix": ""}}
    return {"rules": [{**rule, "noncurrentVersionExpiration": {"noncurrentDays": days}}]}


def _encryption(key: str) -> Properties:
    given = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": f"arn:aws:kms:eu-west-1:123456789012:key/{key}"}
    return {"rules": [{"applyServerSideEncryptionByDefault": given, "bucketKeyEnabled": True}]}


CONTAINER = '[{"name":"bbdc","image":"bbdc:1","command":["backup","create"],"memory":512}]'


def _vault(client: Any) -> str:
    name = _unique("vault")
    client("backup").create_backup_vault(BackupVaultName=name)
    return name


def _backup_plan(client: Any) -> str:
    rule = {"RuleName": "daily", "TargetBackupVaultName": "default"}
    plan = {"BackupPlanName": _unique("plan"), "Rules": [rule]}
    return str(client("backup").create_backup_plan(BackupPlan=plan)["BackupPlanId"])


def _rules(days: int) -> Properties:
    rule = {
        "ruleName": "daily",
        "targetVaultName": "default",
        "schedule": "cron(0 1 * * ? *)",
        "scheduleExpressionTimezone": "Europe/Berlin",
        "startWindow": 60,
        "completionWindow": 720,
        "lifecycle": {"deleteAfter": days},
        "recoveryPointTags": {"bitbucket-dc:cluster": "main"},
    }
    return {"rules": [rule]}


def _schedule(expression: str, retries: int) -> Properties:
    return {
        "scheduleExpression": expression,
        "scheduleExpressionTimezone": "Europe/Berlin",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {
            "arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/one",
            "roleArn": "arn:aws:iam::123456789012:role/one",
            "ecsParameters": {
                "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/one:1",
                "launchType": "FARGATE",
                "taskCount": 1,
                "networkConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": False},
            },
            "retryPolicy": {"maximumRetryAttempts": retries, "maximumEventAgeInSeconds": 3600},
            "deadLetterConfig": {"arn": "arn:aws:sqs:eu-west-1:123456789012:letters"},
        },
    }


CASES: dict[str, Case] = {
    "aws:ec2/vpc:Vpc": Case(
        lambda _w, _c: {"cidrBlock": "127.91.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        lambda _w, _c: {"enableDnsHostnames": False, "tags": OTHER_TAGS},
        "vpc-",
        ("arn", "defaultSecurityGroupId", "mainRouteTableId", "ownerId"),
    ),
    "aws:ec2/subnet:Subnet": Case(
        lambda w, _c: {
            "vpcId": w.vpc,
            "cidrBlock": "127.90.77.0/24",
            "availabilityZone": "eu-west-1c",
            "tags": TAGS,
        },
        lambda _w, _c: {"mapPublicIpOnLaunch": True, "tags": OTHER_TAGS},
        "subnet-",
    ),
    "aws:ec2/internetGateway:InternetGateway": Case(
        lambda _w, _c: {"tags": TAGS}, lambda _w, _c: {"tags": OTHER_TAGS}, "igw-"
    ),
    "aws:ec2/eip:Eip": Case(
        lambda _w, _c: {"domain": "vpc", "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "eipalloc-",
        ("allocationId", "publicIp"),
    ),
    "aws:ec2/natGateway:NatGateway": Case(
        lambda w, _c: {"subnetId": w.subnets[0], "allocationId": w.allocation, "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "nat-",
        ("publicIp", "networkInterfaceId"),
    ),
    "aws:ec2/routeTable:RouteTable": Case(
        lambda w, _c: {
            "vpcId": w.vpc,
            "routes": [
                {"cidrBlock": "0.0.0.0/0", "gatewayId": w.gateway},
                {"cidrBlock": "10.9.0.0/16", "gatewayId": w.gateway, "natGatewayId": ""},
            ],
            "tags": TAGS,
        },
        lambda w, _c: {"routes": [{"cidrBlock": "10.8.0.0/16", "gatewayId": w.gateway}], "tags": OTHER_TAGS},
        "rtb-",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Case(
        lambda w, _c: {"subnetId": w.subnets[0], "routeTableId": w.table},
        lambda w, c: {"routeTableId": c("ec2").create_route_table(VpcId=w.vpc)["RouteTable"]["RouteTableId"]},
        "rtbassoc-",
        (),
    ),
    "aws:ec2/securityGroup:SecurityGroup": Case(
        lambda w, _c: {"vpcId": w.vpc, "description": "nodes", "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "sg-",
        ("arn", "name", "ownerId"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Case(
        lambda w, _c: {
            "securityGroupId": w.group,
            "ipProtocol": "tcp",
            "fromPort": 7990,
            "toPort": 7990,
            "cidrIpv4": "10.0.0.0/8",
            "tags": TAGS,
        },
        lambda _w, _c: {"toPort": 7999, "description": "wider", "tags": OTHER_TAGS},
        "sgr-",
        ("arn", "securityGroupRuleId"),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Case(
        lambda w, _c: {
            "securityGroupId": w.group,
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": w.group,
        },
        lambda _w, _c: {"toPort": 444},
        "sgr-",
        ("arn", "securityGroupRuleId"),
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Case(
        _template,
        lambda _w, _c: {
            "tagSpecifications": [{"resourceType": "instance", "tags": {"bitbucket-dc:version": "7.9.4"}}],
            "userData": "IyEvYmluL2Jhc2gK",
            "tags": OTHER_TAGS,
        },
        "lt-",
        ("arn", "latestVersion", "defaultVersion", "name"),
    ),
    "aws:autoscaling/group:Group": Case(
        _group,
        lambda w, c: {
            "desiredCapacity": 3,
            "vpcZoneIdentifiers": [w.subnets[1]],
            "healthCheckGracePeriod": 90,
            "suspendedProcesses": ["AZRebalance", "AlarmNotification"],
            "targetGroupArns": [_target_group(w, c, "other-group")],
            "tags": [{"key": "team", "value": "b", "propagateAtLaunch": True}],
        },
        "it-",
    ),
    "aws:lb/loadBalancer:LoadBalancer": Case(
        lambda w, _c: {
            "subnets": list(w.subnets),
            "securityGroups": [w.group],
            "internal": True,
            "idleTimeout": 300,
            "dropInvalidHeaderFields": True,
            "enableDeletionProtection": False,
            "accessLogs": {"bucket": "logs", "enabled": True, "prefix": "alb"},
            "tags": TAGS,
        },
        lambda _w, _c: {"idleTimeout": 120, "securityGroups": [], "tags": OTHER_TAGS},
        "arn:aws:elasticloadbalancing:eu-west-1:",
        ("arn", "dnsName", "arnSuffix", "vpcId", "zoneId"),
    ),
    "aws:lb/targetGroup:TargetGroup": Case(
        lambda w, _c: {
            "port": 7990,
            "protocol": "HTTP",
            "vpcId": w.vpc,
            "targetType": "instance",
            "deregistrationDelay": 60,
            "healthCheck": {
                "path": "/status",
                "matcher": "200",
                "interval": 5,
                "timeout": 2,
                "healthyThreshold": 2,
                "unhealthyThreshold": 2,
                "protocol": "HTTP",
            },
            "stickiness": {"type": "lb_cookie", "cookieDuration": 3600, "enabled": True},
            "tags": TAGS,
        },
        lambda _w, _c: {
            "deregistrationDelay": 4,
            "healthCheck": {"path": "/status", "interval": 10, "timeout": 3},
            "tags": OTHER_TAGS,
        },
        "arn:aws:elasticloadbalancing:eu-west-1:",
        ("arn", "arnSuffix"),
    ),
    "aws:lb/listener:Listener": Case(
        _listener,
        lambda _w, _c: {
            "port": 8080,
            "defaultActions": [
                {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}
            ],
            "tags": OTHER_TAGS,
        },
        "arn:aws:elasticloadbalancing:eu-west-1:",
    ),
    "aws:iam/role:Role": Case(
        lambda _w, _c: {"assumeRolePolicy": TRUST, "description": "node", "tags": TAGS},
        lambda _w, _c: {"assumeRolePolicy": TRUST.replace("ec2.", "rds."), "description": None, "tags": OTHER_TAGS},
        "it-",
        ("arn", "uniqueId", "name"),
    ),
    "aws:iam/rolePolicy:RolePolicy": Case(
        lambda w, _c: {"role": w.role, "policy": POLICY},
        lambda _w, _c: {"policy": OTHER_POLICY},
        "world:it-",
        ("name",),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Case(
        lambda w, _c: {"role": w.role, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        id="world/arn:aws:iam::aws:policy/ReadOnlyAccess",
        outputs=(),
    ),
    "aws:iam/instanceProfile:InstanceProfile": Case(
        lambda w, _c: {"role": w.role, "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "it-",
        ("arn", "uniqueId", "name"),
    ),
    "aws:ec2/instance:Instance": Case(
        lambda w, _c: {
            "ami": w.image,
            "instanceType": "t3.small",
            "subnetId": w.subnets[0],
            "privateIp": "127.90.0.77",
            "associatePublicIpAddress": False,
            "vpcSecurityGroupIds": [w.group],
            "iamInstanceProfile": w.profile,
            "disableApiTermination": False,
            "metadataOptions": {"httpTokens": "required", "httpEndpoint": "enabled"},
            "monitoring": True,
            "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3", "encrypted": True},
            "userDataBase64": "IyEvYmluL3NoCg==",
            "tags": TAGS,
        },
        lambda w, c: {
            "instanceType": "t3.medium",
            "userDataBase64": "IyEvYmluL2Jhc2gK",
            "vpcSecurityGroupIds": [_security_group(w, c)],
            "metadataOptions": {"httpTokens": "optional"},
            "tags": OTHER_TAGS,
        },
        "i-",
        ("arn", "privateDns", "instanceState", "primaryNetworkInterfaceId"),
    ),
    "aws:ec2transitgateway/instanceState:InstanceState": Case(
        lambda w, c: {"instanceId": _machine(w, c), "state": "running"},
        lambda _w, _c: {"state": "stopped"},
        "i-",
        (),
        lingers=True,
    ),
    "aws:ebs/volume:Volume": Case(
        lambda _w, _c: {
            "availabilityZone": "eu-west-1a",
            "size": 10,
            "type": "gp3",
            "iops": 3000,
            "throughput": 125,
            "encrypted": True,
            "tags": TAGS,
        },
        lambda _w, _c: {"size": 20, "tags": OTHER_TAGS},
        "vol-",
        ("arn", "createTime"),
    ),
    "aws:ec2/volumeAttachment:VolumeAttachment": Case(
        lambda w, c: {
            "deviceName": "/dev/sdf",
            "volumeId": c("ec2").create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"],
            "instanceId": _machine(w, c),
            "stopInstanceBeforeDetaching": True,
        },
        id="vai-",
        outputs=(),
    ),
    "aws:rds/instance:Instance": Case(
        lambda w, c: {
            "identifier": "bitbucket",
            "engine": "postgres",
            "engineVersion": "16",
            "instanceClass": "db.m6i.large",
            "allocatedStorage": 100,
            "maxAllocatedStorage": 500,
            "storageType": "gp3",
            "storageEncrypted": True,
            "dbName": "bitbucket",
            "username": "bitbucket",
            "password": "correct horse",
            "multiAz": True,
            "dbSubnetGroupName": _subnet_group(w, c),
            "vpcSecurityGroupIds": [w.group],
            "backupRetentionPeriod": 7,
            "enabledCloudwatchLogsExports": ["postgresql"],
            "skipFinalSnapshot": True,
            "tags": TAGS,
        },
        lambda _w, _c: {
            "allocatedStorage": 200,
            "backupRetentionPeriod": 14,
            "password": "battery staple",
            "applyImmediately": True,
            "tags": OTHER_TAGS,
        },
        "db-",
        ("arn", "address", "endpoint", "resourceId", "status"),
    ),
    "aws:rds/subnetGroup:SubnetGroup": Case(
        lambda w, _c: {"subnetIds": list(w.subnets), "tags": TAGS},
        lambda _w, _c: {"description": "private", "tags": OTHER_TAGS},
        "it-",
        ("arn", "name", "vpcId"),
    ),
    "aws:rds/parameterGroup:ParameterGroup": Case(
        lambda _w, _c: {
            "family": "postgres16",
            "parameters": [
                {"name": "max_connections", "value": "500", "applyMethod": "pending-reboot"},
                {"name": "rds.force_ssl", "value": "1"},
            ],
            "tags": TAGS,
        },
        lambda _w, _c: {
            "parameters": [
                {"name": "max_connections", "value": "800", "applyMethod": "pending-reboot"},
                {"name": "rds.force_ssl", "value": "1"},
            ],
            "tags": OTHER_TAGS,
        },
        "it-",
        ("arn", "name"),
    ),
    "aws:secretsmanager/secret:Secret": Case(
        lambda _w, _c: {"description": "database", "recoveryWindowInDays": 0, "policy": SECRET_POLICY, "tags": TAGS},
        lambda _w, _c: {"description": "the database's password", "tags": OTHER_TAGS},
        "arn:aws:secretsmanager:eu-west-1:",
        ("arn", "name"),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Case(
        lambda _w, c: {
            "secretId": c("secretsmanager").create_secret(Name=_unique("kept"))["ARN"],
            "secretString": "correct horse",
        },
        id="arn:aws:secretsmanager:eu-west-1:",
        outputs=("arn", "versionId"),
        lingers=True,
    ),
    "aws:kms/key:Key": Case(
        lambda _w, _c: {
            "description": "data",
            "enableKeyRotation": True,
            "deletionWindowInDays": 7,
            "policy": KEY_POLICY,
            "tags": TAGS,
        },
        lambda _w, _c: {"description": "all data", "enableKeyRotation": False, "tags": OTHER_TAGS},
        outputs=("arn", "keyId"),
    ),
    "aws:kms/alias:Alias": Case(
        lambda _w, c: {"targetKeyId": c("kms").create_key()["KeyMetadata"]["Arn"]},
        lambda _w, c: {"targetKeyId": c("kms").create_key()["KeyMetadata"]["KeyId"]},
        "alias/it-",
        ("arn", "name", "targetKeyArn"),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Case(
        lambda _w, _c: {
            "alarmDescription": "cpu",
            "namespace": "AWS/EC2",
            "metricName": "CPUUtilization",
            "dimensions": {"AutoScalingGroupName": "main"},
            "statistic": "Average",
            "comparisonOperator": "GreaterThanThreshold",
            "threshold": 80,
            "period": 60,
            "evaluationPeriods": 5,
            "treatMissingData": "breaching",
            "alarmActions": ["arn:aws:sns:eu-west-1:123456789012:one"],
            "tags": TAGS,
        },
        lambda _w, _c: {"threshold": 90.5, "alarmActions": [], "dimensions": {"InstanceId": "i-1"}, "tags": OTHER_TAGS},
        "it-",
        ("arn", "name"),
    ),
    "aws:cloudwatch/logGroup:LogGroup": Case(
        lambda _w, _c: {"retentionInDays": 90, "kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1", "tags": TAGS},
        lambda _w, _c: {"retentionInDays": 30, "tags": OTHER_TAGS},
        "it-",
        ("arn", "name"),
    ),
    "aws:sns/topic:Topic": Case(
        lambda _w, _c: {"kmsMasterKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1", "tags": TAGS},
        lambda _w, _c: {"displayName": "alarms", "tags": OTHER_TAGS},
        "arn:aws:sns:eu-west-1:",
        ("arn", "name", "owner"),
    ),
    "aws:s3/bucket:Bucket": Case(
        lambda _w, _c: {"bucket": _unique("backups"), "forceDestroy": True, "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "backups-",
        ("arn", "bucketDomainName", "bucketRegion"),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Case(
        lambda _w, c: {"bucket": _bucket(c), "versioningConfiguration": {"status": "Enabled"}},
        lambda _w, _c: {"versioningConfiguration": {"status": "Suspended"}},
        "kept-",
        (),
        lingers=True,
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Case(
        lambda _w, c: {"bucket": _bucket(c), **_encryption("one")},
        lambda _w, _c: _encryption("two"),
        "kept-",
        (),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Case(
        lambda _w, c: {"bucket": _bucket(c), "blockPublicAcls": True, "restrictPublicBuckets": True},
        lambda _w, _c: {"blockPublicPolicy": True},
        "kept-",
        (),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Case(
        lambda _w, c: {"bucket": _bucket(c), "policy": KEY_POLICY.replace("kms:*", "s3:GetObject")},
        lambda _w, _c: {"policy": KEY_POLICY.replace("kms:*", "s3:ListBucket")},
        "kept-",
        (),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Case(
        lambda _w, c: {"bucket": _bucket(c), **_retention(400)},
        lambda _w, _c: _retention(30),
        "kept-",
        (),
    ),
    "aws:sqs/queue:Queue": Case(
        lambda _w, _c: {
            "kmsMasterKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1",
            "messageRetentionSeconds": 1209600,
            "tags": TAGS,
        },
        lambda _w, _c: {"messageRetentionSeconds": 3600, "tags": OTHER_TAGS},
        "http",
        ("arn", "name", "url"),
    ),
    "aws:ecs/cluster:Cluster": Case(
        lambda _w, _c: {"settings": [{"name": "containerInsights", "value": "disabled"}], "tags": TAGS},
        lambda _w, _c: {"settings": [{"name": "containerInsights", "value": "enabled"}], "tags": OTHER_TAGS},
        "arn:aws:ecs:eu-west-1:",
        ("arn", "name"),
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Case(
        lambda _w, _c: {
            "family": "backups",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "512",
            "memory": "1024",
            "taskRoleArn": "arn:aws:iam::123456789012:role/task",
            "executionRoleArn": "arn:aws:iam::123456789012:role/start",
            "containerDefinitions": CONTAINER,
            "tags": TAGS,
        },
        lambda _w, _c: {"tags": OTHER_TAGS},
        "backups",
        ("arn", "revision"),
    ),
    "aws:scheduler/schedule:Schedule": Case(
        lambda _w, _c: _schedule("cron(0 1 * * ? *)", 3),
        lambda _w, _c: {k: v for k, v in _schedule("rate(1 hour)", 5).items() if k in ("scheduleExpression", "target")},
        "default/it-",
        ("arn", "name"),
    ),
    "aws:backup/vault:Vault": Case(
        lambda _w, _c: {"kmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1", "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "it-",
        ("arn", "name"),
    ),
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": Case(
        lambda _w, c: {"backupVaultName": _vault(c), "minRetentionDays": 7, "maxRetentionDays": 400},
        id="vault-",
        outputs=("backupVaultArn",),
    ),
    "aws:backup/plan:Plan": Case(
        lambda _w, _c: {**_rules(35), "tags": TAGS},
        lambda _w, _c: {**_rules(7), "tags": OTHER_TAGS},
        outputs=("arn", "name", "version"),
    ),
    "aws:backup/selection:Selection": Case(
        lambda _w, c: {
            "planId": _backup_plan(c),
            "iamRoleArn": "arn:aws:iam::123456789012:role/one",
            "resources": ["arn:aws:ec2:*:*:volume/*"],
            "conditions": [{"stringEquals": [{"key": "aws:ResourceTag/bitbucket-dc:cluster", "value": "main"}]}],
        },
        outputs=(),
    ),
}


def test_there_is_a_case_for_every_type() -> None:
    assert CASES.keys() == RESOURCES.keys()


def _nothing(found: Any) -> bool:
    assert not found.diffs, dict(found.detailedDiff)
    return bool(found.changes == provider_pb2.DiffResponse.DIFF_NONE)


@pytest.mark.parametrize("kind", CASES)
def test_life_of_a_resource(kind: str, engine: Engine, world: World, client: Callable[[str], Any]) -> None:
    case = CASES[kind]
    inputs = case.inputs(world, client)

    live = engine.create(kind, inputs)
    assert live.id.startswith(case.id)
    assert all(live.state.get(name) not in (None, "") for name in case.outputs), live.state
    assert _nothing(engine.diff(kind, live, inputs))

    read = engine.read(kind, live)
    assert read is not None
    assert read.state == live.state
    assert read.inputs == live.inputs
    assert _nothing(engine.diff(kind, read, inputs))

    overlay = case.changed(world, client)
    if overlay:
        news = {k: v for k, v in {**inputs, **overlay}.items() if v is not None}
        found = engine.diff(kind, read, news)
        assert set(overlay) == set(found.diffs)
        assert not found.replaces
        live = engine.update(kind, read, news)
        assert _nothing(engine.diff(kind, live, news))
        read = engine.read(kind, live)
        assert read is not None
        assert read.inputs == live.inputs
        assert _nothing(engine.diff(kind, read, news))

    engine.delete(kind, live)
    assert case.lingers or engine.read(kind, live) is None
    engine.delete(kind, live)  # what is gone stays gone


@pytest.mark.parametrize("kind", CASES)
def test_preview_calls_nothing_and_knows_no_computed_output(
    kind: str, engine: Engine, world: World, client: Callable[[str], Any]
) -> None:
    case = CASES[kind]
    previewed = engine.create(kind, case.inputs(world, client), preview=True)
    assert previewed.id == ""
    assert all(previewed.state[name] == UNKNOWN or name == "name" for name in case.outputs)


@pytest.mark.parametrize("kind", RESOURCES)
def test_reading_what_never_was(kind: str, engine: Engine, world: World, client: Callable[[str], Any]) -> None:
    """`pulumi import` of a wrong id and `refresh` of a vanished resource must not look like an error of the lab."""
    ghost = {
        "aws:iam/rolePolicy:RolePolicy": "no:ne",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "no/ne",
        "aws:backup/selection:Selection": "no|ne",
        "aws:scheduler/schedule:Schedule": "default/none",
        "aws:sqs/queue:Queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/none",
        "aws:ecs/cluster:Cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/none",
        "aws:sns/topic:Topic": "arn:aws:sns:eu-west-1:123456789012:none",
        "aws:secretsmanager/secretVersion:SecretVersion": f"none|{'0' * 32}",
    }
    identifier = ghost.get(kind, _ghost(CASES[kind].id))
    try:
        assert engine.read(kind, Live(identifier, {}, {})) is None
    except grpc.RpcError as error:
        pytest.fail(str(error))


def _ghost(prefix: str) -> str:
    if prefix.startswith("arn:aws:elasticloadbalancing"):
        return f"{prefix}123456789012:loadbalancer/app/none/0123456789abcdef"
    return f"{prefix}0123456789abcdef0"
