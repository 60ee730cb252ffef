"""Names and tags: children of a component, physical names within the cloud's limits, what identifies a cluster."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

CLUSTER_TAG = "bitbucket-dc:cluster"
"""Carried by every resource that takes a colon in a tag's name; the automation finds an estate by it."""
VERSION_TAG = "bitbucket-dc:version"
"""Bitbucket version that a machine was started to run."""
ROLE_TAG = "bitbucket-dc:role"
"""``node`` or ``file-server``."""
TARGET_GROUP_TAG = "bitbucket-dc:target-group"
"""``http`` or ``ssh``: what the targets of a target group are asked for."""
GENERATION_TAG = "bitbucket-dc:generation"
"""Generation of the data that a volume or a database holds."""
MEMBER_TAG = "bitbucket-dc:member"
"""Carried by nodes only. Hazelcast finds its members by one tag; with CLUSTER_TAG it would also knock at the file
server, whose firewall drops port 5701, and every join would wait for that time-out."""

REPLACING_TAG = "bitbucket-dc:replacing"
"""On Azure's scale set: nodes that the automation is renewing. Written by the automation, kept by the program."""
RENEWED_TAG = "bitbucket-dc:renewed"
"""Beside it: nodes whose disk does not show that they were renewed. Written and kept likewise."""
DRAINING_TAG = "bitbucket-dc:draining"
"""On Azure's application gateway: nodes that the automation has taken out. Written and kept likewise."""
DRAINING_TIME_TAG = "bitbucket-dc:draining-time"
"""On Azure's load balancer: seconds for which SSH sessions may go on after their node was taken out."""
ARCHIVE_TAG = "bitbucket-dc:archive-url"
"""On Azure's scale set: where nodes fetch Bitbucket from, with ``{version}``."""

NODE_ROLE = "node"
FILE_SERVER_ROLE = "file-server"

CLUSTER_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){1,39}")
"""2 to 40 characters that every physical name derived from it may contain (the database's identifier is strictest)."""

LOAD_BALANCER_LIMIT = 32
"""Longest name of an AWS load balancer or target group."""
DATABASE_LIMIT = 63
"""Longest identifier of an RDS instance."""
BUCKET_LIMIT = 63
"""Longest name of an S3 bucket."""


def limited(name: str, limit: int) -> str:
    """Shorten ``name`` to ``limit`` characters; a digest of the whole keeps shortened names apart."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: limit - len(digest) - 1].rstrip('-')}-{digest}"


@dataclass(frozen=True, slots=True)
class Estate:
    """What every part of one estate shares."""

    cluster: str
    """Name of the cluster: the value of CLUSTER_TAG, unique in its account and region."""
    tags: Mapping[str, pulumi.Input[str]]
    """The operator's own tags."""
    protect_data: bool
    """Whether Pulumi and the cloud refuse to delete what holds data."""

    def tagged(self, name: str, **more: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
        """Return the tags of a resource called ``name``; ours win over the operator's of the same key."""
        return {**self.tags, "Name": name, CLUSTER_TAG: self.cluster, **more}

    def physical(self, suffix: str, limit: int) -> str:
        """Return a physical name that starts with the cluster's and fits ``limit``.

        Deliberately without a random part: a second estate of the same name in one account must collide here and
        not later, when two clusters would take each other's nodes for their own.
        """
        return limited(f"{self.cluster}-{suffix}", limit)
