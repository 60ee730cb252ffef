"""Manifests in S3: which bucket, under which key, and what becomes of damaged ones."""

from __future__ import annotations

import json

import pytest

from automation.adapters.aws.manifests import S3Manifests, usual_name
from automation.adapters.aws.session import Aws
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.ports.errors import Forbidden, NotFound, Unexpected
from components.aws.backup_store import bucket_name
from lab.aws.ports import Reply
from tests.contracts.safe_aws import BUCKET, bucket
from tests.lab.aws.estate import CLUSTER

SET = BackupSet("20261121-100000-123", CLUSTER, Mode.LOCKED, SetState.PENDING, 1_700_000_000.0, name="näme")


@pytest.fixture
def manifests(lab) -> S3Manifests:
    return S3Manifests(Aws().caller(), CLUSTER)


@pytest.mark.parametrize("cluster", ["git", "bitbucket-dc-production", "a" + "-b" * 19])
def test_the_name_is_the_one_that_the_program_gives(cluster):
    for region in ("eu-west-1", "ap-southeast-2"):
        assert usual_name(cluster, "123456789012", region) == bucket_name(cluster, "123456789012", region)
        assert len(usual_name(cluster, "123456789012", region)) <= 63


def test_an_object_that_people_can_read(lab, manifests):
    bucket(lab)
    manifests.write(SET)
    found = lab.client("s3").get_object(Bucket=BUCKET, Key=f"sets/{CLUSTER}/{SET.id}.json")
    assert found["ContentType"] == "application/json"
    text = found["Body"].read().decode()
    assert json.loads(text)["name"] == "näme"
    assert "näme" in text
    assert manifests.place() == f"s3://{BUCKET}/sets/{CLUSTER}/"
    assert manifests.account() == ("123456789012", "eu-west-1")


def test_older_versions_stay(lab, manifests):
    bucket(lab)
    manifests.write(SET)
    manifests.write(SET)
    manifests.remove(SET.id)
    versions = lab.client("s3").list_object_versions(Bucket=BUCKET)
    assert len(versions["Versions"]) == 2
    assert len(versions["DeleteMarkers"]) == 1
    assert manifests.all() == ()


def test_a_bucket_of_another_name_is_found_by_its_tag(lab, manifests):
    bucket(lab, f"{CLUSTER}-elsewhere")
    bucket(lab, "somebody-elses", cluster="another")
    assert manifests.place().startswith(f"s3://{CLUSTER}-elsewhere/")


def test_a_bucket_of_the_settings_needs_no_tag(lab):
    lab.client("s3").create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    manifests = S3Manifests(Aws().caller(), CLUSTER, "mine")
    manifests.write(SET)
    assert manifests.read(SET.id) == SET


def test_no_bucket(lab, manifests):
    for call in (manifests.place, manifests.all, lambda: manifests.write(SET), lambda: manifests.read(SET.id)):
        with pytest.raises(NotFound) as caught:
            call()
        assert "BBDC_BACKUP__BUCKET" in caught.value.hint
    with pytest.raises(NotFound):
        S3Manifests(Aws().caller(), CLUSTER, "not-there").write(SET)


def test_several_buckets_are_not_guessed_among(lab, manifests):
    bucket(lab, f"{CLUSTER}-one")
    bucket(lab, f"{CLUSTER}-two")
    with pytest.raises(Unexpected, match=r"one.*two"):
        manifests.place()


def test_other_clusters_sets_are_not_listed(lab, manifests):
    bucket(lab)
    manifests.write(SET)
    other = S3Manifests(Aws().caller(), f"{CLUSTER}-2", BUCKET)
    assert other.all() == ()
    with pytest.raises(NotFound, match="bbdc backup list"):
        other.read(SET.id)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"schema": 99}'])
def test_a_damaged_manifest_is_named(lab, manifests, body):
    bucket(lab)
    lab.client("s3").put_object(Bucket=BUCKET, Key=f"sets/{CLUSTER}/{SET.id}.json", Body=body)
    for call in (manifests.all, lambda: manifests.read(SET.id)):
        with pytest.raises(Unexpected, match=SET.id) as caught:
            call()
        assert "versions" in caught.value.hint


def test_a_missing_right_is_named(lab, manifests, faults):
    bucket(lab)
    manifests.place()
    faults.refusals[f"PUT /{BUCKET}/sets/{CLUSTER}/{SET.id}.json"] = [Reply(403, "AccessDenied", "Access Denied")]
    with pytest.raises(Forbidden) as caught:
        manifests.write(SET)
    assert caught.value.right == "s3:PutObject"
