"""The backups of one cluster from this process: engine, ports, the cluster's lock, metrics and notifications together.

Composition only, as ``automation.rolling``: the command line and people's own scripts come to backups through here::

    from automation.backing import Backing

    memory = Backing.of().create()
    print(memory.backup.id, memory.outcome)
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from automation.adapters.aws import by_hand
from automation.adapters.azure import by_hand as azure_by_hand
from automation.adapters.logs import Redactor
from automation.adapters.runs.holder import BACKUP, Holder, hold, holder
from automation.adapters.signals import Wishes, to_standard_error
from automation.adapters.whoami import operator
from automation.backup_estate import BackupEstate, estate_of
from automation.core.backups.memory import Ending, Memory
from automation.core.backups.retention import Retention
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.engine.backups import copies, plan, prune, recover, verify
from automation.engine.backups.ends import error_of
from automation.engine.backups.prune import Pruned, Pruning
from automation.engine.backups.recover import Recovered
from automation.engine.backups.shelf import Shelf, shelf
from automation.engine.backups.take import Tell, take
from automation.ports.errors import BbdcError, Conflict, NotFound, Refused
from automation.ports.safe import Safe
from automation.ports.vaults import Destination

Say = Callable[[str], None]


class AlreadyLocked(Conflict):
    """Somebody else holds Bitbucket's maintenance lock."""

    name = "already_locked"
    check = "unlocked"
    """The survey's check that finds it."""


def _unheard(_record: object, _memory: object) -> None:
    """Hear nothing."""


