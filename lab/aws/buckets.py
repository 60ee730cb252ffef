"""S3: bucket policies as far as a lab can hold them.

Repair in moto: it reads no conditions, so that a policy which refuses plain HTTP refuses everything. The lab's endpoint
on loopback stands for one with TLS: a statement about ``aws:SecureTransport`` does not apply to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


def install(world: AwsWorld, patches: Patches) -> None:  # noqa: ARG001 - every part is installed alike
    """Let buckets hold their policies without what only plain HTTP would break."""

    @patches.replace(FakeBucket, "get_permission")
    def get_permission(self: Any, action: str, resource: str) -> PermissionResult:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        document = json.loads(self.policy)
        document["Statement"] = [each for each in document["Statement"] if not _is_about_tls(each)]
        return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)


def _is_about_tls(statement: dict[str, Any]) -> bool:
    return "aws:SecureTransport" in (statement.get("Condition") or {}).get("Bool", {})
