"""Everything a command needs to find: project, backend, the current stack, its settings and secrets."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from lab.pulumi import config as configuration
from lab.pulumi.backend import Backend, backend_root, short_name, write_text
from lab.pulumi.config import ConfigValue
from lab.pulumi.errors import EngineError
from lab.pulumi.project import Project, load_project
from lab.pulumi.secrets import Crypter, read_passphrase
from lab.pulumi.session import Session
from lab.pulumi.settings import StackSettings, settings_path


def _home(session: Session) -> Path:
    return Path(session.env.get("HOME") or Path.home())


def pulumi_home(session: Session) -> Path:
    """Where per-user files are: PULUMI_HOME or ~/.pulumi."""
    return Path(session.env.get("PULUMI_HOME") or _home(session) / ".pulumi")


def open_backend(session: Session, project: Project | None) -> Backend:
    """The backend of PULUMI_BACKEND_URL, of the project, or of the last `pulumi login`."""
    url = session.env.get("PULUMI_BACKEND_URL") or (project.backend_url if project else "") or _logged_in(session)
    return Backend(backend_root(url, _home(session)), project.name if project else "")


def _logged_in(session: Session) -> str:
    path = pulumi_home(session) / "credentials.json"
    if not path.is_file():
        return ""
    return str(json.loads(path.read_text(encoding="utf-8")).get("current") or "")


def remember_login(session: Session, url: str) -> None:
    """Make a backend the default of later calls."""
    path = pulumi_home(session) / "credentials.json"
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    accounts = {**document.get("accounts", {}), url: {}}
    write_text(path, json.dumps({**document, "current": url, "accounts": accounts}, indent=4))


@dataclass(slots=True)
class Workspace:
    """A project in a directory.

    Attributes:
        session: the call.
        project: its Pulumi.yaml.
        backend: where its stacks are.
        config_file: --config-file, or empty.
    """

    session: Session
    project: Project
    backend: Backend
    config_file: str = ""
    _crypters: dict[str, Crypter] = field(default_factory=dict)

    @classmethod
    def open(cls, session: Session, config_file: str = "") -> "Workspace":
        """Find the project above the working directory."""
        project = load_project(session.cwd)
        return cls(session, project, open_backend(session, project), config_file)

    def _selection(self) -> Path:
        digest = hashlib.sha1(str(self.project.root).encode(), usedforsecurity=False).hexdigest()
        return pulumi_home(self.session) / "workspaces" / f"{self.project.name}-{digest}-workspace.json"

    def selected(self) -> str:
        """The current stack: PULUMI_STACK or the one selected; empty when there is none."""
        if self.session.env.get("PULUMI_STACK"):
            return short_name(self.session.env["PULUMI_STACK"])
        path = self._selection()
        if not path.is_file():
            return ""
        return short_name(str(json.loads(path.read_text(encoding="utf-8")).get("stack") or ""))

    def select(self, stack: str) -> None:
        """Make a stack the current one of this directory; empty for none."""
        if stack:
            write_text(self._selection(), json.dumps({"stack": stack}))
        else:
            self._selection().unlink(missing_ok=True)

    def stack(self, named: str | None) -> str:
        """The stack a command is about.

        Args:
            named: --stack, or None for the current one.

        Raises:
            EngineError: none is selected.
            StackNotFound: there is no such stack.
        """
        name = named or self.selected()
        if not name:
            raise EngineError(
                "no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one"
            )
        return self.backend.require(name)

    def settings(self, stack: str) -> StackSettings:
        """A stack's settings file."""
        return StackSettings(settings_path(self.project, short_name(stack), self.config_file, self.session.cwd))

    def crypter(self, stack: str) -> Crypter:
        """A stack's secrets manager.

        Its salt comes from the settings file, else from the checkpoint, else a new one is made and written to the
        settings file.
        """
        if stack in self._crypters:
            return self._crypters[stack]
        settings = self.settings(stack)
        salt = settings.salt or self._recorded_salt(stack)
        crypter = self._crypters[stack] = Crypter(lambda: read_passphrase(self.session.env), salt)
        if settings.salt != crypter.state:
            settings.salt = crypter.state
            settings.save()
        return crypter

    def _recorded_salt(self, stack: str) -> str | None:
        if not self.backend.exists(stack):
            return None
        provider = self.backend.read(stack).get("secrets_providers") or {}
        if provider.get("type", "passphrase") != "passphrase":
            raise EngineError(f"secrets provider '{provider['type']}' is not supported, only 'passphrase' is")
        return (provider.get("state") or {}).get("salt")

    def config(self, stack: str) -> dict[str, ConfigValue]:
        """A stack's configuration, decrypted, with the project's defaults, checked against its schema."""
        raw = self.settings(stack).config
        configuration.validate(self.project, stack, raw)
        return configuration.load(self.project, raw, self.crypter(stack))
