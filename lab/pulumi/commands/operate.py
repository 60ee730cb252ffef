"""`pulumi up`, `preview`, `refresh` and `destroy`."""

import json
from contextlib import ExitStack
from dataclasses import replace

from lab.pulumi import config as configuration
from lab.pulumi import locks
from lab.pulumi.arguments import Invocation
from lab.pulumi.commands.common import open_workspace, print_json, stack_of
from lab.pulumi.commands.config import _assignment
from lab.pulumi.commands.stack import remove
from lab.pulumi.display import TITLES, PreviewDigest, ProgressDisplay
from lab.pulumi.errors import UsageError
from lab.pulumi.events import Event, Sink, open_event_log
from lab.pulumi.requests import Options, Outcome
from lab.pulumi.session import Session
from lab.pulumi.targets import Targets
from lab.pulumi.workspace import Workspace

FAILURE = 255
DEFAULT_PARALLEL = 16
_REFUSED = {
    "policy-pack": "policy packs",
    "plan": "update plans",
    "save-plan": "update plans",
    "import-file": "import files",
    "attach-debugger": "debuggers",
    "continue-on-error": "going on after an error",
}


def up(invocation: Invocation, session: Session) -> int:
    """`pulumi up`."""
    return _change(invocation, session, "update")


def refresh(invocation: Invocation, session: Session) -> int:
    """`pulumi refresh`."""
    return _change(invocation, session, "refresh")


def destroy(invocation: Invocation, session: Session) -> int:
    """`pulumi destroy`."""
    code = _change(invocation, session, "destroy")
    if code == 0 and invocation.on("remove") and not invocation.on("preview-only"):
        workspace = open_workspace(invocation, session)
        remove(workspace, stack_of(invocation, workspace), preserve_config=False)
    return code


def preview(invocation: Invocation, session: Session) -> int:
    """`pulumi preview`."""
    options = _options(invocation, "update", preview=True)
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    return _report(_run(invocation, workspace, stack, options), session)


def _change(invocation: Invocation, session: Session, kind: str) -> int:
    options = _options(invocation, kind, preview=invocation.on("preview-only"))
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    if options.preview:
        return _report(_run(invocation, workspace, stack, options), session)
    approved = invocation.on("yes") or invocation.on("skip-preview")
    if not approved and not session.interactive:
        raise UsageError("--yes or --skip-preview must be passed in to proceed when running in non-interactive mode")
    with locks.hold(workspace.backend.lock_directory(stack)):
        if not invocation.on("skip-preview"):
            planned = _run(invocation, workspace, stack, replace(options, preview=True, expect_no_changes=False))
            if not planned.succeeded:
                return _report(planned, session)
            if not approved and not _asked(session, kind):
                session.error("error: confirmation declined, not proceeding with the " + kind)
                return FAILURE
        return _report(_run(invocation, workspace, stack, options), session)


def _asked(session: Session, kind: str) -> bool:
    return session.ask(f"Do you want to perform this {kind}? [yes/no] ").strip().lower() in {"yes", "y"}


def _report(outcome: Outcome, session: Session) -> int:
    if outcome.succeeded:
        return 0
    session.error(f"error: {outcome.complaint}")
    return FAILURE


def _options(invocation: Invocation, kind: str, *, preview: bool) -> Options:
    for name, what in _REFUSED.items():
        if invocation.values.get(name):
            raise UsageError(f"--{name}: {what} are not supported by the lab's engine")
    if invocation.on("run-program"):
        raise UsageError("--run-program: this engine refreshes and destroys from the state alone")
    replaced = (*invocation.all("replace"), *invocation.all("target-replace"))
    targets = Targets(
        (*invocation.all("target"), *invocation.all("target-replace")),
        invocation.all("exclude"),
        replaced,
        invocation.on("target-dependents"),
    )
    return Options(
        kind,
        preview,
        refresh=invocation.on("refresh"),
        client=invocation.text("client"),
        parallel=invocation.number("parallel", DEFAULT_PARALLEL) or 1,
        targets=targets,
        expect_no_changes=invocation.on("expect-no-changes"),
        clear_pending_creates=invocation.on("clear-pending-creates"),
        exclude_protected=invocation.on("exclude-protected"),
        debug=invocation.on("debug"),
        message=invocation.text("message"),
        exec_kind=invocation.text("exec-kind", "cli"),
    )


def _store_config(invocation: Invocation, workspace: Workspace, stack: str) -> None:
    """`up --config KEY=VALUE` keeps the value, as the genuine command line does."""
    given = [_assignment(text) for text in invocation.values.get("config", ())]
    if given:
        settings = workspace.settings(stack)
        for key, value in given:
            parts = configuration.split_path(key) if invocation.on("config-path") else [key]
            configuration.put(settings.config, [workspace.project.key(str(parts[0])), *parts[1:]], value)
        settings.save()


def _run(invocation: Invocation, workspace: Workspace, stack: str, options: Options) -> Outcome:
    # The engine itself needs grpc and the SDK: half a second that other commands need not pay.
    from lab.pulumi.operation import Operation  # noqa: PLC0415

    session = workspace.session
    _store_config(invocation, workspace, stack)
    digest = PreviewDigest() if invocation.on("json") and options.preview else None
    display = _display(invocation, session, options)
    with ExitStack() as open_logs:
        sinks: list[Sink] = [digest or (_json_lines(session) if invocation.on("json") else display)]
        if invocation.text("event-log"):
            log = open_event_log(invocation.text("event-log"), session.cwd)
            open_logs.callback(log.close)
            sinks.append(log)
        if not invocation.on("json"):
            title = f"Previewing {options.kind}" if options.preview else TITLES[options.kind]
            session.write(f"{title} ({stack}):\n")
        outcome = Operation(workspace, stack, options, sinks).run()
    if digest:
        print_json(session, digest.document(outcome))
    elif not invocation.on("json"):
        display.finish(
            outcome,
            outputs=not invocation.on("suppress-outputs"),
            show_secrets=invocation.on("show-secrets"),
        )
    return outcome


def _display(invocation: Invocation, session: Session, options: Options) -> ProgressDisplay:
    return ProgressDisplay(
        session.write,
        options.preview,
        quiet=invocation.on("suppress-progress"),
        sames=invocation.on("show-sames"),
        diff=invocation.on("diff"),
    )


def _json_lines(session: Session) -> Sink:
    def write(event: Event) -> None:
        session.write(json.dumps(event))

    return write
