"""Where the manifests of backup sets are kept: a bucket that forgets nothing for a long time."""

import json

import pulumi
import pulumi_aws as aws

from components.naming import BUCKET_LIMIT, Estate, limited
from components.tokens import type_token

OLD_VERSIONS_DAYS = 400
"""Days for which an overwritten or deleted manifest can be had again: longer than a yearly set is the newest one."""
ABANDONED_DAYS = 7


class AwsBackupStore(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket."""

    bucket_name: pulumi.Output[str]
    """Name of the bucket."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        *,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsBackupStore"), name, {}, opts)
        self._name, self._inside = name, pulumi.ResourceOptions(parent=self)
        asking = pulumi.InvokeOutputOptions(parent=self)
        account = aws.get_caller_identity_output(opts=asking).account_id
        region = aws.get_region_output(opts=asking).region
        self.bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=pulumi.Output.all(account, region).apply(lambda at: bucket_name(estate.cluster, *at)),
            force_destroy=not estate.protect_data,
            tags=estate.tagged(f"{name}-bucket"),
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data),
        )
        self._keep()
        self._encrypt(key_arn)
        self._guard()
        self.bucket_name = self.bucket.bucket
        self.register_outputs({"bucketName": self.bucket_name})

    def _keep(self) -> None:
        """Keep overwritten and deleted manifests for a time, and nothing that an upload left half done."""
        versions = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self.bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._inside,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self.bucket.bucket,
            rules=[
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": ABANDONED_DAYS},
                }
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions]),
        )

    def _encrypt(self, key_arn: pulumi.Input[str]) -> None:
        by_default = {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self.bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": by_default, "bucket_key_enabled": True}],
            opts=self._inside,
        )

    def _guard(self) -> None:
        """Nobody outside, and nobody without TLS."""
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-public-access",
            bucket=self.bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._inside,
        )
        aws.s3.BucketPolicy(
            f"{self._name}-policy",
            bucket=self.bucket.bucket,
            policy=self.bucket.arn.apply(bucket_policy),
            # Two changes of a bucket's access at one time: S3 refuses the second.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )


def bucket_name(cluster: str, account: str, region: str) -> str:
    """Return the bucket's name: unique among all accounts, and found again by whoever knows the three."""
    ending = f"-backups-{account}-{region}"
    return f"{limited(cluster, BUCKET_LIMIT - len(ending))}{ending}"


def bucket_policy(arn: str) -> str:
    """Return the bucket's policy as JSON: what does not come over TLS is refused."""
    statement = {
        "Sid": "OnlyOverTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
