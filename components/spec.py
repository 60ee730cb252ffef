"""Inputs to one checked, frozen value: all validation and all defaults are here, and nothing else.

Values that shape the resource tree are plain; the others may be outputs and are checked when they are known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi

from components import checks
from components.addresses import ZONES
from components.args import AwsBitbucketClusterArgs, AzureBitbucketClusterArgs, InstanceMetadata
from components.checks import InvalidInput, when_known, whole_number
from components.clouds import Cloud
from components.generations import DataSpec
from components.naming import CLUSTER_NAME, Estate

Text = pulumi.Input[str]
Number = pulumi.Input[int]
Args = Mapping[str, Any]
"""Inputs of a component of any cloud. What a cloud does not know is never in them."""

CONNECTIONS_PER_NODE = 80
"""Database connections that a node opens by default (Atlassian, "Provision your shared database")."""
CONNECTIONS_RESERVED = 20
"""For administrators, backups and the engine itself."""
CONNECTIONS_AT_LEAST = 500
"""Enough for five nodes from the start: PostgreSQL takes a higher limit only with a restart."""
SURGE_NODES = 1
"""Room above the planned nodes, so that a roll may start the new node before it stops the old one."""

RESOURCE_GROUP = re.compile(r"(?=.{1,90}$)[\w.()-]*[\w()-]")
ARCHIVE_URL = "https://product-downloads.atlassian.com/software/stash/downloads/atlassian-bitbucket-{version}.tar.gz"
"""Atlassian's download site; the folder kept Bitbucket's first name."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The network and who may call whom across its border."""

    cidr: IPv4Network
    zones: tuple[str, ...] | None
    allowed_cidrs: tuple[str, ...]
    egress_ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FrontSpec:
    """The load balancers. Times in seconds."""

    internal: bool
    certificate: Text | None
    certificate_identity: Text | None
    """Where the certificate is kept by somebody else: the identity that may read it there."""
    base_url: Text | None
    ssh_base_url: Text | None
    deregistration_delay: int
    ssh_deregistration_delay: int
    health_check_interval: int
    web_application_firewall: bool


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """The nodes' machines. Sizes in GiB."""

    count: int
    instance_type: Text
    volume_size: Number
    image_id: Text | None
    metadata: InstanceMetadata
    wait_for_capacity_timeout: str
    ssh_key: Text | None

    @property
    def most(self) -> int:
        """Largest size of the group: the planned nodes and one surge node."""
        return self.count + SURGE_NODES


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """An OpenSearch endpoint that somebody else runs."""

    url: Text
    user: Text
    password: Text | None
    region: Text


@dataclass(frozen=True, slots=True)
class SetupSpec:
    """What an unattended first start needs."""

    license: Text
    admin_user: Text
    admin_email: Text
    admin_password: Text | None


@dataclass(frozen=True, slots=True)
class BitbucketSpec:
    """What nodes install and how they run it."""

    version: Text
    archive_url: Text
    archive_sha256: Mapping[str, Text]
    java_package: Text | None
    jvm_heap: Text
    jvm_arguments: Text
    uid: int
    search: SearchSpec | None
    setup: SetupSpec | None


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """PostgreSQL. Size in GiB."""

    instance_class: Text
    engine_version: str
    size: int
    backup_days: int
    max_connections: int
    geo_redundant: bool
    """Whether automated backups are kept in a second region too."""
    password: Text | None
    """Secret. None: generated."""

    @property
    def major(self) -> str:
        """PostgreSQL's major version."""
        return self.engine_version.split(".", maxsplit=1)[0]

    @property
    def family(self) -> str:
        """Parameter group family of the engine version."""
        return f"postgres{self.major}"


