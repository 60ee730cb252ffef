"""Property values: JSON-shaped Python; lab/pulumi/wire.py turns them into protobuf Structs and back.

Secrets, resource references, assets and archives are maps with a signature key, as Pulumi's own wire format and state
files have them. Nothing here does I/O.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

PropertyValue: TypeAlias = Any
"""None, bool, int, float, str, list or dict of the same: what JSON can hold."""
PropertyMap: TypeAlias = dict[str, PropertyValue]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public signature of the wire format, not a password
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def signature_of(value: PropertyValue) -> str | None:
    """Which special kind a map is, or None for an ordinary value."""
    signature = value.get(SIGNATURE) if isinstance(value, dict) else None
    return signature if isinstance(signature, str) else None


def is_secret(value: PropertyValue) -> bool:
    """Whether the value itself (not a part of it) is secret."""
    return signature_of(value) == SECRET


def make_secret(value: PropertyValue) -> PropertyValue:
    """Mark a value secret; marking twice changes nothing."""
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": value}


def walk(value: PropertyValue, rewrite: Callable[[PropertyValue], PropertyValue]) -> PropertyValue:
    """Rewrite every part of a value, innermost first."""
    if isinstance(value, dict):
        value = {key: walk(part, rewrite) for key, part in value.items()}
    elif isinstance(value, list):
        value = [walk(part, rewrite) for part in value]
    return rewrite(value)


def replace_secrets(value: PropertyValue, rewrite: Callable[[PropertyValue], PropertyValue]) -> PropertyValue:
    """Rewrite each outermost secret as a whole; what is inside it goes with it."""
    if is_secret(value):
        return rewrite(value)
    if isinstance(value, dict):
        return {key: replace_secrets(part, rewrite) for key, part in value.items()}
    if isinstance(value, list):
        return [replace_secrets(part, rewrite) for part in value]
    return value


def contains(value: PropertyValue, predicate: Callable[[PropertyValue], bool]) -> bool:
    """Whether the predicate holds for the value or any part of it."""
    if predicate(value):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(contains(part, predicate) for part in parts)


def has_unknown(value: PropertyValue) -> bool:
    """Whether any part is not known yet (previews only)."""
    return contains(value, lambda part: part == UNKNOWN)


def has_secret(value: PropertyValue) -> bool:
    """Whether any part is secret."""
    return contains(value, is_secret)


def plain(value: PropertyValue) -> PropertyValue:
    """The value without its secret markers."""
    return walk(value, lambda part: part["value"] if is_secret(part) else part)


def masked(value: PropertyValue) -> PropertyValue:
    """The value as events may show it: every secret part blinded."""
    return walk(value, lambda part: {SIGNATURE: SECRET, "ciphertext": "[secret]"} if is_secret(part) else part)


def hidden(value: PropertyValue) -> PropertyValue:
    """The value as `stack output` shows it: secret parts become the text "[secret]"."""
    return walk(value, lambda part: "[secret]" if is_secret(part) else part)


def drop_references(value: PropertyValue) -> PropertyValue:
    """Replace resource references by ids (custom resources) or URNs, for providers that do not accept them."""

    def reduce(part: PropertyValue) -> PropertyValue:
        if signature_of(part) != RESOURCE:
            return part
        return part.get("id") or part.get("urn")

    return walk(value, reduce)


def mirror_secrets(outputs: PropertyValue, inputs: PropertyValue) -> PropertyValue:
    """Mark as secret every output whose input of the same path is secret.

    For providers that do not accept secrets: what went in secret must not come back readable.
    """
    if is_secret(outputs):
        return outputs
    if is_secret(inputs):
        return make_secret(outputs)
    if isinstance(outputs, dict) and isinstance(inputs, dict):
        return {key: mirror_secrets(value, inputs.get(key)) for key, value in outputs.items()}
    if isinstance(outputs, list) and isinstance(inputs, list):
        padded = inputs + [None] * (len(outputs) - len(inputs))
        return [mirror_secrets(output, source) for output, source in zip(outputs, padded, strict=False)]
    return outputs


def hash_assets(value: PropertyValue) -> PropertyValue:
    """Give each text asset the content hash that state files carry."""

    def add_hash(part: PropertyValue) -> PropertyValue:
        if signature_of(part) != ASSET or part.get("hash") or not isinstance(part.get("text"), str):
            return part
        return {**part, "hash": hashlib.sha256(part["text"].encode()).hexdigest()}

    return walk(value, add_hash)


def elide_assets(value: PropertyValue) -> PropertyValue:
    """Old assets travel to providers as their hash only, as the genuine engine sends them."""

    def elide(part: PropertyValue) -> PropertyValue:
        if signature_of(part) != ASSET or not part.get("hash"):
            return part
        return {SIGNATURE: ASSET, "hash": part["hash"]}

    return walk(value, elide)
