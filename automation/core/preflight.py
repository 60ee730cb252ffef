"""Preflight: named checks over facts that were read; nothing is changed, every result is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automation.core.cluster import ClusterState, Member, NodeState, Observation
from automation.core.roll import RollSettings
from automation.core.upgrade import busyness
from automation.core.versions import explain_refusal, refuse_upgrade, same_version


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one named check."""

    name: str
    passed: bool
    detail: str
    blocking: bool = True
    """False for an advice: the roll may begin all the same."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What preflight has read, besides the observation; None where the other side could not tell."""

    cluster: str
    seen: Observation
    current: str
    target: str
    settings: RollSettings
    status: str | None
    licence_expires: float | None
    licence_problem: str | None
    unhealthy: tuple[str, ...]
    incompatible_apps: tuple[str, ...] | None
    mesh_offline: tuple[str, ...]
    archive_problem: str | None
    cloud_problems: tuple[tuple[str, str], ...]
    newest_backup: float | None
    planned: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """All results, and what the roll would do."""

    cluster: str
    current: str
    target: str
    checks: tuple[Check, ...]
    order: tuple[str, ...]
    """Instance ids in the order in which they would be replaced if nothing changed: least busy first."""
    estimate: float
    """Seconds the roll may take with these settings; a guess from the settings, not a promise."""

    @property
    def refused(self) -> Check | None:
        """The first blocking check that did not pass."""
        return next((c for c in self.checks if c.blocking and not c.passed), None)


def evaluate(facts: Facts) -> Preflight:
    """Run every check over the facts."""
    members = sorted(facts.seen.members, key=lambda m: (m.is_serving, *busyness(m)))
    order = tuple(m.id for m in members if not same_version(m.instance.version or m.version, facts.target))
    checks = tuple(Check(name, *check(facts)) for name, check in CHECKS)
    extra = tuple(Check(name, passed=False, detail=text) for name, text in facts.cloud_problems)
    return Preflight(facts.cluster, facts.current, facts.target, checks + extra, order, _estimate(facts, len(order)))


def _estimate(facts: Facts, nodes: int) -> float:
    """Per node: drain, stop, boot, join and soak at their usual pace, not at their limits."""
    usual_drain, usual_stop, usual_boot = 300.0, 30.0, 600.0
    settings = facts.settings
    drain, stop = min(usual_drain, settings.drain_timeout), min(usual_stop, settings.stop_timeout)
    return nodes * (drain + stop + min(usual_boot, settings.boot_timeout) + settings.soak)


Result = tuple[bool, str] | tuple[bool, str, bool]


def _resumes(facts: Facts) -> bool:
    before = facts.seen.cluster.original_version
    return facts.seen.cluster.upgrade_mode and before is not None


def _version_rule(facts: Facts) -> Result:
    base = facts.seen.cluster.original_version or facts.current
    if _resumes(facts) and same_version(base, facts.target):
        return True, f"back to {facts.target}, from which the open upgrade began"
    if not _resumes(facts) and same_version(facts.current, facts.target):
        return True, f"the cluster runs {facts.target} already", False
    refusal = refuse_upgrade(base, facts.target)
    if refusal:
        return False, f"{refusal}: {explain_refusal(refusal, base, facts.target)}"
    return True, f"{base} -> {facts.target} is a bug-fix upgrade"


def _state(facts: Facts) -> Result:
    cluster = facts.seen.cluster
    if cluster.state is ClusterState.STABLE:
        return True, "STABLE"
    if cluster.upgrade_mode and cluster.state is not ClusterState.UNKNOWN:
        return True, f"{cluster.state}: an open upgrade from {cluster.original_version} is continued"
    return False, f"the cluster is {cluster.state}"


def _nodes_active(facts: Facts) -> Result:
    bad = [f"{n.address} is {n.state}" for n in facts.seen.cluster.nodes if n.state is not NodeState.ACTIVE]
    if bad and not facts.seen.cluster.upgrade_mode:
        return False, "; ".join(bad)
    return True, f"{len(facts.seen.cluster.nodes)} nodes" + (f" ({'; '.join(bad)})" if bad else "")


def _one_version(facts: Facts) -> Result:
    versions = sorted({n.version for n in facts.seen.cluster.nodes if n.version})
    if len(versions) > 1 and not facts.seen.cluster.upgrade_mode:
        return False, f"nodes run {', '.join(versions)}"
    return True, ", ".join(versions)


