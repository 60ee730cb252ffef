"""The two folders of components, file by file: what one cloud has and the other has not is said, with its reason."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from components.aws.cluster import AwsBitbucketCluster
from components.azure.cluster import AzureBitbucketCluster
from components.azure.database import ORIGIN, ZONES, storage_size
from components.azure.shared_home import creation_data
from tests.components.recorder import SUBSCRIPTION, record

ROOT = Path(__file__).resolve().parents[2]
ONLY_AWS = {
    "native_backup": "AWS Backup; Azure's own vaults take no flexible server and disks together",
}
ONLY_AZURE = {
    "gateway": "an application gateway is one resource of many parts",
    "live": "Azure's resources are written as a whole: what the automation changed is read and sent again",
    "place": "a resource group, and names that are unique among all customers",
}
NO_RESOURCES = {"machines", "live", "place", "gateway"}
"""Modules that declare no component."""


def modules(cloud):
    return {file.stem for file in (ROOT / "components" / cloud).glob("*.py")} - {"__init__"}


def test_every_file_has_its_counterpart_or_a_reason():
    aws, azure = modules("aws"), modules("azure")
    assert aws - azure <= set(ONLY_AWS)
    assert azure - aws == set(ONLY_AZURE)


def test_the_page_tells_every_difference():
    page = (ROOT / "docs" / "explanation" / "estate-on-azure.md").read_text()
    assert [name for name in sorted(ONLY_AZURE) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("module", sorted(modules("aws") & modules("azure") - NO_RESOURCES))
def test_counterparts_declare_components_of_one_name(module):
    found = {}
    for cloud in ("aws", "azure"):
        names = vars(importlib.import_module(f"components.{cloud}.{module}"))
        prefix = cloud.capitalize()
        found[cloud] = {
            name.removeprefix(prefix): _outputs(value)
            for name, value in names.items()
            if name.startswith(prefix) and getattr(value, "__module__", "").endswith(f".{module}")
        }
    assert found["aws"].keys() == found["azure"].keys()
    for name, outputs in found["aws"].items():
        assert outputs <= found["azure"][name] | DIFFERENT, name


DIFFERENT = {
    "vpc_id",
    "public_subnet_ids",
    "private_subnet_ids",
    "profile_name",
    "role_name",
    "group_id",
    "dead_letter_queue_url",
}
"""Attributes of parts whose shape follows the cloud: subnets span zones on Azure, rights belong to an identity and
firewalls to subnets, and what a job cannot start is laid into no queue."""


def _outputs(component):
    return {name for name in getattr(component, "__annotations__", {}) if not name.startswith("_")}


def test_outputs_of_the_whole_are_the_same_and_more():
    aws, azure = _outputs(AwsBitbucketCluster), _outputs(AzureBitbucketCluster)
    assert aws <= azure
    assert azure - aws == {"resource_group", "node_principal_id"}


# --- Generations of data, where Azure makes them otherwise ------------------------------------------------------------

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/bitbucket/providers"
POINT = f"{GROUP}/Microsoft.Compute/restorePointCollections/march/restorePoints/one/diskRestorePoints/home"
MARCH: Any = {
    "home_snapshots": [POINT],
    "database_source": "bitbucket-database",
    "database_time": "2026-03-01T10:00:00.000Z",
}


def build(**data):
    args: Any = {"version": "7.9.0", "insecure_http": True, "data": data}
    return record(lambda: AzureBitbucketCluster("bitbucket", args))


@pytest.fixture(scope="module")
def beside():
    return build(generations={"march": MARCH})


@pytest.fixture(scope="module")
def restored():
    return build(active="march", generations={"march": MARCH})


def test_a_generation_is_made_beside_the_first_one_from_disks_and_a_moment(restored):
    home = restored.one("Disk", "-march")
    assert home.inputs["creationData"] == {"createOption": "Restore", "sourceResourceId": POINT}
    assert set(home.ignored) == {"zones", "creationData"}
    server = restored.one("Server", "-march")
    assert server.inputs["serverName"] == "bitbucket-database-march-7b4f065198"
    assert server.inputs["createMode"] == "PointInTimeRestore"
    assert server.inputs["sourceServerResourceId"] == (
        f"{GROUP}/Microsoft.DBforPostgreSQL/flexibleServers/bitbucket-database"
    )
    assert server.inputs["pointInTimeUTC"] == MARCH["database_time"]
    assert not {"administratorLogin", "version"} & set(server.inputs)  # Azure takes them from the source
    assert set(server.ignored) == {*ORIGIN, *ZONES}
    assert [d.name for d in restored.of("Database")] == ["bitbucket-database-database"]  # the restored one has its own
    tagged = [r.inputs["tags"]["bitbucket-dc:generation"] for r in (home, server)]
    assert tagged == ["march", "march"]


def test_a_swap_changes_the_file_server_the_model_and_the_alarms(beside, restored):
    before = {r.urn: _shown(r) for r in beside.resources}
    changed = {r.name for r in restored.resources if _shown(r) != before[r.urn]}
    assert changed == {
        "bitbucket-shared-home-server",
        "bitbucket-nodes-group",
        "bitbucket-alarms-database-storage",
        "bitbucket-alarms-database-cpu",
        "bitbucket-alarms-database-connections",
    }
    (disk,) = restored.one("VirtualMachine").inputs["storageProfile"]["dataDisks"]
    assert disk["managedDisk"]["id"].endswith("/disks/bitbucket-home-march")
    assert "DATABASE_HOST='bitbucket-database-march-7b4f065198.postgres.database.azure.com'" in restored.user_data()


def _shown(resource):
    return {key: value for key, value in resource.visible.items() if key != "input"}


def test_the_protection_of_one_is_lifted_and_the_others_stay_locked():
    estate = build(active="march", generations={"march": MARCH}, unprotected=["original"])
    assert {d.name: d.protect for d in estate.of("Disk")} == {
        "bitbucket-shared-home-volume": False,
        "bitbucket-shared-home-volume-march": True,
    }
    locks = [lock.name for lock in estate.of("ManagementLockByScope") if "volume" in lock.name]
    assert locks == ["bitbucket-shared-home-volume-march-lock"]


@pytest.mark.parametrize(
    ("snapshot", "option"),
    [(None, "Empty"), (f"{GROUP}/Microsoft.Compute/snapshots/home", "Copy"), (POINT, "Restore")],
)
def test_a_disk_begins_blank_or_with_what_a_snapshot_or_a_restore_point_holds(snapshot, option):
    assert creation_data(snapshot)["create_option"] == option


@pytest.mark.parametrize(("asked", "size"), [(20, 32), (32, 32), (33, 64), (100, 128), (16384, 16384)])
def test_a_database_has_a_size_that_azure_has(asked, size):
    assert storage_size(asked) == size
