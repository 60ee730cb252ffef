"""What a consumer writes, in any Pulumi language; `spec.py` turns it into a checked value.

TypedDicts with optional keys, because that is what the component analyser understands: no unions, no literals, no
postponed annotations. A plain type (not `pulumi.Input`) means that the value shapes the resource tree, so it must be
known when the program runs.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi


class InstanceMetadata(StrEnum):
    """Which versions of the instance metadata service a machine answers."""

    REQUIRED = "required"
    """IMDSv2 only."""
    OPTIONAL = "optional"
    """IMDSv1 too: only for a Bitbucket whose Hazelcast cannot discover its members otherwise."""


class DataGeneration(TypedDict):
    """A further generation of the estate's data, made from a backup. What it was made from is not changed later."""

    home_snapshots: NotRequired[Sequence[str]]
    """Snapshot of the shared home's volume: a list of one id. On Azure of a snapshot or a disk restore point."""
    database_snapshot: NotRequired[str]
    """On AWS: identifier or ARN of the RDS snapshot that the database is made from."""
    database_source: NotRequired[str]
    """Instead of a snapshot: identifier of the database server whose automated backups hold databaseTime."""
    database_time: NotRequired[str]
    """Moment to which the database is recovered: ISO 8601, UTC, such as 2026-11-21T10:00:00.000Z."""


class Data(TypedDict):
    """Which generations of data the estate has, and which one it uses."""

    active: NotRequired[str]
    """Generation in use. Default original, the first one."""
    generations: NotRequired[Mapping[str, DataGeneration]]
    """Further generations by name: up to 20 characters, a-z, 0-9 and hyphens."""
    unprotected: NotRequired[Sequence[str]]
    """Generations whose protection is lifted, the step before they are retired."""
    retired: NotRequired[Sequence[str]]
    """Generations whose data is deleted, after their protection was lifted."""


