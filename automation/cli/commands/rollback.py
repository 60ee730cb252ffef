"""``bbdc rollback`` and ``bbdc cancel``: out of an open upgrade, back to where it began."""

from __future__ import annotations

from automation.adapters.runs.reader import RunReader
from automation.cli import context
from automation.cli.commands.options import Direct, Json, Yes
from automation.cli.commands.upgrade import Page, refuse_unasked, roll
from automation.core.versions import same_version
from automation.engine.status import Status, status
from automation.ports.errors import Refused
from automation.rolling import Estate


def rollback(*, yes: Yes = False, report: Page = None, direct: Direct = False, json: Json = False) -> int:
    """Bring every node back to the version before the roll, one at a time, and close the upgrade.

    Possible until the roll is approved; after that Bitbucket cannot go back.
    """
    refuse_unasked(yes=yes, as_json=json)
    stack = context.stack_here(direct=direct)
    estate = context.estate_to_roll(stack)
    original = _original(estate, status(estate.world, estate.cluster))
    return roll(estate, stack, original, yes=yes, report=report, as_json=json)


def cancel(*, yes: Yes = False, direct: Direct = False, json: Json = False) -> int:
    """Close an upgrade in which no node has changed yet: upgrade mode off, the model back."""
    refuse_unasked(yes=yes, as_json=json)
    stack = context.stack_here(direct=direct)
    estate = context.estate_to_roll(stack)
    seen = status(estate.world, estate.cluster)
    original = _original(estate, seen)
    changed = [n.instance for n in seen.nodes if n.version and not same_version(n.version, original)]
    if changed:
        raise Refused(
            "nodes_have_changed",
            f"{', '.join(changed)} no longer run {original}",
            hint="`bbdc rollback` brings them back first",
        )
    return roll(estate, stack, original, yes=yes, as_json=json)


def _original(estate: Estate, seen: Status) -> str:
    """Return the version to go back to: as Bitbucket remembers it, else as the open run does."""
    if seen.upgrade_mode and seen.original_version:
        return seen.original_version
    with RunReader(estate.store) as reader:
        latest = reader.latest(estate.cluster)
    if latest is not None and latest.state.is_open:
        return latest.plan.original
    raise Refused("no_open_upgrade", f"cluster {estate.cluster} has no open upgrade: nothing to go back from")
