"""For the Pulumi program: the two resources of a roll, bound to the engine, with progress in Pulumi's own display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from automation.adapters.pulumi.progress import show_progress
from automation.adapters.pulumi.resources import Roll, UpgradeWindow
from automation.rolling import load_settings, rollers, store_of


class RollingUpgrade(pulumi.ComponentResource):
    """The row of ``pulumi up`` in which a roll tells what it does.

    A message needs the URN of a resource, and that of ``Roll`` is known only when its update is over; a component has
    its URN at once.
    """

    def __init__(self, name: str) -> None:
        super().__init__("bitbucket-dc:automation:RollingUpgrade", name)


def upgrade_window(
    name: str,
    *,
    cluster: str,
    target: str,
    settings: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None = None,
) -> UpgradeWindow:
    """Declare the window before the model; give its ``version`` output to the model.

    Args:
        name: the resource's name.
        cluster: the cluster's name, as its machines are tagged.
        target: Bitbucket version that every node shall run.
        settings: plain settings by the names of ``automation.config.Settings`` and ``RollSettings``, and ``planned``,
            the number of nodes; never a secret: credentials come from the environment of the provider's process.
        opts: options of the resource.
    """
    return UpgradeWindow(name, cluster=cluster, target=target, settings=settings, rollers=rollers, opts=opts)


def roll(
    name: str,
    *,
    window: UpgradeWindow,
    cluster: str,
    target: str,
    settings: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None = None,
) -> Roll:
    """Declare the roll after the model, and show in ``pulumi up`` what it does.

    Args:
        name: the resource's name.
        window: the window that opens the upgrade.
        cluster: the cluster's name, as its machines are tagged.
        target: Bitbucket version that every node shall run.
        settings: the same as the window's.
        opts: options of the resource; it must depend on everything that the model is made of.
    """
    row = RollingUpgrade(name)
    resource = Roll(
        name,
        window=window,
        cluster=cluster,
        target=target,
        settings=settings,
        rollers=rollers,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(parent=row)),
    )
    row.register_outputs({})
    known = load_settings({key: value for key, value in settings.items() if key != "planned"} | {"cluster": cluster})
    show_progress(row, cluster=cluster, store=store_of(known))
    return resource
