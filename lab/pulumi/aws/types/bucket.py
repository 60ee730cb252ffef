"""Buckets: Bucket, and what is said of one in resources of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.pulumi.aws import errors
from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws
from lab.pulumi.aws.tagging import tag_list, tag_map
from lab.pulumi.aws.types.iam import checked_document
from lab.pulumi.aws.values import Properties

_GONE = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
_HOME = "us-east-1"
"""The region in which S3 takes no location constraint."""


def _create_bucket(aws: Aws, inputs: Properties) -> str:
    where = {"LocationConstraint": aws.region} if aws.region != _HOME else None
    aws.call("s3", "CreateBucket", Bucket=inputs["bucket"], CreateBucketConfiguration=where)
    return str(inputs["bucket"])


def _tag_bucket(task: Task) -> None:
    """Write all tags: the service knows no change of single ones."""
    if tags := tag_list(task.news.get("tags")):
        task.aws.call("s3", "PutBucketTagging", Bucket=task.id, Tagging={"TagSet": tags})
    elif task.olds.get("tags"):
        task.aws.call("s3", "DeleteBucketTagging", Bucket=task.id)


def _tags(aws: Aws, bucket: str) -> dict[str, str]:
    try:
        return tag_map(aws.call("s3", "GetBucketTagging", Bucket=bucket)["TagSet"])
    except errors.CALL_ERRORS as error:
        if errors.code(error) != "NoSuchTagSet":
            raise
        return {}


def _read_bucket(aws: Aws, bucket: str, _: Properties) -> Properties | None:
    aws.call("s3", "HeadBucket", Bucket=bucket)
    region = aws.call("s3", "GetBucketLocation", Bucket=bucket).get("LocationConstraint") or _HOME
    return {
        "bucket": bucket,
        "arn": f"arn:aws:s3:::{bucket}",
        "bucketDomainName": f"{bucket}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{bucket}.s3.{region}.amazonaws.com",
        "bucketRegion": region,
        "tags": _tags(aws, bucket),
    }


def _delete_bucket(task: Task) -> None:
    if task.olds.get("forceDestroy"):
        _empty(task)
    task.aws.call("s3", "DeleteBucket", Bucket=task.id)


def _empty(task: Task) -> None:
    for kept in ("Versions", "DeleteMarkers"):
        for found in task.aws.pages("s3", "ListObjectVersions", kept, Bucket=task.id):
            task.aws.call("s3", "DeleteObject", Bucket=task.id, Key=found["Key"], VersionId=found["VersionId"])


BUCKET = ResourceType(
    type="aws:s3/bucket:Bucket",
    create=_create_bucket,
    finish=_tag_bucket,
    read=_read_bucket,
    delete=_delete_bucket,
    tagging=_tag_bucket,
    name=AutoName("bucket", limit=63, shape=str.lower),
    state_only=frozenset({"forceDestroy"}),
    defaults={"forceDestroy": False},
    gone=_GONE,
)


def _said_of_a_bucket(
    kind: str,
    properties: frozenset[str],
    put: Callable[[Aws, str, Properties], Any],
    read: Callable[[Aws, str], Properties | None],
    delete: Callable[[Aws, str], Any],
    **more: Any,
) -> ResourceType:
    """Describe a type that is one statement about a bucket: its id is the bucket's name."""

    def create(aws: Aws, inputs: Properties) -> str:
        put(aws, inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def shown(aws: Aws, bucket: str, _: Properties) -> Properties | None:
        found = read(aws, bucket)
        return None if found is None else {"bucket": bucket, **found}

    return ResourceType(
        type=f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}",
        create=create,
        read=shown,
        updates=[Update(properties, lambda task: put(task.aws, task.id, task.news))],
        delete=lambda task: delete(task.aws, task.id),
        replace_on=frozenset({"bucket"}),
        gone=_GONE,
        **more,
    )


def _put_versioning(aws: Aws, bucket: str, inputs: Properties) -> None:
    asked = inputs["versioningConfiguration"]
    aws.call("s3", "PutBucketVersioning", Bucket=bucket, VersioningConfiguration=capitalised(asked))


def _read_versioning(aws: Aws, bucket: str) -> Properties | None:
    found = aws.call("s3", "GetBucketVersioning", Bucket=bucket).get("Status")
    return {"versioningConfiguration": {"status": found}} if found else None


