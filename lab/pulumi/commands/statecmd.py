"""`pulumi state …`: edits of the record, not of the world."""

from lab.pulumi import checkpoint, locks
from lab.pulumi.arguments import Invocation
from lab.pulumi.checkpoint import Checkpoint, Writer
from lab.pulumi.commands.common import confirm, open_workspace, stack_of
from lab.pulumi.deletions import require_dependents
from lab.pulumi.errors import EngineError, UsageError
from lab.pulumi.session import Session
from lab.pulumi.state import State
from lab.pulumi.targets import Targets
from lab.pulumi.workspace import Workspace


def _confirmed(invocation: Invocation, session: Session) -> None:
    if invocation.on("yes") or not session.interactive:
        return
    if not confirm(session, "This edits the stack's state. Type 'yes' to go on:", "yes"):
        raise UsageError("confirmation declined")


def _read(workspace: Workspace, stack: str) -> Checkpoint:
    return checkpoint.parse(workspace.backend.read(stack), workspace.crypter(stack))


def _write(workspace: Workspace, stack: str, resources: list[State], former: Checkpoint) -> None:
    workspace.backend.write(stack, Writer(workspace.crypter(stack)).text(resources, former.pending))


def _require(resources: tuple[State, ...], urn: str) -> None:
    if not any(state.urn == urn for state in resources):
        raise EngineError(f"No such resource {urn!r} exists in the current state")


def unprotect(invocation: Invocation, session: Session) -> int:
    """`pulumi state unprotect`."""
    workspace = open_workspace(invocation, session)
    stack, everything = stack_of(invocation, workspace), invocation.on("all")
    urn = "" if everything else invocation.argument(0, "resource-urn")
    _confirmed(invocation, session)
    with locks.hold(workspace.backend.lock_directory(stack)):
        former = _read(workspace, stack)
        if not everything:
            _require(former.resources, urn)
        changed = [
            state.with_(protect=False) if everything or state.urn == urn else state for state in former.resources
        ]
        _write(workspace, stack, changed, former)
    session.write("Resource unprotected" if urn else "All resources unprotected")
    return 0


def delete(invocation: Invocation, session: Session) -> int:
    """`pulumi state delete`."""
    workspace = open_workspace(invocation, session)
    stack, urn = stack_of(invocation, workspace), invocation.argument(0, "resource-urn")
    _confirmed(invocation, session)
    with locks.hold(workspace.backend.lock_directory(stack)):
        former = _read(workspace, stack)
        _require(former.resources, urn)
        targets = Targets((urn,), dependents=invocation.on("target-dependents")).widened(former.resources)
        doomed = [state for state in former.resources if state.urn in targets]
        staying = [state for state in former.resources if state not in doomed]
        if any(state.protect for state in doomed) and not invocation.on("force"):
            raise EngineError(f"{urn} is protected; use --force, or `pulumi state unprotect` first")
        require_dependents(doomed, staying)
        _write(workspace, stack, staying, former)
    session.write("Resource deleted")
    return 0
