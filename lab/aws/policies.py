"""IAM: the managed policies of AWS that machines of an estate may carry. moto has them all, at 1.4 s a start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

NAMES = (
    "AmazonSSMManagedInstanceCore",
    "CloudWatchAgentServerPolicy",
    "AmazonS3ReadOnlyAccess",
    "AWSBackupServiceRolePolicyForBackup",
    "AWSBackupServiceRolePolicyForRestores",
)


def install(world: AwsWorld, patches: Patches) -> None:  # noqa: ARG001 - every part is installed alike
    """Add the policies to the account."""
    backend = world.global_backend("iam")
    for name in NAMES:
        policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, _data(name))
        backend.managed_policies[policy.arn] = policy


def _data(name: str) -> dict[str, object]:
    """Cut one policy out of moto's text: reading all of it would take most of a second."""
    start = aws_managed_policies_data.index(f'"{name}":') + len(name) + 3
    found, _ = json.JSONDecoder().raw_decode(aws_managed_policies_data[start : start + 100_000].lstrip())
    return dict(found)
