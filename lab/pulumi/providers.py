"""Resource providers as the engine sees them, and the gRPC client for real ones."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto import provider_pb2_grpc

from lab.pulumi.diff import KINDS, Changes, Diff, PropertyDiff
from lab.pulumi.errors import CheckFailed, Interrupted, ProviderError, Unimplemented
from lab.pulumi.plugins import Plugin
from lab.pulumi.state import State
from lab.pulumi.urns import name_of, type_of
from lab.pulumi.values import (
    PropertyMap,
    drop_references,
    elide_assets,
    has_unknown,
    hash_assets,
    mirror_secrets,
    plain,
)
from lab.pulumi.wire import from_struct, properties, to_struct

INTERNAL = "__internal"


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A resource as it is now."""

    id: str
    inputs: PropertyMap
    outputs: PropertyMap


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """A function's answer: a value, or failures (property, reason)."""

    value: PropertyMap
    failures: tuple[tuple[str, str], ...] = ()


class ResourceProvider(Protocol):
    """What steps need of a provider. Every method raises ProviderError when the provider refuses or fails."""

    def check(self, urn: str, old: PropertyMap | None, new: PropertyMap, seed: bytes) -> PropertyMap:
        """Validate inputs and fill in defaults; CheckFailed when they are refused."""

    def diff(self, old: State, new: PropertyMap, ignore: tuple[str, ...]) -> Diff:
        """Compare a resource with new inputs."""

    def create(self, urn: str, inputs: PropertyMap, *, preview: bool, timeout: float) -> tuple[str, PropertyMap]:
        """Make a resource; its id and outputs. In a preview the id is empty and unknown outputs are left out."""

    def update(self, old: State, inputs: PropertyMap, *, preview: bool, timeout: float) -> PropertyMap:
        """Change a resource; its outputs."""

    def delete(self, state: State, timeout: float) -> None:
        """Remove a resource."""

    def read(self, urn: str, identity: str, inputs: PropertyMap, outputs: PropertyMap) -> ReadResult | None:
        """Look at a resource; None when it is gone."""

    def invoke(self, token: str, arguments: PropertyMap, *, preview: bool) -> InvokeResult:
        """Call a function of the provider."""


