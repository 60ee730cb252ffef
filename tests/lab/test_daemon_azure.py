"""A whole lab in Azure with real processes; the estate is built with plain requests, and changed with Azure's SDK."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

from lab.environment import variables
from lab.program import progress
from lab.start import ask, start_daemon, stop
from lab.state import Options
from tests.lab.azure_site import Site

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = Options(cloud="azure", nodes=2, repositories=2, boot=0.5, stop=0.3, drain=5.0)
SOON = {"polling_interval": 0.1}


class Lab:
    """A running lab with its estate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.record = start_daemon(directory, OPTIONS)
        self.site = Site.of(self.record)
        self.site.build("7.9.0", 2)
        until(lambda: self.active() == ["7.9.0", "7.9.0"])
        self.site.serve(self.addresses())
        until(lambda: progress(self.status(), 2) == "")

    def status(self) -> dict[str, Any]:
        return ask(self.record, "GET", "/status")

    def nodes(self) -> list[dict[str, Any]]:
        return [one for one in self.status()["machines"] if one["role"] == "node" and one["power"] == "up"]

    def active(self) -> list[str]:
        return sorted(one["version"] for one in self.nodes() if one["state"] == "ACTIVE")

    def addresses(self) -> list[str]:
        return sorted(one["address"] for one in self.nodes())

    def cli(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "lab.cli", *arguments, "--dir", str(self.directory)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def until(true: Callable[[], object], patience: float = 40.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("lab") / "lab"
    try:
        made = Lab(directory)
        yield made
        made.site.arm.close()
    finally:
        stop(directory)


@pytest.fixture(scope="module")
def compute(lab: Lab) -> Iterator[ComputeManagementClient]:
    values = lab.record.variables
    with (
        RequestsTransport(connection_verify=values["REQUESTS_CA_BUNDLE"]) as transport,
        ClientSecretCredential(
            values["AZURE_TENANT_ID"], values["AZURE_CLIENT_ID"], values["AZURE_CLIENT_SECRET"],
            authority=values["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True, transport=transport,
        ) as credential,
        ComputeManagementClient(
            credential, values["AZURE_SUBSCRIPTION_ID"], base_url=values["AZURE_RESOURCE_MANAGER_ENDPOINT"],
            transport=transport,
        ) as client,
    ):  # fmt: skip
        yield client


def routed(lab: Lab) -> list[dict[str, Any]]:
    """Return the machines that the gateway's pool has, draining ones included."""
    behind = {line["instance"] for line in lab.status()["targets"] if line["group"] == "http"}
    return [line for line in lab.nodes() if line["instance"] in behind]


def run(compute: ComputeManagementClient, number: str, *script: str) -> str:
    body = {"commandId": "RunShellScript", "script": list(script)}
    members = compute.virtual_machine_scale_set_vms
    found = members.begin_run_command("bitbucket-dc-lab", "nodes", number, body, **SOON).result()
    return str(found.value[0].message)


def test_it_serves_and_tells_where_it_is(lab: Lab) -> None:
    assert httpx.get(f"{lab.record.url}/status").json() == {"state": "RUNNING"}
    auth = {"Authorization": f"Bearer {lab.record.bitbucket_token}"}
    seen = httpx.get(f"{lab.record.url}/rest/zdu/cluster", headers=auth).json()
    assert sorted(node["ipAddress"] for node in seen["nodes"]) == lab.addresses()
    repositories = httpx.get(f"{lab.record.url}/rest/api/latest/repos", headers=auth).json()
    assert repositories["size"] == 2
    values = variables(lab.directory, lab.record)
    promised = """
    AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_AUTHORITY_HOST AZURE_SUBSCRIPTION_ID
    AZURE_RESOURCE_MANAGER_ENDPOINT BBDC_CLOUD BBDC_SUBSCRIPTION BBDC_RESOURCE_GROUP BBDC_AZURE_ENDPOINT
    REQUESTS_CA_BUNDLE SSL_CERT_FILE PULUMI_DEBUG_PROVIDERS
    """
    assert set(promised.split()) <= set(values)
    assert not [name for name in values if name.startswith("AWS_")]
    assert values["PULUMI_DEBUG_PROVIDERS"].startswith("azure-native:")
    summary = lab.cli("status", "--json")
    assert values["AZURE_CLIENT_SECRET"] not in summary
    assert lab.status()["invariants"]["breaches"] == []


def test_a_plain_client_reaches_it_with_the_variables_alone(lab: Lab) -> None:
    """A program that knows nothing of the lab signs in and is heard: azure-identity by the environment."""
    program = (
        "import os; from azure.identity import EnvironmentCredential; from azure.mgmt.compute import "
        "ComputeManagementClient as C\n"
        "c = C(EnvironmentCredential(disable_instance_discovery=True), os.environ['AZURE_SUBSCRIPTION_ID'], "
        "base_url=os.environ['AZURE_RESOURCE_MANAGER_ENDPOINT'])\n"
        "print([one.name for one in c.virtual_machines.list(os.environ['BBDC_RESOURCE_GROUP'])])"
    )
    values = {"PATH": "/usr/bin:/bin", "HOME": str(lab.directory), **variables(lab.directory, lab.record)}
    done = subprocess.run([sys.executable, "-c", program], env=values, capture_output=True, text=True, check=False)
    assert done.stdout == "['files']\n", done.stderr


def test_data_are_where_azure_says(lab: Lab, compute: ComputeManagementClient) -> None:
    """The disk of the file server holds the repositories; nodes see them, and reach the database."""
    number = next(iter(compute.virtual_machine_scale_set_vms.list("bitbucket-dc-lab", "nodes"))).instance_id
    host = "bitbucket-dc-lab-database.postgres.database.azure.com"
    told = run(
        compute, number, 'ls "$BBDC_ROOT/var/atlassian/application-data/bitbucket/shared/data/repositories" | wc -l',
        f"export PGHOST={host} PGUSER=bitbucket PGPASSWORD=hush",
        "psql -Atc 'select count(*) from repositories'",
        "systemctl is-active bitbucket",
    )  # fmt: skip
    assert "[stdout]\n2\n2\nactive\n" in told
    (volume,) = [one for one in (lab.directory / "volumes").iterdir() if (one / "shared").is_dir()]
    assert len(list((volume / "shared" / "data" / "repositories").iterdir())) == 2
    point = "restorePointCollections/files"
    source = {"source": {"id": f"{lab.site.group}/providers/Microsoft.Compute/virtualMachines/files"}}
    lab.site.put("Microsoft.Compute", point, "2024-11-01", {"properties": source})
    lab.site.put("Microsoft.Compute", f"{point}/restorePoints/one", "2024-11-01", {})
    (copy,) = [one for one in (lab.directory / "snapshots").iterdir() if (one / "shared").is_dir()]
    for name in (one.name for one in (volume / "shared" / "data" / "repositories").iterdir()):
        place = copy / "shared" / "data" / "repositories" / name
        subprocess.run(["git", "fsck", "--strict"], cwd=place, capture_output=True, check=True)


def test_a_machine_reads_a_secret_with_its_own_identity(lab: Lab, compute: ComputeManagementClient) -> None:
    """Without a role on the secret it is refused; the token never stands in an argument."""
    put, place = lab.site.put, lab.site.group
    identity = put("Microsoft.ManagedIdentity/userAssignedIdentities", "nodes", "2023-01-31", {})
    tenant = lab.record.variables["AZURE_TENANT_ID"]
    sku = {"family": "A", "name": "standard"}
    vault = put("Microsoft.KeyVault/vaults", "keys", "2024-11-01", {"properties": {"sku": sku, "tenantId": tenant}})
    hidden = put("Microsoft.KeyVault/vaults", "keys/secrets/one", "2024-11-01", {"properties": {"value": "hush"}})
    who = lab.site.arm.read(identity, "2023-01-31")["properties"]
    url = lab.site.arm.read(vault, "2024-11-01")["properties"]["vaultUri"]
    files = f"{place}/providers/Microsoft.Compute/virtualMachines/files"
    machine = lab.site.arm.read(files, "2024-11-01")
    machine["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    lab.site.arm.put(files, "2024-11-01", machine, 20)
    asked = f"--data-urlencode resource=https://vault.azure.net --data-urlencode client_id={who['clientId']}"
    metadata = "http://169.254.169.254/metadata/identity/oauth2/token"
    header = """sed 's/.*"access_token": "\\([^"]*\\)".*/header = "Authorization: Bearer \\1"/' token.json"""
    script = [
        f"curl --fail -sS --header Metadata:true --get {asked} {metadata} > token.json && echo token",
        f"{header} | curl --fail -sS --config - '{url}secrets/one?api-version=7.4'",
    ]
    body = {"commandId": "RunShellScript", "script": script}
    ask_it = compute.virtual_machines.begin_run_command
    refused = str(ask_it("bitbucket-dc-lab", "files", body, **SOON).result().value[0].message)
    assert "[stdout]\ntoken\n" in refused
    assert "403" in refused
    role = f"/subscriptions/{lab.site.arm.account.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
    granted = {"principalId": who["principalId"], "roleDefinitionId": f"{role}4633458b-17de-408a-b874-0445c86b69e6"}
    assignment = f"{hidden}/providers/Microsoft.Authorization/roleAssignments/one"
    lab.site.arm.put(assignment, "2022-04-01", {"properties": granted}, 10)
    read = str(ask_it("bitbucket-dc-lab", "files", body, **SOON).result().value[0].message)
    assert '"hush"' in read


def test_a_node_comes_back_with_the_new_version(lab: Lab, compute: ComputeManagementClient) -> None:
    """Out of the pools, drained, the model applied, reimaged, back: another process at the same address."""
    sets, members = compute.virtual_machine_scale_sets, compute.virtual_machine_scale_set_vms
    profile = lab.site.model["properties"]["virtualMachineProfile"]["osProfile"]
    before = profile["customData"]
    new = base64.b64decode(before).decode().replace("7.9.0", "7.9.4")
    profile["customData"] = base64.b64encode(new.encode()).decode()
    lab.site.put("Microsoft.Compute/virtualMachineScaleSets", "nodes", "2024-11-01", lab.site.model)
    assert lab.active() == ["7.9.0", "7.9.0"], "a new model changes no instance"
    one = next(iter(members.list("bitbucket-dc-lab", "nodes")))
    machine = next(line for line in lab.nodes() if line["instance"].startswith(f"nodes_{one.instance_id}-"))
    address = machine["address"]
    rest = [other for other in lab.addresses() if other != address]
    lab.site.serve(rest)
    until(lambda: "draining" in {line["state"] for line in lab.status()["targets"]})
    until(lambda: address not in {line["address"] for line in routed(lab)})
    auth = {"Authorization": f"Bearer {lab.record.bitbucket_token}", "X-Atlassian-Token": "no-check"}
    assert httpx.post(f"{lab.record.url}/rest/zdu/start", headers=auth).is_success
    assert httpx.get(f"{lab.record.url}/status").json() == {"state": "RUNNING"}
    sets.begin_update_instances("bitbucket-dc-lab", "nodes", {"instanceIds": [one.instance_id]}, **SOON).result()
    members.begin_reimage("bitbucket-dc-lab", "nodes", one.instance_id, **SOON).result()
    until(lambda: lab.active() == ["7.9.0", "7.9.4"])
    again = next(line for line in lab.nodes() if line["version"] == "7.9.4")
    assert (again["address"], again["instance"]) == (address, f"nodes_{one.instance_id}-2")
    lab.site.serve(lab.addresses())
    until(
        lambda: (
            {line["state"] for line in lab.status()["targets"] if line["instance"] == again["instance"]} == {"healthy"}
        )
    )


def test_what_goes_wrong_by_name(lab: Lab, compute: ComputeManagementClient) -> None:
    members = compute.virtual_machine_scale_set_vms
    one = next(iter(members.list("bitbucket-dc-lab", "nodes"))).instance_id
    lab.cli("fault", "set", "operation-fails", "service=compute", "action=POST */restart", "seconds=0.2")
    with pytest.raises(HttpResponseError, match="InternalExecutionError"):
        members.begin_restart("bitbucket-dc-lab", "nodes", one, **SOON).result()
    server = f"{lab.site.group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/bitbucket-dc-lab-database"

    def state() -> str:
        found = lab.site.arm.get(server, "2025-08-01")
        return "" if found is None else str(found["properties"]["state"])

    lab.cli("fault", "set", "database-busy", "state=Stopped", "seconds=0.1")
    until(lambda: state() == "Ready")
    lab.cli("fault", "set", "database-busy", "state=Updating", "seconds=3600")  # refused if none is available again
    assert state() == "Updating"
    node = lab.nodes()[0]["instance"]
    lab.cli("fault", "set", "crash", f"instance={node}")
    until(lambda: {line["state"] for line in lab.status()["targets"] if line["instance"] == node} == {"unhealthy"})
