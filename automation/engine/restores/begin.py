"""Where a restore begins: anew, or where an unfinished one stopped. One cluster has one restore at a time."""

from __future__ import annotations

from dataclasses import replace

from automation.core.restores.memory import Memory
from automation.engine.restores.plan import Prospect, way_back
from automation.ports.errors import Refused
from automation.ports.restoring import Restoring


def begin(planned: Prospect) -> Memory:
    """Return the memory of a restore that has done nothing yet.

    Raises:
        Refused: a check was not passed; its name is the check's.
    """
    if (refused := planned.refused) is not None:
        raise Refused(refused.name, refused.detail, hint="nothing was changed")
    return Memory(planned.plan)


def unfinished(at: Restoring, cluster: str) -> Memory | None:
    """Return the restore that a pause or a crash has left; None when there is none."""
    newest = at.journal.newest(cluster)
    return None if newest is None or newest.is_over else newest


def going_on(at: Restoring, cluster: str, target: str, set_id: str = "") -> Memory | None:
    """Return the unfinished restore that the same command goes on with; None to begin anew.

    Args:
        at: the estate.
        cluster: its name.
        target: generation that shall be active.
        set_id: set that it is made from; empty takes what is there.

    Raises:
        Refused: ``restore_under_way``: nodes are stopped for another one, which has to end first.
    """
    left = unfinished(at, cluster)
    if left is None:
        return None
    plan = left.plan
    same = plan.target == target and set_id in {"", plan.set_id} and not (plan.undo or left.calling_off)
    if left.suspended and not same:
        raise Refused(
            "restore_under_way",
            f"a swap from {plan.previous} to {plan.target} is not finished",
            hint="`bbdc restore --undo` brings the former data back, `bbdc restore` with the same words goes on",
        )
    return left if same and left.suspended else None


def backwards(at: Restoring, cluster: str, *, by: str = "") -> tuple[Memory, Prospect | None]:
    """Return the restore that brings the former data back, and its plan where it is a new one.

    Before the swap the unfinished restore is called off; after it, it is swapped back.

    Raises:
        NotFound: nothing was ever swapped.
        Refused: a check was not passed.
    """
    left = unfinished(at, cluster)
    if left is not None and (left.plan.undo or left.calling_off):
        return left, None
    if left is not None and left.activated is None and at.program.data().active != left.plan.target:
        return replace(left, calling_off=True, resumed=False), None
    planned = way_back(at, cluster=cluster, by=by)
    return begin(planned), planned
