"""The ResourceProvider protocol: translates messages, leaves the work to `lifecycle`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from lab.pulumi.aws import errors, lifecycle, schema
from lab.pulumi.aws.compare import Change, Kind
from lab.pulumi.aws.functions import FUNCTIONS, SECRET_RESULTS
from lab.pulumi.aws.lifecycle import Named, NotSettled, Revision
from lab.pulumi.aws.registry import RESOURCES
from lab.pulumi.aws.resource import ResourceType
from lab.pulumi.aws.session import Account, Aws, Cancelled
from lab.pulumi.aws.values import UNKNOWN, Properties, decode, encode, has_unknown

IN_PLACE = {
    Kind.ADD: provider_pb2.PropertyDiff.ADD,
    Kind.DELETE: provider_pb2.PropertyDiff.DELETE,
    Kind.UPDATE: provider_pb2.PropertyDiff.UPDATE,
}
REPLACING = {
    Kind.ADD: provider_pb2.PropertyDiff.ADD_REPLACE,
    Kind.DELETE: provider_pb2.PropertyDiff.DELETE_REPLACE,
    Kind.UPDATE: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one provider resource of the program configures."""

    account: Account
    default_tags: Properties = field(default_factory=dict)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the engine; several engines may be connected at once.

    The protocol does not say which provider resource a request belongs to, but each comes over a connection of its
    own: settings are kept per connection, and the last ones given serve connections that gave none.
    """

    def __init__(self, account: Account) -> None:
        self._base = Settings(account)
        self._settings: dict[str, Settings] = {}
        self._last = self._base
        self._regions: dict[Account, Aws] = {}
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    # Life of the provider -------------------------------------------------------------------------------------------

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what this provider understands. Secrets come plain; the engine marks them again."""
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Accept an engine."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say which version of the genuine provider this one stands for."""
        return plugin_pb2.PluginInfo(version=schema.schema().version)

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Stop waiting, in every operation that waits."""
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Accept the settings of a provider resource."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Compare settings; another region or account means other resources."""
        olds, news = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        differing = sorted(k for k in {*olds, *news} if olds.get(k) != news.get(k) and k != "version")
        moved = [k for k in differing if k == "region"]
        some = provider_pb2.DiffResponse.DIFF_SOME if differing else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=differing, replaces=moved)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Take the settings of this connection: region, keys and default tags; the endpoint is the lab's always."""
        settings = _settings(self._base, decode(request.args))
        with self._lock:
            self._settings[context.peer()] = self._last = settings
            self._cancelled.clear()
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    # Life of a resource ---------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Fill in names and defaults; refuse what the service would not take."""
        kind = _kind(request, context)
        naming = request.autonaming
        disabled = request.HasField("autonaming") and naming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        named = Named(_name(request.urn), request.randomSeed, naming.proposed_name, not disabled)
        tags = self._for(context).default_tags
        inputs, failures = lifecycle.checked(kind, decode(request.olds), decode(request.news), named, tags)
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures],
        )

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what differs and whether it can be changed in place."""
        found = lifecycle.difference(_kind(request, context), _revision(request))
        some = provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            diffs=sorted({c.top for c in found.changes}),
            replaces=sorted({c.top for c in found.replacing}),
            deleteBeforeReplace=found.delete_first,
            detailedDiff={c.path: _detail(c, replaces=c in found.replacing) for c in found.changes},
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Make a resource; at preview only say what its outputs will be."""
        kind, inputs = _kind(request, context), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_encoded(kind, lifecycle.previewed_create(kind, inputs)))
        aws = self._aws(context, inputs)
        try:
            identifier, state = lifecycle.created(kind, aws, inputs, request.timeout or kind.seconds)
        except NotSettled as unfinished:
            _abort_unfinished(context, kind, unfinished, inputs, _what(request))
        except errors.CALL_ERRORS as error:
            _abort(context, error, "creating", _what(request))
        return provider_pb2.CreateResponse(id=identifier, properties=_encoded(kind, state))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what a resource is now, and which inputs would give that."""
        kind, state = _kind(request, context), decode(request.properties)
        try:
            read = lifecycle.refreshed(kind, self._aws(context, state), request.id, state, decode(request.inputs))
        except errors.CALL_ERRORS as error:
            _abort(context, error, "reading", _what(request))
        if read is None:
            return provider_pb2.ReadResponse()
        now, inputs = read
        return provider_pb2.ReadResponse(id=request.id, properties=_encoded(kind, now), inputs=_encoded(kind, inputs))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Change a resource in place; at preview only say what its outputs will be."""
        kind, revision = _kind(request, context), _revision(request)
        if request.preview:
            previewed = lifecycle.previewed_update(kind, revision)
            return provider_pb2.UpdateResponse(properties=_encoded(kind, previewed))
        aws, seconds = self._aws(context, revision.state), request.timeout or kind.seconds
        try:
            now = lifecycle.updated(kind, aws, request.id, revision, seconds)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "updating", _what(request))
        return provider_pb2.UpdateResponse(properties=_encoded(kind, now))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Delete a resource."""
        kind, state = _kind(request, context), decode(request.properties)
        try:
            lifecycle.deleted(kind, self._aws(context, state), request.id, state, request.timeout or kind.seconds)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "deleting", _what(request))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answer a function."""
        if request.tok not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the lab's aws provider has no {request.tok}; it has {known}")
        asked = decode(request.args)
        if has_unknown(asked):
            return provider_pb2.InvokeResponse()
        try:
            result = FUNCTIONS[request.tok](self._aws(context, asked), asked)
        except errors.CALL_ERRORS as error:
            _abort(context, error, "calling", request.tok)
        secret = SECRET_RESULTS.get(request.tok, ())
        return provider_pb2.InvokeResponse(**{"return": encode(result, secret=secret)})

    # ----------------------------------------------------------------------------------------------------------------

    def _for(self, context: Any) -> Settings:
        with self._lock:
            return self._settings.get(context.peer(), self._last)

    def _aws(self, context: Any, properties: Properties) -> Aws:
        """Return the connection to the region of a resource: its own, else the provider's."""
        account = self._for(context).account
        region = properties.get("region")
        if isinstance(region, str) and region not in ("", UNKNOWN):
            account = replace(account, region=region)
        with self._lock:
            if account not in self._regions:
                self._regions[account] = Aws(account, self._cancelled)
            return self._regions[account]


