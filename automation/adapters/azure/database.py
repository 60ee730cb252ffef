"""The estate's database and the moments that sets stand for (``ports.vaults.Vault``): a flexible server's log.

A flexible server is restored to a moment, never from a backup by its name. So a set's member *is* a moment: the first
whole second, by Azure's own clock, after the answer to a question that was asked when the member was begun. Under the
lock nothing changes in between, so the restored database is the drained one. The moment is called fixed once
Azure's clock has passed it, for which a member that is begun under the lock waits; and completed once the log is
certain to hold it. An on-demand backup is asked for as well, where the server takes one: a restore then plays back
minutes of log instead of a day's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from automation.adapters.azure import database_shapes, tags
from automation.adapters.azure.answered import Answered
from automation.adapters.azure.containers import Blobs
from automation.adapters.azure.database_shapes import BURSTABLE, Log, log_of
from automation.adapters.azure.ids import fitting, name_of, plain
from automation.adapters.azure.model import model_of
from automation.adapters.azure.points import Point, Points
from automation.adapters.azure.session import Caller
from automation.adapters.azure.snapshots import refuse_other
from automation.core.backups import labels
from automation.core.backups.manifest import moment
from automation.core.backups.sets import BackupSet, MemberKind, Mode, SetState, Snapshot, Source
from automation.ports.errors import Conflict, NotFound, Refused, Unexpected
from automation.ports.vaults import Destination

LAG = 300.0
"""Seconds after which the log of a flexible server is certain to be kept: Azure says five minutes at most."""
_STEP = 0.1
"""Pause between questions when Azure's next second is due."""
_QUESTIONS = 15
_SERVERS, _BACKUPS = "servers", "backups_automatic_and_on_demand"
Json = dict[str, Any]


