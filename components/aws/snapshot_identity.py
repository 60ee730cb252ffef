"""What the scheduled task, its start and its schedule may do in the account: as little as they need."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.other_stack import OtherStack
from components.naming import CLUSTER_TAG
from components.tokens import type_token

NAMESPACE = "BitbucketDC"
"""Namespace of the metrics that a backup publishes."""
SET_TAG = "bitbucket-dc:backup-set"
"""Carried by every member of a set, from its creation."""
Statement = Mapping[str, Any]


class AwsServiceRole(pulumi.ComponentResource):
    """A role that one service of AWS may take, with one policy."""

    arn: pulumi.Output[str]
    """ARN of the role."""

    def __init__(
        self,
        name: str,
        service: str,
        stack: OtherStack,
        policy: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsServiceRole"), name, {}, opts)
        inside = pulumi.ResourceOptions(parent=self)
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        self.role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=account.apply(lambda known: trust(service, known)),
            tags=stack.tagged(f"{name}-role"),
            opts=inside,
        )
        self.policy = aws.iam.RolePolicy(f"{name}-policy", role=self.role.id, policy=policy, opts=inside)
        self.arn = self.role.arn
        self.register_outputs({"arn": self.arn})


def document(statements: Sequence[Statement]) -> str:
    """Return a policy as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, account: str) -> str:
    """Return the policy by which a service takes a role, for this account's own resources only."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        ]
    )


def task_policy(cluster: str, bucket: str, key_arn: str, region: str, account: str) -> str:
    """Return the policy of ``bbdc backup create``: take sets of this cluster, and prune them.

    Nothing is changed or deleted but what carries the cluster's tag; snapshots must be born with it.
    """
    return document(
        [*_look(), *_disks(cluster, region, account), *_database(cluster, region, account), *_store(bucket, key_arn)]
    )


def _look() -> Sequence[Statement]:
    """AWS knows no narrower resource for these."""
    actions = [
        "autoscaling:DescribeAutoScalingGroups",
        "ec2:DescribeInstances",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
        "rds:DescribeDBClusterSnapshots",
        "rds:DescribeDBClusters",
        "rds:DescribeDBInstances",
        "rds:DescribeDBSnapshots",
        "sts:GetCallerIdentity",
    ]
    publish = {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}
    return [
        {"Sid": "Look", "Effect": "Allow", "Action": actions, "Resource": "*"},
        {
            "Sid": "PublishAge",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": publish,
        },
    ]


def _ours(cluster: str, *, born: bool = False) -> Statement:
    """Return the condition that a resource carries the cluster's tag, or is made with it."""
    return {"StringEquals": {f"aws:{'RequestTag' if born else 'ResourceTag'}/{CLUSTER_TAG}": cluster}}


def _disks(cluster: str, region: str, account: str) -> Sequence[Statement]:
    snapshots, machines = f"arn:aws:ec2:{region}::snapshot/*", f"arn:aws:ec2:{region}:{account}"
    take = ["ec2:CreateSnapshot", "ec2:CreateSnapshots"]
    return [
        {
            "Sid": "SnapshotOurDisks",
            "Effect": "Allow",
            "Action": take,
            "Resource": [f"{machines}:volume/*", f"{machines}:instance/*"],
            "Condition": _ours(cluster),
        },
        {
            "Sid": "BornTagged",
            "Effect": "Allow",
            "Action": take,
            "Resource": snapshots,
            "Condition": _ours(cluster, born=True),
        },
        {
            "Sid": "TagAtCreation",
            "Effect": "Allow",
            "Action": "ec2:CreateTags",
            "Resource": snapshots,
            "Condition": {"StringEquals": {"ec2:CreateAction": ["CreateSnapshot", "CreateSnapshots"]}},
        },
        {
            "Sid": "TagAndPruneOurSnapshots",
            "Effect": "Allow",
            "Action": ["ec2:CreateTags", "ec2:DeleteSnapshot"],
            "Resource": snapshots,
            "Condition": {**_ours(cluster), "Null": {f"aws:ResourceTag/{SET_TAG}": "false"}},
        },
    ]


def _database(cluster: str, region: str, account: str) -> Sequence[Statement]:
    databases, snapshots = (f"arn:aws:rds:{region}:{account}:{kind}:*" for kind in ("db", "snapshot"))
    return [
        {
            "Sid": "SnapshotOurDatabase",
            "Effect": "Allow",
            "Action": ["rds:CreateDBSnapshot", "rds:ListTagsForResource"],
            "Resource": databases,
            "Condition": _ours(cluster),
        },
        {
            "Sid": "DatabaseSnapshotsBornTagged",
            "Effect": "Allow",
            "Action": ["rds:CreateDBSnapshot", "rds:AddTagsToResource"],
            "Resource": snapshots,
            "Condition": _ours(cluster, born=True),
        },
        {
            "Sid": "TagAndPruneOurDatabaseSnapshots",
            "Effect": "Allow",
            "Action": ["rds:AddTagsToResource", "rds:DeleteDBSnapshot", "rds:ListTagsForResource"],
            "Resource": snapshots,
            "Condition": {**_ours(cluster), "Null": {f"aws:ResourceTag/{SET_TAG}": "false"}},
        },
    ]


def _store(bucket: str, key_arn: str) -> Sequence[Statement]:
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    grant = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        {"Sid": "ListManifests", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        {
            "Sid": "KeepManifests",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:aws:s3:::{bucket}/*",
        },
        {"Sid": "UseTheKey", "Effect": "Allow", "Action": use, "Resource": key_arn},
        {
            "Sid": "LetStorageUseTheKey",
            "Effect": "Allow",
            "Action": "kms:CreateGrant",
            "Resource": key_arn,
            "Condition": grant,
        },
    ]


def start_policy(secret_arns: Sequence[str], key_arn: str, logs_arn: str) -> str:
    """Return the policy by which ECS starts the container: its image, its secrets, its log."""
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return document(
        [
            {"Sid": "RegistryLogin", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {"Sid": "PullImage", "Effect": "Allow", "Action": pull, "Resource": "arn:aws:ecr:*:*:repository/*"},
            {
                "Sid": "ReadSecrets",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": sorted(secret_arns),
            },
            {"Sid": "DecryptSecrets", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": key_arn},
            {
                "Sid": "WriteLog",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"{logs_arn}:*",
            },
        ]
    )


def schedule_policy(task_arn: str, cluster_arn: str, role_arns: Sequence[str], queue_arn: str, key_arn: str) -> str:
    """Return the policy of the schedule: start this task there, and lay what fails into the queue."""
    family = task_arn.rpartition(":")[0]
    return document(
        [
            {
                "Sid": "RunTheTask",
                "Effect": "Allow",
                "Action": "ecs:RunTask",
                "Resource": [family, f"{family}:*"],
                "Condition": {"ArnEquals": {"ecs:cluster": cluster_arn}},
            },
            {
                "Sid": "HandOverRoles",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": sorted(role_arns),
                "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            },
            {"Sid": "DeadLetters", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn},
            {
                "Sid": "EncryptDeadLetters",
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": key_arn,
            },
        ]
    )
