"""What the machines may do in the account: as little as they need."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.naming import Estate
from components.tokens import type_token

SYSTEMS_MANAGER = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
"""Lets the automation stop Bitbucket gracefully, and people log in without any open port."""


class AwsIdentity(pulumi.ComponentResource):
    """The role of one kind of machine, with its instance profile."""

    role_name: pulumi.Output[str]
    """Name of the role."""
    profile_name: pulumi.Output[str]
    """Name of the instance profile."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        *,
        policy: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsIdentity"), name, {}, opts)
        inside = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=_document(
                [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
            ),
            tags=estate.tagged(f"{name}-role"),
            opts=inside,
        )
        aws.iam.RolePolicyAttachment(f"{name}-systems-manager", role=role.name, policy_arn=SYSTEMS_MANAGER, opts=inside)
        if policy is not None:
            aws.iam.RolePolicy(f"{name}-policy", role=role.id, policy=policy, opts=inside)
        profile = aws.iam.InstanceProfile(
            f"{name}-profile", role=role.name, tags=estate.tagged(f"{name}-profile"), opts=inside
        )
        self.role_name, self.profile_name = role.name, profile.name
        self.register_outputs({"roleName": self.role_name})


def node_policy(secret_arns: Sequence[str], key_arn: str, region: str, archive_url: str) -> str:
    """Return the policy of a node: find its peers, read its secrets, fetch the archive."""
    statements: list[Mapping[str, Any]] = [
        # Hazelcast asks for its members; EC2 knows no narrower resource for a Describe action.
        {"Sid": "FindMembers", "Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"},
        {
            "Sid": "ReadOwnSecrets",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": sorted(secret_arns),
        },
        {
            "Sid": "DecryptOwnSecrets",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}},
        },
    ]
    if archive_url.startswith("s3://"):
        place = archive_url.removeprefix("s3://").replace("{version}", "*")
        statements.append(
            {
                "Sid": "FetchArchive",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{place}",
            }
        )
    return _document(statements)


def _document(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
