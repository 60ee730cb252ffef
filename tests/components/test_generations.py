"""Generations of data in the declared estate: made beside each other, one of them in use, none ever overwritten."""

from typing import Any

import pytest

from components.aws.cluster import AwsBitbucketCluster
from tests.components.recorder import record

VOLUME = "aws:ebs/volume:Volume"
DATABASE = "aws:rds/instance:Instance"
MARCH = {"home_snapshots": ["snap-0123456789abcdef0"], "database_snapshot": "bitbucket-20260301"}
APRIL = {
    "home_snapshots": ["snap-0fedcba9876543210"],
    "database_source": "bitbucket-database",
    "database_time": "2026-04-01T10:00:00.000Z",
}
BOTH = {"march": MARCH, "april": APRIL}


def build(name="bitbucket", **data):
    args: Any = {"version": "7.9.0", "insecure_http": True, "data": data}
    return record(lambda: AwsBitbucketCluster(name, args))


def of(estate, token):
    return {r.name: r for r in estate.resources if r.type == token}


@pytest.fixture(scope="module")
def first():
    return build()


@pytest.fixture(scope="module")
def restored():
    return build(active="march", generations=BOTH)


def test_an_estate_without_generations_is_what_it_always_was(first):
    assert list(of(first, VOLUME)) == ["bitbucket-shared-home-volume"]
    assert list(of(first, DATABASE)) == ["bitbucket-database-instance"]
    assert of(first, VOLUME)["bitbucket-shared-home-volume"].inputs["tags"]["bitbucket-dc:generation"] == "original"


def test_further_generations_stand_beside_the_first_one(restored):
    assert set(of(restored, VOLUME)) == {f"bitbucket-shared-home-volume{s}" for s in ("", "-march", "-april")}
    databases = of(restored, DATABASE)
    assert set(databases) == {f"bitbucket-database-instance{s}" for s in ("", "-march", "-april")}
    identifiers = {d.inputs["identifier"] for d in databases.values()}
    assert identifiers == {"bitbucket-database", "bitbucket-database-march", "bitbucket-database-april"}
    assert len({g.inputs["name"] for g in restored.of("LogGroup")}) == 3


def test_making_one_changes_nothing_of_the_first(first):
    """Only when it is active does anything else follow."""
    before = {r.urn: r.inputs for r in first.resources}
    beside = {r.urn: r.inputs for r in build(generations=BOTH).resources}
    assert {urn for urn, inputs in before.items() if _settled(beside[urn]) != _settled(inputs)} == set()


def _settled(inputs):
    """Leave out passwords: each recording generates its own, which the cloud ignores."""
    return {key: value for key, value in inputs.items() if key not in {"password", "secretString"}}


def test_volumes_are_made_from_their_snapshots_and_of_the_size_of_the_first(restored):
    volumes = of(restored, VOLUME)
    made = {name: volume.inputs.get("snapshotId") for name, volume in volumes.items()}
    assert made == {
        "bitbucket-shared-home-volume": None,
        "bitbucket-shared-home-volume-march": "snap-0123456789abcdef0",
        "bitbucket-shared-home-volume-april": "snap-0fedcba9876543210",
    }
    for volume in volumes.values():
        assert (volume.inputs["size"], volume.inputs["encrypted"]) == (200, True)
        assert volume.inputs["kmsKeyId"] == "arn:aws:mock:bitbucket-encryption-key"


def test_databases_are_made_from_a_snapshot_or_from_a_moment(restored):
    databases = of(restored, DATABASE)
    march = databases["bitbucket-database-instance-march"].inputs
    april = databases["bitbucket-database-instance-april"].inputs
    assert march["snapshotIdentifier"] == "bitbucket-20260301"
    assert april["restoreToPointInTime"] == {
        "sourceDbInstanceIdentifier": "bitbucket-database",
        "restoreTime": "2026-04-01T10:00:00.000Z",
    }
    for made in (march, april):
        assert not {"username", "dbName", "allocatedStorage", "kmsKeyId"} & set(made)  # RDS takes them from the source
        assert made["password"]
    assert not {"snapshotIdentifier", "restoreToPointInTime"} & set(databases["bitbucket-database-instance"].inputs)


def test_all_databases_stand_in_the_same_place(restored):
    places = [
        tuple(
            map(str, (d.inputs["dbSubnetGroupName"], d.inputs["vpcSecurityGroupIds"], d.inputs["parameterGroupName"]))
        )
        for d in of(restored, DATABASE).values()
    ]
    assert len(places) == 3
    assert len(set(places)) == 1