def _settings(base: Settings, given: Properties) -> Settings:
    """Read a provider resource's settings; structured ones may come as JSON text."""
    chosen = {
        "region": given.get("region"),
        "access_key": given.get("accessKey"),
        "secret_key": given.get("secretKey"),
    }
    known = {k: v for k, v in chosen.items() if isinstance(v, str) and v not in ("", UNKNOWN)}
    tags = given.get("defaultTags")
    if isinstance(tags, str) and tags != UNKNOWN:
        tags = json.loads(tags)
    default_tags = (tags.get("tags") or {}) if isinstance(tags, Mapping) else {}
    return Settings(replace(base.account, **known), dict(default_tags))


def _kind(request: Any, context: Any) -> ResourceType:
    token = _type(request.urn)
    if token not in RESOURCES:
        known = ", ".join(sorted(t.rpartition("/")[0].replace("/", ":") for t in RESOURCES))
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the lab's aws provider has no type {token}; it has {known}")
    return RESOURCES[token]


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _what(request: Any) -> str:
    identifier = getattr(request, "id", "")
    return f"{_type(request.urn)} {_name(request.urn)}{f' ({identifier})' if identifier else ''}"


def _revision(request: Any) -> Revision:
    """Read the fields that Diff and Update requests share."""
    ignored = tuple(request.ignoreChanges)
    return Revision(decode(request.old_inputs), decode(request.olds), decode(request.news), ignored)


def _encoded(kind: ResourceType, properties: Properties) -> Any:
    return encode(properties, secret=kind.secret)


def _detail(change: Change, *, replaces: bool) -> Any:
    return provider_pb2.PropertyDiff(kind=(REPLACING if replaces else IN_PLACE)[change.kind], inputDiff=False)


def _abort(context: Any, error: Exception, doing: str, what: str) -> NoReturn:
    cancelled = isinstance(error, Cancelled)
    status = grpc.StatusCode.CANCELLED if cancelled else grpc.StatusCode.UNKNOWN
    context.abort(status, errors.explained(error, doing, what))
    raise AssertionError("abort raises")


def _abort_unfinished(
    context: Any, kind: ResourceType, unfinished: NotSettled, inputs: Properties, what: str
) -> NoReturn:
    """Fail, but hand the engine the resource that exists, so that the next run continues with it."""
    message = errors.explained(unfinished.reason, "finishing", f"{what} ({unfinished.id})")
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=unfinished.id,
            properties=_encoded(kind, unfinished.state),
            inputs=_encoded(kind, inputs),
            reasons=[message],
        )
    )
    unknown = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=unknown.value[0], message=message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(unknown, message)
    raise AssertionError("abort raises")
