"""The ResourceProvider protocol: translates messages, leaves the work to `lifecycle`."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from lab.pulumi.aws.compare import Change
from lab.pulumi.aws.provider import IN_PLACE, REPLACING
from lab.pulumi.aws.values import UNKNOWN, Properties, decode, encode, has_unknown
from lab.pulumi.azure import errors, functions, lifecycle, schema
from lab.pulumi.azure.client import Account, Arm, Cancelled
from lab.pulumi.azure.lifecycle import SECONDS, Named, NotSettled
from lab.pulumi.azure.table import Type, table

SETTINGS = {
    "subscriptionId": "subscription",
    "tenantId": "tenant",
    "clientId": "client",
    "clientSecret": "secret",
    "location": "location",
}
"""Settings of a provider resource -> parts of an account; the endpoint is the lab's always."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the engine; several engines may be connected at once.

    The protocol does not say which provider resource a request belongs to, but each comes over a connection of its
    own: settings are kept per connection, and the last ones given serve connections that gave none.
    """

    def __init__(self, account: Account) -> None:
        self._base = self._last = account
        self._accounts: dict[str, Account] = {}
        self._open: dict[Account, Arm] = {}
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def close(self) -> None:
        """Close every connection to Azure."""
        for arm in self._open.values():
            arm.close()

    # --- life of the provider ------------------------------------------------------------------------------------

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what this provider understands. Secrets come plain; the engine marks them again."""
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Accept an engine."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say which version of the genuine provider this one stands for."""
        return plugin_pb2.PluginInfo(version=table().version)

    def GetSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say which types there are, and what they take."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema.schema()))

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Stop waiting, in every operation that waits."""
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Accept the settings of a provider resource."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Compare settings; another subscription or tenant means other resources."""
        olds, news = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        differing = sorted(k for k in {*olds, *news} if olds.get(k) != news.get(k) and k != "version")
        moved = [k for k in differing if k in {"subscriptionId", "tenantId"}]
        some = provider_pb2.DiffResponse.DIFF_SOME if differing else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=differing, replaces=moved)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Take the settings of this connection: subscription, principal and location."""
        given = decode(request.args)
        chosen = {part: given.get(name) for name, part in SETTINGS.items()}
        known: dict[str, Any] = {k: v for k, v in chosen.items() if isinstance(v, str) and v not in ("", UNKNOWN)}
        with self._lock:
            self._accounts[context.peer()] = self._last = replace(self._base, **known)
            self._cancelled.clear()
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    # --- life of a resource --------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Fill in name and location; refuse what the type does not declare."""
        kind = _kind(request, context)
        naming = request.autonaming
        disabled = request.HasField("autonaming") and naming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        named = Named(_name(request.urn), request.randomSeed, naming.proposed_name, enabled=not disabled)
        try:
            inputs, failures = lifecycle.checked(
                kind, self._arm(context), decode(request.olds), decode(request.news), named
            )
        except errors.CALL_ERRORS as error:
            _abort(context, error, "checking", _what(request))
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures],
        )

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what differs and whether it can be changed in place."""
        kind = _kind(request, context)
        olds, news = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        found = lifecycle.difference(kind, olds, news, tuple(request.ignoreChanges))
        some = provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            diffs=sorted({change.top for change in found.changes}),
            replaces=sorted({change.top for change in found.replacing}),
            deleteBeforeReplace=found.delete_first,
            detailedDiff={c.path: _detail(c, replaces=c in found.replacing) for c in found.changes},
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Make a resource; at preview only say what its outputs will be."""
        kind, inputs = _kind(request, context), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(lifecycle.previewed(kind, inputs)))
        try:
            identity, state = lifecycle.created(kind, self._arm(context), inputs, request.timeout or SECONDS)
        except NotSettled as unfinished:
            _abort_unfinished(context, unfinished, inputs, _what(request))
        except errors.CALL_ERRORS as error:
            _abort(context, error, "creating", _what(request))
        return provider_pb2.CreateResponse(id=identity, properties=encode(state))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what a resource is now, and which inputs would give that."""
        kind, olds, asked = _kind(request, context), decode(request.properties), decode(request.inputs)
        try:
            read = lifecycle.refreshed(kind, self._arm(context), request.id, olds, asked)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "reading", _what(request))
        if read is None:
            return provider_pb2.ReadResponse()
        state, inputs = read
        return provider_pb2.ReadResponse(id=request.id, properties=encode(state), inputs=encode(inputs))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Change a resource in place; at preview only say what its outputs will be."""
        kind, news = _kind(request, context), decode(request.news)
        if request.preview:
            previewed = lifecycle.previewed(kind, news, decode(request.olds))
            return provider_pb2.UpdateResponse(properties=encode(previewed))
        try:
            state = lifecycle.updated(kind, self._arm(context), request.id, news, request.timeout or SECONDS)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "updating", _what(request))
        return provider_pb2.UpdateResponse(properties=encode(state))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Delete a resource."""
        kind = _kind(request, context)
        try:
            lifecycle.deleted(kind, self._arm(context), request.id, request.timeout or SECONDS)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "deleting", _what(request))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answer a function."""
        called, asked = functions.function(request.tok), decode(request.args)
        if called is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the lab's azure-native provider has no {request.tok}")
            raise AssertionError("abort raises")
        if has_unknown(asked):
            return provider_pb2.InvokeResponse()
        try:
            result = called(self._arm(context), asked)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "calling", request.tok)
        secret = functions.SECRET_RESULTS.get(request.tok, ())
        return provider_pb2.InvokeResponse(**{"return": encode(result, secret=secret)})

    def _arm(self, context: Any) -> Arm:
        with self._lock:
            account = self._accounts.get(context.peer(), self._last)
            if account not in self._open:
                self._open[account] = Arm(account, self._cancelled)
            return self._open[account]


def _kind(request: Any, context: Any) -> Type:
    token = request.urn.split("::")[2].rpartition("$")[2]
    types = table().types
    if token not in types:
        known = ", ".join(sorted(types))
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"the lab's azure-native provider has no type {token}; it has {known}"
        )
    return types[token]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _what(request: Any) -> str:
    token = request.urn.split("::")[2].rpartition("$")[2]
    identity = getattr(request, "id", "")
    return f"{token} {_name(request.urn)}{f' ({identity})' if identity else ''}"


def _detail(change: Change, *, replaces: bool) -> Any:
    return provider_pb2.PropertyDiff(kind=(REPLACING if replaces else IN_PLACE)[change.kind], inputDiff=True)


def _abort(context: Any, error: Exception, doing: str, what: str) -> NoReturn:
    status = grpc.StatusCode.CANCELLED if isinstance(error, Cancelled) else grpc.StatusCode.UNKNOWN
    context.abort(status, errors.explained(error, doing, what))
    raise AssertionError("abort raises")


def _abort_unfinished(context: Any, unfinished: NotSettled, inputs: Properties, what: str) -> NoReturn:
    """Fail, but hand the engine the resource that exists, so that the next run continues with it."""
    message = errors.explained(unfinished.reason, "finishing", f"{what} ({unfinished.id})")
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=unfinished.id, properties=encode(unfinished.state), inputs=encode(inputs), reasons=[message]
        )
    )
    unknown = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=unknown.value[0], message=message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(unknown, message)
    raise AssertionError("abort raises")