class Backing:
    """Takes, lists, examines, copies and removes backup sets of one estate; frees the lock of a backup that died."""

    def __init__(self, estate: BackupEstate, *, warn: Say = to_standard_error) -> None:
        """Take the estate.

        Args:
            estate: whose sets.
            warn: hears what went wrong beside the matter: metrics, notifications, a signal.
        """
        self._estate = estate
        self._warn = warn

    @classmethod
    def of(cls, plain: Mapping[str, Any] | None = None, *, redactor: Redactor | None = None) -> Self:
        """Return the backing of the estate that the environment, ``bbdc.toml`` and ``plain`` describe."""
        return cls(estate_of(plain or {}, redactor=redactor))

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self._estate.cluster

    @property
    def safe(self) -> Safe:
        """The estate's ports."""
        return self._estate.safe

    @property
    def retention(self) -> Retention:
        """What pruning keeps."""
        return self._estate.retention

    def now(self) -> float:
        """Return the time, seconds since the epoch."""
        return self.safe.clock.now()

    def survey(self, mode: Mode = Mode.LOCKED) -> plan.Survey:
        """Look at everything that a set needs; change nothing.

        Raises:
            BbdcError: Bitbucket or the cloud could not be asked at all.
        """
        return plan.survey(self.safe, cluster=self.cluster, mode=mode)

    def create(
        self,
        mode: Mode = Mode.LOCKED,
        *,
        name: str = "",
        keep: bool = False,
        on_survey: Callable[[plan.Survey], None] = lambda _survey: None,
        tell: Tell = _unheard,
    ) -> Memory:
        """Take a set, after bringing to an end what dead processes left; TERM, INT and HUP stop it in order.

        Returns:
            The memory of the set, with its outcome: complete, invalid, pending or still locked.

        Raises:
            Refused: a check said no; nothing was changed.
            AlreadyLocked: somebody else holds the maintenance lock.
            Conflict: another process holds the cluster.
            StillLocked: a lock that a dead process left could not be freed.
            BbdcError: Bitbucket or the cloud could not be asked.
        """
        with self._held():
            self._finish_others(tell)
            found = self.survey(mode)
            on_survey(found)
            memory = self._begin(found, name=name, keep=keep)
            with Wishes(self._warn) as wishes:
                memory = take(self.safe, self._estate.settings, memory, stop=wishes.wish, tell=tell)
        self._after(memory)
        return memory

    def sets(self) -> tuple[BackupSet, ...]:
        """Return every set, oldest first; those whose manifest is lost are rebuilt from their members' tags."""
        return self.shelf().sets

    def shelf(self) -> Shelf:
        """Return every set and every orphan."""
        return shelf(self.safe)

    def show(self, set_id: str) -> BackupSet:
        """Return a set by its id or its name; of several with one name the newest.

        Raises:
            NotFound: there is none.
        """
        return self.shelf().find(set_id)

    def newest_complete(self) -> BackupSet | None:
        """Return the newest complete set; None when there is none."""
        return next((each for each in reversed(self.sets()) if each.state is SetState.COMPLETE), None)

    def verify(self, set_id: str) -> BackupSet:
        """Look at a set as it lies in the cloud now; the result becomes part of its manifest.

        Raises:
            NotFound: there is no such set.
            Conflict: it is being taken right now.
        """
        with self._alone_with(set_id) as found:
            verified = verify.verify(self.safe, self._estate.settings, found.id, by=operator())
        self._measure()
        return verified

    def keep(self, set_id: str, *, kept: bool = True) -> BackupSet:
        """Let retention never remove a set, or let it again.

        Raises:
            NotFound: there is no such set.
            Conflict: it is being taken right now.
        """
        with self._alone_with(set_id) as found:
            marked = replace(found, kept=kept)
            self.safe.manifests.write(marked)
        return marked

    def copy(self, set_id: str, to: Destination, *, account: str = "") -> BackupSet:
        """Copy a complete set to another region or account with the target's key; waits until it is there.

        Args:
            set_id: the set.
            to: region, key and role of the target.
            account: the target's account; empty takes it from the role, else this one.

        Raises:
            NotFound: there is no such set.
            Refused: the set is not complete, or copying failed.
            Unavailable: not completed in time; the same call goes on later.
        """
        account = account or _account_of(to.role) or self.safe.manifests.account()[0]
        limits = self._estate.settings
        copied = copies.copy(self.safe, set_id, to, account=account, poll=limits.poll, timeout=limits.complete_timeout)
        self._measure()
        return copied

    def export(self, set_id: str, to: Path) -> BackupSet:
        """Write a set's manifest and what it takes to restore it by hand to a new file of mode 0600.

        Raises:
            NotFound: there is no such set.
            Refused: the file exists, or cannot be written.
        """
        found = self.show(set_id)
        document = azure_by_hand.document(found) if azure_by_hand.is_ours(found) else by_hand.document(found)
        text = json.dumps(document, indent=2) + "\n"
        try:
            with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Refused("not_written", f"writing {to} failed: {error.strerror}") from error
        return found

    def plan_pruning(self) -> Pruning:
        """Say what retention would keep and what remove; change nothing."""
        return prune.plan(self.safe, self._estate.retention)

    def prune(self) -> Pruned:
        """Remove what retention no longer keeps; what fails is told and left for the next time.

        Raises:
            Conflict: another process holds the cluster.
        """
        with self._held():
            pruned = prune.prune(self.safe, self._estate.retention)
        self._measure()
        if pruned.failures:
            self._notify("pruning backups failed", "\n".join(pruned.failures))
        return pruned

    def recover(self, *, tell: Tell = _unheard) -> Recovered:
        """Free the lock of a process that died, bring its sets to an end, and list what belongs to nobody.

        Raises:
            Conflict: a process that lives holds the cluster.
            BbdcError: the cloud or Bitbucket could not be asked.
        """
        with self._held(), Wishes(self._warn) as wishes:
            found = recover.recover(self.safe, self._estate.settings, self.cluster, stop=wishes.wish, tell=tell)
        for memory in found.ended:
            self._tell_end(memory)
        self._measure()
        return found

    def abandon(self, set_id: str, *, tell: Tell = _unheard) -> Memory:
        """End a pending set whose journal is lost with its machine; frees its lock where the nodes' logs tell how.

        Raises:
            NotFound: there is no such set.
            Refused: it is not pending.
            Conflict: a process that lives holds the cluster.
        """
        with self._held(), Wishes(self._warn) as wishes:
            memory = recover.abandon(self.safe, self._estate.settings, set_id, stop=wishes.wish, tell=tell)
        self._after(memory)
        return memory

    def holds_lock(self, found: Recovered) -> bool:
        """Tell whether Bitbucket is still locked by us, as far as a recovery found out."""
        ours = self.safe.maintenance.user()
        stuck = any(m.outcome is not None and m.outcome.ending is Ending.LOCKED for m in found.ended)
        return stuck or (found.owner is not None and found.owner == ours)

    def running(self) -> Holder | None:
        """Return the process that takes a backup now, or brings one to an end; None when none does."""
        who = holder(self._estate.store, self.cluster)
        return who if who is not None and who.task == BACKUP else None

    def cancel(self) -> Holder:
        """Ask the process that takes a backup to stop in order; returns at once.

        Raises:
            NotFound: no backup runs.
            Refused: it runs on another machine.
        """
        who = self.running()
        if who is None:
            hint = "`bbdc recover` brings to an end what a dead one left"
            raise NotFound(f"no backup of cluster {self.cluster} runs", hint=hint)
        if who.host != socket.gethostname():
            raise Refused("other_machine", f"the backup is {who}", hint=f"on {who.host}: kill -TERM {who.pid}")
        try:
            os.kill(who.pid, signal.SIGTERM)
        except ProcessLookupError:
            raise NotFound(f"the backup has just ended: it was {who}") from None
        return who

    def _begin(self, found: plan.Survey, *, name: str, keep: bool) -> Memory:
        refused = found.refused
        if refused is not None and refused.name == AlreadyLocked.check:
            hint = "wait for its holder; if that was a backup which died, `bbdc recover` frees it"
            raise AlreadyLocked(f"Bitbucket is {refused.detail}; nothing was changed", hint=hint)
        return plan.begin(found, name=name, by=operator(), keep=keep)

    def _finish_others(self, tell: Tell) -> None:
        with Wishes(self._warn) as wishes:
            ended = recover.finish_others(self.safe, self._estate.settings, self.cluster, stop=wishes.wish, tell=tell)
        for memory in ended:
            self._after(memory)
            error = error_of(memory)
            if error is not None and memory.outcome is not None and memory.outcome.ending is Ending.LOCKED:
                raise error
        if wishes.wish():
            raise KeyboardInterrupt("interrupted before a set was begun")

    @contextmanager
    def _held(self) -> Iterator[None]:
        held = hold(self._estate.store, self.cluster, BACKUP)
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def _alone_with(self, set_id: str) -> Iterator[BackupSet]:
        """Give a set whose manifest nobody else writes: one that is pending may be being taken."""
        found = self.show(set_id)
        if found.state is not SetState.PENDING:
            yield found
            return
        with self._held():
            yield self.show(set_id)

    def _after(self, memory: Memory) -> None:
        self._tell_end(memory)
        self._measure()

    def _tell_end(self, memory: Memory) -> None:
        if memory.outcome is None:
            return
        error = error_of(memory)
        body = str(error) if error is not None else f"set {memory.backup.id} is complete"
        self._notify(f"backup {memory.outcome.ending}", body)

    def _notify(self, title: str, body: str) -> None:
        if self._estate.announce is None:
            return
        try:
            self._estate.announce(f"{self.cluster}: {title}", body)
        except BbdcError as error:  # beside the matter: a good backup is good whoever hears of it
            self._warn(f"notifying failed: {error}")

    def _measure(self) -> None:
        """Tell the metrics of all sets anew; beside the matter, so that a failure only warns."""
        for measure in self._estate.measures:
            try:
                measure(self.safe.manifests.all())
            except (BbdcError, OSError) as error:
                self._warn(f"writing the metrics failed: {error}")


def _account_of(role: str) -> str:
    """Return the account in a role's ARN; empty when there is none."""
    parts = role.split(":")
    return parts[4] if len(parts) > 4 else ""
