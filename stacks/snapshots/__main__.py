"""The program: backups of one cluster by the clock, with our own sets or with AWS Backup."""

import pulumi

from components.aws.native_backup import AwsNativeBackup
from components.aws.other_stack import OtherStack
from components.aws.snapshot_schedule import AwsSnapshotSchedule
from components.snapshots import NativeSpec, read

spec = read(pulumi.Config())
stack = OtherStack.refer(spec.cluster_stack, spec.tags)

made: AwsNativeBackup | AwsSnapshotSchedule
if isinstance(spec.how, NativeSpec):
    made = AwsNativeBackup("backups", spec.timing, spec.how, stack, protect=spec.protect)
else:
    made = AwsSnapshotSchedule("backups", spec.timing, spec.how, stack)

for name, value in made.exports().items():
    pulumi.export(name, value)
