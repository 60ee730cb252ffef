"""Pulumi.yaml, what the program reads of it, and the component's own defaults: three places, one truth."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import config as reader
from components.checks import InvalidInput
from components.clouds import AWS, AZURE
from components.spec import ClusterSpec

ROOT = Path(__file__).resolve().parents[2]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
DECLARED = PROJECT["config"]
OURS = {"cloud", "name", "approval", "soak", "surge", "failureBudget", "roll"}
INPUTS = {*reader.FLAGS, *reader.NUMBERS, *reader.STRUCTURES, *reader.RECORDS, *reader.SECRETS, *reader.TEXTS}


def read(secrets=(), **values):
    """Read a stack whose file holds ``values``, over the project's defaults, as the engine hands them over."""
    defaults = {key: entry["default"] for key, entry in DECLARED.items() if "default" in entry}
    every = {f"bitbucket-dc:{key}": _text(value) for key, value in {**defaults, **values}.items()}
    pulumi.runtime.set_all_config(every, [f"bitbucket-dc:{key}" for key in secrets])
    return reader.read(pulumi.Config("bitbucket-dc"), "test")


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture(autouse=True)
def _no_config_left_behind():
    yield
    pulumi.runtime.set_all_config({}, [])


def test_every_input_of_the_component_can_be_configured_and_nothing_else():
    arguments = {name for inputs in reader.CLOUDS.values() for name in inputs.__annotations__}
    assert {reader.snake_case(key) for key in INPUTS} == arguments - {"version", "cluster_name"}
    assert set(DECLARED) == INPUTS | OURS | {"version"}


def test_every_key_is_described_and_all_but_the_version_have_a_default():
    assert all({"type", "description"} <= set(entry) for entry in DECLARED.values())
    assert [key for key, entry in DECLARED.items() if "default" not in entry] == ["version"]


def test_no_key_with_a_default_is_declared_secret():
    """The engine refuses the default of a secret key, which is not encrypted."""
    assert [key for key, entry in DECLARED.items() if entry.get("secret")] == []


@pytest.mark.parametrize("cloud", [AWS, AZURE], ids=lambda cloud: cloud.name)
def test_the_projects_defaults_are_the_components(cloud):
    program = read(version="7.9.0", insecureHttp=True, cloud=cloud.name)
    bare: Any = {"version": "7.9.0", "insecure_http": True, "cluster_name": "bitbucket-dc-test"}
    assert ClusterSpec.read("x", program.args, cloud) == ClusterSpec.read("x", bare, cloud)


def test_the_clusters_name_comes_from_the_stack_unless_it_is_given():
    assert read(version="7.9.0").cluster == "bitbucket-dc-test"
    assert read(version="7.9.0", name="bb").args["cluster_name"] == "bb"


def test_a_stack_without_version_is_refused():
    with pytest.raises(pulumi.ConfigMissingError, match="version"):
        read()


def test_another_cloud_is_refused_by_name():
    with pytest.raises(InvalidInput, match=r"^cloud: "):
        read(version="7.9.0", cloud="nimbus")


@pytest.mark.parametrize(
    ("cloud", "key", "value"),
    [
        ("aws", "resourceGroup", "somebodys"),
        ("aws", "certificateId", "https://certificates.vault.azure.net/secrets/bitbucket"),
        ("aws", "geoRedundantBackup", True),
        ("azure", "certificateArn", "arn:aws:acm:cert"),
        ("azure", "imdsv2", "optional"),
        ("azure", "searchRegion", "eu-west-1"),
        ("azure", "waitForCapacityTimeout", "0"),
    ],
)
def test_what_means_nothing_on_a_cloud_is_refused_there(cloud, key, value):
    with pytest.raises(InvalidInput, match=rf"^{key}: means nothing on {cloud}"):
        read(version="7.9.0", cloud=cloud, **{key: value})


def test_zero_is_a_value():
    assert read(version="7.9.0", deregistrationDelay=0).args["deregistration_delay"] == 0


def test_an_empty_list_of_networks_is_not_taken_for_everybody():
    program = read(version="7.9.0", insecureHttp=True, allowedCidrs=[])
    with pytest.raises(InvalidInput, match=r"^allowedCidrs: "):
        ClusterSpec.read("x", program.args, AWS)


def test_a_secret_in_clear_is_refused_with_the_command_that_hides_it():
    with pytest.raises(InvalidInput, match="pulumi config set --secret license") as refused:
        read(version="7.9.0", license="AAAB-l1cence")
    assert "AAAB" not in str(refused.value)


def test_a_hidden_secret_becomes_an_input_and_no_setting():
    async def run():
        return read(version="7.9.0", license="AAAB-l1cence", secrets=["license"])

    program = asyncio.run(run())
    assert isinstance(program.args["license"], pulumi.Output)
    assert "AAAB-l1cence" not in repr(program.settings)


def test_the_automation_gets_plain_settings_by_its_own_names():
    program = read(version="7.9.0", soak=1, surge=True, roll={"drainTimeout": 600}, baseUrl="https://bb.example.com")
    assert program.settings == {
        "cloud": "aws",
        "url": "https://bb.example.com",
        "archive_url": DECLARED["archiveUrl"]["default"],
        "planned": 3,
        "approval": "automatic",
        "soak": 1,
        "surge": True,
        "failure_budget": 1,
        "drain_timeout": 600,
    }


def test_on_azure_the_automation_is_told_the_resource_group():
    alone = read(version="7.9.0", cloud="azure", name="bb").settings
    assert (alone["cloud"], alone["resource_group"]) == ("azure", "bb")
    assert not {"region", "subscription"} & set(alone)  # found out from the environment, unless the stack says so
    assert read(version="7.9.0", cloud="azure", resourceGroup="shared").settings["resource_group"] == "shared"


def test_generations_of_data_keep_the_names_that_their_operator_chose():
    march = {
        "homeSnapshots": ["snap-01234567"],
        "databaseSource": "bb-database",
        "databaseTime": "2026-03-01T00:00:00Z",
    }
    program = read(
        version="7.9.0", data={"active": "march-2", "generations": {"march-2": march, "homeSnapshots": march}}
    )
    generation = {
        "home_snapshots": ["snap-01234567"],
        "database_source": "bb-database",
        "database_time": "2026-03-01T00:00:00Z",
    }
    assert program.args["data"] == {
        "active": "march-2",
        "generations": {"march-2": generation, "homeSnapshots": generation},
    }


def test_the_page_lists_every_key_with_its_default():
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    for key, entry in DECLARED.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
        assert _shown(entry) in row, key


def _shown(entry):
    if "default" not in entry:
        return "| required |"
    default = entry["default"]
    text = json.dumps(default) if isinstance(default, list | dict | bool) else str(default)
    return f"| `{text}` |" if text else "|  |"


@pytest.mark.parametrize("file", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_the_example_stacks_can_be_built(file):
    values = yaml.safe_load(file.read_text())["config"]
    ours = {
        key.removeprefix("bitbucket-dc:"): value for key, value in values.items() if key.startswith("bitbucket-dc:")
    }
    assert set(ours) <= set(DECLARED)
    program = read(**ours)
    ClusterSpec.read("bitbucket", program.args, {"aws": AWS, "azure": AZURE}[program.cloud])
