"""The database on AWS: which one is in use, its snapshot's one name, Aurora, refusals."""

from __future__ import annotations

import base64

import pytest

from automation.adapters.aws.rds import AwsDatabase
from automation.adapters.aws.rds_shapes import identifier
from automation.adapters.aws.session import Aws
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, SnapshotState
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable, Unexpected
from automation.ports.vaults import Destination
from lab.aws.ports import Reply
from tests.contracts.safe_aws import DATABASE, database
from tests.lab.aws.estate import CLUSTER, pairs, template_data

SET = BackupSet(
    "20261121-100000-123", CLUSTER, Mode.LOCKED, SetState.PENDING, 1_700_000_000.0, "7.9.0", expected=("v",)
)


@pytest.fixture
def vault(lab) -> AwsDatabase:
    return AwsDatabase(Aws().caller(), CLUSTER)


def point_nodes_at(estate, host: str) -> None:
    data = template_data("7.9.0", groups=(estate.security_group,))
    script = f"#!/bin/bash\nBITBUCKET_VERSION='7.9.0'\nDATABASE_HOST='{host}'\n"
    data["UserData"] = base64.b64encode(script.encode()).decode()
    made = estate.world.client("ec2").create_launch_template_version(
        LaunchTemplateId=estate.template, LaunchTemplateData=data
    )
    estate.world.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=estate.group,
        LaunchTemplate={
            "LaunchTemplateId": estate.template,
            "Version": str(made["LaunchTemplateVersion"]["VersionNumber"]),
        },
    )


def test_the_only_one_is_the_one(lab, vault, manual, wait):
    database(lab)
    wait(20)
    database(lab, "another", cluster="another")
    (source,) = vault.sources()
    assert (source.id, source.state, source.size) == (DATABASE, "available", 50 * 2**30)
    assert source.facts["engine"] == "postgres"
    assert source.facts["family"] == "instance"
    assert source.recoverable_until is not None
    assert manual.now() - source.recoverable_until < 3600


def test_without_automatic_backups_there_is_no_moment_to_recover_to(lab, vault):
    database(lab)
    lab.client("rds").modify_db_instance(DBInstanceIdentifier=DATABASE, BackupRetentionPeriod=0, ApplyImmediately=True)
    assert vault.sources()[0].recoverable_until is None


def test_of_several_generations_the_one_that_nodes_use(estate, lab, vault):
    first = database(lab)
    second = database(lab, f"{DATABASE}-march")
    for host, name in ((second, f"{DATABASE}-march"), (first, DATABASE)):
        point_nodes_at(estate, host)
        assert [s.id for s in vault.sources()] == [name]


def test_of_several_that_nobody_uses_none_is_guessed(estate, lab, vault):
    database(lab)
    database(lab, f"{DATABASE}-march")
    point_nodes_at(estate, "elsewhere.example.com")
    with pytest.raises(Unexpected, match=r"march.*elsewhere") as caught:
        vault.sources()
    assert "DATABASE_HOST" in caught.value.hint


def test_no_database(lab, vault):
    with pytest.raises(NotFound, match=CLUSTER):
        vault.sources()


def test_a_read_replica_is_no_source(lab, vault):
    database(lab)
    lab.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier="replica",
        SourceDBInstanceIdentifier=DATABASE,
        Tags=pairs({"bitbucket-dc:cluster": CLUSTER}),
    )
    assert [s.id for s in vault.sources()] == [DATABASE]


def test_names_that_rds_takes():
    assert identifier("git", "20261121-100000-123") == "bbdc-git-20261121-100000-123"
    assert identifier("Git--x_y", "A") == "bbdc-git-x-y-a"
    assert identifier("git", "a", copy=True) == "bbdc-git-a-copy"


def test_somebody_elses_snapshot_of_the_same_name_is_not_taken_for_ours(lab, vault):
    database(lab)
    lab.client("rds").create_db_snapshot(
        DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=identifier(CLUSTER, SET.id)
    )
    assert vault.snapshots(SET.id) == ()
    with pytest.raises(Conflict):
        vault.begin(SET, vault.sources())


def test_a_lost_answer_is_repeated_without_harm(lab, vault, faults):
    database(lab)
    sources = vault.sources()
    faults.lost.append("CreateDBSnapshot")
    with pytest.raises(Unavailable):
        vault.begin(SET, sources)
    found = vault.snapshots(SET.id)
    assert [s.source for s in found] == [DATABASE]
    assert vault.begin(SET, sources)[0].id == found[0].id