def _strangers(facts: Facts) -> Result:
    strange = [n.address for n in facts.seen.strangers if n.state is not NodeState.OFFLINE]
    if strange:
        return False, f"Bitbucket lists {', '.join(strange)}, which no machine of the group has"
    return True, "every node is a machine of the group"


def _licence(facts: Facts) -> Result:
    if facts.licence_problem:
        return False, facts.licence_problem
    if facts.licence_expires is not None and facts.licence_expires <= facts.seen.at:
        return False, "the licence has expired: renew it first"
    return True, "in force"


def _enough_nodes(facts: Facts) -> Result:
    serving = sum(m.is_serving for m in facts.seen.members)
    if facts.planned < 2 and not facts.settings.surge:
        return False, "one node cannot be replaced without downtime: add a node, or use --surge"
    wanted = facts.settings.minimum_serving
    floor = wanted if wanted is not None else (facts.planned - 1)
    left = serving if facts.settings.surge else serving - 1
    if left < floor and not facts.seen.cluster.upgrade_mode:
        return False, f"{serving} nodes serve; with one taken out {left} would be left, {floor} must serve"
    return True, f"{serving} nodes serve"


def _balancer(facts: Facts) -> Result:
    unwell = [_unwell(m) for m in facts.seen.members if not m.is_healthy]
    if unwell and not facts.seen.cluster.upgrade_mode:
        return False, "; ".join(unwell)
    return True, f"{len(facts.seen.members) - len(unwell)} of {len(facts.seen.members)} healthy in {_groups(facts)}"


def _groups(facts: Facts) -> str:
    return ", ".join(facts.seen.target_groups)


def _unwell(member: Member) -> str:
    return f"{member.id}: " + (", ".join(f"{t.group} {t.state}" for t in member.targets) or "in no target group")


def _capacity(facts: Facts) -> Result:
    group = facts.seen.group
    if not facts.seen.cluster.upgrade_mode and group.desired != facts.planned:
        return False, f"the group wants {group.desired} machines, the plan says {facts.planned}"
    if not facts.seen.cluster.upgrade_mode and len(group.instances) != group.desired:
        return False, f"the group holds {len(group.instances)} of {group.desired} machines"
    return True, f"{len(group.instances)} of {group.desired}"


def _apps(facts: Facts) -> Result:
    if facts.incompatible_apps is None:
        return True, "Bitbucket could not tell: check Manage apps > Bitbucket update check", False
    if facts.incompatible_apps:
        return False, f"not compatible with {facts.target}: {', '.join(facts.incompatible_apps)}"
    return True, "compatible"


def _health(facts: Facts) -> Result:
    if facts.unhealthy:
        return False, "; ".join(facts.unhealthy)
    return True, "passed"


def _lock(facts: Facts) -> Result:
    if facts.status == "MAINTENANCE":
        return False, "Bitbucket is locked for maintenance: let the backup finish, or run `bbdc recover`"
    if facts.status != "RUNNING":
        return False, f"/status says {facts.status or 'nothing'}"
    return True, "not locked"


def _mesh(facts: Facts) -> Result:
    if facts.mesh_offline:
        return False, f"not available: {', '.join(facts.mesh_offline)}"
    return True, "available, or not used"


def _archive(facts: Facts) -> Result:
    if facts.archive_problem:
        return False, facts.archive_problem
    return True, "reachable"


def _backup(facts: Facts) -> Result:
    limit = facts.settings.backup_age
    if limit is None:
        return True, "not asked for (backup_age)", False
    if facts.newest_backup is None:
        return False, "there is no complete backup set"
    age = facts.seen.at - facts.newest_backup
    return age <= limit, f"the newest complete set is {age / 3600:.1f} h old, the limit is {limit / 3600:.1f} h"


CHECKS: Sequence[tuple[str, Callable[[Facts], Result]]] = (
    ("version_rule", _version_rule),
    ("cluster_state", _state),
    ("nodes_active", _nodes_active),
    ("one_version", _one_version),
    ("no_stranger", _strangers),
    ("licence", _licence),
    ("enough_nodes", _enough_nodes),
    ("balancer_healthy", _balancer),
    ("capacity", _capacity),
    ("apps_compatible", _apps),
    ("health_checks", _health),
    ("no_maintenance_lock", _lock),
    ("mesh_nodes", _mesh),
    ("archive_reachable", _archive),
    ("backup_fresh", _backup),
)
