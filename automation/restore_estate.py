"""One cluster as its restores and drills need it. Composition only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automation import backup_estate, bootstrap
from automation.adapters.logs import Redactor
from automation.adapters.restore_journal import StoredRestores
from automation.adapters.runs.store import Store
from automation.backup_estate import Measure
from automation.config import Settings
from automation.core.backups.sets import BackupSet
from automation.core.restores.drills import DrillSettings
from automation.core.restores.memory import RestoreSettings
from automation.engine.backups.shelf import shelf
from automation.engine.restores.drill import Ground
from automation.ports.clock import Clock
from automation.ports.errors import NotFound
from automation.ports.restoring import Restoring
from automation.ports.safe import Safe
from automation.ports.staging import Stage

if TYPE_CHECKING:
    from automation.adapters.pulumi.stack import EstateStack

OnEvent = Callable[[Any], None]
"""Hears the events of the program's updates."""


@dataclass(frozen=True)
class RestoreEstate:
    """One cluster: how to find its sets, swap its data and drill."""

    cluster: str
    clock: Clock
    sets: Callable[[], tuple[BackupSet, ...]]
    """Every set, oldest first."""
    restoring: Callable[[], Restoring]
    """The ports of a restore; asked for only by who swaps, because there must be a Pulumi program then."""
    ground: Ground
    staging: Callable[[], Stage]
    """The ports of a staging copy; there must be a Pulumi program."""
    store: Store
    """Whoever acts on the cluster holds it here."""
    limits: RestoreSettings
    drill: DrillSettings
    measures: Sequence[Measure] = ()
    """Write the metrics of all sets; called after every drill."""


def estate_of(
    plain: Mapping[str, Any], *, redactor: Redactor | None = None, on_event: OnEvent | None = None
) -> RestoreEstate:
    """Return the estate that plain settings, and the environment's credentials, lead to.

    Args:
        plain: settings by name; they win over the environment.
        redactor: learns every credential.
        on_event: hears the events of the program's updates.

    Raises:
        Refused: a setting is wrong or missing.
    """
    settings, backups = Settings.load(**plain), backup_estate.estate_of(plain, redactor=redactor)
    safe, store = backups.safe, backups.store
    cloud = bootstrap.build_restores(settings)

    def staging() -> Stage:
        from automation.adapters.pulumi.staging import PulumiStacks  # noqa: PLC0415 (as above)

        stacks = PulumiStacks(_stack(settings), on_event=on_event)
        return Stage(safe.clock, stacks, safe.manifests, bootstrap.outgoing_of(settings, redactor=redactor))

    return RestoreEstate(
        cluster=settings.cluster_name,
        clock=safe.clock,
        sets=lambda: shelf(safe).sets,
        restoring=lambda: _restoring(settings, safe, store, redactor, on_event),
        ground=Ground(safe.clock, cloud.drills, cloud.shell, safe.manifests),
        staging=staging,
        store=store,
        limits=settings.restore.limits,
        drill=settings.restore.drill,
        measures=backups.measures,
    )


def _restoring(
    settings: Settings, safe: Safe, store: Store, redactor: Redactor | None, on_event: OnEvent | None
) -> Restoring:
    from automation.adapters.pulumi.data import StackProgram  # noqa: PLC0415 (half a second)

    world, cloud = bootstrap.build(settings, redactor=redactor), bootstrap.build_restores(settings)
    return Restoring(
        clock=world.clock,
        nodes=world.nodes,
        group=world.group,
        balancer=world.balancer,
        program=StackProgram(_stack(settings), on_event=on_event),
        shell=cloud.shell,
        manifests=safe.manifests,
        journal=StoredRestores(store),
        launch=cloud.launch,
        home=settings.restore.home,
        service=settings.service,
        capabilities=world.capabilities,
    )


def _stack(settings: Settings) -> EstateStack:
    from automation.adapters.pulumi.stack import EstateStack, find_project  # noqa: PLC0415 (half a second)

    place = find_project(settings.project.resolve())
    if place is None:
        raise NotFound(
            f"there is no Pulumi program in {settings.project.resolve()}",
            hint="this goes through the program that owns the estate: set BBDC_PROJECT to its directory",
        )
    return EstateStack(place, settings.stack)
