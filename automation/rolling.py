"""The rolls of one cluster from this process: engine, world and durable runs put together.

Composition only, as ``automation.bootstrap``: the dynamic resources, the command line and people's own scripts all
come to the engine through here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from automation import bootstrap
from automation.adapters.runs.holder import refuse_if_held
from automation.adapters.runs.reader import RunReader, RunState
from automation.adapters.runs.store import Store
from automation.adapters.whoami import operator
from automation.config import Settings
from automation.core.preflight import Preflight
from automation.core.roll import Ending, Memory, Message, Outcome, Plan, Record, RollSettings, Step
from automation.engine.admit import admit
from automation.engine.preflight import preflight
from automation.engine.upgrade import advance, begin, make_plan
from automation.ports.errors import BbdcError, NotFound, Unexpected
from automation.ports.world import World

if TYPE_CHECKING:
    from automation.adapters.runs.runs import Runs


class Paused(BbdcError):
    """The roll stopped with a named reason before it could do what was asked."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"the roll paused: {outcome.reason}: {outcome.detail}", hint="see `bbdc status`")
        self.outcome = outcome


@dataclass(frozen=True)
class Estate:
    """One cluster: how to see and change it, how to roll it, and where its runs are kept."""

    cluster: str
    world: World
    roll: RollSettings
    store: Store
    planned: int | None = None
    """Nodes of the whole cluster; None takes the group's desired capacity."""


def load_settings(plain: Mapping[str, Any]) -> Settings:
    """Read the settings; ``plain`` wins over the environment and may name the roll's own settings directly.

    Raises:
        Refused: something is wrong with them.
    """
    ours = {field.name for field in dataclasses.fields(RollSettings)}
    roll = {name: value for name, value in plain.items() if name in ours and value is not None}
    rest = {name: value for name, value in plain.items() if name not in ours}
    return Settings.load(**rest, roll=roll or None)


def store_of(settings: Settings) -> Store:
    """Return where the runs of these settings are kept."""
    return Store(settings.state, bootstrap.database_url(settings))


def estate_of(plain: Mapping[str, Any]) -> Estate:
    """Return the estate that plain settings, and the environment's credentials, lead to.

    Args:
        plain: settings by name, those of the roll among them, and ``planned``, the number of nodes.

    Raises:
        Refused: a setting is wrong or missing.
    """
    planned = plain.get("planned")
    settings = load_settings({name: value for name, value in plain.items() if name != "planned"})
    return Estate(
        cluster=settings.cluster_name,
        world=bootstrap.build(settings),
        roll=settings.roll,
        store=store_of(settings),
        planned=None if planned is None else int(planned),
    )


