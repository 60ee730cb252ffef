"""Configured providers by reference, and provider resources as a provider of their own.

A provider resource (`pulumi:providers:aws`) is planned like any other resource: checking it checks its configuration,
creating it configures a plugin under a new id, deleting it lets the plugin go.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.pulumi.builtin import BuiltinProvider
from lab.pulumi.diff import Changes, Diff
from lab.pulumi.errors import ProviderError
from lab.pulumi.plugins import PluginHost
from lab.pulumi.providers import INTERNAL, InvokeResult, PluginProvider, ReadResult, ResourceProvider
from lab.pulumi.state import State
from lab.pulumi.urns import PROVIDER_PREFIX, split_reference, type_of
from lab.pulumi.values import UNKNOWN, PropertyMap, plain

BUILTIN = "pulumi"


def reference(urn: str, identity: str) -> str:
    """How resources name their provider."""
    return f"{urn}::{identity}"


@dataclass(slots=True)
class ProviderRegistry:
    """Opens each provider once.

    Attributes:
        host: opens plugins.
        builtin: the `pulumi` package.
        find_state: a provider resource's recorded state by URN.
        engine_address: where plugins may log to.
        preview: nothing is made: new providers have no id yet.
    """

    host: PluginHost
    builtin: BuiltinProvider
    find_state: Callable[[str], State | None]
    preview: bool
    engine_address: str = ""
    _configured: dict[str, ResourceProvider] = field(default_factory=dict)
    _opened: dict[str, PluginProvider] = field(default_factory=dict)
    _all: list[PluginProvider] = field(default_factory=list)
    _locks: dict[str, threading.RLock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # Providers by reference

    def get(self, ref: str) -> ResourceProvider:
        """The configured provider of a reference; an old one is opened with its recorded inputs.

        Raises:
            ProviderError: the reference is not known.
        """
        urn, _ = split_reference(ref)
        with self._lock_of(urn):
            if ref not in self._configured:
                state = self.find_state(urn)
                if state is None:
                    raise ProviderError(f"unknown provider '{ref}'")
                self.same(state)
                self._configured.setdefault(ref, self._configured[reference(urn, state.id)])
            return self._configured[ref]

    def same(self, state: State) -> None:
        """Make a provider resource that did not change usable."""
        with self._lock_of(state.urn):
            self._configure(state.urn, state.id, state.inputs)

    def _configure(self, urn: str, identity: str, inputs: PropertyMap) -> None:
        ref = reference(urn, identity)
        if type_of(urn) == PROVIDER_PREFIX + BUILTIN:
            self._configured[ref] = self.builtin
            return
        plugin = self._opened.pop(urn, None) or self._open(urn)
        plugin.configure(urn, identity, inputs)
        self._configured[ref] = plugin

    def _open(self, urn: str) -> PluginProvider:
        package = type_of(urn).removeprefix(PROVIDER_PREFIX)
        provider = PluginProvider(self.host.open(package), self.engine_address)
        with self._lock:
            self._all.append(provider)
        return provider

    def _lock_of(self, urn: str) -> threading.RLock:
        """Opening a plugin takes a while: only its own users wait for it."""
        with self._lock:
            return self._locks.setdefault(urn, threading.RLock())

    def open_early(self, urn: str) -> None:
        """Start a plugin that is going to be needed, beside whatever comes first.

        A failure is not reported here: whoever needs the plugin meets it again.
        """

        def start() -> None:
            with self._lock_of(urn), contextlib.suppress(ProviderError):
                self._fresh(urn)

        threading.Thread(target=start, daemon=True, name="open").start()

    def _fresh(self, urn: str) -> PluginProvider:
        """An open plugin that is not configured yet; checked, it is the one that gets configured."""
        if urn not in self._opened:
            self._opened[urn] = self._open(urn)
        return self._opened[urn]

    # A provider of providers

    def check(self, urn: str, old: PropertyMap | None, new: PropertyMap, seed: bytes) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Validate a provider's configuration."""
        if type_of(urn) == PROVIDER_PREFIX + BUILTIN:
            return new
        with self._lock_of(urn):
            return self._fresh(urn).check_config(urn, old, new)

    def diff(self, old: State, new: PropertyMap, ignore: tuple[str, ...]) -> Diff:  # noqa: ARG002 - the port's signature
        """Compare a provider's configuration."""
        if plain(old.inputs) == plain(new):
            return Diff(Changes.NONE)
        if old.type == PROVIDER_PREFIX + BUILTIN:
            return Diff(Changes.UNKNOWN)
        with self._lock_of(old.urn):
            return self._fresh(old.urn).diff_config(old, new)

    def create(self, urn: str, inputs: PropertyMap, *, preview: bool, timeout: float) -> tuple[str, PropertyMap]:  # noqa: ARG002 - the port's signature
        """Configure a new provider."""
        identity = UNKNOWN if preview else str(uuid.uuid4())
        with self._lock_of(urn):
            self._configure(urn, identity, inputs)
        return identity, _outputs(inputs)

    def update(self, old: State, inputs: PropertyMap, *, preview: bool, timeout: float) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Configure a changed provider; it keeps its id."""
        with self._lock_of(old.urn):
            self._configure(old.urn, old.id, inputs)
        return _outputs(inputs)

    def delete(self, state: State, timeout: float) -> None:
        """Nothing to do: plugins are closed at the end of the run."""

    def read(self, urn: str, identity: str, inputs: PropertyMap, outputs: PropertyMap) -> ReadResult:  # noqa: ARG002 - the port's signature
        """A provider is what it is recorded as."""
        return ReadResult(identity, inputs, outputs)

    def invoke(self, token: str, arguments: PropertyMap, *, preview: bool) -> InvokeResult:  # noqa: ARG002 - the port's signature
        """Provider resources have no functions."""
        raise ProviderError(f"unknown function '{token}'")

    # The end

    def cancel(self) -> None:
        """Tell every plugin that the run is being cancelled."""
        with self._lock:
            plugins = list(self._all)
        for plugin in plugins:
            plugin.cancel()

    def abort_calls(self) -> None:
        """Break off every call under way."""
        with self._lock:
            plugins = list(self._all)
        for plugin in plugins:
            plugin.abort_calls()

    def close(self) -> None:
        """Close every plugin."""
        with self._lock:
            plugins, self._all = self._all, []
        for plugin in plugins:
            plugin.close()


def _outputs(inputs: PropertyMap) -> PropertyMap:
    return {key: value for key, value in inputs.items() if key != INTERNAL}
