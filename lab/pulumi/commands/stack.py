"""`pulumi stack …`."""

import json
import shlex
from datetime import UTC, datetime
from typing import Any

from lab.pulumi import checkpoint, locks
from lab.pulumi.arguments import Invocation
from lab.pulumi.backend import short_name
from lab.pulumi.checkpoint import Checkpoint, Writer
from lab.pulumi.commands.common import confirm, open_workspace, print_json, print_table, stack_of
from lab.pulumi.errors import EngineError, UsageError
from lab.pulumi.outputs import raw_outputs
from lab.pulumi.session import Session
from lab.pulumi.state import State
from lab.pulumi.urns import STACK_TYPE, name_of, type_chain
from lab.pulumi.values import PropertyMap, hidden, plain
from lab.pulumi.workspace import Workspace

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.000Z"


def show(invocation: Invocation, session: Session) -> int:
    """`pulumi stack`: the current stack."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    if invocation.on("show-name"):
        session.write(stack)
        return 0
    resources = workspace.backend.read(stack).get("resources") or []
    session.write(f"Current stack is {stack}:")
    session.write(f"    Backend: {workspace.backend.url}")
    session.write(f"Current stack resources ({len(resources)}):")
    for resource in resources:
        _show_resource(invocation, session, resource)
    outputs = _outputs(workspace, stack, show_secrets=invocation.on("show-secrets"))
    session.write(f"Current stack outputs ({len(outputs)}):")
    print_table(session, ("    OUTPUT", "VALUE"), [(f"    {key}", _cell(value)) for key, value in outputs.items()])
    return 0


def _show_resource(invocation: Invocation, session: Session, resource: dict[str, Any]) -> None:
    session.write(f"    {resource['type']}  {name_of(resource['urn'])}")
    if invocation.on("show-ids") and resource.get("id"):
        session.write(f"        ID: {resource['id']}")
    if invocation.on("show-urns"):
        session.write(f"        URN: {resource['urn']}")


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _create(workspace: Workspace, name: str) -> str:
    stack = short_name(name)
    if not stack or any(not (char.isalnum() or char in "-_.") for char in stack):
        raise UsageError(f"'{name}': a stack name may only contain alphanumerics, hyphens, underscores and periods")
    workspace.backend.create(stack)
    workspace.crypter(stack)
    return stack


def init(invocation: Invocation, session: Session) -> int:
    """`pulumi stack init`."""
    provider = invocation.text("secrets-provider", "passphrase")
    if provider not in {"passphrase", "default"}:
        raise UsageError(f"secrets provider '{provider}' is not supported, only 'passphrase' is")
    workspace = open_workspace(invocation, session)
    name = invocation.positionals[0] if invocation.positionals else invocation.text("stack")
    if not name:
        raise UsageError("missing stack name")
    stack = _create(workspace, name)
    if not invocation.on("no-select"):
        workspace.select(stack)
    session.write(f"Created stack '{stack}'")
    return 0


def select(invocation: Invocation, session: Session) -> int:
    """`pulumi stack select`."""
    workspace = open_workspace(invocation, session)
    name = invocation.text("stack") or (invocation.positionals[0] if invocation.positionals else "")
    if not name:
        raise UsageError("missing stack name; `pulumi stack ls` lists them")
    if invocation.on("create") and not workspace.backend.exists(name):
        _create(workspace, name)
    workspace.select(workspace.backend.require(name))
    return 0


def unselect(invocation: Invocation, session: Session) -> int:
    """`pulumi stack unselect`."""
    open_workspace(invocation, session).select("")
    session.write("Stack was unselected")
    return 0


def _summary(workspace: Workspace, stack: str) -> dict[str, Any]:
    deployment = workspace.backend.read(stack)
    entry: dict[str, Any] = {
        "name": stack,
        "current": stack == workspace.selected(),
        "updateInProgress": locks.is_held(workspace.backend.lock_directory(stack)),
    }
    if deployment:
        when = datetime.fromisoformat(deployment["manifest"]["time"])
        entry["lastUpdate"] = when.astimezone(UTC).strftime(TIME_FORMAT)
        entry["resourceCount"] = len(deployment.get("resources") or ())
    return entry


def ls(invocation: Invocation, session: Session) -> int:
    """`pulumi stack ls`."""
    workspace = open_workspace(invocation, session)
    entries = [_summary(workspace, stack) for stack in workspace.backend.names()]
    if invocation.on("json"):
        print_json(session, entries)
        return 0
    rows = [
        (
            entry["name"] + ("*" if entry["current"] else ""),
            "in progress" if entry["updateInProgress"] else entry.get("lastUpdate", "never"),
            str(entry.get("resourceCount", "n/a")),
        )
        for entry in entries
    ]
    print_table(session, ("NAME", "LAST UPDATE", "RESOURCE COUNT"), rows)
    return 0


def rm(invocation: Invocation, session: Session) -> int:
    """`pulumi stack rm`."""
    workspace = open_workspace(invocation, session)
    named = invocation.positionals[0] if invocation.positionals else invocation.text("stack")
    stack = workspace.stack(named or None)
    if not invocation.on("yes") and not confirm(session, f"Type '{stack}' to remove the stack:", stack):
        raise UsageError("confirmation declined")
    if workspace.backend.read(stack).get("resources") and not invocation.on("force"):
        raise EngineError(
            f"'{stack}' still has resources; removal rejected. Possible actions:\n"
            f"- Make sure that '{stack}' is the stack that you want to remove\n"
            f"- Run `pulumi destroy` to delete the resources, then run `pulumi stack rm`\n"
            f"- Run `pulumi stack rm --force` to override this error"
        )
    remove(workspace, stack, preserve_config=invocation.on("preserve-config"))
    session.write(f"Stack '{stack}' has been removed!")
    return 0


def remove(workspace: Workspace, stack: str, *, preserve_config: bool) -> None:
    """Remove a stack, its history and, unless told otherwise, its settings file."""
    with locks.hold(workspace.backend.lock_directory(stack)):
        settings = workspace.settings(stack)
        workspace.backend.remove(stack)
        if not preserve_config:
            settings.delete()
        if workspace.selected() == stack:
            workspace.select("")


def rename(invocation: Invocation, session: Session) -> int:
    """`pulumi stack rename`."""
    workspace = open_workspace(invocation, session)
    stack, new = stack_of(invocation, workspace), short_name(invocation.argument(0, "new-stack-name"))
    crypter = workspace.crypter(stack)
    with locks.hold(workspace.backend.lock_directory(stack)):
        recorded = checkpoint.parse(workspace.backend.read(stack), crypter)
        workspace.backend.create(new)
        moved = Checkpoint(tuple(_renamed(state, stack, new) for state in recorded.resources))
        workspace.backend.write(new, Writer(crypter).text(moved.resources, ()))
        workspace.backend.rename(stack, new)
        workspace.backend.remove(stack)
    old_settings, new_settings = workspace.settings(stack), workspace.settings(new)
    if old_settings.path != new_settings.path and old_settings.path.exists():
        old_settings.path.rename(new_settings.path)
    if workspace.selected() == stack:
        workspace.select(new)
    session.write(f"Renamed {stack} to {new}")
    return 0


def _renamed(state: State, old: str, new: str) -> State:
    def move(urn: str) -> str:
        moved = urn.replace(f"urn:pulumi:{old}::", f"urn:pulumi:{new}::", 1)
        is_root = urn != "" and type_chain(urn) == STACK_TYPE
        return moved.removesuffix(f"-{old}") + f"-{new}" if is_root else moved

    by_property = {key: tuple(map(move, urns)) for key, urns in state.property_dependencies.items()}
    return state.with_(
        urn=move(state.urn),
        parent=move(state.parent),
        provider=move(state.provider),
        dependencies=tuple(map(move, state.dependencies)),
        property_dependencies=by_property,
        deleted_with=move(state.deleted_with),
    )


def _outputs(workspace: Workspace, stack: str, *, show_secrets: bool) -> PropertyMap:
    outputs = raw_outputs(workspace.backend.read(stack))
    if not show_secrets:
        return dict(hidden(outputs))
    opened: PropertyMap = plain(workspace.crypter(stack).unseal(outputs))
    return opened


def output(invocation: Invocation, session: Session) -> int:
    """`pulumi stack output`."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    outputs = _outputs(workspace, stack, show_secrets=invocation.on("show-secrets"))
    if invocation.positionals:
        return _one_output(invocation, session, outputs, stack)
    if invocation.on("json"):
        print_json(session, outputs)
    elif invocation.on("shell"):
        for key, value in outputs.items():
            session.write(f"{key}={shlex.quote(_cell(value))}")
    else:
        session.write(f"Current stack outputs ({len(outputs)}):")
        rows = [(f"    {key}", _cell(value)) for key, value in sorted(outputs.items())]
        print_table(session, ("    OUTPUT", "VALUE"), rows)
    return 0