def _names(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": name_of(urn), "type": type_of(urn)}


def to_diff(response: Any) -> Diff:
    """A provider's DiffResponse."""
    detailed = {
        path: PropertyDiff(KINDS[part.kind], bool(part.inputDiff)) for path, part in response.detailedDiff.items()
    }
    return Diff(
        Changes(response.changes),
        tuple(response.diffs),
        tuple(dict.fromkeys(response.replaces)),
        detailed,
        bool(response.deleteBeforeReplace),
    )


class PluginProvider:
    """One provider process (or server), configured once."""

    def __init__(self, plugin: Plugin, engine_address: str) -> None:
        """Shake hands.

        Args:
            plugin: the connection.
            engine_address: where providers may log to.

        Raises:
            ProviderError: it does not answer.
        """
        self.package = plugin.package
        self._plugin = plugin
        self._stub = provider_pb2_grpc.ResourceProviderStub(plugin.channel)
        self._calls: set[grpc.Future] = set()
        self._lock = threading.Lock()
        self._secrets = self._previews = self._resources = False
        self._configured = False
        request = messages.ProviderHandshakeRequest(
            engine_address=engine_address, configure_with_urn=True, invoke_with_preview=True
        )
        try:
            self._call("Handshake", request)
        except Unimplemented:
            return

    def _call(self, method: str, request: Any, urn: str = "") -> Any:
        future = getattr(self._stub, method).future(request)
        with self._lock:
            self._calls.add(future)
        try:
            return future.result()
        except grpc.FutureCancelledError:
            raise Interrupted("the operation was cancelled", urn) from None
        except grpc.RpcError as error:
            raise self._failure(error, urn) from None
        finally:
            with self._lock:
                self._calls.discard(future)

    def _failure(self, error: grpc.RpcError, urn: str) -> ProviderError:
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            return Unimplemented(error.details(), urn)
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            kind = Interrupted if self._configured else ProviderError
            return kind(f"the provider '{self.package}' does not answer: {error.details()}", urn)
        return ProviderError(error.details(), urn)

    def abort_calls(self) -> None:
        """Break off every call under way; its step fails."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def cancel(self) -> None:
        """Tell the provider that the run is being cancelled."""
        try:
            self._call("Cancel", empty_pb2.Empty())
        except ProviderError:
            # It has no Cancel or is gone already; its calls are broken off next.
            return

    def close(self) -> None:
        """Disconnect; end the process if this engine started it."""
        self._plugin.close()

    def _out(self, value: PropertyMap | None) -> Any:
        shown: PropertyMap = value or {}
        if not self._secrets:
            shown = plain(shown)
        return to_struct(shown if self._resources else drop_references(shown))

    def _old(self, value: PropertyMap | None) -> Any:
        return self._out(elide_assets(value or {}))

    def _in(self, struct: Any, inputs: PropertyMap) -> PropertyMap:
        found: PropertyMap = hash_assets(properties(struct))
        return found if self._secrets else mirror_secrets(found, inputs)

    # Configuration

    def check_config(self, urn: str, old: PropertyMap | None, new: PropertyMap) -> PropertyMap:
        """Validate the provider's own inputs."""
        request = messages.CheckRequest(olds=to_struct(plain(old)), news=to_struct(plain(new)), **_names(urn))
        try:
            response = self._call("CheckConfig", request, urn)
        except Unimplemented:
            return new
        if response.failures:
            raise CheckFailed(tuple((item.property, item.reason) for item in response.failures), urn)
        checked: PropertyMap = mirror_secrets(properties(response.inputs), new)
        return checked

    def diff_config(self, old: State, new: PropertyMap) -> Diff:
        """Compare the provider's own inputs."""
        request = messages.DiffRequest(
            id=old.id,
            olds=to_struct(plain(old.outputs)),
            news=to_struct(plain(new)),
            old_inputs=to_struct(plain(old.inputs)),
            **_names(old.urn),
        )
        try:
            return to_diff(self._call("DiffConfig", request, old.urn))
        except Unimplemented:
            return Diff(Changes.UNKNOWN)

    def configure(self, urn: str, identity: str, inputs: PropertyMap) -> None:
        """Give the provider its configuration; with unknowns in it (previews) it stays unconfigured."""
        if has_unknown(inputs):
            return
        arguments = {key: value for key, value in plain(inputs).items() if key != INTERNAL}
        variables = {
            f"{self.package}:config:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in arguments.items()
        }
        request = messages.ConfigureRequest(
            variables=variables,
            args=to_struct(arguments),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
            id=identity,
            **_names(urn),
        )
        response = self._call("Configure", request, urn)
        self._secrets, self._resources = bool(response.acceptSecrets), bool(response.acceptResources)
        self._previews = bool(response.supportsPreview)
        self._configured = True

    # Resources

    def check(self, urn: str, old: PropertyMap | None, new: PropertyMap, seed: bytes) -> PropertyMap:
        """As ResourceProvider says."""
        if not self._configured:
            return new
        request = messages.CheckRequest(olds=self._old(old), news=self._out(new), randomSeed=seed, **_names(urn))
        response = self._call("Check", request, urn)
        if response.failures:
            raise CheckFailed(tuple((item.property, item.reason) for item in response.failures), urn)
        return self._in(response.inputs, new)

    def diff(self, old: State, new: PropertyMap, ignore: tuple[str, ...]) -> Diff:
        """As ResourceProvider says."""
        if not self._configured:
            return Diff(Changes.UNKNOWN)
        request = messages.DiffRequest(
            id=old.id,
            olds=self._old(old.outputs),
            news=self._out(new),
            old_inputs=self._old(old.inputs),
            ignoreChanges=list(ignore),
            **_names(old.urn),
        )
        return to_diff(self._call("Diff", request, old.urn))

    def create(self, urn: str, inputs: PropertyMap, *, preview: bool, timeout: float) -> tuple[str, PropertyMap]:
        """As ResourceProvider says."""
        if preview and not (self._configured and self._previews):
            return "", inputs if self._configured else {}
        request = messages.CreateRequest(properties=self._out(inputs), preview=preview, timeout=timeout, **_names(urn))
        response = self._call("Create", request, urn)
        if not preview and not response.id:
            raise ProviderError("the provider returned an empty id for a new resource", urn)
        return response.id, self._in(response.properties, inputs)

    def update(self, old: State, inputs: PropertyMap, *, preview: bool, timeout: float) -> PropertyMap:
        """As ResourceProvider says."""
        if preview and not (self._configured and self._previews):
            return inputs if self._configured else {}
        request = messages.UpdateRequest(
            id=old.id,
            olds=self._old(old.outputs),
            news=self._out(inputs),
            old_inputs=self._old(old.inputs),
            preview=preview,
            timeout=timeout,
            ignoreChanges=list(old.ignore_changes),
            **_names(old.urn),
        )
        return self._in(self._call("Update", request, old.urn).properties, inputs)

    def delete(self, state: State, timeout: float) -> None:
        """As ResourceProvider says."""
        request = messages.DeleteRequest(
            id=state.id,
            properties=self._out(state.outputs),
            old_inputs=self._out(state.inputs),
            timeout=timeout,
            **_names(state.urn),
        )
        self._call("Delete", request, state.urn)

    def read(self, urn: str, identity: str, inputs: PropertyMap, outputs: PropertyMap) -> ReadResult | None:
        """As ResourceProvider says."""
        request = messages.ReadRequest(
            id=identity, properties=self._out(outputs), inputs=self._out(inputs), **_names(urn)
        )
        response = self._call("Read", request, urn)
        if not response.id:
            return None
        found = self._in(response.inputs, inputs) if response.inputs.fields else inputs
        return ReadResult(response.id, found, self._in(response.properties, inputs))

    def invoke(self, token: str, arguments: PropertyMap, *, preview: bool) -> InvokeResult:
        """As ResourceProvider says."""
        request = messages.InvokeRequest(tok=token, args=self._out(arguments), preview=preview)
        response = self._call("Invoke", request)
        failures = tuple((item.property, item.reason) for item in response.failures)
        return InvokeResult(from_struct(getattr(response, "return")), failures)


def timeout_of(state: State, operation: str) -> float:
    """A resource's custom timeout for create, update, delete or read, in seconds; 0 for the provider's own."""
    timeouts: Mapping[str, float] = state.custom_timeouts
    return float(timeouts.get(operation) or 0)
