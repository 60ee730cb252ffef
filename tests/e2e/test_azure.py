"""Azure, a whole lab by the real command: a set under fire, an accident, a restore killed on its way, a drill, undo."""

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
from tests.e2e.test_backups import ENOUGH, is_open, manifest

pytestmark = pytest.mark.lab
LAB = ("--cloud", "azure", "--nodes", "2")
AZURE = """
import json, os, sys
from automation.adapters.azure.session import Azure
group = os.environ["BBDC_RESOURCE_GROUP"]
azure = Azure(os.environ["BBDC_SUBSCRIPTION"], group, endpoint=os.environ["BBDC_AZURE_ENDPOINT"],
              ca=os.environ["REQUESTS_CA_BUNDLE"])
"""
DELETE = (
    AZURE
    + """
azure.caller().finish("compute", "virtual_machine_scale_set_vms.begin_delete", group, sys.argv[1], sys.argv[2])
azure.close()
"""
)
LEFT = (
    AZURE
    + """
lists = [("compute", "disks.list_by_resource_group"), ("compute", "virtual_machines.list"),
         ("network", "network_interfaces.list"), ("network", "network_security_groups.list"),
         ("postgres", "servers.list_by_resource_group")]
found = [one for service, act in lists for one in azure.caller().pages(service, act, group)]
print(json.dumps([[one["name"], "bitbucket-dc:drill" in (one.get("tags") or {})] for one in found]))
azure.close()
"""
)


@pytest.fixture(scope="module", autouse=True)
def hurry(lab):
    lab.env |= {"BBDC_BACKUP__POLL": "1", "BBDC_RESTORE__POLL": "1"}


@pytest.fixture(scope="module")
def story(lab):
    """Take a set under fire, then let an accident happen; return the run of traffic and the damaged home."""
    where = ("--dir", str(lab.directory))
    load = ("--rate", "4", "--clones", "0.5", "--pushes", "8")
    run = json.loads(lab.bbdc("lab", "traffic", "start", *where, *load, "--json").stdout)["run"]
    lab.pushed(run, at_least=ENOUGH)
    lab.bbdc("backup", "create", "--name", "good")
    traffic = json.loads(lab.bbdc("lab", "traffic", "stop", *where, "--json", check=False).stdout)
    assert (traffic["failed"], traffic["missing"]) == (0, []), json.dumps(traffic["failures"], indent=1)
    damage(lab.directory)
    return run, shared_home(lab.directory)


def restore_until(lab, name):
    """Restore, and kill the process as soon as it tells the act ``name``; return its exit code."""
    words = [*BBDC, "restore", "good", "--to", "march", "--yes", "--json"]
    process = subprocess.Popen(words, cwd=ROOT, env=lab.env, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    with process.stdout:
        for line in process.stdout:
            record = json.loads(line).get("record") or {}
            if record.get("name") == name and process.poll() is None:
                process.send_signal(signal.SIGKILL)
    return process.wait()


def machines(status):
    return {one["instance"]: one["address"] for one in status["nodes"]}


def test_a_restore_that_is_killed_goes_on_and_brings_back_exactly_what_was_acknowledged(lab, story):
    """Killed twice; and while nobody looks after it, somebody deletes a machine, which lowers the capacity."""
    run, damaged = story
    before = machines(lab.status())
    for act in ("stop_bitbucket", "replace"):
        assert restore_until(lab, act) == -signal.SIGKILL
    lab.run(sys.executable, "-c", DELETE, f"{lab.env['BBDC_CLUSTER']}-nodes", "1")
    lab.bbdc("restore", "good", "--to", "march", "--yes")

    home = shared_home(lab.directory)
    drained = datetime.fromisoformat(manifest(lab, "good")["lock"]["drained"]).timestamp()
    pushes = read_pushes(lab.directory / "traffic" / run / "pushes.jsonl")
    seen = check(pushes, home / "data" / "repositories", drained)
    assert seen.good, (seen.missing, seen.later, seen.damaged)
    assert seen.acknowledged_before >= ENOUGH
    assert home != damaged
    assert is_open(lab)
    status = lab.status()
    assert status["state"] == "STABLE"
    assert "disaster.recovery" not in (home / "bitbucket.properties").read_text()
    after = machines(status)
    assert len(after) == len(before)
    assert not after.keys() & before.keys(), "nobody is left of those who ran on the former data"
    (renewed,) = (name for name in after if name.startswith("0-"))
    assert after[renewed] in before.values(), "it was renewed in its place"


def test_the_program_changes_nothing_after_a_restore(lab, story):
    again = lab.run("pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert "unchanged" in again.stdout


def test_a_drill_finds_the_set_good_and_leaves_nothing_behind(lab, story):
    lab.bbdc("drill", "good")
    drilled = manifest(lab, "good")["drilled"]
    assert drilled["passed"], drilled["findings"]
    left = json.loads(lab.run(sys.executable, "-c", LEFT).stdout)
    assert len(left) > 4, "disks, machines and servers of the estate itself are seen"
    assert [name for name, drills in left if drills] == []


def test_the_way_back_finds_the_former_data_as_it_was_left(lab, story):
    """Here Azure gives a reimaged machine the disk that it had, by name and id."""
    _, damaged = story
    march, before = shared_home(lab.directory), machines(lab.status())
    lab.bbdc("lab", "fault", "set", "reimage-keeps-disk", "--dir", str(lab.directory))
    lab.bbdc("restore", "--undo", "--yes")
    after = machines(lab.status())
    assert sorted(after.values()) == sorted(before.values())
    assert not after.keys() & before.keys(), "each is known to be another machine"
    assert shared_home(lab.directory) == damaged != march
    assert march.is_dir(), "what the restore brought is kept beside"
    assert is_open(lab)
