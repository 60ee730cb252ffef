"""The kept declaration and the list of types stay what they are said to be."""

import json
from pathlib import Path

import pytest

from lab.pulumi.aws import schema_source
from lab.pulumi.aws.functions import FUNCTIONS
from lab.pulumi.aws.reference import table
from lab.pulumi.aws.registry import RESOURCES
from lab.pulumi.aws.schema import schema

TYPES = {
    "autoscaling": ["Group"],
    "backup": ["Plan", "Selection", "Vault", "VaultLockConfiguration"],
    "cloudwatch": ["LogGroup", "MetricAlarm"],
    "ebs": ["Volume"],
    "ec2": [
        "Eip",
        "Instance",
        "InternetGateway",
        "LaunchTemplate",
        "NatGateway",
        "RouteTable",
        "RouteTableAssociation",
        "SecurityGroup",
        "Subnet",
        "VolumeAttachment",
        "Vpc",
    ],
    "ec2transitgateway": ["InstanceState"],
    "ecs": ["Cluster", "TaskDefinition"],
    "iam": ["InstanceProfile", "Role", "RolePolicy", "RolePolicyAttachment"],
    "kms": ["Alias", "Key"],
    "lb": ["Listener", "LoadBalancer", "TargetGroup"],
    "rds": ["Instance", "ParameterGroup", "SubnetGroup"],
    "s3": [
        "Bucket",
        "BucketLifecycleConfiguration",
        "BucketPolicy",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
    ],
    "scheduler": ["Schedule"],
    "secretsmanager": ["Secret", "SecretVersion"],
    "sns": ["Topic"],
    "sqs": ["Queue"],
    "vpc": ["SecurityGroupEgressRule", "SecurityGroupIngressRule"],
}


def test_every_promised_type_is_there() -> None:
    promised = {
        f"aws:{package}/{name[0].lower()}{name[1:]}:{name}" for package, names in TYPES.items() for name in names
    }
    assert promised == RESOURCES.keys()


def test_every_promised_function_is_there() -> None:
    assert {token.rpartition(":")[2] for token in FUNCTIONS} == {
        "getAmi",
        "getAvailabilityZones",
        "getCallerIdentity",
        "getParameter",
        "getRegion",
    }


@pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")
def test_the_kept_declaration_is_that_of_the_installed_pulumi_aws() -> None:
    assert json.loads(schema_source.TARGET.read_text("utf-8")) == schema_source.declaration(RESOURCES)


@pytest.mark.parametrize("kind", RESOURCES.values(), ids=RESOURCES)
def test_a_description_names_only_properties_that_exist(kind: object) -> None:
    resource = RESOURCES[kind.type]  # type: ignore[attr-defined] # parametrised with the registry's values
    declared = schema().resources[resource.type]
    inputs = set(declared.inputs)
    for update in resource.changes:
        assert update.properties <= inputs
    assert {path.split(".")[0] for path in resource.replace_on} <= inputs
    assert resource.state_only | resource.computed | resource.sets | resource.documents <= inputs
    assert set(resource.defaults) <= resource.honoured
    assert set(declared.required) <= resource.honoured
    assert resource.secret <= {*declared.outputs, *inputs}


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_property_has_one_fate(kind: str) -> None:
    """It is changed in place, or forces a replacement, or only steers the provider: never two of these."""
    resource = RESOURCES[kind]
    updated = {name for update in resource.changes for name in update.properties}
    assert not updated & resource.state_only
    assert not updated & {path for path in resource.replace_on if "." not in path}
    assert not resource.replace_on & resource.state_only


def test_the_reference_page_has_the_current_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "lab-aws-provider.md").read_text("utf-8")
    assert page.endswith(table()), "write it anew: python -m lab.pulumi.aws.reference"
