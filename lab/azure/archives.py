"""Bitbucket's installation archives as the lab has them: files on a server of their own, for preflight to look at.

The lab's machines do not unpack them: what runs on a node is lab.bitbucket.node.
"""

from __future__ import annotations

import re

from lab.aws.archives import VERSIONS
from lab.azure.errors import ArmError
from lab.azure.gateway import Gateway
from lab.azure.messages import Answer, Request
from lab.azure.ports import Call
from lab.azure.world import AzureWorld

NAME = re.compile(r"/atlassian-bitbucket-(\d+\.\d+\.\d+)\.tar\.gz")


def publish(world: AzureWorld) -> str:
    """Serve the versions that can be had; return their URL, with ``{version}`` in it."""
    door = Gateway(world, _answer, lambda request: Call("archives", request.method, request.body))
    return f"{world.listen(door)}/atlassian-bitbucket-{{version}}.tar.gz"


def _answer(request: Request) -> Answer:
    found = NAME.fullmatch(request.path)
    if request.method not in {"GET", "HEAD"} or found is None or found[1] not in VERSIONS:
        raise ArmError(404, "NotFound", f"There is nothing at {request.path}.")
    body = f"The archive of Bitbucket {found[1]}, as far as the lab needs it.\n".encode()
    return Answer(200, body, {"Content-Type": "application/gzip"})
