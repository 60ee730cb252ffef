"""Read everything that preflight judges; change nothing."""

from __future__ import annotations

from automation.core.cluster import Observation
from automation.core.preflight import Facts, Preflight, evaluate
from automation.core.roll import RollSettings
from automation.engine.observe import observe
from automation.ports.errors import NotFound
from automation.ports.world import World


def preflight(
    world: World, settings: RollSettings, *, cluster: str, target: str, planned: int | None = None
) -> Preflight:
    """Run all checks for a roll of ``cluster`` to ``target``.

    Args:
        world: the estate.
        settings: how the roll would go.
        cluster: the cluster's name; the world was built for it.
        target: version that every node shall run.
        planned: nodes of the whole cluster; None takes the group's desired capacity.

    Raises:
        BbdcError: Bitbucket or the cloud could not be asked at all; what can be judged is a Check instead.
    """
    seen = observe(world)
    application = world.bitbucket.application()
    current = seen.cluster.original_version or application.version
    expires, problem = _licence(world)
    return evaluate(
        Facts(
            cluster=cluster,
            seen=seen,
            current=current,
            target=target,
            settings=settings,
            status=world.bitbucket.status(),
            licence_expires=expires,
            licence_problem=problem,
            unhealthy=_unhealthy(world),
            incompatible_apps=world.bitbucket.incompatible_apps(target),
            mesh_offline=_mesh_offline(world),
            archive_problem=_archive_problem(world, seen, target),
            cloud_problems=tuple((p.name, p.message) for p in world.group.problems(surge=int(settings.surge))),
            newest_backup=world.backups.newest_complete() if settings.backup_age is not None else None,
            planned=planned if planned is not None else seen.group.desired,
        )
    )


def _licence(world: World) -> tuple[float | None, str | None]:
    try:
        return world.bitbucket.licence().expires, None
    except NotFound:
        return None, "there is no licence: clustering takes a Data Center licence"


def _unhealthy(world: World) -> tuple[str, ...]:
    """Health checks that failed badly; a warning is shown by Bitbucket itself and does not stop a roll."""
    grave = {"critical", "major"}
    checks = world.bitbucket.health_checks()
    return tuple(f"{c.name}: {c.reason}" for c in checks if not c.healthy and c.severity.lower() in grave)


def _mesh_offline(world: World) -> tuple[str, ...]:
    return tuple(n.name for n in world.bitbucket.mesh_nodes() if n.offline or n.state != "AVAILABLE")


def _archive_problem(world: World, seen: Observation, target: str) -> str | None:
    if seen.cluster.original_version == target:
        return None  # going back: nodes fetched this version before
    problem = world.archive.problem(target)
    return problem.message if problem else None
