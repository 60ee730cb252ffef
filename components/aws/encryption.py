"""The key that everything at rest is encrypted with."""

import json

import pulumi
import pulumi_aws as aws

from components.naming import Estate
from components.tokens import type_token


class AwsEncryption(pulumi.ComponentResource):
    """One customer-managed key for disks, database, secrets, logs and alarms of an estate."""

    key_arn: pulumi.Output[str]
    """ARN of the key."""

    def __init__(self, name: str, estate: Estate, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AwsEncryption"), name, {}, opts)
        inside = pulumi.ResourceOptions(parent=self)
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        region = aws.get_region_output(opts=pulumi.InvokeOutputOptions(parent=self)).region
        key = aws.kms.Key(
            f"{name}-key",
            description=f"Data of {estate.cluster}",
            enable_key_rotation=True,
            deletion_window_in_days=30 if estate.protect_data else 7,
            policy=pulumi.Output.all(account, region).apply(lambda at: key_policy(*at)),
            tags=estate.tagged(f"{name}-key"),
            # Without the key every snapshot and every backup of the estate is lost, so it is data.
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data),
        )
        aws.kms.Alias(f"{name}-alias", name=f"alias/{estate.cluster}", target_key_id=key.key_id, opts=inside)
        self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})


def key_policy(account: str, region: str) -> str:
    """Return the key's policy as JSON.

    "Resource": "*" means this key, in a key policy; there is no other way to write it.
    """
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    statements = [
        {
            "Sid": "AdministeredByIamOfThisAccount",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            # As the cloud's own key for disks allows it: the auto-scaling service's role must be able to use the key,
            # and naming that role here fails in an account where it does not exist yet.
            "Sid": "DisksForWhoeverMayUseDisks",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [*use, "kms:CreateGrant"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": f"ec2.{region}.amazonaws.com"}
            },
        },
        {
            "Sid": "LogsOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": use,
            "Resource": "*",
            "Condition": {
                "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:log-group:*"}
            },
        },
        {
            # Alarms are silent when CloudWatch cannot encrypt for the topic.
            "Sid": "AlarmsToAnEncryptedTopic",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
