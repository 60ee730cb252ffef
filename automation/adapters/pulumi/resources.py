"""The two dynamic resources of a roll.

``UpgradeWindow`` comes before the cluster's model: a changed target is judged at preview and, in an update, opens the
upgrade; the model takes its version from the ``version`` output, so it can only change inside the window. ``Roll``
comes after the model: it rolls the nodes and closes the upgrade.

Pulumi pickles the provider classes by reference into the state and runs them in a process of its own. They hold no
secret: credentials come from that process's environment. An update that fails leaves the old inputs in the state, so
the next ``pulumi up`` calls it again: both updates observe and continue, they never start over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from automation.adapters.pulumi.roller import Roller, Rollers
from automation.core import capabilities
from automation.core.roll import Ending, Outcome
from automation.core.versions import Version, VersionRefusal, explain_refusal
from automation.ports.errors import BbdcError, Refused

Bag = dict[str, Any]
T = TypeVar("T")
WATCHED = ("cluster", "target", "settings")
"""Inputs whose change calls for an update."""


class RollPaused(BbdcError):
    """The roll stopped with a named reason; the next update goes on from there."""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Let Pulumi show the sentence of an expected error, without the lines of code it came through.

    The provider process reports ``traceback.format_exc()``, which honours ``sys.tracebacklimit``; an unexpected error
    keeps its full traceback.
    """
    vars(sys).pop("tracebacklimit", None)
    try:
        yield
    except BbdcError as error:
        sys.tracebacklimit = 0
        raise error from None


def _outs(news: Mapping[str, Any], **more: object) -> Bag:
    return {key: value for key, value in news.items() if key != "__provider"} | more


class _Provider(ResourceProvider):
    """What both providers share: the way to a roller."""

    serialize_as_secret_always = False

    def __init__(self, rollers: Rollers) -> None:
        super().__init__()
        self._rollers = rollers

    def _roller(self, props: Mapping[str, Any]) -> Roller:
        return self._rollers({**props["settings"], "cluster": props["cluster"]})

    def _is_unfinished(self, props: Mapping[str, Any]) -> bool:
        return self._roller(props).unfinished() is not None

    def diff(self, _id: str, olds: Bag, news: Bag) -> DiffResult:
        """Call for an update when an input differs, or when the last roll was not finished."""
        with _plain_errors():
            changed = any(olds.get(key) != news.get(key) for key in (*WATCHED, *self.more_watched))
            return DiffResult(changes=changed or self._is_unfinished(news))

    more_watched: tuple[str, ...] = ()


class WindowProvider(_Provider):
    """Judges a changed version, and opens the upgrade."""

    def check(self, olds: Bag, news: Bag) -> CheckResult:
        """Refuse, by name and already at preview, a version that cannot be rolled to.

        ``version`` becomes an input too, so that a preview knows it and shows what becomes of the model.
        """
        with _plain_errors():
            target = news.get("target")
            if not isinstance(target, str):
                return CheckResult(news, [])
            refusal = _malformed(target) or self._refusal(olds, news)
            inputs = {**news, "version": target}
            return CheckResult(inputs, [CheckFailure("target", refusal)] if refusal else [])

    def _refusal(self, olds: Bag, news: Bag) -> str | None:
        if not olds or olds.get("target") == news["target"]:
            return None
        try:
            refused = self._roller(news).preflight(news["target"]).refused
        except BbdcError as error:
            return f"preflight of {news['cluster']} failed: {error}"
        return f"{refused.name}: {refused.detail}" if refused else None

    def create(self, props: Bag) -> CreateResult:
        """There is no cluster yet: nothing to open."""
        return CreateResult(f"{props['cluster']}/window", _outs(props, version=props["target"], run=""))

    def update(self, _id: str, olds: Bag, news: Bag) -> UpdateResult:
        """Open the upgrade, or continue the one that is open; returns once the model may change."""
        with _plain_errors():
            roller, target = self._roller(news), news["target"]
            if olds.get("target") == target and roller.unfinished() is None:
                return UpdateResult(_outs(news, version=target, run=olds.get("run", "")))
            run = _closing_on_error(roller, lambda: _open(roller, target))
            return UpdateResult(_outs(news, version=target, run=run))


