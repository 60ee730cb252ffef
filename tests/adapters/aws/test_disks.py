"""Disks on AWS: which volumes count, what is sent, and what becomes of refusals and lost answers."""

from __future__ import annotations

import datetime as dt

import pytest

from automation.adapters.aws import tags
from automation.adapters.aws.backups import AwsBackups
from automation.adapters.aws.disks import AwsDisks
from automation.adapters.aws.session import Aws
from automation.adapters.aws.snapshots import other_account
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, SnapshotState
from automation.ports.errors import Conflict, Forbidden, NotFound, Refused, Unavailable, Unexpected
from automation.ports.vaults import Destination
from lab.aws.ports import Reply
from tests.contracts.safe_aws import attached, machine
from tests.lab.aws.estate import CLUSTER, pairs

SET = BackupSet(
    "20261121-100000-123", CLUSTER, Mode.LOCKED, SetState.PENDING, 1_700_000_000.0, "7.9.0", "näme; x", expected=("v",)
)


@pytest.fixture
def disks(lab) -> AwsDisks:
    return AwsDisks(Aws().caller(), CLUSTER)


def test_only_data_volumes_of_machines_that_keep_data(lab, disks):
    server, volumes = machine(lab, "file-server", 2)
    mesh, (mesh_volume,) = machine(lab, "mesh", 1)
    machine(lab, "node", 1)
    machine(lab, "drill", 1)
    machine(lab, "file-server", 1, cluster="another")
    found = disks.sources()
    assert {(s.id, s.role, s.group) for s in found} == {
        *((volume, "shared-home", server) for volume in volumes),
        (mesh_volume, "mesh", mesh),
    }
    home = next(s for s in found if s.id == volumes[0])
    assert dict(home.facts) == {
        "device": "/dev/sdf",
        "instance": server,
        "type": "gp3",
        "iops": "4000",
        "throughput": "250",
        "size_gib": "100",
    }
    assert home.size == 100 * 2**30


def test_a_machine_with_its_own_disk_only_is_none(lab, disks):
    machine(lab, "file-server", 0)
    with pytest.raises(NotFound, match=CLUSTER):
        disks.sources()


def test_one_call_for_each_machine_tags_and_all(lab, disks, faults):
    machine(lab, "file-server", 2)
    machine(lab, "mesh", 1)
    sources = disks.sources()
    faults.seen.clear()
    made = disks.begin(SET, sources)
    assert faults.seen == ["CreateSnapshots", "CreateSnapshots"]
    assert len(made) == 3
    written = {
        s["SnapshotId"]: tags.read(s["Tags"])
        for s in lab.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    }
    for snapshot in made:
        found = written[snapshot.id]
        assert found["Name"] == f"{CLUSTER} {SET.id} {snapshot.tags[labels.ROLE]}"
        assert found["bitbucket-dc:backup-set"] == SET.id
        assert found["bitbucket-dc:backup-state"] == "pending"
        assert found["bitbucket-dc:backup-name"] == "näme_ x"  # RDS refuses the semicolon; all members say the same
        assert found["bitbucket-dc:cluster"] == CLUSTER


def test_volumes_that_are_not_asked_for_are_left_out(lab, disks):
    machine(lab, "file-server", 3)
    sources = disks.sources()
    made = AwsDisks(Aws().caller(), CLUSTER).begin(SET, sources[:2])  # another process: it has not looked yet
    assert {s.source for s in made} == {s.id for s in sources[:2]}


def test_a_volume_that_has_gone_meanwhile_spoils_the_set(lab, disks):
    _, volumes = machine(lab, "file-server", 2)
    sources = disks.sources()
    lab.client("ec2").detach_volume(VolumeId=volumes[1])
    with pytest.raises(Conflict, match=volumes[1]):
        disks.begin(SET, sources)
    assert [s.source for s in disks.snapshots(SET.id)] == [volumes[0]]  # found, and so removed with the set


def test_a_volume_of_a_later_day_is_seen(lab, disks):
    server, _ = machine(lab, "file-server", 1)
    assert len(disks.sources()) == 1
    attached(lab, server, "/dev/sdh")
    assert len(disks.sources()) == 2


REFUSALS = {
    "SnapshotLimitExceeded": (Refused, "snapshot_quota"),
    "ConcurrentSnapshotLimitExceeded": (Refused, "snapshot_quota"),
    "SnapshotCreationPerVolumeRateExceeded": (Refused, "snapshot_quota"),
    "InvalidKmsKey.InvalidState": (Refused, "encryption_key"),
    "IncorrectState": (Conflict, None),
    "UnauthorizedOperation": (Forbidden, None),
    "InternalError": (Unavailable, None),
}


def test_refusals(lab, disks, faults):
    machine(lab, "file-server", 1)
    sources = disks.sources()
    faults.seen.clear()
    for code, (error, name) in REFUSALS.items():
        faults.refusals["CreateSnapshots"] = [Reply(500 if error is Unavailable else 400, code, "no")]
        with pytest.raises(error, match=code) as caught:
            disks.begin(SET, sources)
        assert getattr(caught.value, "name", None) == name
    assert faults.seen == ["CreateSnapshots"] * len(REFUSALS)  # each once: nobody knows whether it happened
    assert disks.snapshots(SET.id) == ()


