"""Calls back into the program: its transforms and hooks run there."""

import threading
from dataclasses import dataclass, field

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc

from lab.pulumi.errors import StepFailed
from lab.pulumi.plugins import CHANNEL_OPTIONS


@dataclass(slots=True)
class Callbacks:
    """The channels to the program's callback servers."""

    _channels: dict[str, grpc.Channel] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, callback: callback_pb2.Callback, request: bytes) -> bytes:
        """Call a function of the program.

        Args:
            callback: which one.
            request: its argument, a serialized message.

        Returns:
            Its answer, a serialized message.

        Raises:
            StepFailed: it raised.
        """
        with self._lock:
            if callback.target not in self._channels:
                self._channels[callback.target] = grpc.insecure_channel(callback.target, options=CHANNEL_OPTIONS)
            stub = callback_pb2_grpc.CallbacksStub(self._channels[callback.target])
        try:
            response = stub.Invoke(callback_pb2.CallbackInvokeRequest(token=callback.token, request=request))
        except grpc.RpcError as error:
            raise StepFailed(str(error.details())) from None
        return bytes(response.response)

    def close(self) -> None:
        """Close every channel."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()