@dataclass(frozen=True, slots=True)
class HomeSpec:
    """The shared home: its volume (GiB, operations a second, MiB a second) and its server."""

    size: Number
    iops: Number
    throughput: Number
    instance_type: Text


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A whole estate."""

    estate: Estate
    network: NetworkSpec
    front: FrontSpec
    machines: MachineSpec
    bitbucket: BitbucketSpec
    database: DatabaseSpec
    home: HomeSpec
    data: DataSpec
    resource_group: str | None
    """Resource group that is there already; None for one of the estate's own."""

    @classmethod
    def read(cls, name: str, given: AwsBitbucketClusterArgs | AzureBitbucketClusterArgs, cloud: Cloud) -> "ClusterSpec":
        """Check a component's inputs; ``name`` is the component's own, the default of the cluster's.

        Raises:
            InvalidInput: an input is wrong; the message names it.
        """
        args: Args = {**given}
        machines, estate = _machines(args, cloud), _estate(name, args)
        return cls(
            estate=estate,
            network=_network(args),
            front=_front(args, cloud),
            machines=machines,
            bitbucket=_bitbucket(args, cloud),
            database=_database(args, cloud, machines),
            home=_home(args, cloud),
            data=DataSpec.read(args.get("data", {}), cloud, protect=estate.protect_data),
            resource_group=_resource_group(args),
        )


def _estate(name: str, args: Args) -> Estate:
    cluster = args.get("cluster_name", name)
    checks.matching("clusterName", CLUSTER_NAME, "bitbucket-prod (lower case, 2 to 40 characters)")(cluster)
    return Estate(cluster=cluster, tags=args.get("tags", {}), protect_data=args.get("protect_data", True))


def _resource_group(args: Args) -> str | None:
    name: str | None = args.get("resource_group")
    return name if name is None else checks.matching("resourceGroup", RESOURCE_GROUP, "bitbucket-prod")(name)


def _network(args: Args) -> NetworkSpec:
    zones = args.get("availability_zones") or None
    if zones is not None and len(set(zones)) != ZONES:
        raise InvalidInput("availabilityZones", f"must name {ZONES} different zones, not {list(zones)}")
    port = whole_number("egressPorts", 1, 65535)
    return NetworkSpec(
        cidr=checks.network("vpcCidr", args.get("vpc_cidr", "10.0.0.0/16")),
        zones=None if zones is None else tuple(zones),
        allowed_cidrs=checks.cidrs("allowedCidrs", args.get("allowed_cidrs", ["0.0.0.0/0"])),
        egress_ports=tuple(port(p) for p in args.get("egress_ports", [80, 443, 465, 587, 636])),
    )


def _front(args: Args, cloud: Cloud) -> FrontSpec:
    certificate = args.get("certificate_arn", args.get("certificate_id"))
    if certificate is None and not args.get("insecure_http", False):
        raise InvalidInput(
            cloud.certificate,
            f"is required: passwords would cross the network in clear. {cloud.certificate_from}, "
            "or set insecureHttp to true where nobody can listen",
        )
    if "certificate_id" in args and "certificate_identity" not in args:
        raise InvalidInput("certificateIdentity", "is required with certificateId: the gateway reads the vault with it")
    base_url, ssh_base_url = args.get("base_url"), args.get("ssh_base_url")
    delay = args.get("deregistration_delay", 300)
    schemes = ("https", "http") if certificate is None else ("https",)
    return FrontSpec(
        internal=args.get("internal", False),
        certificate=certificate,
        certificate_identity=args.get("certificate_identity"),
        base_url=base_url and when_known(base_url, checks.address("baseUrl", schemes)),
        ssh_base_url=ssh_base_url and when_known(ssh_base_url, checks.address("sshBaseUrl", ("ssh",))),
        deregistration_delay=whole_number("deregistrationDelay", 0, 3600)(delay),
        ssh_deregistration_delay=whole_number("sshDeregistrationDelay", 0, 3600)(
            args.get("ssh_deregistration_delay", delay)
        ),
        health_check_interval=whole_number("healthCheckInterval", 5, 300)(args.get("health_check_interval", 10)),
        web_application_firewall=args.get("web_application_firewall", False),
    )


