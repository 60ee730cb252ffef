"""What a node is told in its start-up script, the same on every cloud but for where it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.naming import MEMBER_TAG
from components.spec import BitbucketSpec, ClusterSpec
from components.user_data import java_package, render

Text = pulumi.Input[str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node finds around it."""

    url: Text
    ssh_url: Text
    home_server: Text
    """Address of the file server."""
    home_export: str
    database_host: Text
    database_port: pulumi.Output[int]
    database_name: str
    database_user: str
    secrets: Mapping[str, Text]
    """Where secrets are, by name: the script carries no secret."""


def node_script(cloud: str, spec: ClusterSpec, place: Mapping[str, Text], around: Surroundings) -> pulumi.Output[str]:
    """Return a node's start-up script, as clouds want it: in base64.

    Args:
        cloud: name of the cloud.
        spec: the estate.
        place: what only this cloud's part of the script reads, such as the region.
        around: what the node finds around it.
    """
    bitbucket, secrets = spec.bitbucket, around.secrets
    search, setup = bitbucket.search, bitbucket.setup
    # The order is part of the script: another one would be another model of every node.
    values: dict[str, Text] = {
        "BITBUCKET_VERSION": bitbucket.version,
        "BBDC_CLUSTER": spec.estate.cluster,
        **place,
        "MEMBER_TAG": MEMBER_TAG,
        "BITBUCKET_UID": str(bitbucket.uid),
        **_installation(cloud, bitbucket),
        "BASE_URL": around.url,
        "SSH_BASE_URL": around.ssh_url,
        "SHARED_HOME_SERVER": around.home_server,
        "SHARED_HOME_EXPORT": around.home_export,
        "DATABASE_HOST": around.database_host,
        "DATABASE_PORT": around.database_port.apply(str),
        "DATABASE_NAME": around.database_name,
        "DATABASE_USER": around.database_user,
        "DATABASE_SECRET": secrets["database"],
        "HAZELCAST_SECRET": secrets["hazelcast"],
        "SEARCH_URL": "" if search is None else search.url,
        "SEARCH_USER": "" if search is None else search.user,
        "SEARCH_REGION": "" if search is None else search.region,
        "SEARCH_SECRET": secrets.get("search", ""),
        "LICENSE_SECRET": secrets.get("license", ""),
        "ADMIN_SECRET": secrets.get("admin", ""),
        "ADMIN_USER": "" if setup is None else setup.admin_user,
        "ADMIN_EMAIL": "" if setup is None else setup.admin_email,
    }
    return pulumi.Output.all(**values).apply(lambda known: render(cloud, "node", known))


def _installation(cloud: str, bitbucket: BitbucketSpec) -> dict[str, Text]:
    """Return what depends on the version, which may be known only when the program runs."""
    version = pulumi.Output.from_input(bitbucket.version)
    return {
        "JAVA_PACKAGE": bitbucket.java_package or version.apply(lambda known: java_package(cloud, known)),
        "JVM_HEAP": bitbucket.jvm_heap,
        "JVM_ARGUMENTS": bitbucket.jvm_arguments,
        "ARCHIVE_URL": pulumi.Output.all(bitbucket.archive_url, version).apply(
            lambda known: known[0].replace("{version}", known[1])
        ),
        "ARCHIVE_SHA256": pulumi.Output.all(bitbucket.archive_sha256, version).apply(
            lambda known: known[0].get(known[1], "")
        ),
    }
