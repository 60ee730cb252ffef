# ruff: noqa: SLF001 - the parameters of a call are read through names private to moto
"""EBS snapshots: a copy made during the call, complete some time later; copies in other regions under other keys.

Repairs in moto: snapshots were ``completed`` at once and held nothing; create_snapshots left out fields and copied no
tags; a copy did not care for the state of its source nor for the key; there was no limit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.core.responses import ActionResult
from moto.core.serialize import TimestampSerializer
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.utils import random_snapshot_id

from lab.aws.instances import tags_of
from lab.aws.patches import Patches
from lab.unlocked import unlocked

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

PENDING_AT_MOST = 5
"""Snapshots of one volume that may be pending at the same time."""
OF_A_COPY = "vol-ffffffff"
"""What a copied snapshot shows for its volume."""
KEY_DENIED = "Given key ID is not accessible"


def install(world: AwsWorld, patches: Patches) -> None:
    """Let snapshots hold data and take their time."""
    patches.put(Snapshot, "progress", property(lambda self: f"{world.progress.percent(self)}%"))
    patches.put(Snapshot, "state", property(lambda self: self.status))
    patches.put(Snapshot, "state_message", property(lambda self: getattr(self, "lab_message", None)))
    _dates(patches)
    _taking(world, patches)
    _copying(world, patches)

    @patches.wrap(EBSBackend, "delete_snapshot")
    def delete(original: Any, self: Any, snapshot_id: str) -> Any:
        snapshot = original(self, snapshot_id)
        world.storage.delete_snapshot(snapshot_id)
        return snapshot


def _taking(world: AwsWorld, patches: Patches) -> None:
    @patches.replace(ElasticBlockStore, "create_snapshot")
    def create(self: Any) -> Any:
        self.error_on_dryrun()
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        made = _take(world, self, [volume], self._get_param("Description", ""))
        return ActionResult(made[0])

    @patches.replace(ElasticBlockStore, "create_snapshots")
    def create_all(self: Any) -> Any:
        self.error_on_dryrun()
        wanted = self._get_param("InstanceSpecification", {})
        instance = self.ec2_backend.get_instance(wanted["InstanceId"])
        without_root = str(wanted.get("ExcludeBootVolume", False)).lower() == "true"
        excluded = set(wanted.get("ExcludeDataVolumeIds", wanted.get("ExcludeDataVolumeId", [])))
        volumes = [
            self.ec2_backend.get_volume(mapping.volume_id)
            for device, mapping in instance.get_block_device_mapping
            if not (without_root and device == instance.root_device_name) and mapping.volume_id not in excluded
        ]
        return ActionResult({"Snapshots": _take(world, self, volumes, self._get_param("Description", ""))})


def _take(world: AwsWorld, response: Any, volumes: Sequence[Any], description: str) -> list[Any]:
    """Copy volumes at one moment and begin their snapshots' time as ``pending``."""
    backend = response.ec2_backend
    for volume in volumes:
        _check_limit(backend, volume)
    tags = response._parse_tag_specification().get("snapshot", {})
    copied = response._get_param("CopyTagsFromSource") == "volume"
    made = [backend.create_snapshot(volume.id, description) for volume in volumes]
    for snapshot, volume in zip(made, volumes, strict=True):
        snapshot.status, snapshot.kms_key_id = "pending", volume.kms_key_id
        # The size of that day: a volume can grow.
        snapshot.volume = SimpleNamespace(id=volume.id, size=volume.size)
        snapshot.add_tags({**(_copyable(volume) if copied else {}), **tags})
    taken = _copy(world, backend, made)
    for snapshot in made:
        snapshot.start_time = thousandths(taken)
        _begin(world, snapshot, error="" if not world.faults.snapshot_fails("volume") else "Internal error")
    return made


def _copy(world: AwsWorld, backend: Any, made: Sequence[Any]) -> float:
    """Copy what the volumes hold, while others may ask for other things; return the moment."""
    try:
        with unlocked(world.lock):
            taken = world.storage.snapshot_volumes({one.id: one.volume.id for one in made}, world.clock.now)
    except BaseException:
        for one in made:
            backend.snapshots.pop(one.id, None)
        raise
    for one in made:
        if one.id not in backend.snapshots:  # deleted before it stood
            world.storage.delete_snapshot(one.id)
    return taken