def _machines(args: Args, cloud: Cloud) -> MachineSpec:
    metadata = args.get("imdsv2", InstanceMetadata.REQUIRED)
    if metadata not in list(InstanceMetadata):
        raise InvalidInput("imdsv2", f"must be one of {[str(m) for m in InstanceMetadata]}, not {metadata!r}")
    return MachineSpec(
        count=whole_number("nodes", 1, 20)(args.get("nodes", 3)),
        instance_type=args.get("instance_type", cloud.instance_type),
        volume_size=when_known(args.get("node_volume_size", 100), whole_number("nodeVolumeSize", 20, 16384)),
        image_id=args.get("image_id"),
        metadata=InstanceMetadata(metadata),
        wait_for_capacity_timeout=args.get("wait_for_capacity_timeout", "15m"),
        ssh_key=args.get("admin_ssh_key"),
    )


def _bitbucket(args: Args, cloud: Cloud) -> BitbucketSpec:
    if "version" not in args:
        raise InvalidInput("version", "is required, such as 7.9.4")
    template = checks.archive_template("archiveUrl", cloud.bucket_scheme, insecure=args.get("insecure_http", False))
    checksum = checks.matching("archiveSha256", checks.SHA256, "64 hexadecimal digits")
    return BitbucketSpec(
        version=when_known(args["version"], checks.matching("version", checks.VERSION, "7.9.4")),
        archive_url=when_known(args.get("archive_url", ARCHIVE_URL), template),
        archive_sha256={v: when_known(digest, checksum) for v, digest in args.get("archive_sha256", {}).items()},
        java_package=args.get("java_package"),
        jvm_heap=args.get("jvm_heap", "2g"),
        jvm_arguments=args.get("jvm_arguments", ""),
        uid=whole_number("uid", 1000, 60000)(args.get("uid", 2001)),
        search=_search(args),
        setup=_setup(args),
    )


def _search(args: Args) -> SearchSpec | None:
    if "search_url" not in args:
        return None
    return SearchSpec(
        url=args["search_url"],
        user=args.get("search_user", ""),
        password=args.get("search_password"),
        region=args.get("search_region", ""),
    )


def _setup(args: Args) -> SetupSpec | None:
    if "license" not in args:
        return None
    if "admin_email" not in args:
        raise InvalidInput("adminEmail", "is required with a licence: the first administrator needs a mail address")
    return SetupSpec(
        license=args["license"],
        admin_user=args.get("admin_user", "admin"),
        admin_email=args["admin_email"],
        admin_password=args.get("admin_password"),
    )


def _database(args: Args, cloud: Cloud, machines: MachineSpec) -> DatabaseSpec:
    needed = CONNECTIONS_PER_NODE * machines.most + CONNECTIONS_RESERVED
    version = args.get("database_engine_version", "14")
    if not version[:2].isdigit():
        raise InvalidInput(
            "databaseEngineVersion", f"must be a PostgreSQL version such as 14 or 14.12, not {version!r}"
        )
    return DatabaseSpec(
        instance_class=args.get("database_instance_class", cloud.database_class),
        engine_version=version,
        size=whole_number("databaseSize", 20, 16384)(args.get("database_size", 100)),
        backup_days=whole_number("databaseBackupDays", cloud.backup_days, 35)(args.get("database_backup_days", 14)),
        max_connections=max(needed, CONNECTIONS_AT_LEAST),
        geo_redundant=args.get("geo_redundant_backup", False),
        password=args.get("database_password"),
    )


def _home(args: Args, cloud: Cloud) -> HomeSpec:
    return HomeSpec(
        size=when_known(args.get("home_size", 200), whole_number("homeSize", 20, 16384)),
        iops=when_known(args.get("home_iops", 6000), whole_number("homeIops", 3000, 80000)),
        throughput=when_known(args.get("home_throughput", 250), whole_number("homeThroughput", 125, 2000)),
        instance_type=args.get("file_server_instance_type", cloud.instance_type),
    )
