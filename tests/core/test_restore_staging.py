"""A staging copy's config and its rules."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from automation.core.backups.sets import BackupSet, Member, MemberKind, Mode, SetState
from automation.core.restores.generations import Generation
from automation.core.restores.networks import apart, beside
from automation.core.restores.staging import STAGED, Origin, Setting, Wish, judge, staged_config
from components.args import AwsBitbucketClusterArgs
from components.clouds import AWS
from components.config import _record
from components.generations import DataSpec
from components.spec import ClusterSpec

P = "bitbucket-dc"
FOUND = BackupSet(
    id="20261121-100000-000",
    cluster="alpha",
    mode=Mode.LOCKED,
    state=SetState.COMPLETE,
    created=1.0,
    version="7.9.0",
    members=(
        Member(MemberKind.DISK, "vol-1", "snap-0123456789abcdef0", role="shared-home"),
        Member(MemberKind.DATABASE, "db-1", "db-snap-1", role="database"),
    ),
)
DATA = Generation(STAGED, ("snap-0123456789abcdef0",), "db-snap-1")
SOURCE = {
    f"{P}:version": Setting("7.9.4"),
    f"{P}:name": Setting("alpha"),
    f"{P}:nodes": Setting("4"),
    f"{P}:baseUrl": Setting("https://git.example.com"),
    f"{P}:sshBaseUrl": Setting("ssh://git.example.com"),
    f"{P}:certificateArn": Setting("arn:aws:acm:1"),
    f"{P}:instanceType": Setting("m6i.4xlarge"),
    f"{P}:imageId": Setting(""),
    f"{P}:license": Setting("AAAB", secret=True),
    f"{P}:searchUrl": Setting("https://search.example.com"),
    f"{P}:searchUser": Setting("bitbucket"),
    f"{P}:searchRegion": Setting("eu-west-1"),
    f"{P}:searchPassword": Setting("s3cret", secret=True),
    f"{P}:egressPorts": Setting([443, 25, 587]),
    f"{P}:tags": Setting({"team": "platform"}),
    f"{P}:data": Setting({"active": "march", "generations": {"march": {"homeSnapshots": ["snap-1"]}}}),
    "aws:region": Setting("eu-west-1"),
}
SMALL = Wish("rehearsal", 1, "t3.large", "db.t3.medium", "10.9.0.0/16")


LATER = Generation(STAGED, ("snap-0123456789abcdef0",), database_source="db-1", database_time=1.5e9)


def made(wish=SMALL, source=SOURCE, data=DATA, there=None):
    return staged_config(Origin(P, source, "db-s3cret"), wish, FOUND, data, there)


def plain(config):
    return {key.removeprefix(f"{P}:"): setting.value for key, setting in config.items()}


def test_the_copy_is_the_source_but_for_its_place_its_sizes_and_its_data():
    assert plain(made()) == {
        "version": "7.9.0",
        "nodes": 1,
        "instanceType": "t3.large",
        "databaseInstanceClass": "db.t3.medium",
        "vpcCidr": "10.9.0.0/16",
        "license": "AAAB",
        "tags": {"team": "platform"},
        "egressPorts": [443],
        "internal": True,
        "insecureHttp": True,
        "protectData": False,
        "data": {
            "active": STAGED,
            "generations": {
                STAGED: {"homeSnapshots": ["snap-0123456789abcdef0"], "databaseSnapshot": "db-snap-1"},
            },
            "retired": ["original"],
        },
        "aws:region": "eu-west-1",
    }
    assert made()[f"{P}:license"].secret


def test_what_is_not_asked_for_is_as_in_the_source():
    config = plain(made(Wish("rehearsal")))
    assert (config["nodes"], config["instanceType"]) == ("4", "m6i.4xlarge")
    assert "databaseInstanceClass" not in config
    assert apart(config["vpcCidr"], "10.0.0.0/16")


def test_no_setting_shows_its_value():
    assert "AAAB" not in repr(made())


@pytest.mark.parametrize(("ports", "left"), [([80, 443, 25], [80, 443]), ([443], [443]), ([8080], [443])])
def test_mail_cannot_leave(ports, left):
    assert plain(made(source=SOURCE | {f"{P}:egressPorts": Setting(ports)}))["egressPorts"] == left
    without = {key: value for key, value in SOURCE.items() if not key.endswith("egressPorts")}
    assert plain(made(source=without))["egressPorts"] == [443]


def test_the_network_is_never_the_sources_and_stays_what_it_is():
    first = plain(made(Wish("rehearsal")))["vpcCidr"]
    assert plain(made(Wish("rehearsal")))["vpcCidr"] == first
    assert plain(made(Wish("other")))["vpcCidr"] != first
    before = {f"{P}:vpcCidr": Setting("10.77.0.0/16")}
    assert plain(made(Wish("rehearsal"), there=before))["vpcCidr"] == "10.77.0.0/16"
    assert plain(made(there=before))["vpcCidr"] == SMALL.network


@pytest.mark.parametrize(
    ("network", "block"),
    [
        ("10.0.0.0/16", "10.0.0.0/8"),
        ("10.255.0.0/16", "10.0.0.0/8"),
        ("172.31.16.0/20", "172.16.0.0/12"),
        ("192.168.252.0/22", "192.168.0.0/16"),
        ("192.168.0.0/16", "10.0.0.0/8"),
        ("100.64.0.0/16", "10.0.0.0/8"),
        ("127.10.0.0/16", "127.0.0.0/8"),
    ],
)
def test_a_network_beside_another_is_as_large_private_and_apart(network, block):
    found = {beside(network, f"copy-{number}") for number in range(200)}
    assert len(found) > 40
    for one in found:
        assert ip_network(one).subnet_of(ip_network(block))
        assert ip_network(one).prefixlen == ip_network(network).prefixlen
        assert apart(one, network)


def test_a_database_restored_to_a_moment_has_its_sources_password_and_no_other_copy_gets_it():
    assert f"{P}:databasePassword" not in made()
    assert made(data=LATER)[f"{P}:databasePassword"] == Setting("db-s3cret", secret=True)
    again = staged_config(Origin(P, made(data=LATER)), SMALL, FOUND, LATER)
    assert again[f"{P}:databasePassword"].value == "db-s3cret"  # a copy of a copy
    assert "db-s3cret" not in repr(Origin(P, SOURCE, "db-s3cret"))


@pytest.mark.parametrize("data", [DATA, LATER])
def test_the_component_takes_it_and_makes_no_blank_data(data):
    spec = DataSpec.read(_record(plain(made(data=data))["data"]), AWS, protect=False)
    assert [each.name for each in spec.generations] == [STAGED]
    assert spec.active.restored
    assert not spec.active.protect
    args = AwsBitbucketClusterArgs(version="7.9.0", internal=True, insecure_http=True, egress_ports=[443])
    assert ClusterSpec.read("copy", args, AWS).network.egress_ports == (443,)


def refused(found=FOUND, wish=SMALL, there=None, *, near=True):
    return [f.name for f in judge(found, wish, Origin(P, SOURCE), there, near=near) if not f.passed]


def test_a_good_wish_passes_every_rule():
    assert refused() == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"state": SetState.PENDING}, "set_complete"),
        ({"members": FOUND.members[:1]}, "set_whole"),
        ({"members": (*FOUND.members, Member(MemberKind.DISK, "vol-2", "snap-2", role="mesh"))}, "no_mesh"),
        ({"version": ""}, "version_known"),
    ],
)
def test_a_set_that_no_copy_can_be_built_from(change, rule):
    assert refused(replace(FOUND, **change)) == [rule]


def test_a_set_that_lies_elsewhere():
    assert refused(near=False) == ["same_region"]


@pytest.mark.parametrize("name", ["", "1", "a", "Prod", "-a", "a-", "a_b", "x" * 28, "a/b"])
def test_names_that_no_stack_gets(name):
    assert refused(wish=Wish(name)) == ["stack_name"]


def test_a_stack_that_is_something_else_is_left_alone_and_a_copy_goes_on():
    assert refused(there=SOURCE) == ["stack_free"]
    assert refused(there={f"{P}:version": Setting("7")}) == ["stack_free"]
    assert refused(there=made()) == []
    assert refused(there={}) == []


@pytest.mark.parametrize("network", ["10.0.0.0/16", "10.0.128.0/20", "10.0.0.0/8", "everywhere"])
def test_a_network_with_addresses_of_the_source(network):
    assert refused(wish=replace(SMALL, network=network)) == ["network_apart"]