def test_each_says_which_generation_it_holds(restored):
    for token in (VOLUME, DATABASE):
        tagged = {name: r.inputs["tags"]["bitbucket-dc:generation"] for name, r in of(restored, token).items()}
        assert all(name.endswith(f"-{tag}") or tag == "original" for name, tag in tagged.items())
        assert set(tagged.values()) == {"original", "march", "april"}


def test_the_active_one_is_attached_used_watched_and_named(restored):
    assert restored.one("VolumeAttachment").inputs["volumeId"] == "bitbucket-shared-home-volume-march-id"
    watched = {d for a in restored.of("MetricAlarm") if (d := a.inputs["dimensions"].get("DBInstanceIdentifier"))}
    assert watched == {"bitbucket-database-march"}
    (outputs,) = restored.outputs[restored.one("AwsBitbucketCluster").urn]
    assert outputs["databaseIdentifier"] == "bitbucket-database-march"
    assert outputs["volumeIds"] == ["bitbucket-shared-home-volume-march-id"]


def test_nodes_are_told_of_the_active_database_and_nothing_else_of_them_changes():
    hosts = {}
    for active in ("original", "march"):
        estate = build(active=active, generations=BOTH)
        text = estate.user_data()
        (hosts[active],) = [line for line in text.splitlines() if line.startswith("DATABASE_HOST=")]
    assert hosts == {
        "original": "DATABASE_HOST='bitbucket-database.db.example'",
        "march": "DATABASE_HOST='bitbucket-database-march.db.example'",
    }


def test_a_swap_changes_the_attachment_the_template_and_the_alarms(first, restored):
    before = {r.urn: r.inputs for r in build(generations=BOTH).resources}
    after = {r.urn: r.inputs for r in restored.resources}
    changed = {
        urn.rpartition("::")[2] for urn in before.keys() & after if _settled(before[urn]) != _settled(after[urn])
    }
    assert changed == {
        "bitbucket-shared-home-attachment",
        "bitbucket-nodes-template",
        "bitbucket-alarms-database-storage",
        "bitbucket-alarms-database-cpu",
        "bitbucket-alarms-database-connections",
    }
    assert {urn.rpartition("::")[2] for urn in after.keys() - before} == {"bitbucket-shared-home-running-march"}


def test_the_file_server_runs_again_after_the_volume_was_changed(restored):
    running = restored.one("InstanceState", "-march")
    assert running.inputs == {"instanceId": "bitbucket-shared-home-server-id", "state": "running"}
    assert restored.one("VolumeAttachment").urn in running.dependencies


def test_no_later_change_of_the_configuration_replaces_data(restored):
    for volume in of(restored, VOLUME).values():
        assert {"snapshotId", "availabilityZone"} <= set(volume.ignored)
    for name, database in of(restored, DATABASE).items():
        if name != "bitbucket-database-instance":
            assert set(database.ignored) == {"snapshotIdentifier", "restoreToPointInTime"}


def test_all_generations_are_protected(restored):
    assert all(r.protect for token in (VOLUME, DATABASE) for r in of(restored, token).values())
    assert all(d.inputs["deletionProtection"] for d in of(restored, DATABASE).values())


def test_lifting_the_protection_of_one_leaves_the_others_protected():
    estate = build(active="march", generations={"march": MARCH}, unprotected=["original"])
    protected = {name: r.protect for token in (VOLUME, DATABASE) for name, r in of(estate, token).items()}
    assert protected == {
        "bitbucket-shared-home-volume": False,
        "bitbucket-shared-home-volume-march": True,
        "bitbucket-database-instance": False,
        "bitbucket-database-instance-march": True,
    }
    lifted = of(estate, DATABASE)["bitbucket-database-instance"].inputs
    assert (lifted["deletionProtection"], lifted["skipFinalSnapshot"]) == (False, False)


def test_a_retired_generation_is_no_longer_declared():
    """Also how a copy of an estate begins: with data from a set, and no blank data beside it."""
    estate = build(active="march", generations={"march": MARCH}, retired=["original"])
    assert list(of(estate, VOLUME)) == ["bitbucket-shared-home-volume-march"]
    assert list(of(estate, DATABASE)) == ["bitbucket-database-instance-march"]


def test_the_longest_names_fit_and_stay_apart():
    names = ["a" * 20, "a" * 19 + "b"]
    estate = build("b" * 40, active=names[0], generations=dict.fromkeys(names, MARCH))
    identifiers = {d.inputs["identifier"] for d in of(estate, DATABASE).values()}
    assert len(identifiers) == 3
    assert all(len(i) <= 63 and "--" not in i and not i.endswith("-") for i in identifiers)