class RollProvider(_Provider):
    """Rolls the nodes, and closes the upgrade."""

    more_watched = ("run",)

    def create(self, props: Bag) -> CreateResult:
        """Let users in at the first deployment, which made every node from the wanted model; nothing is rolled.

        With a run that the window has opened, this resource was lost from the state, and the run must be seen through.
        """
        with _plain_errors():
            if props.get("run"):
                self._see_through(props)
            elif not capabilities.of(props["settings"].get("cloud", "aws")).registers_by_itself:
                self._roller(props).admit()  # elsewhere it takes no credentials of Bitbucket
        return CreateResult(f"{props['cluster']}/roll", _outs(props, rolled=props["target"]))

    def update(self, _id: str, olds: Bag, news: Bag) -> UpdateResult:
        """Wait until the roll has ended; a pause fails the update, with the reason and what to do."""
        with _plain_errors():
            roller = self._roller(news)
            if news["run"] == olds.get("run") and roller.unfinished() is None and news["target"] == olds.get("target"):
                return UpdateResult(_outs(news, rolled=news["target"]))
            self._see_through(news)
            return UpdateResult(_outs(news, rolled=news["target"]))

    def _see_through(self, news: Bag) -> None:
        roller = self._roller(news)
        outcome = _closing_on_error(roller, lambda: roller.finish(news["run"], news["target"]))
        roller.close()
        _raise_if_paused(outcome, news)


def _malformed(target: str) -> str | None:
    try:
        Version.parse(target)
    except ValueError:
        refusal = VersionRefusal.UNKNOWN_VERSION
        return f"{refusal}: {explain_refusal(refusal, target, target)}"
    return None


def _open(roller: Roller, target: str) -> str:
    if roller.unfinished() != target:
        refused = roller.preflight(target).refused
        if refused is not None:
            raise Refused(refused.name, f"{refused.name}: {refused.detail}")
    return roller.open(target)


def _closing_on_error(roller: Roller, act: Callable[[], T]) -> T:
    """Give the cluster free when ``act`` fails: the provider's process may live on for a while."""
    try:
        return act()
    except Exception:
        roller.close()
        raise


def _raise_if_paused(outcome: Outcome, news: Bag) -> None:
    if outcome.ending is not Ending.PAUSED:
        return
    raise RollPaused(
        f"the roll of {news['cluster']} to {news['target']} paused: {outcome.reason}: {outcome.detail}",
        hint="see `bbdc status`; when that is put right, run `pulumi up` again and the roll goes on from here, "
        "or set the version back to roll back",
    )


class UpgradeWindow(Resource, module="bitbucket-dc", name="UpgradeWindow"):
    """Opens the upgrade before the model changes."""

    cluster: pulumi.Output[str]
    target: pulumi.Output[str]
    version: pulumi.Output[str]
    """The version that the model shall carry; known only once the model may change."""
    run: pulumi.Output[str]
    """Id of the run; empty when nothing was opened yet."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        target: pulumi.Input[str],
        settings: Mapping[str, Any],
        rollers: Rollers,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the window.

        Args:
            name: the resource's name.
            cluster: the cluster's name, as its machines are tagged.
            target: Bitbucket version that every node shall run.
            settings: plain settings of the roll and of the way to the estate; never a secret.
            rollers: how to get from the settings to a roller: a function that its module exports.
            opts: options of the resource.
        """
        props: Bag = {"cluster": cluster, "target": target, "settings": dict(settings), "version": None, "run": None}
        super().__init__(WindowProvider(rollers), name, props, opts)


class Roll(Resource, module="bitbucket-dc", name="Roll"):
    """Rolls the nodes to the model's version and closes the upgrade."""

    rolled: pulumi.Output[str]
    """The version that all nodes run, or ran when the roll ended."""

    def __init__(
        self,
        name: str,
        *,
        window: UpgradeWindow,
        cluster: pulumi.Input[str],
        target: pulumi.Input[str],
        settings: Mapping[str, Any],
        rollers: Rollers,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the roll; ``opts`` must make it depend on everything that the model is made of.

        Args:
            name: the resource's name.
            window: the window that opens the upgrade.
            cluster: the cluster's name, as its machines are tagged.
            target: Bitbucket version that every node shall run.
            settings: the same plain settings as the window's.
            rollers: as the window's.
            opts: options of the resource.
        """
        props: Bag = {
            "cluster": cluster,
            "target": target,
            "settings": dict(settings),
            "run": window.run,
            "rolled": None,
        }
        super().__init__(RollProvider(rollers), name, props, opts)
