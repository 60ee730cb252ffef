"""One request and one answer, whatever service they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lab.azure import errors

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What came in.

    Attributes:
        method: GET, PUT, ...
        path: with every escape resolved.
        raw: path and query as they were sent, for signatures.
        query: first value of each parameter; names in lower case.
        headers: names in lower case.
        base: scheme, host and port as the client called them.
    """

    method: str
    path: str
    raw: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str

    def json(self) -> Json:
        """Return the body as a JSON object; empty when there is none.

        Raises:
            ArmError: the body is something else.
        """
        if not self.body.strip():
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise errors.bad_content(str(error)) from error
        if not isinstance(found, dict):
            raise errors.bad_content("an object was expected")
        return cast("Json", found)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out.

    Attributes:
        body: JSON, bytes, or None for nothing.
        cut: end the connection instead of answering.
    """

    status: int
    body: Json | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    def content(self) -> bytes:
        """Return the body as it is sent."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def again(seconds: float) -> dict[str, str]:
    """Return the header that says when to ask again; a fraction of a second has another one than whole seconds."""
    if float(seconds).is_integer():
        return {"Retry-After": str(int(seconds))}
    return {"x-ms-retry-after-ms": str(round(1000 * seconds))}