def test_under_the_lock_a_set_is_asked_for_by_name(lab, vault, faults):
    database(lab)
    vault.begin(SET, vault.sources())
    faults.seen.clear()
    assert len(vault.snapshots(SET.id)) == 1
    assert faults.seen == ["DescribeDBSnapshots"]


REFUSALS = {
    "SnapshotQuotaExceeded": (Refused, "snapshot_quota"),
    "KMSKeyNotAccessibleFault": (Refused, "encryption_key"),
    "InvalidDBInstanceState": (Conflict, None),
}


def test_refusals(lab, vault, faults):
    database(lab)
    sources = vault.sources()
    for code, (error, name) in REFUSALS.items():
        faults.refusals["CreateDBSnapshot"] = [Reply(400, code, "no")]
        with pytest.raises(error, match=code) as caught:
            vault.begin(SET, sources)
        assert getattr(caught.value, "name", None) == name


def test_copies_are_found_in_the_other_region_alone(lab, vault, wait):
    database(lab)
    vault.begin(SET, vault.sources())
    wait(1)
    (original,) = vault.snapshots(SET.id)
    to = Destination("us-east-1")
    vault.copy(original, to, labels.of_set(SET))
    wait(1)
    there = AwsDatabase(Aws("us-east-1").caller(), CLUSTER)
    (copy,) = there.snapshots(SET.id)
    assert (copy.source, copy.at, copy.tags[labels.ROLE]) == (DATABASE, original.at, "database")
    assert there.snapshots() == (copy,)
    assert vault.copied(SET.id, to)[0].source == original.id


def test_another_account_gets_its_share(lab, vault, faults, wait):
    database(lab)
    vault.begin(SET, vault.sources())
    wait(1)
    (original,) = vault.snapshots(SET.id)
    faults.refusals["CopyDBSnapshot"] = [Reply(400, "KMSKeyNotAccessibleFault", "no")]
    with pytest.raises(Refused, match="KMSKeyNotAccessible"):
        vault.copy(original, Destination("eu-west-1", role="arn:aws:iam::210987654321:role/backup"), labels.of_set(SET))
    shared = lab.client("rds").describe_db_snapshot_attributes(DBSnapshotIdentifier=original.id)
    attributes = shared["DBSnapshotAttributesResult"]["DBSnapshotAttributes"]
    assert [one["AttributeValues"] for one in attributes if one["AttributeName"] == "restore"] == [["210987654321"]]


def aurora(lab) -> None:
    rds = lab.client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="aurora",
        Engine="aurora-postgresql",
        MasterUsername="bitbucket",
        MasterUserPassword="not-a-secret-here",
        Tags=pairs({"bitbucket-dc:cluster": CLUSTER}),
    )
    rds.create_db_instance(
        DBInstanceIdentifier="aurora-1",
        DBClusterIdentifier="aurora",
        Engine="aurora-postgresql",
        DBInstanceClass="db.r5.large",
        Tags=pairs({"bitbucket-dc:cluster": CLUSTER}),
    )


def test_an_aurora_cluster(lab, vault, wait):
    aurora(lab)
    wait(1)
    (source,) = vault.sources()
    assert (source.id, source.facts["family"], source.problem) == ("aurora", "cluster", "")
    (made,) = vault.begin(SET, (source,))
    wait(1)
    (found,) = vault.snapshots(SET.id)
    assert (found.id, found.source, found.state) == (made.id, "aurora", SnapshotState.COMPLETED)
    assert vault.snapshots() == (found,)
    vault.label(found, SetState.COMPLETE)
    assert vault.snapshots(SET.id)[0].tags[labels.STATE] == "complete"
    copied = vault.copy(found, Destination("eu-west-1"), labels.of_set(SET))
    assert vault.copied(SET.id, Destination("eu-west-1")) == (copied,)
    vault.delete(found)
    assert [s.id for s in vault.snapshots(SET.id)] == [copied.id]  # the set's copy is all that is left of it


def test_another_account_has_a_copy_of_its_own(lab, vault, wait):
    database(lab)
    vault.begin(SET, vault.sources())
    wait(1)
    (original,) = vault.snapshots(SET.id)
    there = Destination("eu-west-1", role="arn:aws:iam::210987654321:role/backup")
    vault.copy(original, there, labels.of_set(SET))
    wait(1)
    assert [s.source for s in vault.copied(SET.id, there)] == [original.id]
    assert vault.snapshots(SET.id) == (original,)
