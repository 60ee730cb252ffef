"""The schema that other languages see is a contract: a change of it must be wanted, and lands with a changelog line."""

import json
from pathlib import Path

import pytest
from pulumi.provider.experimental.component import ComponentProvider

from components.aws.cluster import AwsBitbucketCluster
from components.azure.cluster import AzureBitbucketCluster
from components.tokens import PACKAGE

GOLDEN = Path(__file__).with_name("schema.json")
ESTATES = ("AwsBitbucketCluster", "AzureBitbucketCluster")


def schema():
    return json.loads(str(ComponentProvider([AwsBitbucketCluster, AzureBitbucketCluster], PACKAGE).schema))


@pytest.fixture(scope="module")
def resources():
    return schema()["resources"]


def test_the_schema_is_the_golden_one():
    """To accept a change: python -m tests.components.test_schema."""
    assert schema() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("estate", ESTATES)
def test_only_the_version_is_required_and_every_property_is_described(resources, estate):
    resource = resources[f"bitbucket-dc:index:{estate}"]
    assert resource["requiredInputs"] == ["version"]
    properties = {**resource["inputProperties"], **resource["properties"]}
    assert [name for name, entry in properties.items() if not entry.get("description")] == []


def test_inputs_of_one_name_have_one_type_on_both_clouds(resources):
    aws, azure = (resources[f"bitbucket-dc:index:{estate}"] for estate in ESTATES)
    for kind in ("inputProperties", "properties"):
        for name in aws[kind].keys() & azure[kind].keys():
            assert _undescribed(aws[kind][name]) == _undescribed(azure[kind][name]), name


def _undescribed(shape):
    if not isinstance(shape, dict):
        return shape
    return {key: _undescribed(inner) for key, inner in shape.items() if key != "description"}


def test_what_only_one_cloud_has_is_known(resources):
    aws, azure = (resources[f"bitbucket-dc:index:{estate}"] for estate in ESTATES)
    only = {kind: set(aws[kind]) ^ set(azure[kind]) for kind in ("inputProperties", "properties")}
    assert only == {
        "inputProperties": {
            "certificateArn",
            "imdsv2",
            "searchRegion",
            "waitForCapacityTimeout",
            "adminSshKey",
            "certificateId",
            "certificateIdentity",
            "databasePassword",
            "geoRedundantBackup",
            "resourceGroup",
            "webApplicationFirewall",
        },
        "properties": {"nodePrincipalId", "resourceGroup"},
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n")
