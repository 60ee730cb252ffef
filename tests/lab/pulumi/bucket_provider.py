# ruff: noqa: N802 - gRPC names the methods
"""A provider for buckets, with a cloud of its own: just enough for the conformance programs."""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as messages

DEFAULTS = "__defaults"
COMPUTED = ("arn", "region")
FORCES_NEW = frozenset({"bucket", "region"})
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass
class Buckets:
    """The cloud: tags by bucket name."""

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read(struct: struct_pb2.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = _plain(json_format.MessageToDict(struct))
    return fields


def _struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(value), struct_pb2.Struct())


def _kind(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
    base = messages.PropertyDiff
    kind = base.ADD if key not in old else base.DELETE if key not in new else base.UPDATE
    return kind + (1 if key in FORCES_NEW else 0)


class BucketProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Package `aws`, type `aws:s3/bucket:Bucket`, function `getRegion`."""

    def __init__(self, cloud: Buckets) -> None:
        self.cloud = cloud
        self.region = "us-east-1"

    def Handshake(self, request, context):
        return messages.ProviderHandshakeResponse()

    def Attach(self, request, context):
        return empty_pb2.Empty()

    def Cancel(self, request, context):
        return empty_pb2.Empty()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="7.51.1")

    def CheckConfig(self, request, context):
        return messages.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        same = _read(request.news) == _read(request.olds)
        changes = messages.DiffResponse.DIFF_NONE if same else messages.DiffResponse.DIFF_SOME
        return messages.DiffResponse(changes=changes)

    def Configure(self, request, context):
        region = _read(request.args).get("region")
        if isinstance(region, str):
            self.region = region
        return messages.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Check(self, request, context):
        old, new = _read(request.olds), _read(request.news)
        if "bucket" in new:
            new[DEFAULTS] = []
        else:
            suffix = hashlib.sha256(request.randomSeed or os.urandom(8)).hexdigest()[:7]
            new["bucket"] = old["bucket"] if old.get(DEFAULTS) else f"{request.urn.split('::')[3]}-{suffix}"
            new[DEFAULTS] = ["bucket"]
        return messages.CheckResponse(inputs=_struct(new))

    def Diff(self, request, context):
        old, new = _read(request.old_inputs) or _read(request.olds), _read(request.news)
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key) and not key.startswith("__")]
        detailed = {key: messages.PropertyDiff(kind=_kind(key, old, new), inputDiff=True) for key in keys}
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if keys else messages.DiffResponse.DIFF_NONE,
            diffs=keys,
            replaces=[key for key in keys if key in FORCES_NEW],
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def _outputs(self, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
        outputs: dict[str, Any] = {"bucket": name, "arn": f"arn:aws:s3:::{name}", "region": self.region}
        return {**outputs, **({"tags": dict(tags)} if tags else {})}

    def Create(self, request, context):
        inputs = _read(request.properties)
        if request.preview:
            shown = {key: value for key, value in inputs.items() if key != DEFAULTS}
            return messages.CreateResponse(properties=_struct({**shown, **dict.fromkeys(COMPUTED, UNKNOWN)}))
        with self.cloud.lock:
            if inputs["bucket"] in self.cloud.tags:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"BucketAlreadyOwnedByYou: {inputs['bucket']}")
            self.cloud.tags[inputs["bucket"]] = inputs.get("tags", {})
        return messages.CreateResponse(
            id=inputs["bucket"], properties=_struct(self._outputs(inputs["bucket"], inputs.get("tags", {})))
        )

    def Update(self, request, context):
        inputs = _read(request.news)
        if not request.preview:
            with self.cloud.lock:
                self.cloud.tags[request.id] = inputs.get("tags", {})
        return messages.UpdateResponse(properties=_struct(self._outputs(request.id, inputs.get("tags", {}))))

    def Delete(self, request, context):
        with self.cloud.lock:
            self.cloud.tags.pop(request.id, None)
        return empty_pb2.Empty()

    def Read(self, request, context):
        with self.cloud.lock:
            tags = self.cloud.tags.get(request.id)
        if tags is None:
            return messages.ReadResponse(id="")
        outputs = self._outputs(request.id, tags)
        inputs = _read(request.inputs) or {key: value for key, value in outputs.items() if key not in COMPUTED}
        inputs = {**inputs, **{key: outputs[key] for key in inputs if key in outputs}}
        return messages.ReadResponse(id=request.id, properties=_struct(outputs), inputs=_struct(inputs))

    def Invoke(self, request, context):
        if request.tok != "aws:index/getRegion:getRegion":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, request.tok)
        return messages.InvokeResponse(**{"return": _struct({"region": self.region})})


@contextmanager
def serve(cloud: Buckets) -> Iterator[int]:
    """Serve the provider on a loopback port."""
    server = grpc.server(ThreadPoolExecutor(16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(BucketProvider(cloud), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
