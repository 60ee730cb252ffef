"""Update, preview, refresh and destroy from lock to history."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.pulumi import checkpoint
from lab.pulumi.builtin import BuiltinProvider
from lab.pulumi.checkpoint import Checkpoint, PendingOperation, Writer
from lab.pulumi.config import ConfigValue
from lab.pulumi.deployment import Deployment
from lab.pulumi.errors import Cancelled, EngineError, StepFailed
from lab.pulumi.events import EventBus, Sink
from lab.pulumi.executor import Executor
from lab.pulumi.monitor import Server
from lab.pulumi.outputs import referenced_outputs, root_outputs
from lab.pulumi.planner import Planner
from lab.pulumi.plugins import DYNAMIC, PluginHost
from lab.pulumi.program import Ended, run_inline, run_process
from lab.pulumi.registry import ProviderRegistry
from lab.pulumi.requests import Options, Outcome
from lab.pulumi.snapshot import Snapshot
from lab.pulumi.state import State
from lab.pulumi.steps import World
from lab.pulumi.urns import PROVIDER_PREFIX
from lab.pulumi.version import CLI_VERSION
from lab.pulumi.workspace import Workspace

CANCEL_GRACE = 2.0
"""Seconds that calls to providers may take to end by themselves once the run is cancelled."""


class Operation:
    """One run on one stack; made once, run once."""

    def __init__(self, workspace: Workspace, stack: str, options: Options, sinks: list[Sink]) -> None:
        """Read configuration and checkpoint.

        Args:
            workspace: where the stack is.
            stack: its name.
            options: what to do.
            sinks: where events go.
        """
        self._workspace = workspace
        self._stack = stack
        self._options = options
        self._crypter = workspace.crypter(stack)
        self._config: dict[str, ConfigValue] = workspace.config(stack)
        self._base = checkpoint.parse(workspace.backend.read(stack), self._crypter)
        self._writer = Writer(self._crypter)
        self._events = EventBus(sinks, planning=options.preview)
        self._deployment = self._assemble()

    def _assemble(self) -> Deployment:
        options, project = self._options, self._workspace.project
        snapshot = Snapshot(self._base, self._persist)
        host = PluginHost(project, self._workspace.session.env, self._say)
        registry = ProviderRegistry(
            host,
            BuiltinProvider(lambda name: referenced_outputs(self._workspace, name)),
            self._find_state,
            options.preview,
        )
        world = World(registry, options.preview)
        planner = Planner(self._stack, project.name, world, snapshot, options.targets)
        executor = Executor(world, snapshot, self._events, options.parallel)
        return Deployment(
            self._config, planner, executor, snapshot, registry, self._events, options.targets, options.parallel
        )

    def _find_state(self, urn: str) -> State | None:
        return self._deployment.find_state(urn)

    def _say(self, severity: str, line: str) -> None:
        self._events.diagnostic(severity, line, self._deployment.root)

    def _persist(self, resources: tuple[State, ...], pending: tuple[PendingOperation, ...]) -> None:
        if not self._options.preview:
            self._workspace.backend.write(self._stack, self._writer.text(resources, pending))

    def run(self) -> Outcome:
        """Do it, whatever happens leave the checkpoint whole and no process behind."""
        started = time.time()
        self._events.prelude({key: "[secret]" if v.secret else v.text for key, v in self._config.items()})
        self._warn_of_interrupted()
        server = Server(self._deployment, debug=self._options.debug)
        self._deployment.registry.engine_address = server.address
        self._workspace.session.cancellation.on_request(self._cancel)
        complaint = ""
        self._open_early()
        try:
            self._perform(server)
        except Cancelled:
            complaint = f"{self._name} failed"
        except EngineError as error:
            self._deployment.executor.fail(error if isinstance(error, StepFailed) else StepFailed(str(error)))
        except Exception:  # noqa: BLE001 - reported with its trace, and the operation fails
            self._deployment.executor.fail(StepFailed(f"the engine itself failed:\n{traceback.format_exc()}"))
        finally:
            self._deployment.executor.stop()
            self._deployment.executor.drain()
            self._deployment.registry.close()
            server.stop()
            self._deployment.snapshot.save()
        return self._finish(started, complaint)

    def _open_early(self) -> None:
        """Dynamic providers take half a second to start; the program takes as long to register anything."""
        for state in self._base.resources:
            if state.type == PROVIDER_PREFIX + DYNAMIC and not state.delete:
                self._deployment.registry.open_early(state.urn)

    @property
    def _name(self) -> str:
        """What a failure is called; the genuine command line calls all but previews an update."""
        return "preview" if self._options.preview else "update"

    def _warn_of_interrupted(self) -> None:
        if self._base.pending and self._options.kind != "refresh":
            self._events.diagnostic("warning", interrupted_warning(self._base))

    def _cancel(self) -> None:
        """Stop gracefully: providers are told, then given a moment, then cut off."""
        self._deployment.executor.stop()

        def tell() -> None:
            self._deployment.registry.cancel()
            time.sleep(CANCEL_GRACE)
            self._deployment.registry.abort_calls()

        threading.Thread(target=tell, daemon=True, name="cancel").start()

    # The parts

    def _perform(self, server: Server) -> None:
        options, deployment = self._options, self._deployment
        if options.kind == "refresh" or options.refresh or self._workspace.project.refresh_always:
            alone = options.kind == "refresh"
            deployment.refresh(confirmed=options.clear_pending_creates, count=alone)
        if options.kind == "destroy":
            deployment.destroy(exclude_protected=options.exclude_protected)
        elif options.kind == "update":
            self._update(server)

    def _update(self, server: Server) -> None:
        """Run the program, then delete what it no longer wants.

        A program with hooks is still there while things are deleted: it waits in its last call.
        """
        settled, shutdown = threading.Event(), server.monitor.shutdown
        with ThreadPoolExecutor(1, thread_name_prefix="program") as pool:
            shutdown.on_registered(settled.set)
            running = pool.submit(self._run_program, server.address)
            running.add_done_callback(lambda _: settled.set())
            settled.wait()
            try:
                if running.done():
                    self._require(running.result())
                self._deployment.delete_unregistered()
            finally:
                shutdown.released.set()
        self._require(running.result())

    def _run_program(self, monitor: str) -> Ended:
        session, project, deployment = self._workspace.session, self._workspace.project, self._deployment
        if self._options.client:
            return run_inline(deployment, self._options.client, session, monitor)
        return run_process(deployment, project, session, monitor)

    def _require(self, ended: Ended) -> None:
        executor = self._deployment.executor
        if executor.errors or self._workspace.session.cancellation.requested:
            raise Cancelled("a step failed")
        if ended.error:
            executor.fail(StepFailed(f"an unhandled error occurred: {ended.error}", self._deployment.root))
        if ended.failed:
            raise Cancelled("the program failed")

    # The end

    def _finish(self, started: float, complaint: str) -> Outcome:
        executor, cancelled = self._deployment.executor, self._workspace.session.cancellation.requested
        failed = bool(executor.errors or complaint or cancelled)
        if cancelled:
            complaint = f"{self._name} cancelled"
        if failed:
            complaint = complaint or f"{self._name} failed"
            if executor.step_failed or cancelled:
                self._events.diagnostic("error", complaint, self._deployment.root)
        seconds = time.time() - started
        changes: Counter[str] = executor.changes
        self._events.summary(changes, seconds, succeeded=not failed)
        if not failed and self._options.expect_no_changes and set(changes) - {"same"}:
            failed, complaint = True, "no changes were expected but changes occurred"
        if not self._options.preview:
            self._record(started, changes, succeeded=not failed)
        after = root_outputs(list(self._deployment.snapshot.all()))
        return Outcome(dict(changes), not failed, complaint, seconds, root_outputs(list(self._base.resources)), after)

    def _record(self, started: float, changes: Mapping[str, int], *, succeeded: bool) -> None:
        entry: dict[str, Any] = {
            "kind": self._options.kind,
            "startTime": int(started),
            "message": self._options.message,
            "environment": {"exec.kind": self._options.exec_kind, "pulumi.version": f"v{CLI_VERSION}"},
            "config": self._recorded_config(),
            "result": "succeeded" if succeeded else "failed",
            "endTime": int(time.time()),
            "resourceChanges": dict(changes),
        }
        self._workspace.backend.add_history(self._stack, entry)

    def _recorded_config(self) -> dict[str, Any]:
        """The configuration as history files hold it: secrets encrypted."""
        return {
            key: {"secure": self._crypter.encrypt(value.text)} if value.secret else value.shown
            for key, value in self._config.items()
        }


def interrupted_warning(base: Checkpoint) -> str:
    """What to tell a person about operations that a former run began and did not finish."""
    names = "\n".join(f"  * {item.resource.urn}, interrupted while {item.type}" for item in base.pending)
    return (
        f"Attempting to deploy or update resources with {len(base.pending)} pending operations from previous "
        f"deployment.\n{names}\n"
        "These resources are in an unknown state because the Pulumi CLI was interrupted while waiting for changes to "
        "these resources to complete. You should confirm whether or not the operations listed completed "
        "successfully by checking the state of the appropriate provider.\n"
        "Once you have confirmed the status of the interrupted operations, you can repair your stack using "
        "`pulumi refresh --clear-pending-creates`."
    )
