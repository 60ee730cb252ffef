"""Serve the provider on loopback."""

from __future__ import annotations

from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.pulumi.aws.provider import Provider
from lab.pulumi.aws.session import Account

_WORKERS = 32
_MESSAGE_LIMIT = 400 * 1024 * 1024  # the engine's own limit


@dataclass(frozen=True, slots=True)
class Server:
    """A running provider.

    Attributes:
        port: Where it listens on 127.0.0.1; goes into `PULUMI_DEBUG_PROVIDERS=aws:PORT`.
    """

    port: int
    _server: Any

    def stop(self, grace: float = 1.0) -> None:
        """Take no more requests, let running ones end for up to `grace` seconds, then close."""
        self._server.stop(grace).wait()

    def wait(self) -> None:
        """Return when the provider was stopped."""
        self._server.wait_for_termination()


def serve(port: int = 0, *, endpoint: str, region: str, access_key: str, secret_key: str) -> Server:
    """Start the provider in this process.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        endpoint: Base URL of the cloud's API.
        region: Region of resources that name none.
        access_key: Access key id.
        secret_key: Secret access key.

    Raises:
        RuntimeError: The port is taken.
    """
    options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)]
    workers = futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="aws-provider")
    server = grpc.server(workers, options=[*options, ("grpc.so_reuseport", 0)])
    account = Account(endpoint, region, access_key, secret_key)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(account), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return Server(bound, server)
