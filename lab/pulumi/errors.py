"""What can go wrong in the engine.

EngineError
 +- UsageError        the command line itself is wrong
 +- StackNotFound     no stack of that name (the Automation API recognises the text)
 +- StackLocked       another update runs (the Automation API recognises the text)
 +- PassphraseError   secrets cannot be read or written
 +- StepFailed        a resource operation failed; carries the resource's URN
     +- ProviderError     the provider said no
     +- Interrupted       the call was broken off: nobody knows what it has done
     +- Unimplemented     the provider does not implement the method
     +- CheckFailed       the provider refused the inputs
 +- Cancelled         the operation was interrupted, nothing new is started
"""


class EngineError(Exception):
    """Anything the engine reports to its user; the text is the whole message."""


class UsageError(EngineError):
    """The command line cannot be understood."""


class StackNotFound(EngineError):
    """There is no stack of that name in the backend."""


class StackLocked(EngineError):
    """Another living process holds the stack's lock."""


class PassphraseError(EngineError):
    """The passphrase is missing or does not open the stack's secrets."""


class StepFailed(EngineError):
    """A resource operation failed.

    Attributes:
        urn: the resource concerned; empty when it is the whole stack.
    """

    def __init__(self, message: str, urn: str = "") -> None:
        super().__init__(message)
        self.urn = urn


class ProviderError(StepFailed):
    """A provider refused or failed."""


class Interrupted(ProviderError):
    """The call to the provider was broken off, or the provider died in it: what it has done is not known."""


class Unimplemented(ProviderError):
    """The provider does not implement the method; the caller knows what that means."""


class CheckFailed(ProviderError):
    """The provider refused the inputs.

    Attributes:
        failures: (property or empty, reason) of each.
    """

    def __init__(self, failures: tuple[tuple[str, str], ...], urn: str = "") -> None:
        super().__init__("; ".join(f"{name}: {reason}" if name else reason for name, reason in failures), urn)
        self.failures = failures


class Cancelled(EngineError):
    """The operation is being cancelled or has failed elsewhere: no further step starts."""
