"""The plan of a restore: shown first, whole, with every check named; nothing is touched here."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.backups.sets import BackupSet, Finding
from automation.core.restores.memory import Memory
from automation.core.restores.plan import Circumstances, RestorePlan, generation_of, judge, usable_copy
from automation.ports.errors import NotFound, Refused
from automation.ports.restoring import Restoring


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a restore would do, and whether it may."""

    plan: RestorePlan
    findings: tuple[Finding, ...]
    found: BackupSet | None = None

    @property
    def refused(self) -> Finding | None:
        """The first check that was not passed; None when all were."""
        return next((finding for finding in self.findings if not finding.passed), None)


def prospect(
    at: Restoring, found: BackupSet, target: str, *, cluster: str, by: str = "", prepare_only: bool = False
) -> Prospect:
    """Plan the restore of ``found`` as ``target``; change nothing.

    A target that was prepared from this very set is taken as it is: its swap was left for later.
    """
    data = at.program.data()
    account, region = at.manifests.account()
    here = Circumstances(cluster, region, account, at.program.version(), data)
    wanted = generation_of(found, target, usable_copy(found, here))
    there = data.find(target)
    findings = judge(found, target, here)
    if there is not None and there == wanted and data.active != target:
        findings = tuple(finding for finding in findings if finding.name != "target_free")
    plan = RestorePlan(
        cluster=cluster,
        target=target,
        previous=data.active,
        set_id=found.id,
        generation=None if there == wanted else wanted,
        counts=found.counts,
        mode=found.mode,
        started=at.clock.now(),
        by=by,
        suspend=_suspend(at, cluster),
        prepare_only=prepare_only,
    )
    return Prospect(plan, findings, found)


def way_back(at: Restoring, *, cluster: str, by: str = "") -> Prospect:
    """Plan to use the data again that was active before the newest restore.

    Raises:
        NotFound: there was no restore, or its data is gone from the program.
    """
    newest, data = at.journal.newest(cluster), at.program.data()
    if newest is None or newest.activated is None:
        raise NotFound("no restore was carried out from here", hint="name the data to go back to: `--to original`")
    return switch(at, newest.plan.previous, data_names=data.names, active=data.active, cluster=cluster, by=by)


def switch(
    at: Restoring, target: str, *, data_names: frozenset[str], active: str, cluster: str, by: str = ""
) -> Prospect:
    """Plan to use data that the program declares already."""
    known = target in data_names
    other = target != active
    findings = (
        Finding("target_there", known, "" if known else f"the program declares no data called {target}"),
        Finding("target_not_active", other, "" if other else f"{target} is in use"),
    )
    plan = RestorePlan(cluster, target, active, started=at.clock.now(), by=by, suspend=_suspend(at, cluster))
    return Prospect(plan, findings)


def _suspend(at: Restoring, cluster: str) -> frozenset[str]:
    """Return what this restore switches off; what an unfinished one before it switched off is inherited."""
    newest, group = at.journal.newest(cluster), at.group.observe()
    inherited = newest.plan.suspend if newest is not None and not newest.is_over else frozenset()
    return (at.group.disturbing() - group.suspended) | (inherited & group.suspended)


def begin(planned: Prospect) -> Memory:
    """Return the memory of a restore that has done nothing yet.

    Raises:
        Refused: a check was not passed; its name is the check's.
    """
    if (refused := planned.refused) is not None:
        raise Refused(refused.name, refused.detail, hint="nothing was changed")
    return Memory(planned.plan)
