"""The schema that other languages see is a contract: a change of it must be wanted, and lands with a changelog line."""

import json
from pathlib import Path

from pulumi.provider.experimental.component import ComponentProvider

from components.aws.cluster import AwsBitbucketCluster
from components.tokens import PACKAGE

GOLDEN = Path(__file__).with_name("schema.json")


def schema():
    return json.loads(str(ComponentProvider([AwsBitbucketCluster], PACKAGE).schema))


def test_the_schema_is_the_golden_one():
    """To accept a change: python -m tests.components.test_schema."""
    assert schema() == json.loads(GOLDEN.read_text())


def test_only_the_version_is_required_and_every_property_is_described():
    resource = schema()["resources"]["bitbucket-dc:index:AwsBitbucketCluster"]
    assert resource["requiredInputs"] == ["version"]
    properties = {**resource["inputProperties"], **resource["properties"]}
    assert [name for name, entry in properties.items() if not entry.get("description")] == []


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n")
