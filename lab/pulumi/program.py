"""Runs the user's program against a monitor: in a process of its own, or inline through the Automation API."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from lab.pulumi.backend import ORGANIZATION
from lab.pulumi.children import Child, find_python
from lab.pulumi.deployment import Deployment
from lab.pulumi.errors import EngineError
from lab.pulumi.plugins import CHANNEL_OPTIONS
from lab.pulumi.project import Project
from lab.pulumi.session import Session

USER_ERROR = 32
"""The program's exit code when it has reported its error itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        failed: it did not reach its end.
        error: why, unless the program has said so itself.
    """

    failed: bool = False
    error: str = ""


def run_inline(deployment: Deployment, client: str, session: Session, monitor: str) -> Ended:
    """Ask the Automation API's language server to run its program.

    Args:
        deployment: the run.
        client: the language server's address.
        session: the call.
        monitor: this engine's address.

    Returns:
        How it ended.
    """
    config = deployment.config
    request = language_pb2.RunRequest(
        project=deployment.planner.project,
        stack=deployment.planner.stack,
        pwd=str(session.cwd),
        args=[monitor],
        config={key: value.text for key, value in config.items()},
        configSecretKeys=[key for key, value in config.items() if value.secret],
        dryRun=deployment.preview,
        parallel=deployment.parallel,
        monitor_address=monitor,
        organization=ORGANIZATION,
    )
    with grpc.insecure_channel(client, options=CHANNEL_OPTIONS) as channel:
        call = language_pb2_grpc.LanguageRuntimeStub(channel).Run.future(request)
        session.cancellation.on_request(call.cancel)
        try:
            error = str(call.result().error)
        except grpc.FutureCancelledError:
            return Ended(failed=True)
        except grpc.RpcError as failure:
            error = f"the program's language server failed: {failure.details()}"
    return Ended(bool(error), error)


def _program(project: Project) -> Path:
    main = project.root / project.main if project.main else project.root
    return main if main.suffix == ".py" else main / "__main__.py"


def _settings(deployment: Deployment, project: Project, monitor: str) -> str:
    return json.dumps(
        {
            "monitor": monitor,
            "project": deployment.planner.project,
            "stack": deployment.planner.stack,
            "parallel": deployment.parallel,
            "dry_run": deployment.preview,
            "organization": ORGANIZATION,
            "root": str(project.root),
            "program": str(_program(project)),
        }
    )


def _environment(deployment: Deployment, session: Session) -> dict[str, str]:
    config = deployment.config
    return {
        **session.env,
        "PULUMI_CONFIG": json.dumps({key: value.text for key, value in config.items()}),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([key for key, value in config.items() if value.secret]),
    }


def run_process(deployment: Deployment, project: Project, session: Session, monitor: str) -> Ended:
    """Run `__main__.py` in the project's own Python.

    Returns:
        How it ended.
    """
    if project.runtime != "python":
        raise EngineError(f"this engine runs Python programs, not '{project.runtime}'")
    if not _program(project).exists():
        raise EngineError(f"{_program(project)}: there is no program here")
    child = Child(
        find_python(project, session.env),
        ["program", _settings(deployment, project, monitor)],
        cwd=project.root,
        env=_environment(deployment, session),
    )
    session.cancellation.on_request(child.stop)

    def say(severity: str, line: str) -> None:
        deployment.events.diagnostic(severity, line, deployment.root)

    child.forward(child.stdout, functools.partial(say, "info"))
    child.forward(child.stderr, functools.partial(say, "info#err"))
    code = child.wait()
    said = code in {0, USER_ERROR} or session.cancellation.requested
    return Ended(code != 0, "" if said else f"program exited with non-zero exit code: {code}")
