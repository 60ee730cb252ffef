"""The start-up script of a node, as the group's model carries it in base64: what it sets, and how to change that.

The script says its settings in plain ``NAME='value'`` lines at its head.
"""

from __future__ import annotations

import base64
import gzip
import re

from automation.ports.errors import Unexpected

_LINE = re.compile(
    rb"""^(?P<before>[ \t]*(?:export[ \t]+)?(?P<name>[A-Z][A-Z0-9_]*)=(?P<quote>["']?))"""
    rb"""(?P<value>[^"'\s]*)(?P<after>(?P=quote)[ \t]*)$""",
    re.MULTILINE,
)
"""``NAME='value'`` alone on its line: the header of the start-up script, and plain shell assignments like it."""
_VERSION_NAMES = {b"BITBUCKET_VERSION", b"ATL_PRODUCT_VERSION"}
_ARCHIVE = b"ARCHIVE_URL"
_CHECKSUM = b"ARCHIVE_SHA256"
_GZIP = b"\x1f\x8b"


def with_version(encoded: str, version: str, where: str) -> str:
    """Return base64 user data that installs ``version``, compressed again if it was.

    The archive's address changes with the version; its checksum goes, because it is the old archive's.

    Raises:
        Unexpected: there is not exactly one ``BITBUCKET_VERSION=`` line.
    """
    script, is_compressed = _script(encoded)
    before = [line["value"] for line in _LINE.finditer(script) if line["name"] in _VERSION_NAMES]
    if len(before) != 1:
        raise Unexpected(
            f"the user data of {where} has {len(before)} lines BITBUCKET_VERSION=...; one is needed",
            hint="set the version where that is made",
        )
    changed = _LINE.sub(lambda line: _changed(line, before[0], version.encode()), script)
    # mtime=0: the same script gives the same bytes.
    return base64.b64encode(gzip.compress(changed, mtime=0) if is_compressed else changed).decode()


def _changed(line: re.Match[bytes], old: bytes, new: bytes) -> bytes:
    value = line["value"]
    if line["name"] in _VERSION_NAMES:
        value = new
    elif line["name"] == _ARCHIVE:
        value = value.replace(old, new)
    elif line["name"] == _CHECKSUM:
        value = b""
    return line["before"] + value + line["after"]


def archive_of(encoded: str) -> str | None:
    """Return where the user data fetches the archive, with ``{version}`` for the version; None when it does not say."""
    script, _ = _script(encoded)
    values = {line["name"]: line["value"] for line in _LINE.finditer(script)}
    version = next((values[name] for name in sorted(_VERSION_NAMES) if values.get(name)), None)
    url = values.get(_ARCHIVE)
    return url.replace(version, b"{version}").decode() if url and version else None


def values_of(encoded: str) -> dict[str, str]:
    """Return the values that base64 user data sets in plain ``NAME='value'`` lines."""
    script, _ = _script(encoded)
    return {line["name"].decode(): line["value"].decode() for line in _LINE.finditer(script)}


def value_of(encoded: str, name: str) -> str | None:
    """Return what the user data assigns to ``name``; None when it does not."""
    return values_of(encoded).get(name) or None


def _script(encoded: str) -> tuple[bytes, bool]:
    """Return the script in base64 user data, and whether it was compressed."""
    raw = base64.b64decode(encoded)
    is_compressed = raw.startswith(_GZIP)
    return (gzip.decompress(raw) if is_compressed else raw), is_compressed
