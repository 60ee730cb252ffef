"""Names that the provider makes up when the program gives none."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

_RANDOM_DIGITS = 7


@dataclass(frozen=True, slots=True)
class AutoName:
    """How a type is named.

    Attributes:
        property: The input that holds the name.
        limit: Most characters that the service takes.
        shape: Turns the resource's name in the program into what the service takes.
    """

    property: str = "name"
    limit: int = 255
    shape: Callable[[str], str] = str

    def made(self, resource: str, seed: bytes) -> str:
        """Return `resource` plus a hyphen and seven random digits; the same for the same seed.

        Raises:
            ValueError: The name would be longer than the service takes.
        """
        digits = hashlib.sha256(seed or os.urandom(32)).hexdigest()[:_RANDOM_DIGITS]
        name = f"{self.shape(resource)}-{digits}"
        if len(name) > self.limit:
            raise ValueError(
                f"name {name!r} would have {len(name)} characters, at most {self.limit} are accepted; "
                f"give `{self.property}` or a shorter resource name"
            )
        return name

    def prefixed(self, prefix: str) -> str:
        """Return a name that starts with `prefix` and was never used before."""
        return f"{self.shape(prefix)}{time.time_ns():020d}{os.urandom(3).hex()}"[: self.limit]