def _check_limit(backend: Any, volume: Any) -> None:
    pending = [one for one in backend.snapshots.values() if one.volume_id == volume.id and one.status == "pending"]
    if len(pending) >= PENDING_AT_MOST:
        message = "Maximum allowed in-progress snapshots for a single volume exceeded."
        raise EC2ClientError("ConcurrentSnapshotLimitExceeded", message)


def _copyable(volume: Any) -> dict[str, str]:
    return {key: value for key, value in tags_of(volume).items() if not key.startswith("aws:")}


def _begin(world: AwsWorld, snapshot: Any, *, error: str) -> None:
    def fail() -> None:
        snapshot.lab_message = error
        world.storage.delete_snapshot(snapshot.id)

    seconds = world.timings.snapshot + world.faults.snapshot_delay()
    if error:
        world.progress.begin(snapshot, seconds, "pending", "error", after=fail)
    else:
        world.progress.begin(snapshot, seconds, "pending", "completed")
    world.emit("snapshot", snapshot=snapshot.id, volume=snapshot.volume_id)


def _copying(world: AwsWorld, patches: Patches) -> None:
    @patches.replace(EBSBackend, "copy_snapshot")
    def copy(self: Any, source_snapshot_id: str, source_region: str, description: str, kms_key_id: str | None) -> Any:
        source = _source(self.account_id, source_region, source_snapshot_id)
        if source.status != "completed":
            message = f"The snapshot {source.id} is in an invalid state ({source.status})."
            raise EC2ClientError("IncorrectState", message)
        made = Snapshot(
            self,
            random_snapshot_id(),
            SimpleNamespace(id=OF_A_COPY, size=source.volume_size),
            description or f"[Copied {source.id} from {source_region}]",
            encrypted=source.encrypted,
            kms_key_id=kms_key_id,
        )
        made.start_time = thousandths(world.clock.now())
        world.storage.copy_snapshot(source.id, made.id)
        self.snapshots[made.id] = made
        return made

    @patches.wrap(ElasticBlockStore, "copy_snapshot")
    def copying(original: Any, self: Any) -> Any:
        encrypted, key = self._get_bool_param("Encrypted", False), self._get_param("KmsKeyId")
        source = _source(self.current_account, self._get_param("SourceRegion"), self._get_param("SourceSnapshotId"))
        if key and not (encrypted or source.encrypted):
            message = "The parameter KmsKeyId requires the parameter Encrypted to be set."
            raise EC2ClientError("InvalidParameterDependency", message)
        answer = original(self)
        made = self.ec2_backend.get_snapshot(answer.result["SnapshotId"])
        error = _encrypt(world, self.ec2_backend, made, key) if encrypted or source.encrypted else ""
        _begin(world, made, error=error or ("Internal error" if world.faults.snapshot_fails("volume") else ""))
        return answer


def _source(account: str, region: str, identity: str) -> Any:
    """Return a snapshot of this account, or one that another account shares with it."""
    for other in list(get_backend("ec2").values()):
        found = other[region].snapshots.get(identity) if region in other else None
        if found is not None and account in {found.owner_id, *found.create_volume_permission_userids}:
            return found
    return get_backend("ec2")[account][region].get_snapshot(identity)  # which says that there is none


def _encrypt(world: AwsWorld, backend: Any, snapshot: Any, key: str | None) -> str:
    """Put a copy under a key of its region, the default one when none is named; return why that cannot be done."""
    arn = usable_key(backend, key) if key else (backend.default_kms_key_id or backend._create_default_encryption_key())
    snapshot.encrypted, snapshot.kms_key_id = True, arn or key
    return KEY_DENIED if arn is None or world.faults.key_denied() else ""


def usable_key(backend: Any, key: str) -> str | None:
    """Return the ARN of a key that can be used in this backend's region; None when it cannot."""
    parts = key.split(":")
    if len(parts) > 3 and parts[3] != backend.region_name:
        return None
    try:
        found = get_backend("kms")[backend.account_id][backend.region_name].describe_key(key)
    except KeyError:
        return None
    return str(found.arn) if found.enabled and found.key_state == "Enabled" else None


class Precise(dt.datetime):
    """A date that EC2 tells to the millisecond; it tells others to the second."""


def thousandths(seconds: float) -> Precise:
    """Return a UTC date to the millisecond."""
    found = Precise.fromtimestamp(seconds, dt.UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _dates(patches: Patches) -> None:
    @patches.wrap(TimestampSerializer, "_timestamp_iso8601_zeroed")
    def tell(original: Any, self: Any, value: dt.datetime) -> Any:
        if isinstance(value, Precise):
            return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
        return original(self, value)
