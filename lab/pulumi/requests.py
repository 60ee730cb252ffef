"""What an operation is asked and what it answers: plain values, cheap to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.pulumi.targets import Targets
from lab.pulumi.values import PropertyMap


@dataclass(frozen=True, slots=True)
class Options:
    """What to do.

    Attributes:
        kind: update, refresh or destroy.
        preview: change nothing.
        refresh: refresh before an update or destroy.
        targets: which resources it may touch.
        client: address of the Automation API's language server; empty for a program of its own.
        parallel: steps at a time.
        expect_no_changes: fail when anything changed.
        clear_pending_creates: forget creates that were interrupted.
        exclude_protected: destroy leaves protected resources alone.
        debug: pass debug messages on.
        message: a note for the history.
        exec_kind: who calls, for the history.
    """

    kind: str
    preview: bool
    refresh: bool = False
    client: str = ""
    parallel: int = 16
    targets: Targets = field(default_factory=Targets)
    expect_no_changes: bool = False
    clear_pending_creates: bool = False
    exclude_protected: bool = False
    debug: bool = False
    message: str = ""
    exec_kind: str = "cli"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        changes: counts by operation.
        succeeded: nothing failed.
        complaint: what to say at the end when it failed.
        seconds: how long it took.
        before: the stack's outputs before.
        after: the stack's outputs after.
    """

    changes: Mapping[str, int]
    succeeded: bool
    complaint: str
    seconds: float
    before: PropertyMap
    after: PropertyMap
