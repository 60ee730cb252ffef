"""The estate's database and its RDS snapshots (``ports.vaults.Vault``): an instance, or an Aurora cluster.

Where restores have left several generations of the database, the active one counts: the one whose address the nodes'
start-up script carries. A set's snapshot has one identifier, derived from the set: asking twice makes no second one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from automation.adapters.aws import rds_shapes, tags
from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.rds_shapes import CLUSTERS, INSTANCES, Family, Json, identifier
from automation.adapters.aws.session import Caller
from automation.adapters.aws.snapshots import copied_words, of_original, other_account, refuse_other, without_copies
from automation.adapters.aws.templates import Reference, Templates
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, SnapshotState, Source
from automation.ports.errors import Conflict, NotFound, Unexpected
from automation.ports.vaults import Destination

_DEFAULT_KEY = "alias/aws/rds"


class AwsDatabase:
    """Implements ``ports.vaults.Vault`` over RDS."""

    kind = MemberKind.DATABASE

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._estate = Estate(caller, cluster)
        self._templates = Templates(caller)
        self._families: tuple[Family, ...] = ()

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def sources(self) -> tuple[Source, ...]:
        """Return the database that the nodes use.

        Raises:
            NotFound: no database carries the cluster's tag.
            Unexpected: several do, and nothing tells which of them is in use.
        """
        self._caller.prepare("rds")
        found, family = self._tagged()
        if not found:
            raise NotFound(
                f"cluster {self._cluster} has no database in {self._caller.region}",
                hint=f"the RDS instance or Aurora cluster carries the tag {tags.CLUSTER}={self._cluster}",
            )
        return (rds_shapes.source(self._active(found, family), family),)

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Send CreateDBSnapshot for each source; one that is there already is this set's own."""
        return tuple(self._begin(of, source) for source in sources)

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return the cluster's snapshots of sets, or the one of a set, asked for by its identifier."""
        if set_id is None:
            return without_copies(tuple(one for family in self._known() for one in self._listed(self._caller, family)))
        names = (identifier(self._cluster, set_id), identifier(self._cluster, set_id, copy=True))
        for name in names:  # where only copies are, the set is known by them
            found = tuple(one for family in self._known() for one in self._one(self._caller, family, name))
            if found:
                return self._of_set(found, set_id)
        return ()

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on a snapshot."""
        there = self._caller.at(snapshot.region or self._caller.region)
        _, arn = self._arn(there, snapshot)
        words = tags.written({labels.STATE: state.value})
        there.call("rds", "add_tags_to_resource", ResourceName=arn, Tags=words)

    def delete(self, snapshot: Snapshot) -> None:
        """Delete a snapshot, if it still belongs to the set that it was seen with."""
        there = self._caller.at(snapshot.region or self._caller.region)
        for family in self._known():
            for one in self._one(there, family, snapshot.id):
                refuse_other(snapshot, one.tags)
                with suppress(NotFound):  # somebody was faster
                    there.call("rds", family.delete, **{family.snapshot_id: snapshot.id})

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy with the target's key; a failed one from before is removed first."""
        there = self._caller.at(to.region, to.role)
        family, arn = self._arn(self._caller.at(snapshot.region or self._caller.region), snapshot)
        name = f"{snapshot.id}-copy"
        for before in self._one(there, family, name):
            if before.state is not SnapshotState.FAILED:
                return of_original(before)
            there.call("rds", family.delete, **{family.snapshot_id: name})
        self._share(family, snapshot, to)
        made = there.once(
            "rds",
            family.copy,
            **{f"Source{family.snapshot_id}": arn, f"Target{family.snapshot_id}": name},
            Tags=tags.written(copied_words(snapshot, labels)),
            **self._moved(snapshot, to),
        )[family.created]
        return self._described_or(made, there, family, name)

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return a set's copies at the destination, each with its original as ``source``."""
        there = self._caller.at(to.region, to.role)
        name = identifier(self._cluster, set_id, copy=True)
        found = tuple(one for family in self._known() for one in self._one(there, family, name))
        return tuple(of_original(one) for one in found if tags.ORIGINAL in one.tags)

    def _tagged(self) -> tuple[list[Json], Family]:
        """Return every database of the estate; clusters are asked for only where no instance is one by itself."""
        instances = self._caller.pages("rds", INSTANCES.describe, INSTANCES.listed)
        alone = [one for one in instances if rds_shapes.is_own(one, self._cluster) and not one.get(CLUSTERS.id)]
        if alone:
            self._families = (INSTANCES,)
            return alone, INSTANCES
        clusters = self._caller.pages("rds", CLUSTERS.describe, CLUSTERS.listed)
        found = [one for one in clusters if rds_shapes.is_own(one, self._cluster)]
        # Where nothing is left of the database, its snapshots may be of either family.
        self._families = (CLUSTERS,) if found else (INSTANCES, CLUSTERS)
        return found, CLUSTERS

    def _known(self) -> tuple[Family, ...]:
        if not self._families:
            self._tagged()
        return self._families

    def _active(self, found: list[Json], family: Family) -> Json:
        if len(found) == 1:
            return found[0]
        used = self._templates.value(Reference.of_group(self._estate.group()), "DATABASE_HOST")
        active = [one for one in found if used and rds_shapes.host(one) == used]
        if len(active) == 1:
            return active[0]
        names = ", ".join(sorted(str(one[family.id]) for one in found))
        raise Unexpected(
            f"several databases carry {tags.CLUSTER}={self._cluster}: {names}; the nodes use {used or 'none of them'}",
            hint="let DATABASE_HOST in the nodes' start-up script name one of them, or remove the tag from the others",
        )

    def _begin(self, of: BackupSet, source: Source) -> Snapshot:
        family = CLUSTERS if source.facts.get("family") == CLUSTERS.name else INSTANCES
        name = identifier(self._cluster, of.id)
        words = labels.of_set(of) | {labels.ROLE: source.role, labels.SOURCE: source.id}
        try:
            made = self._caller.once(
                "rds", family.create, **{family.snapshot_id: name, family.id: source.id}, Tags=tags.written(words)
            )[family.created]
        except Conflict:
            found = self._of_set(self._one(self._caller, family, name), of.id)
            if not found:
                raise
            return found[0]
        return rds_shapes.snapshot({**made, "TagList": tags.written(words)}, family, self._caller.region)

    def _listed(self, there: Caller, family: Family) -> list[Snapshot]:
        found = there.pages("rds", family.snapshot_describe, family.snapshots_listed, SnapshotType="manual")
        seen = (rds_shapes.snapshot(one, family, there.region) for one in found)
        return [one for one in seen if one.tags.get(labels.CLUSTER) == self._cluster]

    def _one(self, there: Caller, family: Family, name: str) -> tuple[Snapshot, ...]:
        return tuple(rds_shapes.snapshot(one, family, there.region) for one in self._raw(there, family, name))

    def _raw(self, there: Caller, family: Family, name: str) -> list[Json]:
        try:
            return list(
                there.call("rds", family.snapshot_describe, **{family.snapshot_id: name})[family.snapshots_listed]
            )
        except NotFound:
            return []

    def _of_set(self, found: tuple[Snapshot, ...], set_id: str) -> tuple[Snapshot, ...]:
        wanted = {labels.CLUSTER: self._cluster, labels.SET: set_id}
        return tuple(one for one in found if wanted.items() <= one.tags.items())

    def _arn(self, there: Caller, snapshot: Snapshot) -> tuple[Family, str]:
        for family in self._known():
            for one in self._raw(there, family, snapshot.id):
                return family, str(one[family.snapshot_arn])
        raise NotFound(f"there is no database snapshot {snapshot.id} in {there.region}")

    def _moved(self, snapshot: Snapshot, to: Destination) -> dict[str, str]:
        """Return where the copy comes from, and its key: RDS asks for one whenever an encrypted one leaves home."""
        own = snapshot.region or self._caller.region
        key = to.encryption_key or (_DEFAULT_KEY if snapshot.encryption_key else "")
        moved = {"SourceRegion": own} if to.region != own else {}
        return moved | ({"KmsKeyId": key} if key else {})

    def _share(self, family: Family, snapshot: Snapshot, to: Destination) -> None:
        account = other_account(self._caller, to)
        if account:
            self._caller.at(snapshot.region or self._caller.region).call(
                "rds",
                family.share,
                **{family.snapshot_id: snapshot.id},
                AttributeName="restore",
                ValuesToAdd=[account],
            )

    def _described_or(self, made: Json, there: Caller, family: Family, name: str) -> Snapshot:
        """Return the copy as it is described: the answer to the copy itself carries no tags."""
        found = self._one(there, family, name)
        return of_original(found[0] if found else rds_shapes.snapshot(made, family, there.region))
