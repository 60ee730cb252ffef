"""What is there for one cloud is there for the other, module by module; every difference has its reason here."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "automation" / "adapters"

AWS_ONLY = {
    "opensearch": "a search index's snapshots lie in S3",
    "rds": "called database on Azure",
    "rds_shapes": "called database_shapes on Azure",
    "templates": "a scale set is its own launch template",
}
AZURE_ONLY = {
    "autoscale": "the one scaling process of Azure; on AWS they belong to the group",
    "gateway": "target groups are asked directly; a gateway is written as a whole",
    "sign_in": "what Entra ID refuses, in one line; AWS refuses requests one by one",
    "ssh_pool": "likewise for the load balancer",
    "machines": "identity of machines that are renewed in their places",
    "database": "called rds on AWS",
    "database_shapes": "called rds_shapes on AWS",
    "answered": "Azure's clock, from its answers: a database's moment is told by it",
    "containers": "blobs, for manifests and for the moments of databases",
    "disk_copies": "restore points are copied by way of snapshots, step by step",
    "disk_snapshots": "where restore points are refused",
    "drill_bodies": "what is sent to make a drill's parts: whole documents on Azure",
    "ids": "resource ids, which are paths on Azure",
    "place": "the parts of an estate that are found by tag for backups",
    "points": "moments of a database, which has no snapshots to carry tags",
    "rights": "Azure tells by scope what an identity may do; AWS has a simulation, which knows less than it decides",
    "safe": "puts the ports of backups together",
    "ticks": "when Azure's clock begins a second: a database's moment is a whole one",
}


def modules(cloud):
    return {path.stem for path in (ADAPTERS / cloud).glob("*.py")} - {"__init__"}


def ports(cloud, prefix):
    """Return the methods of every class that stands for a port, by its name without the cloud's."""
    found = {}
    for path in (ADAPTERS / cloud).glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.startswith(prefix):
                methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
                found[node.name.removeprefix(prefix)] = {name for name in methods if not name.startswith("_")}
    return found


def test_every_module_of_aws_is_there_for_azure():
    assert modules("aws") - modules("azure") == set(AWS_ONLY)


def test_every_module_more_for_azure_has_its_reason():
    assert modules("azure") - modules("aws") == set(AZURE_ONLY)


@pytest.mark.parametrize("name", ["Group", "Balancer", "Host", "Metrics", "Archive", "Backups", "Disks", "Database"])
def test_every_port_has_the_same_methods(name):
    aws, azure = ports("aws", "Aws"), ports("azure", "Azure")
    assert aws[name] == azure[name]
