"""Backups by the real command in a real lab: killed and stopped at its acts, under fire, restored, drilled, undone."""

import json
import signal
import subprocess
import sys
from datetime import datetime

import pytest

from lab.rescue import damage, shared_home
from lab.traffic.check import check
from lab.traffic.committers import read_pushes
from tests.e2e.conftest import BBDC, ROOT

pytestmark = pytest.mark.lab
LAB = ("--nodes", "2")
ENOUGH = 11
"""Pushes that a set is to hold for its content to say anything."""


def create_until(lab, name, wanted):
    """Take a set, and send ``wanted`` as soon as the act ``name`` is told; return the exit code and the last line."""
    process = subprocess.Popen(
        [*BBDC, "backup", "create", "--json"], cwd=ROOT, env=lab.env, stdout=subprocess.PIPE, stderr=sys.stderr,
        text=True,
    )  # fmt: skip
    line = "{}"
    with process.stdout:
        for line in process.stdout:
            record = json.loads(line).get("record") or {}
            if record.get("name") == name and process.poll() is None:
                process.send_signal(wanted)
    return process.wait(), json.loads(line)


def recover(lab):
    return json.loads(lab.bbdc("recover", "--json").stdout.splitlines()[-1])


def sets(lab):
    found = json.loads(lab.bbdc("backup", "list", "--json").stdout)
    return {each["id"]: each["state"] for each in found}


def is_open(lab):
    url = f"{lab.env['BITBUCKET_URL']}/status"
    return json.loads(lab.run("curl", "-s", url).stdout)["state"] == "RUNNING"


@pytest.fixture(scope="module", autouse=True)
def hurry(lab):
    lab.env |= {"BBDC_BACKUP__POLL": "1", "BBDC_RESTORE__POLL": "1"}


@pytest.mark.parametrize("act", ["lock", "drained", "begin_members", "unlock"])
def test_killed_after_an_act_the_next_one_frees_bitbucket_and_ends_the_set(lab, act):
    code, _ = create_until(lab, act, signal.SIGKILL)
    found = recover(lab)
    assert code == -signal.SIGKILL
    assert (found["owner"], found["locked_by_us"], found["orphans"]) == (None, False, [])
    assert is_open(lab)
    assert "pending" not in sets(lab).values()
    (ended,) = found["ended"]
    assert ended["outcome"]["ending"] == ("complete" if act in {"unlock", "label"} else "invalid")


@pytest.mark.parametrize(
    ("act", "wanted"),
    [("drained", signal.SIGTERM), ("begin_members", signal.SIGHUP)],
)
def test_a_signal_under_the_lock_unlocks_first_and_calls_the_set_invalid(lab, act, wanted):
    code, last = create_until(lab, act, wanted)
    assert is_open(lab)
    assert last["set"]["state"] == "invalid"
    assert last["outcome"]["reason"] == "interrupted"
    assert code == last["exit_code"] != 0


def test_under_fire_a_set_holds_exactly_what_was_acknowledged_and_a_restore_brings_it_back(lab):
    where = ("--dir", str(lab.directory))
    run = json.loads(
        lab.bbdc("lab", "traffic", "start", *where, "--rate", "5", "--clones", "0.5", "--pushes", "6", "--json").stdout
    )["run"]
    lab.pushed(run, at_least=ENOUGH)
    lab.bbdc("backup", "create", "--name", "good")
    lab.bbdc("backup", "create", "--zero-downtime", "--name", "open")
    traffic = json.loads(lab.bbdc("lab", "traffic", "stop", *where, "--json", check=False).stdout)
    assert (traffic["failed"], traffic["missing"]) == (0, []), json.dumps(traffic["failures"], indent=1)
    damage(lab.directory)
    before = shared_home(lab.directory)

    lab.bbdc("restore", "good", "--to", "march", "--yes")

    home = shared_home(lab.directory)
    drained = datetime.fromisoformat(manifest(lab, "good")["lock"]["drained"]).timestamp()
    pushes = read_pushes(lab.directory / "traffic" / run / "pushes.jsonl")
    seen = check(pushes, home / "data" / "repositories", drained)
    assert seen.good, (seen.missing, seen.later, seen.damaged)
    assert seen.acknowledged_before >= ENOUGH
    assert home != before
    assert is_open(lab)
    assert lab.status()["state"] == "STABLE"
    again = lab.run("pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert "unchanged" in again.stdout
    assert "disaster.recovery" not in (home / "bitbucket.properties").read_text()


@pytest.mark.parametrize("name", ["good", "open"])
def test_a_drill_finds_both_kinds_of_sets_good_and_leaves_nothing_behind(lab, name):
    lab.bbdc("drill", name)
    drilled = manifest(lab, name)["drilled"]
    assert drilled["passed"], drilled["findings"]
    assert left_of_drills(lab) == []


def test_a_zero_downtime_set_is_restored_at_the_disks_instant_and_undone(lab):
    lab.bbdc("restore", "open", "--to", "april", "--yes")
    instant = datetime.fromisoformat(manifest(lab, "open")["recover_to"]).timestamp()
    pushes = [p for run in (lab.directory / "traffic").glob("*/pushes.jsonl") for p in read_pushes(run)]
    seen = check(pushes, shared_home(lab.directory) / "data" / "repositories", instant)
    assert seen.good, (seen.missing, seen.later, seen.damaged)
    april = shared_home(lab.directory)
    lab.bbdc("restore", "--undo", "--yes")
    assert shared_home(lab.directory) != april
    assert is_open(lab)


def manifest(lab, name):
    return json.loads(lab.bbdc("backup", "show", name, "--json").stdout.splitlines()[-1])


def left_of_drills(lab):
    aws = lab.run(
        sys.executable, "-c",
        "import boto3, json;"
        "tags = boto3.client('resourcegroupstaggingapi').get_resources(TagFilters=[{'Key': 'bitbucket-dc:drill'}]);"
        "ec2 = boto3.client('ec2'); rds = boto3.client('rds');"
        "left = [v['VolumeId'] for v in ec2.describe_volumes("
        "Filters=[{'Name': 'tag-key', 'Values': ['bitbucket-dc:drill']}])['Volumes']];"
        "left += [d['DBInstanceIdentifier'] for d in rds.describe_db_instances()['DBInstances']"
        " if d['DBInstanceIdentifier'].startswith('bbdc-drill')];"
        "print(json.dumps(left))",
    )  # fmt: skip
    return json.loads(aws.stdout)
