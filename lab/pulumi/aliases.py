"""Aliases: under which earlier URNs a resource may be recorded."""

from collections.abc import Iterator, Mapping

from lab.pulumi.goals import Alias, Goal
from lab.pulumi.urns import STACK_TYPE, make_urn, name_of, type_of


def _inherited_name(name: str, parent: str, former_parent: str) -> str:
    """A child named after its parent was named after the parent's former name."""
    prefix = name_of(parent)
    return name_of(former_parent) + name.removeprefix(prefix) if name.startswith(prefix) else name


def _resolve(alias: Alias, goal: Goal, stack: str, project: str, parent: str) -> str:
    if alias.urn:
        return alias.urn
    above = "" if alias.no_parent else alias.parent or parent
    return make_urn(
        alias.stack or stack, alias.project or project, above, alias.type or goal.type, alias.name or goal.name
    )


def former_urns(goal: Goal, stack: str, project: str, former: Mapping[str, str]) -> Iterator[str]:
    """Every URN the resource may have had, the most likely first.

    Args:
        goal: the resource now.
        stack: the stack's name.
        project: the project's name.
        former: the old URN of each resource of this run that was found under an alias.
    """
    for alias in goal.aliases:
        yield _resolve(alias, goal, stack, project, goal.parent)
    former_parent = former.get(goal.parent)
    if former_parent is None or type_of(goal.parent) == STACK_TYPE:
        return
    name = _inherited_name(goal.name, goal.parent, former_parent)
    yield make_urn(stack, project, former_parent, goal.type, name)
    for alias in goal.aliases:
        if not alias.urn and alias.parent is None:
            yield _resolve(alias, goal, stack, project, former_parent)
