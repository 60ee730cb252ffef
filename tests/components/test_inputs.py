"""Wrong inputs are refused by name; defaults and derived values."""

from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest

from components.addresses import split
from components.aws.cluster import AwsBitbucketCluster
from components.checks import InvalidInput
from components.clouds import AWS, AZURE
from components.naming import LOAD_BALANCER_LIMIT, Estate, limited
from components.spec import ClusterSpec
from components.user_data import java_package, source
from tests.components.recorder import record

ARGS: Any = {"version": "7.9.0", "insecure_http": True}

HOME: Any = {"home_snapshots": ["snap-0123456789abcdef0"]}
SNAPSHOTS: Any = {**HOME, "database_snapshot": "bitbucket-20260301"}
PAST: Any = {**HOME, "database_source": "bitbucket-database", "database_time": "2026-03-01T00:00:00.000Z"}
WRONG = [
    ("version", {"version": "7.9"}),
    ("version", {"version": "latest"}),
    ("clusterName", {"cluster_name": "Bitbucket"}),
    ("clusterName", {"cluster_name": "bit--bucket"}),
    ("clusterName", {"cluster_name": "bitbucket-"}),
    ("clusterName", {"cluster_name": "b" * 41}),
    ("nodes", {"nodes": 0}),
    ("nodes", {"nodes": 2.5}),
    ("nodes", {"nodes": True}),
    ("vpcCidr", {"vpc_cidr": "10.0.0.0/8"}),
    ("vpcCidr", {"vpc_cidr": "10.0.0.0/24"}),
    ("vpcCidr", {"vpc_cidr": "10.0.0.1/16"}),
    ("vpcCidr", {"vpc_cidr": "bitbucket"}),
    ("availabilityZones", {"availability_zones": ["a", "b"]}),
    ("availabilityZones", {"availability_zones": ["a", "a", "b"]}),
    ("allowedCidrs", {"allowed_cidrs": []}),
    ("allowedCidrs", {"allowed_cidrs": ["10.0.0.0/99"]}),
    ("egressPorts", {"egress_ports": [0]}),
    ("certificateArn", {"insecure_http": False}),
    ("baseUrl", {"base_url": "bitbucket.example.com"}),
    ("baseUrl", {"base_url": "https://example.com/bitbucket"}),
    ("baseUrl", {"base_url": "http://example.com", "certificate_arn": "arn:aws:acm:cert"}),
    ("sshBaseUrl", {"ssh_base_url": "git.example.com:7999"}),
    ("deregistrationDelay", {"deregistration_delay": 3601}),
    ("healthCheckInterval", {"health_check_interval": 4}),
    ("archiveUrl", {"archive_url": "https://example.com/bitbucket-7.9.0.tar.gz"}),
    ("archiveUrl", {"archive_url": "ftp://example.com/{version}"}),
    ("archiveUrl", {"archive_url": "http://example.com/{version}", "insecure_http": False, "certificate_arn": "arn"}),
    ("archiveSha256", {"archive_sha256": {"7.9.0": "abc"}}),
    ("imdsv2", {"imdsv2": "maybe"}),
    ("uid", {"uid": 0}),
    ("homeSize", {"home_size": 1}),
    ("databaseEngineVersion", {"database_engine_version": "latest"}),
    ("databaseBackupDays", {"database_backup_days": 0}),
    ("adminEmail", {"license": "AAAB"}),
    ("data", {"data": {"current": "march"}}),
    ("data", {"data": ["march"]}),
    ("data.active", {"data": {"active": "march"}}),
    ("data.active", {"data": {"retired": ["original"]}}),
    ("data.active", {"data": {"active": "march", "generations": {"march": SNAPSHOTS}, "retired": ["march"]}}),
    ("data.retired", {"data": {"retired": ["march"]}}),
    ("data.retired", {"data": {"retired": "original"}}),
    ("data.unprotected", {"data": {"unprotected": ["original"]}}),
    ("data.generations", {"data": {"generations": {"original": SNAPSHOTS}}}),
    *[
        ("data.generations", {"data": {"generations": {name: SNAPSHOTS}}})
        for name in ("", "March", "-a", "a--b", 21 * "a")
    ],
    *[
        (rf"data.generations.march{where}", {"data": {"generations": {"march": generation}}})
        for where, generation in (
            ("", {**SNAPSHOTS, "home_snapshot": "snap-01234567"}),
            ("", "snap-01234567"),
            ("", HOME),
            ("", {**SNAPSHOTS, "database_source": "bb"}),
            ("", {**HOME, "database_time": "2026-03-01T00:00:00Z"}),
            ("", {**HOME, "database_source": "bb"}),
            (".homeSnapshots", {"database_snapshot": "bb"}),
            (".homeSnapshots", {**SNAPSHOTS, "home_snapshots": "snap-01234567"}),
            (".homeSnapshots", {**SNAPSHOTS, "home_snapshots": ["snap-01234567", "snap-89abcdef"]}),
            (".homeSnapshots", {**SNAPSHOTS, "home_snapshots": ["vol-01234567"]}),
            (".databaseSnapshot", {**HOME, "database_snapshot": "two words"}),
            (".databaseSnapshot", {**HOME, "database_snapshot": "arn:aws:rds:eu-west-1:1:snapshot:bb"}),
            (".databaseSource", {**PAST, "database_source": "bb--database"}),
            (".databaseTime", {**PAST, "database_time": "yesterday"}),
            (".databaseTime", {**PAST, "database_time": "2026-03-01T00:00:00"}),
            (".databaseTime", {**PAST, "database_time": "2026-03-01T00:00:00+01:00"}),
        )
    ],
]


