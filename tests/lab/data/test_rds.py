"""RDS with data: snapshots, restores, points in time; states and refusals. Plain boto3, as a stranger would use it."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.ports import Timings
from tests.lab.data.conftest import Lab, run

pytestmark = pytest.mark.lab
SNAPSHOT = {"DBSnapshotIdentifier": "s1", "DBInstanceIdentifier": "bb"}


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def rows(file: Path) -> list[Any]:
    assert run(file, "PRAGMA integrity_check") == [("ok",)]
    return [row[0] for row in run(file, "SELECT v FROM t ORDER BY rowid")]


def filled(lab: Lab, *values: int, **options: Any) -> Path:
    """A database with a table whose rows were there before it became one of RDS."""
    seed = lab.directory / "seed" / "db"
    seed.mkdir(parents=True)
    run(seed / "bitbucket.sqlite", "CREATE TABLE t (v INTEGER)")
    for value in values:
        run(seed / "bitbucket.sqlite", "INSERT INTO t VALUES (?)", value)
    return lab.database(**options)


def test_the_first_database_takes_the_seed_over_and_is_made_slowly(lab: Lab) -> None:
    file = filled(lab, 1, 2)
    assert rows(file) == [1, 2]
    assert not (lab.directory / "seed" / "db" / "bitbucket.sqlite").exists()
    assert (lab.directory / "databases" / "bb" / "bitbucket.sqlite").resolve() == file
    other = lab.database("other")
    assert run(other, "SELECT count(*) FROM sqlite_master WHERE name = 't'") == [(0,)]


def test_a_snapshot_is_of_the_moment_and_restores_exactly_that(lab: Lab) -> None:
    file = filled(lab, 1, CopyTagsToSnapshot=True, Tags=[{"Key": "cost", "Value": "one"}], DeletionProtection=True)
    made = lab.rds.create_db_snapshot(**SNAPSHOT)["DBSnapshot"]
    run(file, "INSERT INTO t VALUES (2)")
    now = dt.datetime.fromtimestamp(lab.clock.now(), dt.UTC)
    assert (made["Status"], made["PercentProgress"]) == ("creating", 0)
    assert made["SnapshotCreateTime"] == made["OriginalSnapshotCreateTime"]
    assert abs(made["SnapshotCreateTime"] - now) < dt.timedelta(seconds=0.01)
    assert made["TagList"] == [{"Key": "cost", "Value": "one"}]
    assert lab.status() == "backing-up"
    assert refusal(lab.rds.create_db_snapshot, **SNAPSHOT | {"DBSnapshotIdentifier": "s2"}) == "InvalidDBInstanceState"
    assert refusal(lab.rds.create_db_snapshot, **SNAPSHOT) == "DBSnapshotAlreadyExists"
    new = {"DBInstanceIdentifier": "new", "DBSnapshotIdentifier": "s1"}
    assert refusal(lab.rds.restore_db_instance_from_db_snapshot, **new) == "InvalidDBSnapshotState"
    assert refusal(lab.rds.delete_db_snapshot, DBSnapshotIdentifier="s1") == "InvalidDBSnapshotState"
    lab.wait(5)
    assert (lab.status(), lab.snapshot("s1")["PercentProgress"]) == ("available", 50)
    lab.wait(5)
    shown = lab.snapshot("s1")
    assert (shown["Status"], shown["PercentProgress"]) == ("available", 100)
    assert shown["SnapshotCreateTime"] == made["SnapshotCreateTime"]
    restored = lab.rds.restore_db_instance_from_db_snapshot(**new)["DBInstance"]
    assert restored["DBInstanceStatus"] == "creating"
    lab.wait(10)
    one, two = (lab.rds.describe_db_instances(DBInstanceIdentifier=n)["DBInstances"][0] for n in ("bb", "new"))
    assert two["DBInstanceStatus"] == "available"
    assert one["Endpoint"]["Address"] != two["Endpoint"]["Address"]
    assert one["DbiResourceId"] != two["DbiResourceId"]
    assert (one["DeletionProtection"], two["DeletionProtection"]) == (True, False)
    assert (rows(lab.file("new")), rows(file)) == ([1], [1, 2])
    assert refusal(lab.rds.restore_db_instance_from_db_snapshot, **new) == "DBInstanceAlreadyExists"


@pytest.mark.parametrize("state", ["creating", "stopped", "modifying"])
def test_only_an_available_database_is_snapshotted(lab: Lab, state: str) -> None:
    lab.database()
    if state == "creating":
        lab.database("late")
        lab.rds.delete_db_instance(DBInstanceIdentifier="late", SkipFinalSnapshot=True)
        lab.rds.create_db_instance(
            DBInstanceIdentifier="late", Engine="postgres", DBInstanceClass="db.m6g.large", AllocatedStorage=20,
            MasterUsername="bitbucket", MasterUserPassword="password1",
        )  # fmt: skip
    elif state == "stopped":
        lab.rds.stop_db_instance(DBInstanceIdentifier="bb")
    else:
        assert lab.world.databases.keep_busy("modifying", 3) == 1
    name = "late" if state == "creating" else "bb"
    assert lab.status(name) == state
    wanted = {"DBSnapshotIdentifier": "s1", "DBInstanceIdentifier": name}
    assert refusal(lab.rds.create_db_snapshot, **wanted) == "InvalidDBInstanceState"
    assert refusal(lab.rds.create_db_snapshot, **wanted | {"DBInstanceIdentifier": "nobody"}) == "DBInstanceNotFound"
    if state == "modifying":
        lab.wait(3)
        assert lab.rds.create_db_snapshot(**wanted)["DBSnapshot"]["Status"] == "creating"


def test_a_snapshot_that_begins_late_has_no_time_until_then(lab: Lab) -> None:
    file = filled(lab, 1)
    lab.world.timings = Timings(database=1.0, database_snapshot=10.0, database_snapshot_begins=3.0)
    made = lab.rds.create_db_snapshot(**SNAPSHOT)["DBSnapshot"]
    assert "SnapshotCreateTime" not in made
    run(file, "INSERT INTO t VALUES (2)")
    lab.wait(2)
    assert "SnapshotCreateTime" not in lab.snapshot("s1")
    lab.wait(2)
    run(file, "INSERT INTO t VALUES (3)")
    taken = lab.snapshot("s1")["SnapshotCreateTime"].timestamp()
    assert taken == pytest.approx(lab.clock.now() - 1, abs=0.6)
    lab.wait(6)
    lab.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="new", DBSnapshotIdentifier="s1")
    assert rows(lab.file("new")) == [1, 2]


def test_a_failing_snapshot(lab: Lab) -> None:
    lab.database()
    lab.trouble.once.add("database")
    lab.rds.create_db_snapshot(**SNAPSHOT)
    lab.wait(10)
    assert lab.snapshot("s1")["Status"] == "failed"
    new = {"DBInstanceIdentifier": "new", "DBSnapshotIdentifier": "s1"}
    assert refusal(lab.rds.restore_db_instance_from_db_snapshot, **new) == "InvalidDBSnapshotState"
    lab.rds.delete_db_snapshot(DBSnapshotIdentifier="s1")
    assert not (lab.directory / "database-snapshots" / "eu-west-1" / "s1").exists()


def test_the_limit_of_the_account(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.database()
    monkeypatch.setenv("MOTO_RDS_SNAPSHOT_LIMIT", "1")  # the automated one is there
    assert refusal(lab.rds.create_db_snapshot, **SNAPSHOT) == "SnapshotQuotaExceeded"


def test_a_copy_in_another_region_under_its_key(lab: Lab) -> None:
    filled(lab, 1, StorageEncrypted=True)
    there = lab.world.client("rds", region_name="eu-central-1")
    source = lab.rds.create_db_snapshot(**SNAPSHOT)["DBSnapshot"]["DBSnapshotArn"]
    wanted = {
        "SourceDBSnapshotIdentifier": source, "TargetDBSnapshotIdentifier": "s1", "SourceRegion": "eu-west-1",
        "CopyTags": True,
    }  # fmt: skip
    key = lab.world.client("kms", region_name="eu-central-1").create_key()["KeyMetadata"]["Arn"]
    ours = lab.world.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert refusal(there.copy_db_snapshot, **wanted, KmsKeyId=key) == "InvalidDBSnapshotState"
    lab.wait(10)
    assert refusal(there.copy_db_snapshot, **wanted) == "InvalidParameterCombination"
    assert refusal(there.copy_db_snapshot, **wanted, KmsKeyId=ours) == "KMSKeyNotAccessibleFault"
    lab.trouble.once.add("key")
    assert refusal(there.copy_db_snapshot, **wanted, KmsKeyId=key) == "KMSKeyNotAccessibleFault"
    made = there.copy_db_snapshot(**wanted, KmsKeyId=key)["DBSnapshot"]
    assert (made["Status"], made["KmsKeyId"], made["SourceRegion"]) == ("creating", key, "eu-west-1")
    assert made["OriginalSnapshotCreateTime"] == lab.snapshot("s1")["SnapshotCreateTime"]
    lab.wait(10)
    lab.rds.delete_db_snapshot(DBSnapshotIdentifier="s1")
    there.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="bb", DBSnapshotIdentifier="s1")
    assert rows(lab.file("bb.eu-central-1")) == [1]


def test_a_rename_keeps_the_data_and_its_users_and_frees_the_name(lab: Lab) -> None:
    file = filled(lab, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as user:
        user.execute("INSERT INTO t VALUES (2)")
        change = {"DBInstanceIdentifier": "bb", "ApplyImmediately": True}
        lab.database("taken")
        assert (
            refusal(lab.rds.modify_db_instance, **change, NewDBInstanceIdentifier="taken") == "DBInstanceAlreadyExists"
        )
        lab.rds.modify_db_instance(**change, NewDBInstanceIdentifier="bb-old")
        lab.database("bb")
        user.execute("INSERT INTO t VALUES (3)")
    assert rows(lab.file("bb-old")) == [1, 2, 3]
    assert run(lab.file("bb"), "SELECT count(*) FROM sqlite_master WHERE name = 't'") == [(0,)]
    shown = lab.rds.describe_db_instances(DBInstanceIdentifier="bb-old")["DBInstances"][0]
    assert shown["Endpoint"]["Address"].startswith("bb-old.")


def test_deleting(lab: Lab) -> None:
    filled(lab, 1, DeletionProtection=True)
    gone = {"DBInstanceIdentifier": "bb"}
    assert refusal(lab.rds.delete_db_instance, **gone, SkipFinalSnapshot=True) == "InvalidParameterCombination"
    lab.rds.modify_db_instance(**gone, DeletionProtection=False, ApplyImmediately=True)
    assert refusal(lab.rds.delete_db_instance, **gone) == "InvalidParameterCombination"
    lab.world.timings = Timings(database_snapshot_begins=30.0)
    lab.rds.delete_db_instance(**gone, FinalDBSnapshotIdentifier="last")
    assert lab.storage.database("bb") is None
    lab.wait(31)
    lab.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="bb", DBSnapshotIdentifier="last")
    assert rows(lab.file("bb")) == [1]
    lab.rds.delete_db_instance(DBInstanceIdentifier="bb", SkipFinalSnapshot=True)
    assert not any((lab.directory / "databases" / ".store").iterdir())


def test_a_point_in_time_is_exact_and_times_outside_are_refused(lab: Lab) -> None:
    file = filled(lab, 0)
    moments = []
    for value in range(1, 4):
        run(file, "INSERT INTO t VALUES (?)", value)
        time.sleep(0.005)
        moments.append(dt.datetime.now(dt.UTC))
        time.sleep(0.005)
    run(file, "DELETE FROM t WHERE v < 2")
    late = {"SourceDBInstanceIdentifier": "bb", "TargetDBInstanceIdentifier": "p"}
    lab.clock.seconds = time.time() + 20
    latest = lab.rds.describe_db_instances(DBInstanceIdentifier="bb")["DBInstances"][0]["LatestRestorableTime"]
    assert latest.timestamp() == pytest.approx(lab.clock.now() - 5, abs=0.01)
    restore = lab.rds.restore_db_instance_to_point_in_time
    for bad in (latest + dt.timedelta(seconds=1), moments[0] - dt.timedelta(days=1)):
        assert refusal(restore, **late, RestoreTime=bad) == "InvalidRestoreFault"
    assert refusal(restore, **late) == "InvalidParameterCombination"
    both = {"RestoreTime": moments[0], "UseLatestRestorableTime": True}
    assert refusal(restore, **late, **both) == "InvalidParameterCombination"
    for number, moment in enumerate(moments):
        name = f"p{number}"
        restore(**late | {"TargetDBInstanceIdentifier": name}, RestoreTime=moment)
        assert lab.status(name) == "creating"
        assert rows(lab.file(name)) == list(range(number + 2))
    restore(**late, UseLatestRestorableTime=True)
    assert rows(lab.file("p")) == [2, 3]
    assert rows(file) == [2, 3]


def test_no_point_in_time_without_backups(lab: Lab) -> None:
    lab.database(BackupRetentionPeriod=0)
    lab.wait(60)
    shown = lab.rds.describe_db_instances(DBInstanceIdentifier="bb")["DBInstances"][0]
    assert "LatestRestorableTime" not in shown
    wanted = {"SourceDBInstanceIdentifier": "bb", "TargetDBInstanceIdentifier": "p", "UseLatestRestorableTime": True}
    assert refusal(lab.rds.restore_db_instance_to_point_in_time, **wanted) == "PointInTimeRestoreNotEnabled"


def test_a_snapshot_under_load_is_one_moment(lab: Lab) -> None:
    """A writer commits pairs; every snapshot holds whole pairs, at least those that were committed before the call."""
    file = filled(lab)
    lab.world.timings = Timings()
    done, stop = [0], threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as db:
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT INTO t VALUES (?)", [(done[0] + 1,), (done[0] + 1,)])
                db.execute("COMMIT")
                done[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = done[0]
            lab.rds.create_db_snapshot(DBSnapshotIdentifier=f"u{number}", DBInstanceIdentifier="bb")
            after = done[0]
            lab.rds.restore_db_instance_from_db_snapshot(
                DBInstanceIdentifier=f"r{number}", DBSnapshotIdentifier=f"u{number}"
            )
            found = rows(lab.file(f"r{number}"))
            assert found == [value for pair in range(1, len(found) // 2 + 1) for value in (pair, pair)]
            assert before <= len(found) // 2 <= after + 1
    finally:
        stop.set()
        writer.join()
    assert done[0] > 5


def test_tags_and_sharing(lab: Lab) -> None:
    lab.database()
    lab.rds.create_db_snapshot(**SNAPSHOT, Tags=[{"Key": "set", "Value": "one"}])
    lab.rds.add_tags_to_resource(
        ResourceName=lab.snapshot("s1")["DBSnapshotArn"], Tags=[{"Key": "state", "Value": "ok"}]
    )
    assert {tag["Key"]: tag["Value"] for tag in lab.snapshot("s1")["TagList"]} == {"set": "one", "state": "ok"}
    share = {"AttributeName": "restore", "ValuesToAdd": ["999988887777"]}
    shared = lab.rds.modify_db_snapshot_attribute(DBSnapshotIdentifier="s1", **share)
    attributes = shared["DBSnapshotAttributesResult"]["DBSnapshotAttributes"]
    assert [one["AttributeValues"] for one in attributes] == [["999988887777"]]
