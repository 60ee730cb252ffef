"""An engine's side of the protocol, without an engine's cleverness."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.pulumi.aws.values import decode

REGION = "eu-west-1"
Properties = dict[str, Any]


@dataclass
class Live:
    """A resource as an engine remembers it."""

    id: str
    inputs: Properties
    state: Properties


class Refused(Exception):
    """Check refused the inputs."""

    def __init__(self, failures: Any) -> None:
        self.reasons = {f.property: f.reason for f in failures}
        super().__init__(str(self.reasons))


class Engine:
    """Sends what an engine sends, and keeps nothing that an engine would not keep."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.configure(region=REGION)

    def configure(self, **settings: Any) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=struct(settings)))

    def check(
        self, kind: str, news: Properties, olds: Mapping[str, Any] | None = None, *, name: str = "it", **more: Any
    ) -> Properties:
        request = provider_pb2.CheckRequest(
            urn=urn(kind, name), olds=struct(olds or {}), news=struct(news), randomSeed=b"seed", **more
        )
        answer = self.stub.Check(request)
        if answer.failures:
            raise Refused(answer.failures)
        return decode(answer.inputs)

    def create(self, kind: str, news: Properties, *, name: str = "it", preview: bool = False) -> Live:
        inputs = self.check(kind, news, name=name)
        request = provider_pb2.CreateRequest(urn=urn(kind, name), properties=struct(inputs), preview=preview)
        answer = self.stub.Create(request)
        return Live(answer.id, inputs, decode(answer.properties))

    def diff(self, kind: str, live: Live, news: Properties, ignore: tuple[str, ...] = ()) -> Any:
        inputs = self.check(kind, news, live.inputs)
        return self.stub.Diff(
            provider_pb2.DiffRequest(
                id=live.id,
                urn=urn(kind),
                olds=struct(live.state),
                old_inputs=struct(live.inputs),
                news=struct(inputs),
                ignoreChanges=ignore,
            )
        )

    def read(self, kind: str, live: Live) -> Live | None:
        request = provider_pb2.ReadRequest(
            id=live.id, urn=urn(kind), properties=struct(live.state), inputs=struct(live.inputs)
        )
        answer = self.stub.Read(request)
        return Live(answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def update(
        self, kind: str, live: Live, news: Properties, *, ignore: tuple[str, ...] = (), preview: bool = False
    ) -> Live:
        inputs = self.check(kind, news, live.inputs)
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=live.id,
                urn=urn(kind),
                olds=struct(live.state),
                old_inputs=struct(live.inputs),
                news=struct(inputs),
                ignoreChanges=ignore,
                preview=preview,
            )
        )
        return Live(live.id, inputs, decode(answer.properties))

    def delete(self, kind: str, live: Live) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=live.id, urn=urn(kind), properties=struct(live.state), old_inputs=struct(live.inputs)
            )
        )

    def invoke(self, token: str, **arguments: Any) -> Properties:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=struct(arguments)))
        return decode(getattr(answer, "return"))


def urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:lab::bitbucket-dc::{kind}::{name}"


def struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    return ParseDict(dict(properties), struct_pb2.Struct())


@dataclass(frozen=True)
class World:
    """What resources of a test refer to."""

    vpc: str
    subnets: tuple[str, str]
    group: str
    image: str
    table: str
    gateway: str
    allocation: str
    template: str
    profile: str
    role: str
