"""What is known of backup sets on Azure (``ports.cloud.Backups``): restore points and snapshots with our tags."""

from __future__ import annotations

from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.session import Caller
from automation.core.backups import labels
from automation.core.backups.sets import SetState, SnapshotState


class AzureBackups:
    """Implements ``ports.cloud.Backups`` over the disks' restore points.

    A set's members carry the state ``complete`` only after all of them are complete and checked, so one such restore
    point stands for its whole set.
    """

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._disks = AzureDisks(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def newest_complete(self) -> float | None:
        """Instant of the newest completed restore point of a complete set; None when there is none."""
        good = (
            one.at
            for one in self._disks.snapshots()
            if one.state is SnapshotState.COMPLETED and one.tags.get(labels.STATE) == SetState.COMPLETE
        )
        return max((at for at in good if at is not None), default=None)