def test_a_lost_answer_is_found_by_the_tags(lab, disks, faults):
    machine(lab, "file-server", 2)
    sources = disks.sources()
    faults.lost.append("CreateSnapshots")
    with pytest.raises(Unavailable):
        disks.begin(SET, sources)
    assert {s.source for s in disks.snapshots(SET.id)} == {s.id for s in sources}


def test_preflights_look_for_backups_sees_a_complete_set(lab, disks, wait):
    machine(lab, "file-server", 1)
    made = disks.begin(SET, disks.sources())
    wait(5)
    backups = AwsBackups(Aws().caller(), CLUSTER)
    assert backups.newest_complete() is None
    disks.label(made[0], SetState.COMPLETE)
    assert backups.newest_complete() == made[0].at


def test_copies_keep_source_role_and_original(lab, disks, wait):
    machine(lab, "file-server", 2)
    disks.begin(SET, disks.sources())
    wait(5)
    to = Destination("us-east-1")
    originals = disks.snapshots(SET.id)
    for original in originals:
        disks.copy(original, to, labels.of_set(SET))
    wait(5)
    there = AwsDisks(Aws("us-east-1").caller(), CLUSTER)  # after a disaster: this region only, nothing but tags
    found = there.snapshots(SET.id)
    assert {s.source for s in found} == {s.source for s in originals}
    assert {s.tags[labels.ROLE] for s in found} == {"shared-home"}
    assert all(s.region == "us-east-1" and s.encryption_key for s in found)
    (rebuilt,) = labels.rebuild(found)
    assert rebuilt.id == SET.id


def test_a_copy_beside_its_original_is_no_second_member(lab, disks, wait):
    machine(lab, "file-server", 1)
    disks.begin(SET, disks.sources())
    wait(5)
    (original,) = disks.snapshots(SET.id)
    disks.copy(original, Destination("eu-west-1"), labels.of_set(SET))
    assert disks.snapshots(SET.id) == (original,)
    assert [s.source for s in disks.copied(SET.id, Destination("eu-west-1"))] == [original.id]


ROLE = "arn:aws:iam::210987654321:role/backup"


def test_another_account_gets_its_share_and_copies_as_its_own_role(lab, disks, faults, wait):
    machine(lab, "file-server", 1)
    disks.begin(SET, disks.sources())
    wait(5)
    (original,) = disks.snapshots(SET.id)
    faults.refusals["CopySnapshot"] = [Reply(400, "InvalidKmsKey.InvalidState", "no")]
    faults.seen.clear()
    with pytest.raises(Refused) as caught:
        disks.copy(original, Destination("eu-west-1", role=ROLE), labels.of_set(SET))
    assert caught.value.name == "encryption_key"
    assert [a for a in faults.seen if a in {"AssumeRole", "ModifySnapshotAttribute", "CopySnapshot"}] == [
        "AssumeRole",
        "ModifySnapshotAttribute",
        "CopySnapshot",
    ]
    shared = lab.client("ec2").describe_snapshot_attribute(SnapshotId=original.id, Attribute="createVolumePermission")
    assert [one["UserId"] for one in shared["CreateVolumePermissions"]] == ["210987654321"]


def test_a_role_that_is_no_arn_is_refused(lab):
    with pytest.raises(Unexpected, match="backup"):
        other_account(Aws().caller(), Destination("eu-west-1", role="backup"))


def test_our_own_account_needs_no_share(lab):
    assert other_account(Aws().caller(), Destination("eu-west-1", role="arn:aws:iam::123456789012:role/x")) == ""


def test_credentials_of_a_role_are_taken_anew_before_they_run_out(lab, faults):
    caller = Aws().caller().at("eu-west-1", ROLE)
    assert caller.call("sts", "get_caller_identity")["Account"] == "210987654321"
    assert caller.call("sts", "get_caller_identity")["Account"] == "210987654321"
    assert faults.seen.count("AssumeRole") == 1
    credentials = caller._aws._session.get_credentials()
    credentials._expiry_time = dt.datetime.now(dt.UTC)
    assert caller.call("sts", "get_caller_identity")["Account"] == "210987654321"
    assert faults.seen.count("AssumeRole") == 2


def test_calls_elsewhere_count_too(lab, disks):
    before = disks.calls
    disks.copied(SET.id, Destination("us-east-1"))
    assert disks.calls == before + 1


def test_somebody_elses_snapshots_are_none_of_ours(lab, disks):
    _, (volume,) = machine(lab, "file-server", 1)
    ec2 = lab.client("ec2")
    specs = [{"ResourceType": "snapshot", "Tags": pairs({"bitbucket-dc:cluster": CLUSTER})}]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=specs)
    assert disks.snapshots() == ()


def test_another_account_has_a_copy_of_its_own_under_its_own_key(lab, disks, wait):
    machine(lab, "file-server", 1)
    disks.begin(SET, disks.sources())
    wait(5)
    (original,) = disks.snapshots(SET.id)
    there = Destination("eu-west-1", role=ROLE)
    disks.copy(original, there, labels.of_set(SET))
    wait(5)
    (copy,) = disks.copied(SET.id, there)
    assert (copy.source, copy.state) == (original.id, SnapshotState.COMPLETED)
    assert copy.encryption_key.split(":")[4] == "210987654321"
    assert disks.snapshots(SET.id) == (original,), "nothing more in this account"