class AwsBitbucketClusterArgs(TypedDict):
    """Inputs of AwsBitbucketCluster. Only the version is required, and a certificate or insecureHttp."""

    version: pulumi.Input[str]
    """Bitbucket version that new nodes install, such as 7.9.4."""
    cluster_name: NotRequired[str]
    """Cluster name, unique in account and region; its resources are tagged with it. Default: the component's."""
    nodes: NotRequired[int]
    """Number of nodes. Default 3."""
    instance_type: NotRequired[pulumi.Input[str]]
    """EC2 type of a node. Default m6i.xlarge."""
    node_volume_size: NotRequired[pulumi.Input[int]]
    """GiB of a node's own disk: clone caches, indexes, logs. Default 100."""
    image_id: NotRequired[pulumi.Input[str]]
    """AMI of the machines, an Amazon Linux 2023. Default: the newest one at the time of the run."""
    vpc_cidr: NotRequired[str]
    """IPv4 network of the VPC, /16 to /22. Default 10.0.0.0/16."""
    availability_zones: NotRequired[Sequence[str]]
    """Three zones. Default: the region's first three."""
    internal: NotRequired[bool]
    """Give the load balancers private addresses only. Default false."""
    allowed_cidrs: NotRequired[Sequence[str]]
    """Networks that may reach the load balancers. Default 0.0.0.0/0."""
    egress_ports: NotRequired[Sequence[int]]
    """TCP ports on which nodes may call out (web hooks, LDAP, mail). Default 80, 443, 465, 587, 636."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """ACM certificate of the HTTPS listener."""
    insecure_http: NotRequired[bool]
    """Serve plain HTTP when there is no certificate; passwords then cross the network in clear. Default false."""
    base_url: NotRequired[pulumi.Input[str]]
    """URL that people use. Default: the load balancer's own name."""
    ssh_base_url: NotRequired[pulumi.Input[str]]
    """URL of git over SSH. Default: the network load balancer's own name, port 7999."""
    deregistration_delay: NotRequired[int]
    """Seconds that open HTTP requests get when their node leaves the load balancer. Default 300."""
    ssh_deregistration_delay: NotRequired[int]
    """The same for git over SSH. Default: as deregistrationDelay."""
    health_check_interval: NotRequired[int]
    """Seconds between two health checks of a node, 5 to 300. Default 10."""
    archive_url: NotRequired[pulumi.Input[str]]
    """Where nodes fetch Bitbucket from, https:// or s3://, with {version}. Default: Atlassian's download site."""
    archive_sha256: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Version to SHA-256 of its archive. A version that is missing is trusted on first use, by the whole cluster."""
    java_package: NotRequired[pulumi.Input[str]]
    """Package of the Java runtime. Default: by version, Amazon Corretto 11, 17 or 21."""
    jvm_heap: NotRequired[pulumi.Input[str]]
    """Heap of a node's JVM. Default 2g; git runs beside it and needs memory of its own."""
    jvm_arguments: NotRequired[pulumi.Input[str]]
    """Further JVM arguments."""
    imdsv2: NotRequired[InstanceMetadata]
    """Whether machines answer IMDSv2 only. Default required."""
    uid: NotRequired[int]
    """User and group id that own the shared home, equal on all machines. Default 2001."""
    wait_for_capacity_timeout: NotRequired[str]
    """How long to wait for the nodes' machines. Default 15m."""
    file_server_instance_type: NotRequired[pulumi.Input[str]]
    """EC2 type of the file server. Default m6i.xlarge."""
    home_size: NotRequired[pulumi.Input[int]]
    """GiB of the shared home's volume. Default 200."""
    home_iops: NotRequired[pulumi.Input[int]]
    """Operations per second of the shared home's volume. Default 6000."""
    home_throughput: NotRequired[pulumi.Input[int]]
    """MiB per second of the shared home's volume. Default 250."""
    database_instance_class: NotRequired[pulumi.Input[str]]
    """RDS class. Default db.m6g.large."""
    database_engine_version: NotRequired[str]
    """PostgreSQL version, major or full. Default 14."""
    database_size: NotRequired[int]
    """GiB of the database's storage to begin with; it grows up to five times that. Default 100."""
    database_backup_days: NotRequired[int]
    """Days of automated database backups, 1 to 35. Default 14."""
    search_url: NotRequired[pulumi.Input[str]]
    """OpenSearch endpoint. Default: none, and no code search."""
    search_user: NotRequired[pulumi.Input[str]]
    """User name at the OpenSearch endpoint."""
    search_password: NotRequired[pulumi.Input[str]]
    """Secret. Password at the OpenSearch endpoint."""
    search_region: NotRequired[pulumi.Input[str]]
    """Sign requests to the OpenSearch endpoint for this AWS region."""
    license: NotRequired[pulumi.Input[str]]
    """Secret. Data Center licence for an unattended first start. Default: the set-up wizard asks for it."""
    admin_user: NotRequired[pulumi.Input[str]]
    """First system administrator, with a licence. Default admin."""
    admin_email: NotRequired[pulumi.Input[str]]
    """Mail address of the first system administrator; required with a licence."""
    admin_password: NotRequired[pulumi.Input[str]]
    """Secret. Password of the first system administrator. Default: generated, in Secrets Manager."""
    data: NotRequired[Data]
    """Generations of the estate's data. Default: the first one only."""
    protect_data: NotRequired[bool]
    """Refuse to delete database, volumes, keys and secrets. Default true."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for every resource."""


