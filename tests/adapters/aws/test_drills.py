"""Drills in the lab's AWS: places that come and go, and whole drills on real data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from automation.adapters.aws.drill_parts import database_name
from automation.adapters.aws.drills import AwsDrills
from automation.adapters.aws.session import Aws
from automation.adapters.aws.shell import AwsShell
from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.sets import BackupSet, Copy, SetState
from automation.core.restores.drills import DrillSettings
from automation.engine.restores.drill import Ground, clean, drill
from automation.ports.errors import NotFound, Refused, Unavailable, Unexpected
from lab.aws.world import ACCOUNT, REGION
from lab.sim.vaults import SimManifests
from tests.adapters.aws.conftest import Scripted
from tests.adapters.aws.drilling import DATABASE, PASSWORD, Drilling
from tests.contracts.aws import environment
from tests.lab.aws.estate import CLUSTER

SETTINGS = DrillSettings(sample=2, ready_timeout=300.0, check_timeout=60.0, close_timeout=300.0, poll=2.0)
_COUNT = itertools.count(1)


class Here(SimManifests):
    """Manifests of the lab's account and region."""

    def account(self) -> tuple[str, str]:
        return ACCOUNT, REGION


@pytest.fixture(scope="module")
def drilling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Drilling, BackupSet]]:
    """One estate for all tests here; each leaves it as it was."""
    made = Drilling(tmp_path_factory.mktemp("drilling"), Scripted())
    with made.world, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(made.world).items():
            patch.setenv(name, value)
        yield made, made.build()


@pytest.fixture
def lab(drilling: tuple[Drilling, BackupSet]) -> Iterator[Drilling]:
    made, _ = drilling
    before = made.everything()
    yield made
    made.faults.refusals.clear()
    made.faults.lost.clear()
    assert made.everything() == before


@pytest.fixture
def found(drilling: tuple[Drilling, BackupSet]) -> BackupSet:
    return drilling[1]


@pytest.fixture
def name() -> str:
    """A drill's id; no two are the same, and AWS would take a second use for a repetition."""
    return f"20261121-100000-000-{next(_COUNT):05}"


@pytest.fixture
def drills(lab: Drilling) -> AwsDrills:
    return AwsDrills(Aws().caller(), CLUSTER)


@pytest.fixture
def ground(lab: Drilling, drills: AwsDrills, found: BackupSet) -> Ground:
    return Ground(lab, drills, AwsShell(Aws().caller(), CLUSTER, lab), Here.holding((found,)))


def run(ground: Ground, found: BackupSet, said: list[str] | None = None) -> BackupSet:
    return drill(ground, SETTINGS, found.id, by="ada", say=(said if said is not None else []).append)


def verdicts(found: BackupSet) -> dict[str, Any]:
    assert found.drilled is not None
    return {finding.name: (finding.passed, finding.detail) for finding in found.drilled.findings}


def test_a_good_set_passes_and_nothing_is_left(ground: Ground, found: BackupSet) -> None:
    said: list[str] = []
    drilled = run(ground, found, said)
    assert drilled.was_drilled
    assert ground.manifests.read(found.id) == from_json(to_json(drilled))
    assert verdicts(drilled) == {
        "database_opens": (True, "1 projects, 0 users"),
        "row_counts": (True, "2 repositories; Bitbucket told 2 before and 2 after"),
        "directories": (True, "2 rows, 2 directories"),
        "references": (True, "2 read"),
        "git_fsck": (True, "2 repositories"),
    }
    assert drilled.drilled is not None
    assert 6 <= drilled.drilled.seconds < 40
    assert drilled.drilled.by == "ada"
    assert said[-1] == "everything of the drill is removed"
    assert not any(PASSWORD in line for line in said)
    assert ground.drills.leftovers() == ()


def test_a_set_to_a_moment_is_restored_to_it(lab: Drilling, ground: Ground, found: BackupSet) -> None:
    (database,) = lab.rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"]
    moment = replace(found, recover_to=database["LatestRestorableTime"].timestamp() - 1.0)
    ground.manifests.write(moment)
    assert run(ground, moment).was_drilled


def test_a_set_that_lacks_a_repository_does_not_pass_and_says_which(
    lab: Drilling, ground: Ground, found: BackupSet
) -> None:
    disk, database = found.members
    blank = lab.ec2.create_volume(AvailabilityZone="eu-west-1a", SnapshotId=disk.snapshot)["VolumeId"]
    lab.sleep(2)
    path = lab.storage.volumes.path(blank) / "shared/data/repositories"
    (path / "1").rename(path / "lost")
    (path / "2/refs/heads/main").write_text("rubbish\n")
    snapshot = lab.ec2.create_snapshot(VolumeId=blank)["SnapshotId"]
    lab.sleep(5)
    ground.manifests.write(replace(found, members=(replace(disk, snapshot=snapshot), database)))
    drilled = run(ground, found)
    assert not drilled.was_drilled
    failed = {name: detail for name, (passed, detail) in verdicts(drilled).items() if not passed}
    assert failed["directories"] == "no directory for 1"
    assert set(failed) == {"directories", "git_fsck"} | ({"references"} & set(failed))
    lab.ec2.delete_volume(VolumeId=blank)
    lab.ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_copy_in_this_region_is_what_is_restored(lab: Drilling, ground: Ground, found: BackupSet) -> None:
    ids = {member.snapshot: member.snapshot for member in found.members}
    copy = Copy(REGION, ACCOUNT, "", SetState.COMPLETE, ids, 0.0)
    members = tuple(replace(member, snapshot=f"there-{member.snapshot}") for member in found.members)
    there = replace(copy, members={f"there-{name}": name for name in ids})
    ground.manifests.write(replace(found, region="us-east-1", members=members, copies=(there,), recover_to=1.0))
    assert run(ground, found).was_drilled