class Rolling:
    """Opens, follows and finishes runs of one estate; holds the cluster from the first run on until ``close``."""

    def __init__(self, estate: Estate, *, owns_model: bool = False) -> None:
        self._estate = estate
        self._owns_model = owns_model
        self._runs: Runs | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_driving(self) -> bool:
        """True while this process holds the cluster."""
        return self._runs is not None

    def preflight(self, target: str) -> Preflight:
        """Judge a roll to ``target``; changes nothing. The estimate learns from the cluster's last roll."""
        estate = self._estate
        judged = preflight(estate.world, estate.roll, cluster=estate.cluster, target=target, planned=estate.planned)
        per_node = self._seconds_per_node()
        return judged if per_node is None else replace(judged, estimate=per_node * len(judged.order))

    def _seconds_per_node(self) -> float | None:
        """Return what a node took in the cluster's last finished roll: a better guess than the settings allow."""
        with RunReader(self._estate.store) as reader:
            rolled = [r for r in reader.runs(self._estate.cluster) if r.state is RunState.UPGRADED and r.plan.planned]
            records = reader.records(rolled[-1].id) if rolled else ()
        replaced = sum((r.kind, r.name) == ("act", "replace") for r in records)
        return (records[-1].at - records[0].at) / replaced if replaced else None

    def admit(self) -> None:
        """Put the nodes of a first deployment into the balancer, where the cloud does not do that by itself.

        Raises:
            Unavailable: not all of them have joined in time.
        """
        estate = self._estate
        admit(estate.world, planned=estate.planned, timeout=estate.roll.boot_timeout, poll=estate.roll.poll)

    def unfinished(self) -> str | None:
        """Return the target of the cluster's unfinished run, None when there is none."""
        with RunReader(self._estate.store) as reader:
            latest = reader.latest(self._estate.cluster)
        return latest.plan.target if latest is not None and latest.state.is_open else None

    def refuse_if_held(self) -> None:
        """Raise Conflict when another process drives the cluster: before anything, a config file even, is changed."""
        if not self.is_driving:
            refuse_if_held(self._estate.store, self._estate.cluster)

    def plan(self, target: str) -> Plan:
        """Write down what a roll to ``target`` sets out to do, reading the world once."""
        estate = self._estate
        with RunReader(estate.store) as reader:
            latest = reader.latest(estate.cluster)
        return make_plan(
            estate.world,
            estate.roll,
            cluster=estate.cluster,
            target=target,
            planned=estate.planned,
            owns_model=self._owns_model,
            by=operator(),
            previous=None if latest is None or latest.state.is_done else latest.plan,
        )

    def start(self, target: str) -> str:
        """Begin or continue a run to ``target``; returns its id at once."""
        return self._held_runs().open(self.plan(target))

    def open(self, target: str) -> str:
        """Begin or continue a run and wait until upgrade mode is on; returns the run's id.

        Raises:
            Paused: the run paused before it opened.
        """
        run = self.start(target)
        outcome = self.wait(run, "opened")
        if outcome is not None and outcome.ending is Ending.PAUSED:
            raise Paused(outcome)
        return run

    def finish(self, run: str, target: str) -> Outcome:
        """Wait for ``run`` to end or pause; adopt it when no process drives it, begin anew when it is unknown."""
        if self._runs is None:
            run = self._adopt(run, target)
        outcome = self.wait(run, "finished")
        if outcome is None:
            raise Unexpected(f"run {run} finished without an outcome")
        return outcome

    def wait(
        self, run: str, until: Literal["opened", "finished"], on_record: Callable[[Record], None] | None = None
    ) -> Outcome | None:
        """Wait for a run that this process drives; ``on_record`` hears its story."""
        return self._held_runs().wait(run, until, on_record)

    def close(self) -> None:
        """Stop driving; an unfinished run stays for the next process."""
        self._held.close()
        self._runs = None

    def _adopt(self, run: str, target: str) -> str:
        runs = self._held_runs()
        with RunReader(self._estate.store) as reader:
            try:
                found = reader.get(run)
            except NotFound:  # the state directory is new, or another machine's: the world tells how far the roll is
                return self.start(target)
        if found.state.is_open or found.state is RunState.FAILED:
            return runs.adopt(run, operator())
        return run if found.outcome is not None and found.plan.target == target else self.start(target)

    def _held_runs(self) -> Runs:
        if self._runs is None:
            from automation.adapters.runs.runs import Runs  # noqa: PLC0415 (who only looks need not wait for DBOS)

            estate = self._estate
            runs = Runs(estate.store, estate.cluster, self._pass, clock=estate.world.clock, begin=begin)
            self._runs = self._held.enter_context(runs)
        return self._runs

    def _pass(self, memory: Memory, messages: Sequence[Message]) -> Step:
        return advance(self._estate.world, self._estate.roll, memory, messages)


_IN_THIS_PROCESS: dict[str, tuple[Mapping[str, Any], Rolling]] = {}


def rollers(settings: Mapping[str, Any]) -> Rolling:
    """Return this process's rolling for the plain settings of a dynamic resource.

    The window and the roll of one ``pulumi up`` are updated in one process and meet here: the run that the window
    opened is still being driven when the roll comes to wait for it.
    """
    cluster = str(settings["cluster"])
    made_from, rolling = _IN_THIS_PROCESS.get(cluster, (None, None))
    if rolling is None or (made_from != settings and not rolling.is_driving):
        rolling = Rolling(estate_of(settings))
        _IN_THIS_PROCESS[cluster] = (settings, rolling)
    return rolling
