"""How blob storage words its answers: XML listings and errors, ranges, instants."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Request, again

if TYPE_CHECKING:
    from lab.azure.blobs import Account, Blob, Container

XML = {"Content-Type": "application/xml"}
HEAD = '<?xml version="1.0" encoding="utf-8"?>'
MOST = 5000
"""Entries on a page, unless fewer are asked for."""


def render(error: ArmError) -> Answer:
    """Return a refusal as blob storage words it."""
    body = f"{HEAD}<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>"
    if error.status == 304:
        return Answer(304, None, {"x-ms-error-code": error.code})
    later = {} if error.retry_after is None else again(error.retry_after)
    return Answer(error.status, body.encode(), XML | {"x-ms-error-code": error.code} | later | error.headers)


def containers(place: str, account: Account, request: Request) -> Answer:
    """Return the containers of an account."""
    start = request.query.get("prefix", "")
    lines = [
        f"<Container><Name>{escape(name)}</Name><Properties>{_dates(one.described())}</Properties></Container>"
        for name, one in sorted(account.containers.items())
        if name.startswith(start)
    ]
    return _listing(f"ServiceEndpoint={quoteattr(place)}", "Containers", lines, "", request)


def blobs(place: str, name: str, container: Container, request: Request) -> Answer:
    """Return the blobs of a container, all versions when asked."""
    start, marker = request.query.get("prefix", ""), request.query.get("marker", "")
    most = int(request.query.get("maxresults", MOST))
    include = request.query.get("include", "").split(",")
    entries = list(_entries(container, start, versions="versions" in include))
    entries = [entry for entry in entries if entry[0] >= marker]
    names = [entry[0] for entry in entries]
    rest = names[most] if len(names) > most else ""
    shown = [entry for entry in entries[:most] if not rest or entry[0] < rest] or entries[:most]
    delimiter = request.query.get("delimiter", "")
    lines, seen = [], set()
    for blob_name, blob, current in shown:
        head, cut, _ = blob_name[len(start) :].partition(delimiter) if delimiter else (blob_name, "", "")
        if cut:
            folder = f"{start}{head}{cut}"
            lines += [] if folder in seen else [f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>"]
            seen.add(folder)
        else:
            lines.append(_line(blob_name, blob, current=current, meta="metadata" in include))
    attributes = f"ServiceEndpoint={quoteattr(place)} ContainerName={quoteattr(name)}"
    return _listing(attributes, "Blobs", lines, rest, request)


def read(blob: Blob, request: Request) -> Answer:
    """Return a blob or a part of it."""
    headers = blob.described()
    if request.method == "HEAD":
        return Answer(200, None, headers | {"Content-Length": str(len(blob.content))})
    asked = request.headers.get("x-ms-range") or request.headers.get("range") or ""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
    if found is None:
        return Answer(200, blob.content, headers)
    first = int(found[1])
    if first >= len(blob.content):
        raise ArmError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    last = min(int(found[2] or len(blob.content) - 1), len(blob.content) - 1)
    whole = headers.pop("Content-MD5")
    headers |= {"Content-Range": f"bytes {first}-{last}/{len(blob.content)}", "x-ms-blob-content-md5": whole}
    return Answer(206, blob.content[first : last + 1], headers)


def instant(seconds: float, number: int = 0) -> str:
    """Return a time as version ids have it, to the tenth of a microsecond; the last digit tells versions apart."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S.%f}{number % 10}Z"


def _entries(container: Container, start: str, *, versions: bool) -> Iterator[tuple[str, Blob, bool]]:
    for name, found in sorted(container.blobs.items()):
        if not name.startswith(start):
            continue
        for blob in found:
            current = blob is found[-1] and name not in container.hidden
            if current or versions:
                yield name, blob, current


def _line(name: str, blob: Blob, *, current: bool, meta: bool) -> str:
    version = f"<VersionId>{blob.version}</VersionId>" if blob.version else ""
    is_current = "<IsCurrentVersion>true</IsCurrentVersion>" if blob.version and current else ""
    pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.meta.items()) if meta else ""
    properties = (
        f"{_dates(blob.described())}<Content-Length>{len(blob.content)}</Content-Length>"
        f"<Content-Type>{escape(blob.headers['Content-Type'])}</Content-Type><BlobType>BlockBlob</BlobType>"
    )
    metadata = f"<Metadata>{pairs}</Metadata>" if meta else ""
    return (
        f"<Blob><Name>{escape(name)}</Name>{version}{is_current}<Properties>{properties}</Properties>{metadata}</Blob>"
    )


def _dates(headers: dict[str, str]) -> str:
    etag = headers["ETag"].strip('"')
    return f"<Last-Modified>{headers['Last-Modified']}</Last-Modified><Etag>{etag}</Etag>"


def _listing(attributes: str, part: str, lines: list[str], marker: str, request: Request) -> Answer:
    """Return a listing; the SDK takes what it asks for on the next page from what this one repeats."""
    asked = {"Prefix": "prefix", "Marker": "marker", "MaxResults": "maxresults", "Delimiter": "delimiter"}
    said = [f"<{tag}>{escape(request.query[name])}</{tag}>" for tag, name in asked.items() if request.query.get(name)]
    body = f"{''.join(said)}<{part}>{''.join(lines)}</{part}><NextMarker>{escape(marker)}</NextMarker>"
    return Answer(200, f"{HEAD}<EnumerationResults {attributes}>{body}</EnumerationResults>".encode(), XML)