def _one_output(invocation: Invocation, session: Session, outputs: PropertyMap, stack: str) -> int:
    name = invocation.positionals[0]
    if name not in outputs:
        raise EngineError(f"current stack does not have output property '{name}' (stack '{stack}')")
    value = outputs[name]
    session.write(json.dumps(value, indent=2) if invocation.on("json") else _cell(value))
    return 0


def export(invocation: Invocation, session: Session) -> int:
    """`pulumi stack export`."""
    if invocation.text("version"):
        raise UsageError("--version is not supported: former states are not kept")
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    document: dict[str, Any] = {"version": 3}
    deployment = workspace.backend.read(stack)
    if deployment:
        crypter = workspace.crypter(stack)
        parsed = checkpoint.parse(deployment, crypter)
        document["deployment"] = checkpoint.export(parsed, crypter, show_secrets=invocation.on("show-secrets"))
    else:
        document["deployment"] = {"manifest": {"time": "0001-01-01T00:00:00Z", "magic": "", "version": ""}}
    text = json.dumps(document, indent=4)
    if invocation.text("file"):
        (session.cwd / invocation.text("file")).write_text(text + "\n", encoding="utf-8")
    else:
        session.write(text)
    return 0


def import_(invocation: Invocation, session: Session) -> int:
    """`pulumi stack import`."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    file = invocation.text("file")
    text = (session.cwd / file).read_text(encoding="utf-8") if file else session.read()
    deployment = json.loads(text).get("deployment") or {}
    crypter = workspace.crypter(stack)
    parsed = checkpoint.parse(deployment, crypter)
    with locks.hold(workspace.backend.lock_directory(stack)):
        workspace.backend.write(stack, Writer(crypter).text(parsed.resources, parsed.pending))
    session.write("Import complete.")
    return 0


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(TIME_FORMAT)


def _history_value(raw: Any, workspace: Workspace, stack: str, *, show: bool) -> dict[str, Any]:
    if isinstance(raw, dict) and set(raw) == {"secure"}:
        return {"value": workspace.crypter(stack).decrypt(raw["secure"]) if show else "[secret]", "secret": True}
    if isinstance(raw, dict | list):
        return {"value": json.dumps(raw, separators=(",", ":")), "objectValue": raw, "secret": False}
    return {"value": str(raw), "secret": False}


def _history_entry(entry: dict[str, Any], workspace: Workspace, stack: str, *, show: bool) -> dict[str, Any]:
    config = {
        key: _history_value(value, workspace, stack, show=show) for key, value in (entry.get("config") or {}).items()
    }
    return {
        **entry,
        "startTime": _iso(entry["startTime"]),
        "endTime": _iso(entry["endTime"]),
        "config": config,
    }


def history(invocation: Invocation, session: Session) -> int:
    """`pulumi stack history`."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    entries = list(workspace.backend.history(stack))
    size, page = invocation.number("page-size", 10 if not invocation.on("json") else 0), invocation.number("page", 1)
    if size > 0:
        entries = entries[(max(page, 1) - 1) * size : max(page, 1) * size]
    shown = [_history_entry(entry, workspace, stack, show=invocation.on("show-secrets")) for entry in entries]
    if invocation.on("json"):
        print_json(session, shown)
        return 0
    for entry in shown:
        _show_history(session, entry)
    return 0


def _show_history(session: Session, entry: dict[str, Any]) -> None:
    session.write(f"Version: {entry['version']}")
    session.write(f"UpdateKind: {entry['kind']}")
    session.write(f"Status: {entry['result']}")
    session.write(f"Message: {entry['message']}")
    changes = " ".join(f"{operation}:{count}" for operation, count in (entry.get("resourceChanges") or {}).items())
    session.write(f"Resource Changes: {changes}")
    session.write(f"Time: {entry['startTime']} - {entry['endTime']}\n")


def tags(invocation: Invocation, session: Session) -> int:
    """`pulumi stack tag ls`: a file backend has none."""
    if invocation.on("json"):
        print_json(session, {})
    return 0
