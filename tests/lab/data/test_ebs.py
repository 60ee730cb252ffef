"""EBS with data: what a snapshot holds, its states, and every refusal. Plain boto3, as a stranger would use it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.ports import Storage
from tests.lab.data.conftest import Lab, Meanwhile

pytestmark = pytest.mark.lab


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_the_storage_is_one(lab: Lab) -> None:
    storage: Storage = lab.storage
    assert storage is lab.world.storage


def test_others_are_answered_while_a_volume_is_copied(lab: Lab) -> None:
    """They see its snapshot already, tagged and pending; one that they delete is gone, and what it held with it."""
    volume = lab.volume()
    (lab.path(volume) / "file").write_text("held")

    def show() -> list[str]:
        return [one["State"] for one in of_the_set()]

    def delete() -> list[str]:
        return [lab.ec2.delete_snapshot(SnapshotId=one["SnapshotId"]) and one["State"] for one in of_the_set()]

    def of_the_set() -> list[Any]:
        return list(lab.ec2.describe_snapshots(Filters=[{"Name": "tag:set", "Values": ["s1"]}])["Snapshots"])

    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "set", "Value": "s1"}]}]
    for ask, seen in ((show, ["pending"]), (delete, ["pending", "pending"])):
        lab.storage.still.around = meanwhile = Meanwhile(ask)
        lab.ec2.create_snapshot(VolumeId=volume, TagSpecifications=tags)
        assert meanwhile.seen == [seen]
    assert of_the_set() == []
    assert list((lab.directory / "snapshots").iterdir()) == []


def test_a_snapshot_is_of_the_moment_of_the_call_and_a_volume_from_it_holds_exactly_that(lab: Lab) -> None:
    server = lab.machine()
    volume = lab.volume(
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "cost", "Value": "one"}]}], Encrypted=True
    )
    lab.attach(volume, server)
    (lab.path(volume) / "file").write_text("before")
    (lab.path(volume) / "link").symlink_to("file")
    made = lab.ec2.create_snapshots(
        InstanceSpecification={"InstanceId": server, "ExcludeBootVolume": True}, Description="a set",
        CopyTagsFromSource="volume",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "set", "Value": "s1"}]}],
    )["Snapshots"][0]  # fmt: skip
    (lab.path(volume) / "file").write_text("after")
    assert (made["State"], made["VolumeId"], made["VolumeSize"], made["Encrypted"]) == ("pending", volume, 10, True)
    assert {tag["Key"]: tag["Value"] for tag in made["Tags"]} == {"cost": "one", "set": "s1"}
    assert made["OwnerId"]
    assert abs(made["StartTime"] - dt.datetime.fromtimestamp(lab.clock.now(), dt.UTC)) < dt.timedelta(seconds=0.01)
    assert made["StartTime"].microsecond % 1000 == 0
    assert (
        refusal(lab.ec2.create_volume, AvailabilityZone="eu-west-1a", SnapshotId=made["SnapshotId"]) == "IncorrectState"
    )
    lab.wait(5)
    assert lab.disk_snapshot(made["SnapshotId"])["Progress"] == "50%"
    lab.wait(5)
    found = lab.disk_snapshot(made["SnapshotId"])
    assert (found["State"], found["Progress"], found["StartTime"]) == ("completed", "100%", made["StartTime"])
    restored = lab.volume(SnapshotId=made["SnapshotId"])
    assert (lab.path(restored) / "file").read_text() == "before"
    assert (lab.path(restored) / "link").is_symlink()
    shown = lab.ec2.describe_volumes(VolumeIds=[restored, volume])["Volumes"]
    assert {(one["Encrypted"], one["KmsKeyId"], one["Size"]) for one in shown} == {(True, found["KmsKeyId"], 10)}
    (lab.path(restored) / "file").write_text("damaged")
    again = lab.volume(SnapshotId=made["SnapshotId"])
    assert (lab.path(again) / "file").read_text() == "before"


def test_sizes_states_and_places_are_checked(lab: Lab) -> None:
    ec2, server, volume = lab.ec2, lab.machine(), lab.volume()
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    lab.wait(10)
    small = {"AvailabilityZone": "eu-west-1a", "SnapshotId": snapshot, "Size": 9}
    assert refusal(ec2.create_volume, **small) == "InvalidParameterValue"
    assert refusal(ec2.modify_volume, VolumeId=volume, Size=9) == "InvalidParameterValue"
    there = {"InstanceId": server, "Device": "/dev/sdf"}
    young = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
    assert ec2.describe_volumes(VolumeIds=[young])["Volumes"][0]["State"] == "creating"
    assert refusal(ec2.attach_volume, VolumeId=young, **there) == "IncorrectState"
    assert refusal(ec2.detach_volume, VolumeId=young) == "IncorrectState"
    away = ec2.create_volume(AvailabilityZone="eu-west-1b", Size=1)["VolumeId"]
    lab.wait(1)
    assert refusal(ec2.attach_volume, VolumeId=away, **there) == "InvalidVolume.ZoneMismatch"
    lab.attach(volume, server)
    assert refusal(ec2.attach_volume, VolumeId=volume, InstanceId=server, Device="/dev/sdg") == "VolumeInUse"
    assert refusal(ec2.attach_volume, VolumeId=young, **there) == "InvalidParameterValue"
    assert refusal(ec2.detach_volume, VolumeId=volume, Device="/dev/sdx") == "InvalidAttachment.NotFound"
    assert refusal(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"


def test_detaching_and_attaching_pass_through_states_and_keep_the_data(lab: Lab) -> None:
    ec2, one, two, volume = lab.ec2, lab.machine(), lab.machine(), lab.volume()
    (lab.path(volume) / "file").write_text("here")
    assert ec2.attach_volume(VolumeId=volume, InstanceId=one, Device="/dev/sdf")["State"] == "attaching"
    found = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [one]}, {"Name": "size", "Values": ["10"]}]
    )
    assert [(v["State"], v["Attachments"][0]["State"]) for v in found["Volumes"]] == [("in-use", "attaching")]
    lab.wait(1)
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["State"] == "attached"
    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["State"] == "detaching"
    lab.wait(1)
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    assert dict(lab.storage.attached(one)) == {}
    lab.attach(volume, two)
    assert (lab.storage.attached(two)["/dev/sdf"] / "file").read_text() == "here"
    ec2.terminate_instances(InstanceIds=[two])
    lab.wait(1)
    assert dict(lab.storage.attached(two)) == {}
    ec2.delete_volume(VolumeId=volume)
    assert not lab.path(volume).exists()


def test_a_volume_is_made_once_for_one_token(lab: Lab) -> None:
    made = {lab.volume(ClientToken="same") for _ in range(2)}
    assert len(made) == 1


def test_too_many_pending_snapshots_of_one_volume_and_deletion(lab: Lab) -> None:
    volume, ec2 = lab.volume(), lab.ec2
    made = [ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(5)]
    assert refusal(ec2.create_snapshot, VolumeId=volume) == "ConcurrentSnapshotLimitExceeded"
    ec2.delete_snapshot(SnapshotId=made[0])
    assert not (lab.directory / "snapshots" / made[0]).exists()
    assert (lab.directory / "snapshots" / made[1]).is_dir()
    assert refusal(ec2.delete_snapshot, SnapshotId=made[0]) == "InvalidSnapshot.NotFound"
    assert ec2.create_snapshot(VolumeId=volume)["State"] == "pending"


def test_a_failing_snapshot_ends_in_error_and_a_slow_one_late(lab: Lab) -> None:
    volume = lab.volume()
    lab.trouble.once.add("volume")
    failing = lab.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    lab.trouble.delay = 20.0
    slow = lab.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    lab.wait(10)
    assert lab.disk_snapshot(failing)["State"] == "error"
    assert lab.disk_snapshot(failing)["StateMessage"]
    assert refusal(lab.ec2.create_volume, AvailabilityZone="eu-west-1a", SnapshotId=failing) == "IncorrectState"
    assert lab.disk_snapshot(slow)["State"] == "pending"
    lab.wait(20)
    assert lab.disk_snapshot(slow)["State"] == "completed"
    lab.ec2.delete_snapshot(SnapshotId=failing)


def test_a_full_disk_leaves_no_snapshot_behind(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = lab.volume()
    (lab.directory / "snapshots").write_text("in the way")
    assert refusal(lab.ec2.create_snapshot, VolumeId=volume) == "InternalFailure"
    assert lab.ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"] == []


def test_a_copy_in_another_region_under_its_key(lab: Lab) -> None:
    volume = lab.volume(Encrypted=True)
    (lab.path(volume) / "file").write_text("copied")
    source = lab.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    there = lab.world.client("ec2", region_name="eu-central-1")
    wanted = {"SourceRegion": "eu-west-1", "SourceSnapshotId": source, "Encrypted": True}
    assert refusal(there.copy_snapshot, **wanted) == "IncorrectState"
    lab.wait(10)
    key = lab.world.client("kms", region_name="eu-central-1").create_key()["KeyMetadata"]["Arn"]
    ours = lab.world.client("kms").create_key()["KeyMetadata"]["Arn"]
    copy = there.copy_snapshot(KmsKeyId=key, **wanted)["SnapshotId"]
    wrong = there.copy_snapshot(KmsKeyId=ours, **wanted)["SnapshotId"]
    lab.trouble.once.add("key")
    denied = there.copy_snapshot(KmsKeyId=key, **wanted)["SnapshotId"]
    shown = lab.disk_snapshot(copy, region_name="eu-central-1")
    assert (shown["State"], shown["Encrypted"], shown["KmsKeyId"]) == ("pending", True, key)
    lab.wait(10)
    found = there.describe_snapshots(SnapshotIds=[copy, wrong, denied])["Snapshots"]
    assert {one["SnapshotId"]: one["State"] for one in found} == {copy: "completed", wrong: "error", denied: "error"}
    assert {one.get("StateMessage") for one in found} == {None, "Given key ID is not accessible"}
    lab.ec2.delete_snapshot(SnapshotId=source)
    made = there.create_volume(AvailabilityZone="eu-central-1a", SnapshotId=copy)["VolumeId"]
    assert (lab.path(made) / "file").read_text() == "copied"
    plain = lab.ec2.create_snapshot(VolumeId=lab.volume())["SnapshotId"]
    lab.wait(10)
    unasked = {"SourceRegion": "eu-west-1", "SourceSnapshotId": plain, "KmsKeyId": ours}
    assert refusal(lab.ec2.copy_snapshot, **unasked) == "InvalidParameterDependency"


def test_a_restored_volume_whose_key_is_denied_is_in_error(lab: Lab) -> None:
    snapshot = lab.ec2.create_snapshot(VolumeId=lab.volume(Encrypted=True))["SnapshotId"]
    lab.wait(10)
    lab.trouble.once.add("key")
    volume = lab.volume(SnapshotId=snapshot)
    assert lab.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "error"


def test_the_first_blank_volume_of_a_file_server_takes_the_seed_over(lab: Lab) -> None:
    (lab.directory / "seed" / "shared").mkdir(parents=True)
    (lab.directory / "seed" / "shared" / "file").write_text("seeded")
    server, tags = (
        lab.machine(),
        [{"ResourceType": "volume", "Tags": [{"Key": "bitbucket-dc:role", "Value": "file-server"}]}],
    )
    other, first, second = lab.volume(), lab.volume(TagSpecifications=tags), lab.volume(TagSpecifications=tags)
    for volume, device in ((other, "/dev/sdg"), (first, "/dev/sdf"), (second, "/dev/sdh")):
        lab.attach(volume, server, device)
    assert (lab.path(first) / "shared" / "file").read_text() == "seeded"
    assert [list(lab.path(volume).iterdir()) for volume in (other, second)] == [[], []]
    assert not (lab.directory / "seed" / "shared").exists()


def test_sharing_is_kept(lab: Lab) -> None:
    snapshot = lab.ec2.create_snapshot(VolumeId=lab.volume())["SnapshotId"]
    grant = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": ["999988887777"]}
    lab.ec2.modify_snapshot_attribute(SnapshotId=snapshot, **grant)
    found = lab.ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert found["CreateVolumePermissions"] == [{"UserId": "999988887777"}]
