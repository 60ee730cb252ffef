"""Transforms: functions of the program that rewrite registrations before the engine sees them."""

import threading
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import callback_pb2, resource_pb2

from lab.pulumi.callbacks import Callbacks

_OPTIONS = {
    "depends_on": "dependencies",
    "protect": "protect",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "version": "version",
    "aliases": "aliases",
    "provider": "provider",
    "custom_timeouts": "customTimeouts",
    "plugin_download_url": "pluginDownloadURL",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "delete_before_replace": "deleteBeforeReplace",
    "additional_secret_outputs": "additionalSecretOutputs",
    "providers": "providers",
    "plugin_checksums": "pluginChecksums",
    "hooks": "hooks",
    "import": "importId",
    "hide_diff": "hideDiffs",
}
"""Names of options in transforms, and of the same in registrations."""


def _copy(source: Any, source_name: str, target: Any, target_name: str) -> None:
    """Copy one field between messages, whatever its kind; an unset field clears the target's."""
    target.ClearField(target_name)
    descriptor = source.DESCRIPTOR.fields_by_name[source_name]
    value = getattr(source, source_name)
    if descriptor.is_repeated and descriptor.message_type and descriptor.message_type.GetOptions().map_entry:
        getattr(target, target_name).update(value)
    elif descriptor.is_repeated:
        getattr(target, target_name).extend(value)
    elif descriptor.message_type is not None:
        if source.HasField(source_name):
            getattr(target, target_name).CopyFrom(value)
    elif not descriptor.has_presence or source.HasField(source_name):
        setattr(target, target_name, value)


def _options_of(request: Any) -> Any:
    options = resource_pb2.TransformResourceOptions()
    for option, name in _OPTIONS.items():
        _copy(request, name, options, option)
    if not request.deleteBeforeReplaceDefined:
        options.ClearField("delete_before_replace")
    return options


def _apply_options(request: Any, options: Any) -> None:
    for option, name in _OPTIONS.items():
        _copy(options, option, request, name)
    request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")


@dataclass(slots=True)
class Transforms:
    """What the program has registered: for the whole stack, and for single resources and what is below them."""

    callbacks: Callbacks
    _stack: list[callback_pb2.Callback] = field(default_factory=list)
    _own: dict[str, list[callback_pb2.Callback]] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_for_stack(self, callback: callback_pb2.Callback) -> None:
        """Apply a transform to every resource from now on."""
        with self._lock:
            self._stack.append(callback)

    def add_for_resource(self, urn: str, parent: str, callbacks: list[callback_pb2.Callback]) -> None:
        """Apply a resource's own transforms to what is registered below it."""
        with self._lock:
            self._own[urn] = callbacks
            self._parents[urn] = parent

    def _applicable(self, request: Any) -> list[callback_pb2.Callback]:
        """Own ones first, then those of the parents from the nearest up, then the stack's."""
        found, parent = list(request.transforms), str(request.parent)
        with self._lock:
            while parent:
                found += self._own.get(parent, [])
                parent = self._parents.get(parent, "")
            return found + self._stack

    def apply(self, request: Any) -> Any:
        """Rewrite a RegisterResourceRequest.

        Raises:
            StepFailed: a transform raised.
        """
        for callback in self._applicable(request):
            asked = resource_pb2.TransformRequest(
                type=request.type,
                name=request.name,
                custom=request.custom,
                parent=request.parent,
                properties=request.object,
                options=_options_of(request),
            )
            answer = resource_pb2.TransformResponse.FromString(
                self.callbacks.invoke(callback, asked.SerializeToString())
            )
            request.object.CopyFrom(answer.properties)
            if answer.HasField("options"):
                _apply_options(request, answer.options)
        return request
