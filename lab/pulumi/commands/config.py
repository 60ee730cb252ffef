"""`pulumi config …`."""

import getpass
import json
from typing import Any

from lab.pulumi import config as configuration
from lab.pulumi.arguments import Invocation
from lab.pulumi.commands.common import open_workspace, print_json, print_table, stack_of
from lab.pulumi.config import ConfigValue, split_path
from lab.pulumi.errors import EngineError, UsageError
from lab.pulumi.session import Session
from lab.pulumi.workspace import Workspace


def _parts(workspace: Workspace, key: str, *, is_path: bool) -> list[str | int]:
    """A key as steps into the raw configuration; the first one is the full key."""
    if not is_path:
        return [workspace.project.key(key)]
    namespace, colon, rest = key.partition(":")
    parts = split_path(rest if colon else key)
    if not parts:
        raise UsageError(f"invalid configuration key '{key}'")
    first = f"{namespace}:{parts[0]}" if colon else workspace.project.key(str(parts[0]))
    return [first, *parts[1:]]


def _json_value(value: ConfigValue) -> dict[str, Any]:
    return {
        "value": value.text,
        **({"objectValue": value.object} if value.structured else {}),
        "secret": value.secret,
    }


def _merged(workspace: Workspace, stack: str) -> dict[str, Any]:
    return configuration.with_defaults(workspace.project, workspace.settings(stack).config)


def show(invocation: Invocation, session: Session) -> int:
    """`pulumi config`."""
    workspace = open_workspace(invocation, session)
    stack, reveal = stack_of(invocation, workspace), invocation.on("show-secrets")
    values = {}
    for key, raw in _merged(workspace, stack).items():
        values[key] = configuration.decode(raw, workspace.crypter(stack)) if reveal else configuration.blind(raw)
    if invocation.on("json"):
        visible = {k: _json_value(v) if reveal or not v.secret else {"secret": True} for k, v in values.items()}
        print_json(session, visible)
        return 0
    own = f"{workspace.project.name}:"
    print_table(session, ("KEY", "VALUE"), [(k.removeprefix(own), v.text) for k, v in sorted(values.items())])
    return 0


def get(invocation: Invocation, session: Session) -> int:
    """`pulumi config get`."""
    workspace = open_workspace(invocation, session)
    stack, key = stack_of(invocation, workspace), invocation.argument(0, "key")
    parts = _parts(workspace, key, is_path=invocation.on("path"))
    raw = configuration.get(_merged(workspace, stack), parts)
    if raw is None:
        raise EngineError(f"configuration key '{key}' not found for stack '{stack}'")
    value = configuration.decode(raw, workspace.crypter(stack))
    if invocation.on("json"):
        print_json(session, _json_value(value))
    else:
        session.write(value.text)
    return 0


def _typed(text: str, kind: str) -> Any:
    try:
        match kind:
            case "" | "string":
                return text
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool" if text in {"true", "false"}:
                return text == "true"
    except ValueError:
        raise UsageError(f"'{text}' is not of type {kind}") from None
    raise UsageError(f"'{text}' is not of type {kind}")


def _path_value(text: str) -> Any:
    """Inside objects, booleans and integers keep their type, as the genuine command line has it."""
    if text in {"true", "false"}:
        return text == "true"
    if text.lstrip("-").isdigit() and str(int(text)) == text:
        return int(text)
    return text


def _store(workspace: Workspace, stack: str, items: list[tuple[str, Any, bool]], *, is_path: bool) -> None:
    # The crypter may write the settings file itself (a new salt): have it before the file is read.
    crypter = workspace.crypter(stack) if any(secret for _, _, secret in items) else None
    settings = workspace.settings(stack)
    for key, value, secret in items:
        parts = _parts(workspace, key, is_path=is_path)
        stored = {"secure": crypter.encrypt(str(value))} if secret and crypter else value
        nested = is_path and len(parts) > 1 and isinstance(value, str) and not secret
        configuration.put(settings.config, parts, _path_value(value) if nested else stored)
    settings.save()


def _value(invocation: Invocation, session: Session, *, secret: bool) -> str:
    if len(invocation.positionals) > 1:
        return invocation.positionals[1]
    if session.interactive:
        return getpass.getpass("value: ") if secret else session.ask("value: ").rstrip("\n")
    return session.read().rstrip("\n")


def set_(invocation: Invocation, session: Session) -> int:
    """`pulumi config set`."""
    workspace = open_workspace(invocation, session)
    stack, key = stack_of(invocation, workspace), invocation.argument(0, "key")
    secret = invocation.on("secret")
    if secret and invocation.on("plaintext"):
        raise UsageError("--secret and --plaintext exclude each other")
    value = _typed(_value(invocation, session, secret=secret), invocation.text("type"))
    _store(workspace, stack, [(key, value, secret)], is_path=invocation.on("path"))
    return 0


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"'{text}' is not KEY=VALUE")
    return key, value


def _from_json(text: str) -> list[tuple[str, Any, bool]]:
    items = []
    for key, entry in json.loads(text).items():
        value = entry["objectValue"] if "objectValue" in entry else entry.get("value", "")
        items.append((key, value, bool(entry.get("secret"))))
    return items


def set_all(invocation: Invocation, session: Session) -> int:
    """`pulumi config set-all`."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    items: list[tuple[str, Any, bool]] = []
    for text in invocation.values.get("json", ()):
        items += _from_json(text)
    items += [(*_assignment(text), False) for text in invocation.values.get("plaintext", ())]
    items += [(*_assignment(text), True) for text in invocation.values.get("secret", ())]
    _store(workspace, stack, items, is_path=invocation.on("path"))
    return 0


def rm(invocation: Invocation, session: Session) -> int:
    """`pulumi config rm` and `rm-all`."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    invocation.argument(0, "key")
    settings = workspace.settings(stack)
    for key in invocation.positionals:
        configuration.remove(settings.config, _parts(workspace, key, is_path=invocation.on("path")))
    settings.save()
    return 0


def refresh(invocation: Invocation, session: Session) -> int:
    """`pulumi config refresh`: what the last update ran with."""
    workspace = open_workspace(invocation, session)
    stack = stack_of(invocation, workspace)
    latest = next(workspace.backend.history(stack), None)
    if latest is None:
        raise EngineError(f"no previous deployment of stack '{stack}'")
    settings = workspace.settings(stack)
    if settings.config and not invocation.on("force"):
        raise EngineError(f"{settings.path} has values; --force overwrites them")
    settings.config.clear()
    settings.config.update(latest.get("config") or {})
    settings.save()
    session.write(f"refreshed configuration for stack '{stack}'")
    return 0
