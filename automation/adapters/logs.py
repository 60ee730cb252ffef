"""Logging: structured lines on standard error, with every credential taken out.

Redaction works twice: values that are known to be secret are replaced wherever they appear, and fields that are
named like a credential lose their value whether it is known or not.
"""

from __future__ import annotations

import base64
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

HIDDEN = "**********"

_NAMED_SECRET = re.compile(
    r"(token|passw|secret|authorization|credential|api_?key|access_?key|private_?key|cookie)", re.IGNORECASE
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_SHORTEST = 4
"""A shorter secret is not searched for: it would blank half of every line."""


class Redactor:
    """Takes credentials out of texts, log records and nested values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} forms)"

    def add(self, secret: str) -> None:
        """Hide ``secret`` from now on, plain and in base64."""
        if len(secret) >= _SHORTEST:
            coded = base64.b64encode(secret.encode()).decode()
            # Longest first: one secret may be part of another.
            self._secrets = tuple(sorted({*self._secrets, secret, coded}, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return ``text`` with every credential replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _IN_URL.sub(HIDDEN, _HEADER.sub(rf"\1 {HIDDEN}", text))

    def value(self, value: object) -> object:
        """Return ``value`` with every credential replaced, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._field(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))

    def _field(self, name: str, value: object) -> object:
        if _NAMED_SECRET.search(name) and value not in (None, "", False, True):
            return HIDDEN
        return self.value(value)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact one structlog event."""
        return {key: self._field(key, item) for key, item in event.items()}


class RedactingFilter(logging.Filter):
    """Redacts records of libraries that use the standard library's logging."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; let it pass."""
        record.msg, record.args = self._redactor.text(record.getMessage()), None
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = self._redactor.text(text), None
        return True


def configure(redactor: Redactor, *, level: str = "warning", as_json: bool = False) -> None:
    """Send structlog and the standard library's logging to standard error, redacted.

    Args:
        redactor: knows the credentials of this run.
        level: lowest level shown: debug, info, warning or error.
        as_json: one JSON object a line, for machines.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redactor,  # last before the renderer: nothing may be added behind it
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter(redactor))
    logging.basicConfig(handlers=[handler], level=threshold, force=True, format="%(levelname)s %(name)s %(message)s")
