"""AWS Backup instead of our own sets: a locked vault, a plan, and a selection by the cluster's tag.

It needs no task and no access to Bitbucket. What it takes is a zero-downtime backup: each disk by itself, and the
database at another moment; RDS's own automated backups bring the database to the disks' moment when restoring.
"""

from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.other_stack import OtherStack
from components.aws.snapshot_identity import trust
from components.naming import CLUSTER_TAG, GENERATION_TAG
from components.snapshots import CHANGEABLE_AT_LEAST, NativeSpec, Timing
from components.tokens import type_token

POLICIES = {
    "backup": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    "restore": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
}
KINDS = ("arn:aws:ec2:*:*:volume/*", "arn:aws:rds:*:*:db:*")
START_MINUTES, COMPLETE_MINUTES = 60, 12 * 60


class AwsNativeBackup(pulumi.ComponentResource):
    """Vault, lock, plan and selection of AWS Backup."""

    vault_name: pulumi.Output[str]
    """Name of the vault."""
    plan_id: pulumi.Output[str]
    """Id of the plan."""

    def __init__(
        self,
        name: str,
        timing: Timing,
        spec: NativeSpec,
        stack: OtherStack,
        *,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsNativeBackup"), name, {}, opts)
        self._name, self._spec, self._stack = name, spec, stack
        self._inside = pulumi.ResourceOptions(parent=self)
        self.vault = self._vault(protect=protect)
        self.plan = self._plan(timing)
        self._select()
        self.vault_name, self.plan_id = self.vault.name, self.plan.id
        self.register_outputs(self.exports())

    def exports(self) -> dict[str, pulumi.Output[str]]:
        """Return every output by the name that the stack exports it under."""
        return {"vaultName": self.vault_name, "planId": self.plan_id}

    def _vault(self, *, protect: bool) -> aws.backup.Vault:
        """The vault, and its lock: nothing in it can be deleted before its time."""
        child, spec = f"{self._name}-vault", self._spec
        vault = aws.backup.Vault(
            child,
            kms_key_arn=self._stack.key_arn,
            tags=self._stack.tagged(child),
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        aws.backup.VaultLockConfiguration(
            f"{self._name}-lock",
            backup_vault_name=vault.name,
            min_retention_days=spec.shortest,
            max_retention_days=spec.longest,
            # With these days the lock becomes final when they are over (compliance); without, an administrator with
            # the permission can still take it off (governance).
            changeable_for_days=CHANGEABLE_AT_LEAST if spec.compliance else None,
            opts=self._inside,
        )
        return vault

    def _plan(self, timing: Timing) -> aws.backup.Plan:
        child, spec = f"{self._name}-plan", self._spec
        at = timing.expression.removeprefix("cron(").removesuffix(")").split()
        weekly, monthly = [*at[:2], "?", "*", "SUN", "*"], [*at[:2], "1", "*", "?", "*"]
        rules = (("daily", at, spec.daily), ("weekly", weekly, spec.weekly), ("monthly", monthly, spec.monthly))
        return aws.backup.Plan(
            child,
            rules=[self._rule(kind, f"cron({' '.join(when)})", timing.zone, days) for kind, when, days in rules],
            tags=self._stack.tagged(child),
            opts=self._inside,
        )

    def _rule(self, kind: str, schedule: str, zone: str, days: int) -> dict[str, Any]:
        return {
            "rule_name": kind,
            "target_vault_name": self.vault.name,
            "schedule": schedule,
            "schedule_expression_timezone": zone,
            "start_window": START_MINUTES,
            "completion_window": COMPLETE_MINUTES,
            "lifecycle": {"delete_after": days},
            "recovery_point_tags": {CLUSTER_TAG: self._stack.cluster},
        }

    def _select(self) -> None:
        """Disks and databases that carry the cluster's tag and hold a generation of its data; not the nodes' disks."""
        cluster, generation = (f"aws:ResourceTag/{tag}" for tag in (CLUSTER_TAG, GENERATION_TAG))
        role = self._role()
        aws.backup.Selection(
            f"{self._name}-selection",
            plan_id=self.plan.id,
            iam_role_arn=role.arn,
            resources=list(KINDS),
            conditions=[
                {
                    "string_equals": [{"key": cluster, "value": self._stack.cluster}],
                    "string_likes": [{"key": generation, "value": "*"}],
                }
            ],
            opts=self._inside,
        )

    def _role(self) -> aws.iam.Role:
        child = f"{self._name}-role"
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        role = aws.iam.Role(
            child,
            assume_role_policy=account.apply(lambda known: trust("backup.amazonaws.com", known)),
            tags=self._stack.tagged(child),
            opts=self._inside,
        )
        for what, policy in POLICIES.items():
            aws.iam.RolePolicyAttachment(f"{self._name}-{what}", role=role.name, policy_arn=policy, opts=self._inside)
        return role
