"""Azure, a whole lab by the real command: the stack of scheduled backups is put up, and the clock makes a set."""

import json
import shutil
import sys
import time

import pytest

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.lab
LAB = ("--cloud", "azure", "--nodes", "1")
KEEP_PASSWORD = """
import os, threading
from lab.pulumi.azure.client import Account, Arm
read = os.environ
who = (read["AZURE_TENANT_ID"], read["AZURE_CLIENT_ID"], read["AZURE_CLIENT_SECRET"], read["BBDC_SUBSCRIPTION"])
arm = Arm(Account(read["BBDC_AZURE_ENDPOINT"], read["AZURE_AUTHORITY_HOST"], *who, ca=read["SSL_CERT_FILE"]),
          threading.Event())
group = f"/subscriptions/{read['BBDC_SUBSCRIPTION']}/resourceGroups/{read['BBDC_RESOURCE_GROUP']}"
(vault,) = arm.read(f"{group}/providers/Microsoft.KeyVault/vaults", "2023-07-01")["value"]
secret = f"{vault['id']}/secrets/backup"
arm.put(secret, "2023-07-01", {"properties": {"value": read["BITBUCKET_PASSWORD"]}}, 30)
arm.close()
print(secret)
"""


@pytest.fixture(scope="module")
def stack(lab):
    """Put the stack up beside the estate's, with a backup every minute."""
    directory = lab.directory / "snapshots"
    shutil.copytree(ROOT / "stacks" / "snapshots", directory)
    project = directory / "Pulumi.yaml"
    project.write_text(project.read_text().replace("../../.venv", sys.prefix))
    lab.env |= {"PYTHONPATH": str(ROOT), "BBDC_BACKUP__POLL": "1"}
    for of_the_estate in ("PULUMI_STACK", "PULUMI_OPTION_CONFIG_FILE"):
        del lab.env[of_the_estate]
    values = {
        "cloud": "azure",
        "clusterStack": "organization/bitbucket-dc/lab",
        "image": "bbdc:1",
        "passwordSecret": lab.run(sys.executable, "-c", KEEP_PASSWORD).stdout.strip(),
        "user": lab.env["BITBUCKET_USER"],
        "schedule": "* * * * *",
    }
    pairs = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
    for words in (("stack", "init", "backups"), ("config", "set-all", *pairs), ("up", "--yes")):
        lab.run("pulumi", "--cwd", str(directory), *words)
    return lab


def ended(lab):
    """Wait until a job that the clock has started is over; return the event that says so."""
    deadline = time.monotonic() + 180
    while not (found := [event for event in lab.events() if event["event"] == "execution"]):
        assert time.monotonic() < deadline, lab.events()[-5:]
        time.sleep(0.5)
    return found[0]


def test_the_clock_makes_a_set_in_the_jobs_own_name(stack):
    execution = ended(stack)
    log = (stack.directory / "tasks" / execution["execution"] / "log").read_text()
    assert (execution["status"], execution["code"]) == ("Succeeded", 0), log
    assert stack.env["BITBUCKET_PASSWORD"] not in log
    last = log.splitlines()[-1]
    assert '"exit_code": 0}' in last  # what the alert on silence looks for
    made = json.loads(last)["set"]
    assert (made["state"], made["mode"]) == ("complete", "locked")
    known = {each["id"]: each for each in json.loads(stack.bbdc("backup", "list", "--json").stdout)}
    assert known[made["id"]]["state"] == "complete"
    assert "writing the metrics failed" not in log