class AzureDatabase:
    """Implements ``ports.vaults.Vault`` over flexible PostgreSQL."""

    kind = MemberKind.DATABASE

    def __init__(self, caller: Caller, cluster: str, container: str | None = None, *, lag: float = LAG) -> None:
        """Take the estate.

        Args:
            caller: who asks.
            cluster: whose database.
            container: URL of the blob container for backups; None finds it.
            lag: seconds that the server's log may be behind.
        """
        self._caller = caller
        self._cluster = cluster
        self._blobs = Blobs(caller, cluster, container)
        self._points = Points(self._blobs, cluster)
        self._lag = lag

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls + self._blobs.calls

    def sources(self) -> tuple[Source, ...]:
        """Return the database that the nodes use.

        Raises:
            NotFound: no flexible server carries the cluster's tag.
            Unexpected: several do, and nothing tells which of them is in use.
        """
        heard = Answered()
        listed = self._caller.pages(
            "postgres", f"{_SERVERS}.list_by_resource_group", self._caller.group, raw_response_hook=heard
        )
        mine = [one for one in listed if tags.is_of(one, self._cluster)]
        if not mine:
            raise NotFound(
                f"cluster {self._cluster} has no database in {self._caller.place}",
                hint=f"the flexible server carries the tag {tags.CLUSTER}={self._cluster}",
            )
        server = self._active(mine)
        return (database_shapes.source(server, self._log(server, heard.time())),)

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Fix a moment for each source, write it down, and ask for an on-demand backup."""
        return tuple(self._begin(of, source) for source in sources)

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return the moments of the cluster's sets, or of one."""
        if set_id is None:
            points = self._points.all()
        else:
            one = self._points.get(set_id)
            points = () if one is None else (one,)
        mine = [point for point in points if point.words.get(labels.CLUSTER) == self._cluster]
        servers = {server: self._server(server) for server in {point.server for point in mine}}
        return tuple(database_shapes.snapshot(point, *servers[point.server]) for point in mine)

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state beside the moment."""
        found = self._point(snapshot)
        if found is None:
            raise NotFound(f"there is no point {snapshot.id} any more")
        self._points.change(replace(found, words={**found.words, labels.STATE: state.value}))

    def delete(self, snapshot: Snapshot) -> None:
        """Forget a moment, and remove its on-demand backup, if it still belongs to the set it was seen with."""
        found = self._point(snapshot)
        if found is None:
            return
        refuse_other(snapshot, found.words)
        if found.backup:
            self._drop(found)
        self._points.remove(found.set_id)

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:  # noqa: ARG002 (port)
        """Refuse: Azure keeps a flexible server's backups where the server is.

        Raises:
            Refused: always.
        """
        raise _stays(to)

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:  # noqa: ARG002 (the port's)
        """Return nothing: there are no copies."""
        return ()

    def _begin(self, of: BackupSet, source: Source) -> Snapshot:
        server, asked = self._get(source.id)
        if trouble := database_shapes.problem(server):
            raise Conflict(f"{name_of(source.id)}: {trouble}")
        at = math.floor(asked) + 1.0
        words = labels.of_set(of) | {labels.ROLE: source.role, labels.RECOVER_TO: moment(at) or ""}
        wanted = Point(of.id, source.id, at, backup=_backup_name(server, of.id), words=words)
        point = self._points.add(wanted)
        if point == wanted and point.backup:
            point, asked = self._back_up(point, asked)
        if of.mode is Mode.LOCKED:
            asked = self._passed(point, asked)
        earliest = log_of(server, (), asked, self._lag).earliest
        return database_shapes.snapshot(point, server, Log(earliest, asked - self._lag), asked)

    def _passed(self, point: Point, asked: float) -> float:
        """Return the time by Azure's clock once that has passed a moment; users wait, so it is asked in time."""
        azure = self._caller.azure
        for _ in range(_QUESTIONS):
            if asked >= point.at:
                break
            azure.clock.sleep(azure.ticks.until(point.at) or _STEP)
            _, asked = self._get(point.server)
        return asked

    def _back_up(self, point: Point, asked: float) -> tuple[Point, float]:
        """Ask for an on-demand backup; return the point as it is then, and the time by Azure's clock.

        A server takes one at a time, and seven in all: a refusal is written down and costs a restore time, no data.
        """
        heard = Answered(asked)
        try:
            self._caller.begin(
                "postgres",
                f"{_BACKUPS}.begin_create",
                self._caller.group,
                name_of(point.server),
                point.backup,
                raw_response_hook=heard,
            )
        except (Conflict, Refused, Unexpected) as refused:
            if not self._has(point):  # a first try whose answer was lost may have made it
                point = replace(point, backup="", note=refused.message)
                self._points.change(point)
        return point, heard.time()

    def _has(self, point: Point) -> bool:
        server = name_of(point.server)
        try:
            self._caller.call("postgres", f"{_BACKUPS}.get", self._caller.group, server, point.backup)
        except NotFound:
            return False
        return True

    def _drop(self, point: Point) -> None:
        try:
            self._caller.begin(
                "postgres", f"{_BACKUPS}.begin_delete", self._caller.group, name_of(point.server), point.backup
            )
        except NotFound:  # Azure removes them itself when the server's retention is over
            return

    def _point(self, snapshot: Snapshot) -> Point | None:
        """Return the point that a snapshot was read from, by the moment that its id tells."""
        mine = self._points.get(snapshot.tags.get(labels.SET, ""))
        if mine is not None and database_shapes.snapshot_id(mine) == snapshot.id:
            return mine
        return next((one for one in self._points.all() if database_shapes.snapshot_id(one) == snapshot.id), None)

    def _server(self, identity: str) -> tuple[Json | None, Log | None, float | None]:
        try:
            server, now = self._get(identity)
        except NotFound:
            return None, None, None
        return server, self._log(server, now), now

    def _get(self, identity: str) -> tuple[Json, float]:
        """Return a server, and the time by Azure's clock."""
        heard = Answered()
        found: Json = self._caller.call(
            "postgres", f"{_SERVERS}.get", self._caller.group, name_of(identity), raw_response_hook=heard
        )
        return found, heard.time()

    def _log(self, server: Json, now: float) -> Log:
        backups = self._caller.pages(
            "postgres", f"{_BACKUPS}.list_by_server", self._caller.group, name_of(str(server["id"]))
        )
        return log_of(server, backups, now, self._lag)

    def _active(self, found: list[Json]) -> Json:
        """Return the server that the nodes' start-up script names, where there are several generations."""
        if len(found) == 1:
            return found[0]
        used = model_of(self._caller, self._cluster).database_host
        active = [one for one in found if used and database_shapes.host(one) == used]
        if len(active) == 1:
            return active[0]
        names = ", ".join(sorted(name_of(plain(one["id"])) for one in found))
        raise Unexpected(
            f"several databases carry {tags.CLUSTER}={self._cluster}: {names}; the nodes use {used or 'none of them'}",
            hint="let DATABASE_HOST in the nodes' start-up script name one of them, or remove the tag from the others",
        )


def _backup_name(server: Json, set_id: str) -> str:
    """Return the name of a set's on-demand backup; empty for a server that takes none."""
    return "" if (server.get("sku") or {}).get("tier") == BURSTABLE else fitting("bbdc", set_id, longest=63)


def _stays(to: Destination) -> Refused:
    return Refused(
        "database_stays",
        f"the database cannot be copied to {to.region}: Azure keeps a flexible server's backups in its own region",
        hint="geo-redundant backups of the server (geoRedundantBackup) reach its paired region by themselves",
    )