AZURE_WRONG = [
    ("certificateId", {"insecure_http": False}),
    ("certificateIdentity", {"certificate_id": "https://certificates.vault.azure.net/secrets/bitbucket"}),
    ("resourceGroup", {"resource_group": "ends with a dot."}),
    ("archiveUrl", {"archive_url": "s3://mirror/{version}"}),
    ("databaseBackupDays", {"database_backup_days": 6}),
    ("data.generations.march.databaseSnapshot", {"data": {"generations": {"march": SNAPSHOTS}}}),
    ("data.generations.march.homeSnapshots", {"data": {"generations": {"march": PAST}}}),
]


@pytest.mark.parametrize(("name", "args"), AZURE_WRONG)
def test_what_azure_has_not_is_refused_by_name(name, args):
    with pytest.raises(InvalidInput, match=rf"^{name}: "):
        ClusterSpec.read("bitbucket", ARGS | args, AZURE)


@pytest.mark.parametrize(("name", "args"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)])
def test_a_wrong_input_is_refused_by_its_name(name, args):
    with pytest.raises(InvalidInput, match=rf"^{name}: "):
        ClusterSpec.read("bitbucket", ARGS | args, AWS)


@pytest.mark.parametrize(
    "snapshot",
    [
        "bitbucket-20260301",
        "rds:bitbucket-2026-03-01-00-00",
        "arn:aws:rds:eu-west-1:111122223333:snapshot:bitbucket-20260301",
        "arn:aws:rds:eu-west-1:111122223333:snapshot:rds:bitbucket-2026-03-01-00-00",
    ],
)
def test_a_database_snapshot_is_named_as_the_cloud_names_it(snapshot):
    generations = {"march": {**HOME, "database_snapshot": snapshot}}
    data = ClusterSpec.read("bitbucket", ARGS | {"data": {"active": "march", "generations": generations}}, AWS).data
    assert data.active.database_snapshot == snapshot


@pytest.mark.parametrize("active", ["", "original"])
def test_the_first_generation_goes_by_two_names(active):
    assert ClusterSpec.read("bitbucket", ARGS | {"data": {"active": active}}, AWS).data.active.suffix == ""


def test_a_missing_version_is_refused_by_its_name():
    args: Any = {"insecure_http": True}
    with pytest.raises(InvalidInput, match=r"^version: "):
        ClusterSpec.read("bitbucket", args, AWS)


@pytest.mark.parametrize(("name", "args"), [("version", {"version": "7.9"}), ("homeSize", {"home_size": 1})])
def test_a_wrong_output_is_refused_as_soon_as_it_is_known(name, args):
    def program():
        late: Any = {key: pulumi.Output.from_input(value) for key, value in args.items()}
        AwsBitbucketCluster("bitbucket", ARGS | late)

    with pytest.raises(InvalidInput, match=rf"^{name}: "):
        record(program)


def test_a_refusal_is_shown_without_a_traceback():
    assert issubclass(InvalidInput, pulumi.RunError)


def test_numbers_of_remote_consumers_arrive_as_floats():
    assert ClusterSpec.read("bitbucket", ARGS | {"nodes": 4.0}, AWS).machines.count == 4


@pytest.mark.parametrize("prefix", range(16, 23))
def test_subnets_lie_in_the_network_and_do_not_overlap(prefix):
    network = IPv4Network(f"10.4.0.0/{prefix}")
    subnets = split(network)
    every = [*subnets.public, *subnets.private]
    assert len(every) == 6
    assert all(s.subnet_of(network) and s.prefixlen <= 26 for s in every)
    assert not [(a, b) for a in every for b in every if a != b and a.overlaps(b)]
    assert subnets.file_server in subnets.private[0]


@pytest.mark.parametrize("suffix", ["http", "ssh-targets"])
def test_long_names_are_shortened_and_stay_apart(suffix):
    names = {Estate(f"{'b' * 38}{end}", {}, protect_data=True).physical(suffix, LOAD_BALANCER_LIMIT) for end in "xyz"}
    assert len(names) == 3
    assert all(len(name) <= LOAD_BALANCER_LIMIT and not name.endswith("-") for name in names)


def test_short_names_stay_as_they_are():
    assert limited("bitbucket-http", LOAD_BALANCER_LIMIT) == "bitbucket-http"


@pytest.mark.parametrize(
    ("version", "release"), [("7.9.0", 11), ("8.19.20", 11), ("9.4.8", 17), ("10.2.9", 21), ("11.0.0", 21)]
)
def test_java_fits_the_line(version, release):
    assert java_package("aws", version) == f"java-{release}-amazon-corretto-headless"


@pytest.mark.parametrize("value", ["it's", "two\nlines"])
def test_a_value_that_would_break_out_of_its_quotes_is_refused(value):
    with pytest.raises(ValueError, match="JVM_ARGUMENTS"):
        source("aws", "node", {"JVM_ARGUMENTS": value})
