"""What is known of backup sets on AWS (``ports.cloud.Backups``): snapshots with our tags."""

from __future__ import annotations

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller


class AwsBackups:
    """Implements ``ports.cloud.Backups`` over EBS snapshots.

    A set's members carry ``bitbucket-dc:backup-state = complete`` only after all of them are complete and checked, so
    one such snapshot stands for its whole set. Copies are left out: they begin when they are copied, and hold what is
    older.
    """

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def newest_complete(self) -> float | None:
        """Start of the newest completed snapshot of a complete set; None when there is none."""
        found = self._caller.pages(
            "ec2",
            "describe_snapshots",
            "Snapshots",
            OwnerIds=["self"],
            Filters=[
                {"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]},
                {"Name": f"tag:{tags.BACKUP_STATE}", "Values": ["complete"]},
                {"Name": "status", "Values": ["completed"]},
            ],
        )
        own = (one for one in found if tags.ORIGINAL not in tags.words(one.get("Tags")))
        return max((snapshot["StartTime"].timestamp() for snapshot in own), default=None)