def test_a_set_from_elsewhere_and_one_that_is_not_complete_are_refused(ground: Ground, found: BackupSet) -> None:
    for change, rule in (
        ({"region": "us-east-1"}, "same_region"),
        ({"state": SetState.PENDING}, "set_complete"),
        ({"members": found.members[:1]}, "set_whole"),
    ):
        ground.manifests.write(replace(found, **change))
        with pytest.raises(Refused) as refused:
            run(ground, found)
        assert refused.value.name == rule
    with pytest.raises(NotFound):
        drill(ground, SETTINGS, "unknown")


def test_what_is_waited_for_is_told_by_name(
    lab: Drilling, drills: AwsDrills, ground: Ground, found: BackupSet, name: str
) -> None:
    drills.open(name, found)
    detail = drills.look(name).detail
    assert "database creating" in detail
    assert "machine not running" in detail
    lab.sleep(2)
    drills.look(name)
    lab.sleep(2)
    assert drills.look(name).detail == "database creating"
    lab.sleep(20)
    place = drills.look(name)
    assert place.devices == ("sdf",)
    assert place.database_host.startswith(database_name(name))
    clean(ground, SETTINGS, name)


def test_nobody_gets_into_the_place(
    lab: Drilling, drills: AwsDrills, ground: Ground, found: BackupSet, name: str
) -> None:
    drills.open(name, found)
    filters = [{"Name": "tag:bitbucket-dc:drill", "Values": [name]}]
    (group,) = lab.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [group["GroupId"]]
    assert not rule["IpRanges"]
    (database,) = lab.rds.describe_db_instances(DBInstanceIdentifier=database_name(name))["DBInstances"]
    assert [each["VpcSecurityGroupId"] for each in database["VpcSecurityGroups"]] == [group["GroupId"]]
    clean(ground, SETTINGS, name)


@pytest.mark.parametrize(
    "action", ["CreateSecurityGroup", "CreateVolume", "RunInstances", "RestoreDBInstanceFromDBSnapshot"]
)
def test_a_lost_answer_ends_the_drill_and_leaves_nothing(
    lab: Drilling, ground: Ground, found: BackupSet, action: str
) -> None:
    lab.faults.lost.extend([action] * 3)
    with pytest.raises(Unavailable):
        run(ground, found)
    assert ground.drills.leftovers() == ()
    assert ground.manifests.read(found.id).drilled is None


def test_a_disk_that_cannot_be_made_ends_the_drill(
    lab: Drilling, ground: Ground, found: BackupSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ground.drills.look

    def spoiled(name: str) -> Any:
        with lab.world.lock:
            for volume in lab.world.backend("ec2").volumes.values():
                if any(tag["value"] == name for tag in volume.get_tags()):
                    volume.lab_status = "error"
        return look(name)

    monkeypatch.setattr(ground.drills, "look", spoiled)
    with pytest.raises(Unexpected, match="volumes could not be made from their snapshots: vol-"):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_a_database_that_fails_ends_the_drill(
    lab: Drilling, ground: Ground, found: BackupSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ground.drills.look

    def spoiled(name: str) -> Any:
        with lab.world.lock:
            lab.world.backend("rds").databases[database_name(name)].status = "incompatible-restore"
        return look(name)

    monkeypatch.setattr(ground.drills, "look", spoiled)
    with pytest.raises(Unexpected, match="the restored database is incompatible-restore"):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_a_snapshot_that_is_gone_ends_the_drill(ground: Ground, found: BackupSet) -> None:
    members = (found.members[0], replace(found.members[1], snapshot="gone"))
    ground.manifests.write(replace(found, members=members))
    with pytest.raises(NotFound):
        run(ground, found)


def test_sizes_can_be_chosen(lab: Drilling, ground: Ground, found: BackupSet, name: str) -> None:
    small = AwsDrills(Aws().caller(), CLUSTER, instance_type="t3.small", database_class="db.t3.small")
    small.open(name, found)
    filters = [{"Name": "tag:bitbucket-dc:drill", "Values": [name]}]
    (machine,) = [i for r in lab.ec2.describe_instances(Filters=filters)["Reservations"] for i in r["Instances"]]
    (database,) = lab.rds.describe_db_instances(DBInstanceIdentifier=database_name(name))["DBInstances"]
    assert (machine["InstanceType"], database["DBInstanceClass"]) == ("t3.small", "db.t3.small")
    clean(ground, SETTINGS, name)
