"""Disks of an estate and their EBS snapshots (``ports.vaults.Vault``).

One CreateSnapshots for each machine: all its data volumes at one instant, with the tags in the same request, so that no
snapshot exists for a moment without saying whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from automation.adapters.aws import disk_shapes, tags
from automation.adapters.aws.session import Caller
from automation.adapters.aws.snapshots import (
    copied_words,
    name_of,
    of_original,
    other_account,
    refuse_other,
    without_copies,
)
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, SnapshotState, Source
from automation.ports.errors import Conflict, NotFound
from automation.ports.vaults import Destination

_ALIVE = ["pending", "running", "stopping", "stopped"]
Json = dict[str, Any]


class AwsDisks:
    """Implements ``ports.vaults.Vault`` over EBS: data volumes of the file server and of every Mesh node."""

    kind = MemberKind.DISK

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._attached: dict[str, frozenset[str]] = {}

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def sources(self) -> tuple[Source, ...]:
        """Return every data volume of machines that keep data; the system's own disks are none.

        Raises:
            NotFound: no such machine has one.
        """
        self._caller.prepare("ec2")
        machines = {one["InstanceId"]: one for one in self._machines()}
        volumes = self._volumes(list(machines)) if machines else []
        found = tuple(
            disk_shapes.source(volume, attached, machines[attached["InstanceId"]])
            for volume in volumes
            for attached in volume.get("Attachments", ())
            if attached["InstanceId"] in machines
            and not disk_shapes.is_root(attached, machines[attached["InstanceId"]])
        )
        if not found:
            raise NotFound(
                f"cluster {self._cluster} has no data volumes in {self._caller.region}",
                hint=f"machines with data carry {tags.CLUSTER} and {tags.ROLE}=file-server or mesh",
            )
        self._attached = {
            group: frozenset(one.id for one in mine)
            for group, mine in groupby(sorted(found, key=lambda s: s.group), key=lambda s: s.group)
        }
        return tuple(sorted(found, key=lambda source: (source.group, source.id)))

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Send one CreateSnapshots for each machine that the sources are attached to."""
        ordered = sorted(sources, key=lambda s: (s.group, s.id))
        begun: list[Snapshot] = []
        for machine, mine in groupby(ordered, key=lambda s: s.group):
            begun += self._begin(of, machine, tuple(mine))
        return tuple(begun)

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return the cluster's snapshots of sets, or of one; a copy beside its own original is left out."""
        wanted = {labels.CLUSTER: self._cluster} | ({labels.SET: set_id} if set_id else {})
        found = self._described(self._caller, tags.filters(wanted))
        return without_copies(tuple(disk_shapes.snapshot(one, self._caller.region) for one in found))

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on a snapshot."""
        words = tags.written({labels.STATE: state.value})
        self._caller.at(snapshot.region or self._caller.region).call(
            "ec2", "create_tags", Resources=[snapshot.id], Tags=words
        )

    def delete(self, snapshot: Snapshot) -> None:
        """Delete a snapshot, if it still belongs to the set that it was seen with."""
        there = self._caller.at(snapshot.region or self._caller.region)
        try:
            found = there.call("ec2", "describe_snapshots", SnapshotIds=[snapshot.id])["Snapshots"]
            refuse_other(snapshot, tags.words(found[0].get("Tags")) if found else snapshot.tags)
            there.call("ec2", "delete_snapshot", SnapshotId=snapshot.id)
        except NotFound:
            return

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy with the target's key; a failed one from before is removed first."""
        there = self._caller.at(to.region, to.role)
        for before in self._copies(there, {tags.ORIGINAL: snapshot.id}):
            if before.state is not SnapshotState.FAILED:
                return before
            there.call("ec2", "delete_snapshot", SnapshotId=before.id)
        self._share(snapshot, to)
        words = copied_words(snapshot, labels)
        answer = there.once(
            "ec2",
            "copy_snapshot",
            SourceRegion=snapshot.region or self._caller.region,
            SourceSnapshotId=snapshot.id,
            Description=f"Copy of {snapshot.id}",
            Encrypted=True,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags.written(words, Name=name_of(words))}],
            **({"KmsKeyId": to.encryption_key} if to.encryption_key else {}),
        )
        made = there.call("ec2", "describe_snapshots", SnapshotIds=[answer["SnapshotId"]])["Snapshots"]
        return of_original(disk_shapes.snapshot(made[0], to.region))

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return a set's copies at the destination, each with its original as ``source``."""
        return self._copies(self._caller.at(to.region, to.role), {labels.SET: set_id})

    def _machines(self) -> list[Json]:
        wanted = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]},
            {"Name": f"tag:{tags.ROLE}", "Values": sorted(disk_shapes.ROLES)},
            {"Name": "instance-state-name", "Values": _ALIVE},
        ]
        found = self._caller.pages("ec2", "describe_instances", "Reservations", Filters=wanted)
        return [one for reservation in found for one in reservation.get("Instances", ())]

    def _volumes(self, machines: list[str]) -> list[Json]:
        wanted = [{"Name": "attachment.instance-id", "Values": machines}]
        return self._caller.pages("ec2", "describe_volumes", "Volumes", Filters=wanted)

    def _begin(self, of: BackupSet, machine: str, sources: tuple[Source, ...]) -> list[Snapshot]:
        if machine not in self._attached:
            self.sources()
        others = self._attached.get(machine, frozenset()) - {source.id for source in sources}
        words = labels.of_set(of) | {labels.ROLE: sources[0].role}
        if len(sources) == 1:  # tags are the same for all snapshots of one request; EBS keeps the volume's id itself
            words |= {labels.SOURCE: sources[0].id}
        answer = self._caller.once(
            "ec2",
            "create_snapshots",
            Description=f"Backup set {of.id} of {of.cluster}",
            InstanceSpecification={
                "InstanceId": machine,
                "ExcludeBootVolume": True,
                **({"ExcludeDataVolumeIds": sorted(others)} if others else {}),
            },
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags.written(words, Name=name_of(words))}],
        )
        begun = [disk_shapes.snapshot(one, self._caller.region) for one in answer["Snapshots"]]
        if missing := {source.id for source in sources} - {one.source for one in begun}:
            gone = ", ".join(sorted(missing))
            raise Conflict(f"the snapshots of {machine} in set {of.id} lack {gone}: is it still attached?")
        return begun

    def _described(self, caller: Caller, filters: list[Json]) -> list[Json]:
        found: list[Json] = caller.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters)
        return found

    def _copies(self, there: Caller, words: Mapping[str, str]) -> tuple[Snapshot, ...]:
        found = self._described(there, tags.filters({labels.CLUSTER: self._cluster, **words}))
        seen = (disk_shapes.snapshot(one, there.region) for one in found)
        return tuple(of_original(one) for one in seen if tags.ORIGINAL in one.tags)

    def _share(self, snapshot: Snapshot, to: Destination) -> None:
        account = other_account(self._caller, to)
        if account:
            self._caller.at(snapshot.region or self._caller.region).call(
                "ec2",
                "modify_snapshot_attribute",
                SnapshotId=snapshot.id,
                Attribute="createVolumePermission",
                OperationType="add",
                UserIds=[account],
            )
