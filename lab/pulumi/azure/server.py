"""Serve the provider on loopback."""

from __future__ import annotations

from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.pulumi.azure.client import Account
from lab.pulumi.azure.provider import Provider

_WORKERS = 32
_MESSAGE_LIMIT = 400 * 1024 * 1024  # the engine's own limit


@dataclass(frozen=True, slots=True)
class Server:
    """A running provider.

    Attributes:
        port: Where it listens on 127.0.0.1; goes into `PULUMI_DEBUG_PROVIDERS=azure-native:PORT`.
    """

    port: int
    _server: Any
    _provider: Provider

    def stop(self, grace: float = 1.0) -> None:
        """Take no more requests, let running ones end for up to `grace` seconds, then close."""
        self._server.stop(grace).wait()
        self._provider.close()


def serve(account: Account, port: int = 0) -> Server:
    """Start the provider in this process.

    Args:
        account: Who calls, and where; a program may choose another principal or subscription.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        RuntimeError: The port is taken.
    """
    options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)]
    workers = futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="azure-provider")
    server = grpc.server(workers, options=[*options, ("grpc.so_reuseport", 0)])
    provider = Provider(account)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return Server(bound, server, provider)
