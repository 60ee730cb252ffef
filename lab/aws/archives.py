"""Bitbucket's installation archives as the lab has them: objects in S3 that can be found, for preflight to look at.

The lab's machines do not unpack them: what runs on a node is lab.bitbucket.node.
"""

from __future__ import annotations

from lab.aws.world import AwsWorld

BUCKET = "bitbucket-archives"
URL = f"s3://{BUCKET}/atlassian-bitbucket-{{version}}.tar.gz"
VERSIONS = (
    *(f"7.9.{fix}" for fix in range(10)),
    *(f"7.{minor}.0" for minor in (8, 10, 17, 21)),
    *(f"8.9.{fix}" for fix in range(10)),
    "8.19.0",
    "9.4.0",
)


def publish(world: AwsWorld) -> None:
    """Put one object for each version that can be had."""
    client = world.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for version in VERSIONS:
        body = f"The archive of Bitbucket {version}, as far as the lab needs it.\n".encode()
        client.put_object(Bucket=BUCKET, Key=f"atlassian-bitbucket-{version}.tar.gz", Body=body)