class AzureBitbucketClusterArgs(TypedDict):
    """Inputs of AzureBitbucketCluster. Only the version is required, and a certificate or insecureHttp."""

    version: pulumi.Input[str]
    """Bitbucket version that new nodes install, such as 7.9.4."""
    cluster_name: NotRequired[str]
    """Cluster name, unique in the subscription; its resources are tagged with it. Default: the component's."""
    resource_group: NotRequired[str]
    """Resource group that is there already. Default: the estate makes one, called as the cluster."""
    nodes: NotRequired[int]
    """Number of nodes. Default 3."""
    instance_type: NotRequired[pulumi.Input[str]]
    """Size of a node. Default Standard_D4s_v5."""
    node_volume_size: NotRequired[pulumi.Input[int]]
    """GiB of a node's own disk: clone caches, indexes, logs. Default 100."""
    image_id: NotRequired[pulumi.Input[str]]
    """Image of the machines, an AlmaLinux 9: a resource's id or publisher:offer:sku:version. Default: the newest."""
    admin_ssh_key: NotRequired[pulumi.Input[str]]
    """Public SSH key of the machines' administrator. Default: a password that nobody knows; port 22 is closed."""
    vpc_cidr: NotRequired[str]
    """IPv4 network of the virtual network, /16 to /22. Default 10.0.0.0/16."""
    availability_zones: NotRequired[Sequence[str]]
    """Three zones. Default: 1, 2, 3."""
    internal: NotRequired[bool]
    """Give the load balancers private addresses only. Default false."""
    allowed_cidrs: NotRequired[Sequence[str]]
    """Networks that may reach the load balancers. Default 0.0.0.0/0."""
    egress_ports: NotRequired[Sequence[int]]
    """TCP ports on which nodes may call out (web hooks, LDAP, mail). Default 80, 443, 465, 587, 636."""
    certificate_id: NotRequired[pulumi.Input[str]]
    """Key Vault secret id of the HTTPS listener's certificate."""
    certificate_identity: NotRequired[pulumi.Input[str]]
    """Id of a user-assigned identity that may read the certificate's secret; required with certificateId."""
    insecure_http: NotRequired[bool]
    """Serve plain HTTP when there is no certificate; passwords then cross the network in clear. Default false."""
    base_url: NotRequired[pulumi.Input[str]]
    """URL that people use. Default: the application gateway's own name."""
    ssh_base_url: NotRequired[pulumi.Input[str]]
    """URL of git over SSH. Default: the SSH load balancer's own name, port 7999."""
    deregistration_delay: NotRequired[int]
    """Seconds that open HTTP requests get when their node leaves the load balancer. Default 300."""
    ssh_deregistration_delay: NotRequired[int]
    """The same for git over SSH. Default: as deregistrationDelay."""
    health_check_interval: NotRequired[int]
    """Seconds between two health checks of a node, 5 to 300. Default 10."""
    web_application_firewall: NotRequired[bool]
    """Put a web application firewall before the nodes: OWASP's rules, large pushes let through. Default false."""
    archive_url: NotRequired[pulumi.Input[str]]
    """Where nodes fetch Bitbucket from, https:// or azblob://, with {version}. Default: Atlassian's download site."""
    archive_sha256: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Version to SHA-256 of its archive. A version that is missing is trusted on first use, by the whole cluster."""
    java_package: NotRequired[pulumi.Input[str]]
    """Package of the Java runtime. Default: by version, OpenJDK 11, 17 or 21."""
    jvm_heap: NotRequired[pulumi.Input[str]]
    """Heap of a node's JVM. Default 2g; git runs beside it and needs memory of its own."""
    jvm_arguments: NotRequired[pulumi.Input[str]]
    """Further JVM arguments."""
    uid: NotRequired[int]
    """User and group id that own the shared home, equal on all machines. Default 2001."""
    file_server_instance_type: NotRequired[pulumi.Input[str]]
    """Size of the file server. Default Standard_D4s_v5."""
    home_size: NotRequired[pulumi.Input[int]]
    """GiB of the shared home's volume. Default 200."""
    home_iops: NotRequired[pulumi.Input[int]]
    """Operations per second of the shared home's volume. Default 6000."""
    home_throughput: NotRequired[pulumi.Input[int]]
    """MiB per second of the shared home's volume. Default 250."""
    database_instance_class: NotRequired[pulumi.Input[str]]
    """Size of the database server. Default Standard_D2ds_v5. A burstable size (Standard_B...) has no standby."""
    database_engine_version: NotRequired[str]
    """PostgreSQL version; Azure chooses the minor one. Default 14."""
    database_size: NotRequired[int]
    """GiB of the database's storage to begin with, rounded up to a size that Azure has; it grows. Default 100."""
    database_backup_days: NotRequired[int]
    """Days of automated database backups, 7 to 35. Default 14."""
    database_password: NotRequired[pulumi.Input[str]]
    """Secret. Password of the database's user: that of its source, where it is restored from another estate's.
    Default: generated, in the key vault."""
    geo_redundant_backup: NotRequired[bool]
    """Keep the database's automated backups in the paired region too. Only at first. Default false."""
    search_url: NotRequired[pulumi.Input[str]]
    """OpenSearch endpoint. Default: none, and no code search."""
    search_user: NotRequired[pulumi.Input[str]]
    """User name at the OpenSearch endpoint."""
    search_password: NotRequired[pulumi.Input[str]]
    """Secret. Password at the OpenSearch endpoint."""
    license: NotRequired[pulumi.Input[str]]
    """Secret. Data Center licence for an unattended first start. Default: the set-up wizard asks for it."""
    admin_user: NotRequired[pulumi.Input[str]]
    """First system administrator, with a licence. Default admin."""
    admin_email: NotRequired[pulumi.Input[str]]
    """Mail address of the first system administrator; required with a licence."""
    admin_password: NotRequired[pulumi.Input[str]]
    """Secret. Password of the first system administrator. Default: generated, in the key vault."""
    data: NotRequired[Data]
    """Generations of the estate's data. Default: the first one only."""
    protect_data: NotRequired[bool]
    """Refuse to delete database, volumes, keys and secrets. Default true."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for every resource."""
