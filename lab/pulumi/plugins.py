"""Finding provider plugins: already running ones (PULUMI_DEBUG_PROVIDERS) and Python's dynamic provider."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

from lab.pulumi.children import Child, find_python
from lab.pulumi.errors import EngineError, ProviderError
from lab.pulumi.project import Project

DYNAMIC = "pulumi-python"
CHANNEL_OPTIONS: list[tuple[str, Any]] = list(_GRPC_CHANNEL_OPTIONS)


def parse_debug_providers(text: str) -> dict[str, str]:
    """`aws:5000,other:5001` as addresses by package.

    Raises:
        EngineError: an entry is not NAME:PORT.
    """
    addresses = {}
    for entry in filter(None, text.split(",")):
        package, _, port = entry.strip().rpartition(":")
        if not package or not port.isdigit():
            raise EngineError(f"PULUMI_DEBUG_PROVIDERS: '{entry}' is not NAME:PORT")
        addresses[package] = f"127.0.0.1:{port}"
    return addresses


@dataclass(frozen=True, slots=True)
class Plugin:
    """A connection to a provider.

    Attributes:
        package: its package name.
        channel: the gRPC channel.
        close: closes the channel and ends the process, if this engine started it.
    """

    package: str
    channel: grpc.Channel
    close: Callable[[], None]


@dataclass(slots=True)
class PluginHost:
    """Opens plugins for one run.

    Attributes:
        project: whose interpreter runs dynamic providers.
        cwd: the project's directory.
        env: environment for plugins.
        say: takes what plugins print: (severity, line).
    """

    project: Project
    env: Mapping[str, str]
    say: Callable[[str, str], None]
    children: list[Child] = field(default_factory=list)

    def open(self, package: str) -> Plugin:
        """Connect to a package's provider.

        Raises:
            ProviderError: there is none.
        """
        addresses = parse_debug_providers(self.env.get("PULUMI_DEBUG_PROVIDERS", ""))
        if package in addresses:
            return self._connect(package, addresses[package], lambda: None)
        if package == DYNAMIC:
            return self._spawn_dynamic()
        raise ProviderError(
            f"no resource provider for package '{package}': this engine downloads none, it uses the ones named in "
            "PULUMI_DEBUG_PROVIDERS (set by `bbdc lab env`) and dynamic providers written in Python"
        )

    def _connect(self, package: str, address: str, stop: Callable[[], None]) -> Plugin:
        channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)

        def close() -> None:
            channel.close()
            stop()

        return Plugin(package, channel, close)

    def _spawn_dynamic(self) -> Plugin:
        root = str(self.project.root)
        search = [root, *filter(None, self.env.get("PYTHONPATH", "").split(":"))]
        env = {**self.env, "PULUMI_PROJECT": self.project.name, "PYTHONPATH": ":".join(search)}
        child = Child(find_python(self.project, self.env), ["dynamic"], cwd=Path(root), env=env)
        self.children.append(child)
        child.forward(child.stderr, functools.partial(self.say, "info#err"))
        port = child.stdout.readline().strip()
        if not port.isdigit():
            child.stop()
            raise ProviderError("the dynamic provider did not start")
        child.forward(child.stdout, functools.partial(self.say, "info"))
        return self._connect(DYNAMIC, f"127.0.0.1:{port}", child.stop)