def _suspend_versioning(aws: Aws, bucket: str) -> None:
    """A bucket that had versions never is one without: they are only no longer made."""
    aws.call("s3", "PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


VERSIONING = _said_of_a_bucket(
    "BucketVersioning",
    frozenset({"versioningConfiguration"}),
    _put_versioning,
    _read_versioning,
    _suspend_versioning,
)
_SSE = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}
_DEFAULT = "applyServerSideEncryptionByDefault"


def _put_encryption(aws: Aws, bucket: str, inputs: Properties) -> None:
    rules = []
    for rule in inputs["rules"]:
        given = {_SSE[name]: value for name, value in (rule.get(_DEFAULT) or {}).items()}
        rules.append(
            {"ApplyServerSideEncryptionByDefault": given, "BucketKeyEnabled": rule.get("bucketKeyEnabled", False)}
        )
    aws.call("s3", "PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _read_encryption(aws: Aws, bucket: str) -> Properties | None:
    found = aws.call("s3", "GetBucketEncryption", Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    rules = []
    for rule in found:
        given = rule["ApplyServerSideEncryptionByDefault"]
        shown = {name: given[key] for name, key in _SSE.items() if given.get(key)}
        rules.append({_DEFAULT: shown, "bucketKeyEnabled": rule.get("BucketKeyEnabled", False)})
    return {"rules": rules}


ENCRYPTION = _said_of_a_bucket(
    "BucketServerSideEncryptionConfiguration",
    frozenset({"rules"}),
    _put_encryption,
    _read_encryption,
    lambda aws, bucket: aws.call("s3", "DeleteBucketEncryption", Bucket=bucket),
)
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _put_block(aws: Aws, bucket: str, inputs: Properties) -> None:
    asked = {name: inputs.get(name, False) for name in _BLOCKS}
    aws.call("s3", "PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration=capitalised(asked))


def _read_block(aws: Aws, bucket: str) -> Properties | None:
    found = aws.call("s3", "GetPublicAccessBlock", Bucket=bucket)["PublicAccessBlockConfiguration"]
    return dict(uncapitalised(found))


PUBLIC_ACCESS_BLOCK = _said_of_a_bucket(
    "BucketPublicAccessBlock",
    frozenset(_BLOCKS),
    _put_block,
    _read_block,
    lambda aws, bucket: aws.call("s3", "DeletePublicAccessBlock", Bucket=bucket),
    state_only=frozenset({"skipDestroy"}),
    defaults=dict.fromkeys(_BLOCKS, False),
)
POLICY = _said_of_a_bucket(
    "BucketPolicy",
    frozenset({"policy"}),
    lambda aws, bucket, inputs: aws.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=inputs["policy"]),
    lambda aws, bucket: {"policy": aws.call("s3", "GetBucketPolicy", Bucket=bucket)["Policy"]},
    lambda aws, bucket: aws.call("s3", "DeleteBucketPolicy", Bucket=bucket),
    documents=frozenset({"policy"}),
    check=checked_document("policy"),
)


def _put_lifecycle(aws: Aws, bucket: str, inputs: Properties) -> None:
    """Write the rules; one whose filter says nothing is for all objects, which the service wants to be told."""
    rules = []
    for rule in inputs["rules"]:
        given = capitalised({k: v for k, v in rule.items() if k != "id"})
        rules.append({**given, "ID": rule["id"], "Filter": given.get("Filter") or {"Prefix": ""}})
    aws.call("s3", "PutBucketLifecycleConfiguration", Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _read_lifecycle(aws: Aws, bucket: str) -> Properties | None:
    found = aws.call("s3", "GetBucketLifecycleConfiguration", Bucket=bucket)["Rules"]
    return {"rules": [{**uncapitalised({k: v for k, v in r.items() if k != "ID"}), "id": r.get("ID")} for r in found]}


LIFECYCLE = _said_of_a_bucket(
    "BucketLifecycleConfiguration",
    frozenset({"rules"}),
    _put_lifecycle,
    _read_lifecycle,
    lambda aws, bucket: aws.call("s3", "DeleteBucketLifecycle", Bucket=bucket),
)
