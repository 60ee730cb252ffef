"""Engine events, in the shape the Automation API and `--event-log` readers know."""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

from lab.pulumi.diff import Diff
from lab.pulumi.state import State
from lab.pulumi.values import masked

Event = Mapping[str, Any]
Sink = Callable[[Event], None]
CLOSE_TIMEOUT = 10.0
"""Seconds to wait for the reader of a gRPC event log to take the last events."""


class Closable(Protocol):
    """A sink that must be closed."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """Take no more; return when all have been passed on."""


def state_metadata(state: State | None) -> dict[str, Any] | None:
    """A resource's state as events show it: secrets blinded."""
    if state is None:
        return None
    flags = {"custom": state.custom, "delete": state.delete, "protect": state.protect, "external": state.external}
    return {
        "type": state.type,
        "urn": state.urn,
        **{name: True for name, value in flags.items() if value},
        **({"retainOnDelete": True} if state.retain_on_delete else {}),
        "id": state.id,
        "parent": state.parent,
        "inputs": masked(state.inputs),
        "outputs": masked(state.outputs),
        "provider": state.provider,
    }


def step_metadata(op: str, old: State | None, new: State | None, diff: Diff | None, *, logical: bool) -> dict[str, Any]:
    """What a step event says about its step."""
    state = new or old
    if state is None:
        raise ValueError("a step needs an old or a new state")
    metadata: dict[str, Any] = {
        "op": op,
        "urn": state.urn,
        "type": state.type,
        "old": state_metadata(old),
        "new": state_metadata(new),
        "detailedDiff": None,
        "logical": logical,
        "provider": state.provider,
    }
    if diff is not None:
        metadata["keys"] = list(diff.replaces)
        metadata["diffs"] = list(diff.changed)
        detailed = {path: {"diffKind": part.kind, "inputDiff": part.input_diff} for path, part in diff.detailed.items()}
        metadata["detailedDiff"] = detailed or None
    return metadata


class EventBus:
    """Numbers events and hands them to every sink, one at a time."""

    def __init__(self, sinks: list[Sink], *, planning: bool) -> None:
        """Send to these sinks.

        Args:
            sinks: called in order, never concurrently.
            planning: this is a preview; step events say so.
        """
        self._sinks = sinks
        self._planning = {"planning": True} if planning else {}
        self._sequence = 0
        self._lock = threading.Lock()

    def emit(self, **event: Any) -> None:
        """Send one event, named by its only keyword."""
        with self._lock:
            numbered = {"sequence": self._sequence, "timestamp": int(time.time()), **event}
            self._sequence += 1
            for sink in self._sinks:
                sink(numbered)

    def prelude(self, config: Mapping[str, str]) -> None:
        """The update begins."""
        self.emit(preludeEvent={"config": dict(config)})

    def before(self, metadata: Mapping[str, Any]) -> None:
        """A step is about to start."""
        self.emit(resourcePreEvent={"metadata": metadata, **self._planning})

    def after(self, metadata: Mapping[str, Any]) -> None:
        """A step has succeeded."""
        self.emit(resOutputsEvent={"metadata": metadata, **self._planning})

    def failed(self, metadata: Mapping[str, Any]) -> None:
        """A step has failed."""
        self.emit(resOpFailedEvent={"metadata": metadata, "status": 0, "steps": 0})

    def diagnostic(
        self, severity: str, message: str, urn: str = "", *, stream: int = 0, ephemeral: bool = False
    ) -> None:
        """A message for people; `severity` is debug, info, info#err, warning or error."""
        body = {
            **({"urn": urn} if urn else {}),
            **({"prefix": f"{severity}: "} if severity in {"warning", "error"} else {}),
            "message": message if message.endswith("\n") else f"{message}\n",
            "color": "never",
            "severity": severity,
            **({"streamId": stream} if stream else {}),
            **({"ephemeral": True} if ephemeral else {}),
        }
        self.emit(diagnosticEvent=body)

    def summary(self, changes: Counter[str], seconds: float, *, succeeded: bool) -> None:
        """The update is over."""
        self.emit(
            summaryEvent={
                "maybeCorrupt": False,
                "durationSeconds": int(seconds),
                "resourceChanges": dict(changes),
                "PolicyPacks": {},
                "isPreview": bool(self._planning),
                "result": "succeeded" if succeeded else "failed",
            }
        )
        self.emit(cancelEvent={})


class FileLog:
    """`--event-log PATH`: one JSON object a line."""

    def __init__(self, path: Path) -> None:
        """Append to a file."""
        self._file: TextIO = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        """Write one event at once."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StreamLog:
    """`--event-log tcp://HOST:PORT`: the Automation API's own event server."""

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: HOST:PORT, on loopback.
        """
        import grpc  # noqa: PLC0415 - costs 200 ms at start
        from pulumi.runtime.proto import events_pb2, events_pb2_grpc  # noqa: PLC0415 - the same

        self._request = events_pb2.EventRequest
        self._events: queue.Queue[str | None] = queue.Queue()
        self._channel = grpc.insecure_channel(address)
        self._future = events_pb2_grpc.EventsStub(self._channel).StreamEvents.future(self._requests())

    def _requests(self) -> Any:
        while (text := self._events.get()) is not None:
            yield self._request(event=text)

    def __call__(self, event: Event) -> None:
        """Queue one event."""
        self._events.put(json.dumps(event))

    def close(self) -> None:
        """Wait until the reader has everything."""
        import grpc  # noqa: PLC0415 - loaded already

        self._events.put(None)
        try:
            self._future.result(timeout=CLOSE_TIMEOUT)
        except (grpc.RpcError, grpc.FutureTimeoutError):
            # The reader went away first: the update's own result does not depend on it.
            return
        finally:
            self._channel.close()


def open_event_log(target: str, cwd: Path) -> Closable:
    """The sink for `--event-log`."""
    if target.startswith("tcp://"):
        return StreamLog(target.removeprefix("tcp://"))
    return FileLog(cwd / target)
