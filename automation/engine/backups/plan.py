"""Everything that can fail is looked at before anybody is locked out, and every id is resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from automation.core.backups.memory import Memory
from automation.core.backups.sets import BackupSet, Counts, Finding, Mode, SetState, Source
from automation.core.cluster import Cluster
from automation.ports.errors import Forbidden, Refused
from automation.ports.safe import Safe


@dataclass(frozen=True, slots=True)
class Survey:
    """What a backup would find, with every check named."""

    cluster: str
    mode: Mode
    at: float
    findings: tuple[Finding, ...]
    sources: tuple[Source, ...]
    nodes: frozenset[str]
    version: str
    repositories: int
    account: str
    region: str
    place: str
    """Where the manifest would be written."""

    @property
    def refused(self) -> Finding | None:
        """The first check that was not passed; None when all were."""
        return next((finding for finding in self.findings if not finding.passed), None)


def survey(safe: Safe, *, cluster: str, mode: Mode) -> Survey:
    """Look at everything that a set needs; change nothing.

    Raises:
        BbdcError: Bitbucket or the cloud could not be asked at all.
    """
    if (locked := _locked(safe)) is not None:
        return _closed(safe, cluster, mode, locked)
    members = safe.bitbucket.cluster()
    sources = tuple(source for vault in safe.vaults for source in vault.sources())
    account, region = safe.manifests.account()
    findings = (*_bitbucket(safe, members, mode), *_mesh(safe), *_sources(sources))
    return Survey(
        cluster=cluster,
        mode=mode,
        at=safe.clock.now(),
        findings=findings,
        sources=sources,
        nodes=frozenset(node.id for node in members.nodes),
        version=safe.bitbucket.application().version,
        repositories=safe.bitbucket.repositories(),
        account=account,
        region=region,
        place=safe.manifests.place(),
    )


def _locked(safe: Safe) -> Finding | None:
    """Say who holds the lock; None when nobody does. While it is held, Bitbucket answers nothing else but /status."""
    in_maintenance = safe.bitbucket.status() == "MAINTENANCE"
    try:
        owner = safe.maintenance.owner() if safe.maintenance.user() else None
    except Forbidden:  # a finding of its own, where the lock is wanted
        owner = None
    if owner is None and not in_maintenance:
        return None
    return Finding("unlocked", passed=False, detail=f"locked for maintenance by {owner or 'somebody'}")


def _closed(safe: Safe, cluster: str, mode: Mode, locked: Finding) -> Survey:
    account, region = safe.manifests.account()
    return Survey(
        cluster=cluster,
        mode=mode,
        at=safe.clock.now(),
        findings=(locked,),
        sources=(),
        nodes=frozenset(),
        version="",
        repositories=0,
        account=account,
        region=region,
        place=safe.manifests.place(),
    )


def begin(found: Survey, *, name: str = "", by: str = "", keep: bool = False) -> Memory:
    """Return the memory of a set that has done nothing yet.

    Raises:
        Refused: a check was not passed; its name is the check's.
    """
    if (refused := found.refused) is not None:
        raise Refused(
            refused.name, refused.detail, hint="nothing was changed; `bbdc backup create --dry-run` shows all"
        )
    backup = BackupSet(
        id=set_id(found.at),
        cluster=found.cluster,
        mode=found.mode,
        state=SetState.PENDING,
        created=found.at,
        version=found.version,
        name=name,
        by=by,
        region=found.region,
        account=found.account,
        expected=tuple(source.id for source in found.sources),
        counts=Counts(repositories_before=found.repositories),
        kept=keep,
    )
    return Memory(backup, sources=found.sources, nodes=found.nodes)


def set_id(at: float) -> str:
    """Return the id of a set that is begun now: sortable, and fit for every cloud's names."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03}"


def _bitbucket(safe: Safe, members: Cluster, mode: Mode) -> Iterator[Finding]:
    status = safe.bitbucket.status()
    yield Finding("running", status == "RUNNING", f"/status says {status or 'nothing'}")
    starting = sorted(f"{node.address} {node.state}" for node in members.nodes if node.state != "ACTIVE")
    yield Finding("nodes_active", bool(members.nodes) and not starting, ", ".join(starting) or _count(members))
    open_since = members.original_version if members.upgrade_mode else None
    yield Finding(
        "upgrade_closed", not members.upgrade_mode, f"an upgrade is open since {open_since}" if open_since else ""
    )
    if mode is Mode.LOCKED:
        yield from _lockable(safe)


def _count(members: Cluster) -> str:
    return f"{len(members.nodes)} nodes ACTIVE"


def _lockable(safe: Safe) -> Iterator[Finding]:
    user = safe.maintenance.user()
    wants = "the lock takes user and password: tokens are refused there; set BITBUCKET_USER and BITBUCKET_PASSWORD"
    yield Finding("password", bool(user), user or wants)
    if not user:
        return
    try:
        owner = safe.maintenance.owner()
    except Forbidden as error:
        yield Finding("may_lock", passed=False, detail=str(error))
        return
    yield Finding("unlocked", owner is None, "" if owner is None else f"locked for maintenance by {owner}")


def _mesh(safe: Safe) -> Iterator[Finding]:
    """A Mesh node that is away, or a replica that differs, would be lost by a restore: the majority wins."""
    away = [node.name for node in safe.bitbucket.mesh_nodes() if node.offline or node.state != "AVAILABLE"]
    yield Finding("mesh_available", not away, ", ".join(away))
    differing = safe.bitbucket.inconsistent_replicas()
    yield Finding(
        "mesh_consistent", not differing, f"{differing} repositories have differing replicas" if differing else ""
    )


def _sources(sources: tuple[Source, ...]) -> Iterator[Finding]:
    for kind in ("disk", "database"):
        mine = [source for source in sources if source.kind == kind]
        broken = [f"{source.id}: {source.problem}" for source in mine if source.problem]
        detail = "; ".join(broken) or ", ".join(source.id for source in mine) or f"the estate has no {kind}"
        yield Finding(f"{kind}_ready", bool(mine) and not broken, detail)
    broken = [f"{s.id}: {s.problem}" for s in sources if s.problem and s.kind not in {"disk", "database"}]
    if broken:
        yield Finding("search_ready", passed=False, detail="; ".join(broken))
