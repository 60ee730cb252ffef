"""The program: backups of one cluster by the clock, with our own sets or with AWS Backup."""

from collections.abc import Mapping

import pulumi

from components.snapshots import NativeSpec, SnapshotSpec, TaskSpec, read


def on_aws(spec: SnapshotSpec) -> Mapping[str, pulumi.Output[str]]:
    """Declare them on AWS; whoever is on another cloud need not have its package."""
    from components.aws.native_backup import AwsNativeBackup  # noqa: PLC0415 (as said)
    from components.aws.other_stack import OtherStack  # noqa: PLC0415
    from components.aws.snapshot_schedule import AwsSnapshotSchedule  # noqa: PLC0415

    stack = OtherStack.refer(spec.cluster_stack, spec.tags)
    if isinstance(spec.how, NativeSpec):
        return AwsNativeBackup("backups", spec.timing, spec.how, stack, protect=spec.protect).exports()
    return AwsSnapshotSchedule("backups", spec.timing, spec.how, stack).exports()


def on_azure(spec: SnapshotSpec, how: TaskSpec) -> Mapping[str, pulumi.Output[str]]:
    """Declare them on Azure."""
    from components.azure.other_stack import OtherStack  # noqa: PLC0415 (as on AWS)
    from components.azure.snapshot_schedule import AzureSnapshotSchedule  # noqa: PLC0415

    stack = OtherStack.refer(spec.cluster_stack, spec.tags)
    return AzureSnapshotSchedule("backups", spec.timing, how, stack).exports()


asked = read(pulumi.Config())
made = on_azure(asked, asked.how) if asked.cloud == "azure" and isinstance(asked.how, TaskSpec) else on_aws(asked)
for name, value in made.items():
    pulumi.export(name, value)
