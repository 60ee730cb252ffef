"""Build a staging copy from a set: a second stack of the same program, with what it sends to others switched off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automation.core.backups.sets import BackupSet, Finding
from automation.core.restores.drills import lying_here
from automation.core.restores.generations import ORIGINAL, DataState, Generation
from automation.core.restores.plan import Circumstances, generation_of, usable_copy
from automation.core.restores.staging import STAGED, Config, Origin, Wish, judge, staged_config
from automation.ports.errors import BbdcError, Refused, Unavailable
from automation.ports.staging import Outgoing, Stage

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a copy would be."""

    wish: Wish
    found: BackupSet
    """As it lies here."""
    data: Generation
    config: Config
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> Finding | None:
        """The first rule that says no; None when all say yes."""
        return next((finding for finding in self.findings if not finding.passed), None)


@dataclass(frozen=True, slots=True)
class Staged:
    """A copy that stands, and is quiet."""

    stack: str
    url: str
    mail: bool
    """A mail server was configured, and is no more."""
    webhooks: int
    """How many webhooks were active, and are no more."""
    mirrors: tuple[str, ...]
    """Mirrors that it remembers; they go on following the source."""


def plan(at: Stage, found: BackupSet, wish: Wish) -> StagePlan:
    """Work out the copy's config, and hold every rule against it; change nothing."""
    account, region = at.manifests.account()
    copy = usable_copy(found, Circumstances(found.cluster, region, account, "", DataState(ORIGINAL)))
    near = copy is not None or (found.region, found.account) in {(region, account), ("", "")}
    here, there = lying_here(found, copy), at.stacks.config(wish.stack)
    origin = Origin(at.stacks.project(), at.stacks.source(), at.stacks.database_password())
    data = generation_of(here, STAGED)
    findings = judge(here, wish, origin, there, near=near)
    return StagePlan(wish, here, data, staged_config(origin, wish, here, data, there), findings)


def build(at: Stage, planned: StagePlan, *, patience: float, poll: float, say: Say = lambda _: None) -> Staged:
    """Build the copy, wait until it serves, and make it quiet; given again, it goes on.

    Args:
        at: the ports.
        planned: from ``plan``.
        patience: seconds to wait for a Bitbucket that serves, once the stack is there.
        poll: seconds between two looks.
        say: hears how it goes on.

    Raises:
        Refused: a rule says no; nothing was made.
        Unavailable: the copy stands, and could not be reached to make it quiet.
    """
    if (refused := planned.refused) is not None:
        raise Refused(refused.name, refused.detail, hint="nothing was made")
    name = planned.wish.stack
    say(f"writing the config of stack {name}")
    at.stacks.write(name, planned.config)
    say(f"pulumi up: building {name} from set {planned.found.id}")
    made = at.stacks.up(name)
    url = planned.wish.url or made
    outgoing = at.outgoing(url)
    _wait(at, outgoing, url, patience=patience, poll=poll, say=say)
    mail, webhooks, mirrors = outgoing.mail_off(), outgoing.webhooks_off(), outgoing.mirrors()
    return Staged(name, url, mail, webhooks, mirrors)


def _wait(at: Stage, outgoing: Outgoing, url: str, *, patience: float, poll: float, say: Say) -> None:
    say(f"waiting for Bitbucket at {url}")
    deadline, last = at.clock.now() + patience, "nobody answers"
    while at.clock.now() < deadline:
        try:
            state = outgoing.status()
        except BbdcError as error:
            state, last = None, str(error)
        if state == "RUNNING":
            return
        last = f"/status says {state}" if state else last
        at.clock.sleep(poll)
    raise Unavailable(
        f"the copy stands, but Bitbucket at {url} does not serve from here: {last}",
        hint="its mail server and webhooks are NOT switched off yet: reach it through a VPN or a tunnel (--url), then "
        "give the same command again",
    )
