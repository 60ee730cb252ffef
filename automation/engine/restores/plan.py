"""The plan of a restore: shown first, whole, with every check named; nothing is touched here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from automation.core.backups.sets import BackupSet, Finding
from automation.core.cluster import InstanceState, NodeGroup
from automation.core.restores.plan import Circumstances, RestorePlan, generation_of, judge, usable_copy
from automation.core.versions import same_version
from automation.ports.errors import NotFound
from automation.ports.restoring import Restoring

REPLY_TIMEOUT = 30.0
"""Seconds in which a machine has to carry out an empty command."""


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
    data, group = at.program.data(), at.group.observe()
    account, region = at.manifests.account()
    here = Circumstances(cluster, region, account, at.program.version(), data)
    wanted = generation_of(found, target, usable_copy(found, here))
    findings = judge(found, target, here)
    if data.find(target) == wanted and data.active != target:
        findings = tuple(finding for finding in findings if finding.name != "target_free")
    inherited = _inherited(at, cluster)
    findings += tuple(_ready(at, group, inherited, swap=not prepare_only))
    plan = RestorePlan(
        cluster=cluster,
        target=target,
        previous=data.active,
        set_id=found.id,
        generation=wanted,  # declaring it once more makes sure that it is whole, before anybody is locked out
        counts=found.counts,
        mode=found.mode,
        started=at.clock.now(),
        by=by,
        suspend=_suspend(at, group, inherited),
        launch=at.launch,
        nodes=_nodes(at, group, cluster),
        prepare_only=prepare_only,
    )
    return Prospect(plan, findings, found)


def way_back(at: Restoring, *, cluster: str, by: str = "") -> Prospect:
    """Plan to use the data again that was active before the newest restore.

    Raises:
        NotFound: no restore has swapped anything.
    """
    newest, data = at.journal.newest(cluster), at.program.data()
    if newest is None or (newest.activated is None and data.active != newest.plan.target):
        raise NotFound(
            "no restore has swapped this cluster's data", hint="name the data to use: `bbdc restore --to original`"
        )
    back = switch(at, newest.plan.previous, cluster=cluster, by=by)
    # What was in use is whole: nothing is declared first, nobody waits longer than for the swap.
    return replace(back, plan=replace(back.plan, undo=True, generation=None))


def switch(at: Restoring, target: str, *, cluster: str, by: str = "") -> Prospect:
    """Plan to use data that the program declares already."""
    data, group = at.program.data(), at.group.observe()
    known, other, inherited = target in data.there, target != data.active, _inherited(at, cluster)
    findings = (
        Finding("target_there", known, "" if known else f"the program declares no data called {target}"),
        Finding("target_not_active", other, "" if other else f"{target} is in use"),
        *_ready(at, group, inherited, swap=True),
    )
    plan = RestorePlan(
        cluster=cluster,
        target=target,
        previous=data.active,
        generation=data.find(target),
        started=at.clock.now(),
        by=by,
        suspend=_suspend(at, group, inherited),
        launch=at.launch,
        nodes=_nodes(at, group, cluster),
    )
    return Prospect(plan, findings)


def _inherited(at: Restoring, cluster: str) -> frozenset[str]:
    """Return what an unfinished restore has switched off: it is ours to switch on again."""
    newest = at.journal.newest(cluster)
    return newest.plan.suspend if newest is not None and not newest.is_over else frozenset()


def _nodes(at: Restoring, group: NodeGroup, cluster: str) -> int:
    """Return how many machines there shall be: those of an unfinished restore were counted when it began."""
    newest = at.journal.newest(cluster)
    begun = newest.plan.nodes if newest is not None and not newest.is_over and newest.suspended else 0
    return max(group.desired, begun)


def _suspend(at: Restoring, group: NodeGroup, inherited: frozenset[str]) -> frozenset[str]:
    wanted = at.group.disturbing() | at.launch
    return (wanted - group.suspended) | (inherited & group.suspended)


def _ready(at: Restoring, group: NodeGroup, inherited: frozenset[str], *, swap: bool) -> Iterator[Finding]:
    """Hold against the estate everything that would stop a swap half-way, with users locked out."""
    wanted = at.program.version()
    settled = not group.version or not wanted or same_version(group.version, wanted)
    open_roll = f"the stack wants {wanted}, new nodes get {group.version}: finish that roll first"
    yield Finding("no_open_roll", settled, "" if settled else open_roll)
    if not swap:
        return
    off = at.launch & group.suspended - inherited
    stays_off = f"{', '.join(sorted(off))} is switched off, and not by us: no new node could come"
    yield Finding("machines_can_launch", not off, stays_off if off else "")
    yield _commandable(at, group)


def _commandable(at: Restoring, group: NodeGroup) -> Finding:
    deaf = []
    try:
        at.shell.run(at.shell.file_server(), ":", timeout=REPLY_TIMEOUT)
    except NotFound as error:
        deaf.append(error.message)
    for instance in group.instances:
        try:
            if instance.state is not InstanceState.TERMINATING:
                at.shell.run(instance.id, ":", timeout=REPLY_TIMEOUT)
        except NotFound as error:
            deaf.append(error.message)
    return Finding("commandable", not deaf, "; ".join(deaf))
