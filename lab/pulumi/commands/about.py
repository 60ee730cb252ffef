"""Commands about the engine itself, its backend and its plugins."""

import getpass
import platform
import shutil
import subprocess
import sys

from lab.pulumi.arguments import Invocation, render_help
from lab.pulumi.commands.common import confirm, open_workspace, print_json, print_table
from lab.pulumi.commands.table import COMMANDS, SHARED
from lab.pulumi.errors import EngineError, UsageError
from lab.pulumi.locks import release_all
from lab.pulumi.project import find_project_file, load_project
from lab.pulumi.session import Session
from lab.pulumi.version import CLI_VERSION
from lab.pulumi.workspace import Workspace, open_backend, pulumi_home, remember_login


def overview(invocation: Invocation, session: Session) -> int:
    """`pulumi`: what there is."""
    session.write(render_help(invocation.command, COMMANDS, SHARED))
    return 0


def unsupported(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """A command of the genuine command line that is not here."""
    raise UsageError(
        f"`pulumi {' '.join(invocation.command.words)}` is not supported by the lab's engine; "
        "use the genuine command line (its state files are the same)"
    )


def version(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """`pulumi version`."""
    session.write(f"v{CLI_VERSION}")
    return 0


def whoami(invocation: Invocation, session: Session) -> int:
    """`pulumi whoami`."""
    backend = open_backend(session, load_project(session.cwd) if find_project_file(session.cwd) else None)
    user = getpass.getuser()
    if invocation.on("json"):
        print_json(session, {"user": user, "url": backend.url, "organizations": []})
        return 0
    session.write(f"User: {user}" if invocation.on("verbose") else user)
    if invocation.on("verbose"):
        session.write(f"Backend URL: {backend.url}")
    return 0


def about(invocation: Invocation, session: Session) -> int:
    """`pulumi about`."""
    project = load_project(session.cwd) if find_project_file(session.cwd) else None
    backend = open_backend(session, project)
    facts = {
        "cliAbout": {"version": CLI_VERSION, "engine": "bitbucket-dc lab"},
        "host": {"os": platform.system().lower(), "version": platform.release(), "arch": platform.machine()},
        "backend": {"name": platform.node(), "url": backend.url, "user": getpass.getuser()},
        "runtime": {"language": "python", "executable": sys.executable, "version": platform.python_version()},
        "currentStack": {"name": Workspace.open(session).selected()} if project else None,
        "plugins": _plugins(session),
    }
    if invocation.on("json"):
        print_json(session, facts)
        return 0
    for title, entry in facts.items():
        session.write(f"{title}: {_flat(entry)}")
    return 0


def _flat(entry: object) -> str:
    if isinstance(entry, dict):
        return ", ".join(f"{key} {value}" for key, value in entry.items())
    return str(entry or "none")


def _plugins(session: Session) -> list[dict[str, object]]:
    text = session.env.get("PULUMI_DEBUG_PROVIDERS", "")
    return [{"name": entry.split(":")[0], "kind": "resource", "address": entry} for entry in text.split(",") if entry]


def login(invocation: Invocation, session: Session) -> int:
    """`pulumi login`."""
    given = invocation.positionals[0] if invocation.positionals else invocation.text("cloud-url")
    url = "file://~" if invocation.on("local") else given or session.env.get("PULUMI_BACKEND_URL", "")
    if not url.startswith("file://"):
        raise UsageError(f"only file:// backends are supported, not '{url}'")
    remember_login(session, url)
    session.write(f"Logged in to {platform.node()} as {getpass.getuser()} ({url})")
    return 0


def logout(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """`pulumi logout`."""
    (pulumi_home(session) / "credentials.json").unlink(missing_ok=True)
    session.write("Logged out")
    return 0


def cancel(invocation: Invocation, session: Session) -> int:
    """`pulumi cancel`: release the lock of a stack, whoever holds it."""
    workspace = open_workspace(invocation, session)
    named = invocation.positionals[0] if invocation.positionals else invocation.text("stack")
    stack = workspace.stack(named or None)
    sure = invocation.on("yes") or not session.interactive
    if not sure and not confirm(session, f"Type the stack's name '{stack}' to release its lock:", stack):
        raise UsageError("confirmation declined")
    if not release_all(workspace.backend.lock_directory(stack)):
        session.write(f"There is no update in progress on stack '{stack}'.")
        return 0
    session.write(f"The currently running update for '{stack}' has been canceled!")
    return 0


def plugin_ls(invocation: Invocation, session: Session) -> int:
    """`pulumi plugin ls`: nothing is ever installed; what PULUMI_DEBUG_PROVIDERS names is shown to people."""
    if invocation.on("json"):
        session.write("[]")
        return 0
    rows = [(str(plugin["name"]), str(plugin["kind"]), str(plugin["address"])) for plugin in _plugins(session)]
    print_table(session, ("NAME", "KIND", "ADDRESS"), rows)
    return 0


def plugin_install(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """`pulumi plugin install`."""
    session.error("warning: this engine installs no plugins; it uses the providers named in PULUMI_DEBUG_PROVIDERS")
    return 0


def plugin_rm(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """`pulumi plugin rm`."""
    session.write("no plugins to remove")
    return 0


def org(invocation: Invocation, session: Session) -> int:  # noqa: ARG001 - a handler's signature
    """`pulumi org get-default`."""
    session.write("organization")
    return 0


def install(invocation: Invocation, session: Session) -> int:
    """`pulumi install`: the virtual environment that Pulumi.yaml names, with requirements.txt in it."""
    project = load_project(session.cwd)
    if invocation.on("no-dependencies") or not project.virtualenv:
        session.write("Finished installing dependencies: none asked for")
        return 0
    environment = project.root / project.virtualenv
    python = environment / "bin" / "python"
    if invocation.on("reinstall") and environment.is_dir():
        shutil.rmtree(environment)
    if not python.exists():
        session.write(f"Creating virtual environment {environment}")
        _run([sys.executable, "-m", "venv", str(environment)])
    requirements = project.root / "requirements.txt"
    if requirements.exists():
        _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)])
    session.write("Finished installing dependencies")
    return 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
