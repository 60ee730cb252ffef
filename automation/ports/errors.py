"""The error tree: what can go wrong outside, sorted by what the caller can do about it.

    BbdcError
     +- Refused              a named rule says no; nothing was changed
     +- Unavailable          asked and not answered: try again, after ``after`` seconds if the other side said so
     |   +- Throttled
     +- Unreachable          no connection, no such host, TLS failure
     +- NotAuthenticated     wrong or missing credentials
     +- Forbidden            known, but without the right it takes; ``right`` names it
     +- NotFound             there is no such thing
     +- Conflict             the state of the other side does not allow this now (HTTP 409)
     +- Unexpected           an answer that nobody documented, such as HTML instead of JSON

Every message says what was being done, to what, and what to do now; it never contains a credential.
Adapters translate SDK errors in one place each, chained with ``from``; the CLI alone maps them to exit codes.
"""

from __future__ import annotations


class BbdcError(Exception):
    """Root of everything that this product raises on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do now, in the imperative; empty when the message says it."""

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Refused(BbdcError):
    """A named rule says no; nothing was changed."""

    def __init__(self, name: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name
        """The rule's name: the same in code, log, board, report and docs."""


class Unavailable(BbdcError):
    """The other side did not answer, or answered that it cannot now: the same call may go through later."""

    def __init__(self, message: str, *, after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.after = after
        """Seconds to wait before the next try, where the other side said so."""


class Throttled(Unavailable):
    """Too many calls; slow down."""


class Unreachable(BbdcError):
    """No connection: wrong host, closed port, TLS failure."""


class NotAuthenticated(BbdcError):
    """The credentials are wrong, expired or missing."""


class Forbidden(BbdcError):
    """The credentials are good, the right is missing."""

    def __init__(self, message: str, *, right: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.right = right
        """The missing right, such as ``autoscaling:SuspendProcesses``."""


class NotFound(BbdcError):
    """There is no such thing."""


class Conflict(BbdcError):
    """The state of the other side does not allow this now; observe again before anything else."""


class Unexpected(BbdcError):
    """An answer that nobody documented."""


def name_of(error: BbdcError) -> str:
    """Return the error's name as records spell it: ``NotAuthenticated`` is ``not_authenticated``."""
    named = getattr(error, "name", "")
    if named:
        return str(named)
    text = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(text))
