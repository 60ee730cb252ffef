"""The acts of a restore, each of which may be repeated: after a crash nobody knows whether it happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from automation.core.restores.memory import Act, ActName, Memory
from automation.engine.restores import home
from automation.ports.errors import NotFound, Unavailable, Unexpected
from automation.ports.restoring import Restoring

COMMAND_TIMEOUT = 300.0
"""Longest time for one script on a machine, in seconds."""


def perform(at: Restoring, memory: Memory, act: Act) -> Memory:
    """Carry out ``act``, and return the memory that knows of it.

    Raises:
        BbdcError: it could not be carried out, or its answer was lost.
    """
    return _ACTS[act.name](at, memory, act)


def _declare(at: Restoring, memory: Memory, _: Act) -> Memory:
    if memory.plan.generation is not None:
        at.program.declare(memory.plan.generation)
    return replace(memory, declared=True)


def _suspend(at: Restoring, memory: Memory, _: Act) -> Memory:
    at.group.suspend(memory.plan.suspend)
    return replace(memory, suspended=True)


def _stop(at: Restoring, memory: Memory, act: Act) -> Memory:
    _on_node(at, act.subject, home.stop(at.service), doing="stopping")
    return replace(memory, stopped=(*memory.stopped, act.subject))


def _start(at: Restoring, memory: Memory, act: Act) -> Memory:
    _on_node(at, act.subject, home.start(at.service), doing="starting")
    return replace(memory, started=(*memory.started, act.subject), waiting_since=at.clock.now())


def _on_node(at: Restoring, machine: str, script: str, *, doing: str) -> None:
    try:
        result = at.shell.run(machine, script, timeout=COMMAND_TIMEOUT)
    except NotFound as error:
        hint = f"terminate {machine} if it is lost, or bring its agent back; then the same command goes on"
        raise NotFound(error.message, hint=hint) from error
    if result.code != 0:
        raise Unexpected(f"{doing} Bitbucket on {machine} failed: {(result.errors or result.output).strip()[-300:]}")


def _activate(at: Restoring, memory: Memory, act: Act) -> Memory:
    at.program.activate(act.subject)
    return replace(memory, activated=at.clock.now())


def _prepare(at: Restoring, memory: Memory, _: Act) -> Memory:
    _on_file_server(at, home.prepare(at.home))
    return replace(memory, prepared=True)


def _allow_launch(at: Restoring, memory: Memory, _: Act) -> Memory:
    at.group.resume(memory.plan.launch)
    return replace(memory, launching=True)


def _replace(at: Restoring, memory: Memory, act: Act) -> Memory:
    at.group.replace(act.subject, act.version)
    return replace(memory, replaced=tuple(dict.fromkeys((*memory.replaced, act.subject))))


def _resize(at: Restoring, memory: Memory, _: Act) -> Memory:
    """Raise the capacity, and never lower it: somebody may have raised it further since the look."""
    desired = at.group.observe().desired
    if desired < memory.plan.nodes:
        at.group.resize(memory.plan.nodes, observed=desired)
    return memory


def _register(at: Restoring, memory: Memory, act: Act) -> Memory:
    at.balancer.register(act.subject)
    return memory


def _end_checking(at: Restoring, memory: Memory, _: Act) -> Memory:
    _on_file_server(at, home.end_checking(at.home))
    return replace(memory, checking_ended=True)


def _resume(at: Restoring, memory: Memory, _: Act) -> Memory:
    at.group.resume(memory.plan.suspend)
    return replace(memory, resumed=True)


def _on_file_server(at: Restoring, script: str) -> None:
    try:
        result = at.shell.run(at.shell.file_server(), script, timeout=COMMAND_TIMEOUT)
    except NotFound as error:  # it restarts with the new disk: its agent comes back
        raise Unavailable(error.message, hint=error.hint) from error
    if result.code != 0:  # the disk may not be mounted yet
        raise Unavailable(f"the file server said: {(result.errors or result.output).strip()[-300:]}")


_ACTS: Mapping[ActName, Callable[[Restoring, Memory, Act], Memory]] = {
    ActName.DECLARE: _declare,
    ActName.SUSPEND_PROCESSES: _suspend,
    ActName.STOP_BITBUCKET: _stop,
    ActName.ACTIVATE: _activate,
    ActName.PREPARE_HOME: _prepare,
    ActName.ALLOW_LAUNCH: _allow_launch,
    ActName.REPLACE: _replace,
    ActName.RESIZE: _resize,
    ActName.REGISTER: _register,
    ActName.END_CHECKING: _end_checking,
    ActName.RESUME_PROCESSES: _resume,
    ActName.START_BITBUCKET: _start,
}
