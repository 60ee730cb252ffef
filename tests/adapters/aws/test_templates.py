"""Launch templates: the version changes in the tags and in the start-up script, or not at all."""

from __future__ import annotations

import base64
import gzip

import pytest

from automation.adapters.aws.nodes import AwsGroup
from automation.adapters.aws.templates import Reference
from automation.adapters.host.start_script import archive_of, with_version
from automation.ports.errors import NotFound, Unexpected
from components.user_data import render
from lab.aws.ports import Reply
from tests.lab.aws.estate import CLUSTER, Estate


def encoded(script: str) -> str:
    return base64.b64encode(script.encode()).decode()


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


@pytest.mark.parametrize(
    "line",
    [
        "BITBUCKET_VERSION='{}'",
        'BITBUCKET_VERSION="{}"',
        "BITBUCKET_VERSION={}",
        "export BITBUCKET_VERSION={}",
        "  ATL_PRODUCT_VERSION={}  ",
    ],
)
def test_the_version_line_in_every_dress(line):
    script = "#!/bin/bash\nNAME='7.9.0'\n" + line + "\necho $BITBUCKET_VERSION\n"
    changed = decoded(with_version(encoded(script.replace("{}", "7.9.0")), "7.9.4", "lt-1"))
    assert changed == script.replace("{}", "7.9.4")


def test_the_script_of_our_own_components():
    archive = "https://mirror/atlassian-bitbucket-7.9.0.tar.gz"
    before = render(
        "aws", "node", {"BITBUCKET_VERSION": "7.9.0", "ARCHIVE_URL": archive, "ARCHIVE_SHA256": "ab" * 32, "X": "7.9.0"}
    )
    after = decoded(with_version(before, "7.9.4", "lt-1"))
    assert (
        "\nBITBUCKET_VERSION='7.9.4'\nARCHIVE_URL='https://mirror/atlassian-bitbucket-7.9.4.tar.gz'\nARCHIVE_SHA256=''\nX='7.9.0'\n"
        in after
    )
    assert len(after.splitlines()) == len(decoded(before).splitlines())
    assert archive_of(before) == "https://mirror/atlassian-bitbucket-{version}.tar.gz"


def test_compressed_user_data_stays_compressed():
    before = base64.b64encode(gzip.compress(b"BITBUCKET_VERSION=7.9.0\n")).decode()
    after = base64.b64decode(with_version(before, "7.9.4", "lt-1"))
    assert gzip.decompress(after) == b"BITBUCKET_VERSION=7.9.4\n"


@pytest.mark.parametrize(
    "script", ["", "#!/bin/sh\n", "BITBUCKET_VERSION=7.9.0\nBITBUCKET_VERSION=7.9.0\n", "run BITBUCKET_VERSION=7.9.0\n"]
)
def test_a_script_that_does_not_name_its_version_once_is_not_touched(script):
    with pytest.raises(Unexpected, match="lt-1"):
        with_version(encoded(script), "7.9.4", "lt-1")


def test_an_archive_that_is_not_named():
    assert archive_of(encoded("BITBUCKET_VERSION=7.9.0\n")) is None
    assert archive_of("") is None


MIXED = {"LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "Version": "$Latest"}}}


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"}}, Reference("lt-1", "3")),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, Reference("lt-1", "$Default")),
        ({"MixedInstancesPolicy": MIXED}, Reference("lt-1", "$Latest")),
        ({"LaunchConfigurationName": "old"}, None),
    ],
)  # fmt: skip
def test_where_a_group_names_its_template(group, expected):
    assert Reference.of_group(group) == expected


# Against the lab's AWS -----------------------------------------------------------------------------------------------


def point(lab, estate: Estate, version: str) -> None:
    lab.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=estate.group, LaunchTemplate={"LaunchTemplateId": estate.template, "Version": version}
    )


def data_of(lab, estate, number):
    found = lab.client("ec2").describe_launch_template_versions(LaunchTemplateId=estate.template, Versions=[number])
    return found["LaunchTemplateVersions"][0]["LaunchTemplateData"]


@pytest.mark.parametrize("pointer", ["1", "$Default", "$Latest"])
def test_the_next_machine_gets_the_new_version_however_the_group_points(caller, estate, lab, wait, pointer):
    point(lab, estate, pointer)
    group = AwsGroup(caller, CLUSTER)
    group.set_version("7.9.4", observed="7.9.0")
    assert group.observe().version == "7.9.4"
    group.replace(group.observe().instances[0].id, "7.9.0")
    wait(10)
    assert "7.9.4" in {i.version for i in group.observe().instances}


def test_tags_and_script_change_and_nothing_else(caller, estate, lab):
    AwsGroup(caller, CLUSTER).set_version("7.9.4", observed="7.9.0")
    old, new = data_of(lab, estate, "1"), data_of(lab, estate, "2")
    tags = {tag["Key"]: tag["Value"] for tag in new["TagSpecifications"][0]["Tags"]}
    assert tags["bitbucket-dc:version"] == "7.9.4"
    assert tags["bitbucket-dc:role"] == "node"
    assert "BITBUCKET_VERSION='7.9.4'" in decoded(new["UserData"])
    same = set(old) - {"UserData", "TagSpecifications"}
    assert {key: new.get(key) for key in same} == {key: old[key] for key in same}


def test_again_after_the_group_was_not_pointed_at_it_yet(caller, estate, lab, faults):
    """A crash between the new template version and the group's update: the second run finishes the work."""
    group = AwsGroup(caller, CLUSTER)
    faults.refusals["UpdateAutoScalingGroup"] = [Reply(400, "ValidationError", "1 validation error detected")]
    with pytest.raises(Unexpected):
        group.set_version("7.9.4", observed="7.9.0")
    assert group.observe().version == "7.9.0"
    group.set_version("7.9.4", observed="7.9.0")
    assert group.observe().version == "7.9.4"


def test_a_template_version_that_is_gone(caller, estate, faults):
    missing = Reply(400, "InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version 1")
    faults.refusals["DescribeLaunchTemplateVersions"] = [missing]
    with pytest.raises(NotFound):
        AwsGroup(caller, CLUSTER).observe()
