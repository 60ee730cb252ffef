"""Restores and drills of one cluster from this process: engine, ports and the cluster's lock together.

Composition only, as ``automation.backing``: the command line and people's own scripts come to restores through here::

    from automation.restoring import Restores

    memory = Restores.of().restore("20261121-100000-000", "march")
    print(memory.outcome)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from automation.adapters.logs import Redactor
from automation.adapters.runs.holder import DRILL, RESTORE, hold
from automation.adapters.signals import to_standard_error
from automation.adapters.whoami import operator
from automation.core.backups.sets import BackupSet, SetState
from automation.core.restores.memory import Memory
from automation.core.restores.staging import Wish
from automation.engine.restores import begin, plan, stage
from automation.engine.restores.drill import clean, drill, may_drill
from automation.engine.restores.plan import Prospect
from automation.engine.restores.stage import Staged, StagePlan
from automation.engine.restores.swap import Tell, drive
from automation.ports.errors import BbdcError, NotFound
from automation.ports.restoring import Restoring
from automation.ports.staging import Stage
from automation.restore_estate import OnEvent, RestoreEstate, estate_of

Say = Callable[[str], None]
NEWEST = "newest"
"""Stands for the newest complete set."""


def _unheard(_record: object, _memory: object) -> None:
    """Hear nothing."""


def _unsaid(_text: str) -> None:
    """Hear nothing."""


class Restores:
    """Restores sets beside the data in use, swaps generations of data, and drills."""

    def __init__(self, estate: RestoreEstate, *, warn: Say = to_standard_error) -> None:
        """Take the estate; ``warn`` hears what went wrong beside the matter."""
        self._estate = estate
        self._warn = warn

    @classmethod
    def of(
        cls,
        plain: Mapping[str, Any] | None = None,
        *,
        redactor: Redactor | None = None,
        on_event: OnEvent | None = None,
    ) -> Self:
        """Return the restores of the estate that the environment, ``bbdc.toml`` and ``plain`` describe."""
        return cls(estate_of(plain or {}, redactor=redactor, on_event=on_event))

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self._estate.cluster

    @property
    def estate(self) -> RestoreEstate:
        """The estate's ports and limits."""
        return self._estate

    @cached_property
    def _at(self) -> Restoring:
        return self._estate.restoring()

    def find(self, name: str) -> BackupSet:
        """Return a set by its id or its name, of several with one name the newest; ``newest`` is the newest complete.

        Raises:
            NotFound: there is none.
        """
        for found in reversed(self._estate.sets()):
            if name in {found.id, found.name} or (name == NEWEST and found.state is SetState.COMPLETE):
                return found
        raise NotFound(f"there is no backup set {name}", hint="`bbdc backup list` shows all")

    def unfinished(self) -> Memory | None:
        """Return the restore that a pause or a crash has left; None when there is none."""
        return begin.unfinished(self._at, self.cluster)

    def going_on(self, target: str, set_name: str = "") -> Memory | None:
        """Return the unfinished restore that ``restore`` or ``use`` with the same words goes on with.

        Raises:
            Refused: nodes are stopped for another restore, which has to end first.
        """
        set_id = self.find(set_name).id if set_name else ""
        return begin.going_on(self._at, self.cluster, target, set_id)

    def prospect(self, set_name: str, target: str, *, prepare_only: bool = False) -> Prospect:
        """Plan the restore of a set beside the data in use, and judge it; change nothing.

        Raises:
            NotFound: there is no such set, no Pulumi program or no such stack.
        """
        found = self.find(set_name)
        return plan.prospect(self._at, found, target, cluster=self.cluster, by=operator(), prepare_only=prepare_only)

    def prospect_of_use(self, target: str) -> Prospect:
        """Plan to use data that the program declares already; change nothing."""
        return plan.switch(self._at, target, cluster=self.cluster, by=operator())

    def prospect_of_undo(self) -> tuple[Memory, Prospect | None]:
        """Return what ``undo`` begins or goes on with, and its plan where it is a new one; change nothing.

        Raises:
            NotFound: no restore has swapped anything.
            Refused: a check was not passed.
        """
        return begin.backwards(self._at, self.cluster, by=operator())

    def restore(self, set_name: str, target: str, *, prepare_only: bool = False, tell: Tell = _unheard) -> Memory:
        """Restore a set as ``target``, or go on with that; the memory that is returned has an outcome.

        Args:
            set_name: id or name of a set.
            target: name of the new generation of data.
            prepare_only: make the data beside the old, and leave the swap for ``use``.
            tell: hears every record.

        Raises:
            Refused: a check was not passed; nothing was changed.
            Conflict: another process holds the cluster.
            NotFound: there is no such set, no Pulumi program or no such stack.
        """
        with self._held():
            memory = self.going_on(target, set_name)
            memory = memory or begin.begin(self.prospect(set_name, target, prepare_only=prepare_only))
            return self._drive(memory, tell)

    def use(self, target: str, *, tell: Tell = _unheard) -> Memory:
        """Swap to data that the program declares already, or go on with an unfinished restore to it.

        Raises:
            Refused, Conflict, NotFound: as ``restore``.
        """
        with self._held():
            memory = self.going_on(target) or begin.begin(self.prospect_of_use(target))
            return self._drive(memory, tell)

    def undo(self, *, tell: Tell = _unheard) -> Memory:
        """Bring the former data back: call an unfinished restore off, or swap back.

        Raises:
            Refused, Conflict: as ``restore``.
            NotFound: no restore has swapped anything.
        """
        with self._held():
            return self._drive(self.prospect_of_undo()[0], tell)

    def may_drill(self, set_name: str) -> BackupSet:
        """Return the set when a drill can say something of it. Raises NotFound, Refused."""
        return may_drill(self._estate.ground, self.find(set_name).id)

    def drill(self, set_name: str, *, sample: int | None = None, say: Say = _unsaid) -> BackupSet:
        """Restore a set into isolation, check it and remove everything; the result becomes part of its manifest.

        Args:
            set_name: id or name of a set, or ``newest``.
            sample: repositories for ``git fsck``; None takes the settings'.
            say: hears how it goes on.

        Raises:
            Refused: the set cannot be drilled; nothing was made.
            Conflict: another drill of this cluster runs.
            BbdcError: it could not be carried out; the set is called neither good nor bad.
        """
        found, settings = self.find(set_name), self._estate.drill
        if sample is not None:
            settings = replace(settings, sample=sample)
        with self._held(DRILL):
            drilled = drill(self._estate.ground, settings, found.id, by=operator(), say=say)
        self._measure()
        return drilled

    def clean(self, *, say: Say = _unsaid) -> tuple[str, ...]:
        """Remove what drills that died have left; returns their ids.

        Raises:
            Conflict: a drill of this cluster runs.
            Unavailable: something could not be removed in time.
        """
        ground = self._estate.ground
        with self._held(DRILL):
            left = ground.drills.leftovers()
            for name in left:
                clean(ground, self._estate.drill, name, say)
        return left

    def plan_stage(self, set_name: str, wish: Wish) -> StagePlan:
        """Work out a staging copy built from a set, and judge it; change nothing.

        Raises:
            NotFound: there is no such set, no Pulumi program or no such stack.
        """
        return stage.plan(self._stage, self.find(set_name), wish)

    def stage(self, planned: StagePlan, *, say: Say = _unsaid) -> Staged:
        """Build a staging copy, wait until it serves, and switch off what it would send to others.

        Raises:
            Refused: a rule says no; nothing was made.
            Unavailable: it stands, and could not be reached to make it quiet; the same call goes on.
        """
        limits = self._estate.limits
        return stage.build(self._stage, planned, patience=limits.boot_timeout, poll=limits.poll, say=say)

    @cached_property
    def _stage(self) -> Stage:
        return self._estate.staging()

    def _measure(self) -> None:
        """Tell the metrics of all sets anew; beside the matter, so that a failure only warns."""
        for measure in self._estate.measures:
            try:
                measure(self._estate.sets())
            except (BbdcError, OSError) as error:
                self._warn(f"writing the metrics failed: {error}")

    def _drive(self, memory: Memory, tell: Tell) -> Memory:
        return drive(self._at, self._estate.limits, memory, tell=tell)

    @contextmanager
    def _held(self, task: str = RESTORE) -> Iterator[None]:
        """Hold the cluster; a drill holds only the right to drill, because it touches nothing of the estate."""
        name = self.cluster if task == RESTORE else f"{self.cluster}/{task}"
        held = hold(self._estate.store, name, task)
        try:
            yield
        finally:
            held.release()
