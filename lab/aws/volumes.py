"""EBS volumes: states on the way, refusals, and the directories that hold what is on them.

Repairs in moto: a volume was ``available`` and ``attached`` at once, could be attached twice and anywhere, could be
made smaller than its snapshot, and from a snapshot that is not completed; a machine's boot volume was not at the device
that its image names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend, Volume
from moto.ec2.models.instances import Instance
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from lab.aws.instances import tags_of
from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

ROLE, FILE_SERVER = "bitbucket-dc:role", "file-server"
BOOT_SIZE = 8
"""GiB of a boot volume that nobody has declared."""
ATTACHABLE = frozenset({"running", "stopping", "stopped"})


def install(world: AwsWorld, patches: Patches) -> None:
    """Give volumes states, refusals and content."""
    patches.put(Volume, "status", property(_status))
    _creating(world, patches)
    _attaching(world, patches)
    _modifying(patches)

    @patches.replace(Instance, "setup_defaults")
    def boot_volume(self: Any) -> None:
        volume = self.ec2_backend.create_volume(size=BOOT_SIZE, zone_name=self.placement.zone)
        self.ec2_backend.attach_volume(volume.id, self.id, self.root_device_name, True)


def _status(volume: Any) -> str:
    own = getattr(volume, "lab_status", None)
    return str(own) if own else ("in-use" if volume.attachment else "available")


def _creating(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(EBSBackend, "create_volume")
    def create(original: Any, self: Any, *args: Any, **options: Any) -> Any:
        snapshot = self.get_snapshot(options["snapshot_id"]) if options.get("snapshot_id") else None
        denied = False
        if snapshot is not None:
            _check_source(snapshot, options.get("size"))
            if snapshot.encrypted:
                options["encrypted"] = True
                options["kms_key_id"] = options.get("kms_key_id") or snapshot.kms_key_id
                denied = world.faults.key_denied()
        volume = original(self, *args, **options)
        data = None if snapshot is None or snapshot.from_ami else snapshot.id
        world.storage.create_volume(volume.id, data)
        then = "error" if denied else None
        world.progress.begin(volume, world.timings.volume, "creating", then, attribute="lab_status")
        return volume

    @patches.wrap(EBSBackend, "delete_volume")
    def delete(original: Any, self: Any, volume_id: str) -> Any:
        volume = original(self, volume_id)
        world.storage.delete_volume(volume_id)
        return volume


def _check_source(snapshot: Any, size: Any) -> None:
    if snapshot.status != "completed":
        raise EC2ClientError("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
    if size is not None and int(size) < int(snapshot.volume_size):
        message = (
            f"Volume of {size}GiB is smaller than snapshot '{snapshot.id}', expect size>= {snapshot.volume_size}GiB"
        )
        raise EC2ClientError("InvalidParameterValue", message)


def _attaching(world: AwsWorld, patches: Patches) -> None:
    # Machines come and go with their volumes through the backend; people come through the response.
    attach, detach = EBSBackend.attach_volume, EBSBackend.detach_volume

    @patches.replace(EBSBackend, "attach_volume")
    def attached(self: Any, volume_id: str, instance_id: str, device_path: str, *more: Any, **options: Any) -> Any:
        found = attach(self, volume_id, instance_id, device_path, *more, **options)
        home = tags_of(found.volume).get(ROLE) == FILE_SERVER == tags_of(found.instance).get(ROLE)
        if device_path != found.instance.root_device_name:
            world.storage.attach(volume_id, instance_id, device_path, home=home)
        return found

    @patches.replace(EBSBackend, "detach_volume")
    def detached(self: Any, volume_id: str, instance_id: str, device_path: str) -> Any:
        found = detach(self, volume_id, instance_id, device_path)
        world.storage.detach(volume_id, instance_id)
        return found

    @patches.wrap(ElasticBlockStore, "attach_volume")
    def attaching(original: Any, self: Any) -> Any:
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        _check_attach(volume, self.ec2_backend.get_instance(self._get_param("InstanceId")), self._get_param("Device"))
        answer = original(self)
        world.progress.begin(volume.attachment, world.timings.attach, "attaching", "attached")
        return answer

    @patches.replace(ElasticBlockStore, "detach_volume")
    def detaching(self: Any) -> Any:
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        self.error_on_dryrun()
        attachment = _attachment(volume, self._get_param("InstanceId"), self._get_param("Device"))
        world.progress.begin(
            attachment,
            world.timings.attach,
            "detaching",
            "detached",
            after=lambda: _tear_off(self.ec2_backend, attachment),
        )
        return ActionResult(
            {
                "VolumeId": volume.id,
                "InstanceId": attachment.instance.id,
                "Device": attachment.device,
                "State": "detaching",
                "AttachTime": attachment.attach_time,
            }
        )


def _attachment(volume: Any, instance: str | None, device: str | None) -> Any:
    """Return the attachment that is meant. Raises IncorrectState or InvalidAttachment.NotFound."""
    attachment = volume.attachment
    if attachment is None:
        raise EC2ClientError("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
    if instance not in {None, attachment.instance.id} or device not in {None, attachment.device}:
        where = f"instance '{instance or attachment.instance.id}' as device {device or attachment.device}"
        raise EC2ClientError("InvalidAttachment.NotFound", f"The volume '{volume.id}' is not attached to {where}.")
    return attachment


def _tear_off(backend: Any, attachment: Any) -> None:
    """Detach, unless the machine's end was quicker."""
    if attachment.volume.attachment is attachment:
        backend.detach_volume(attachment.volume.id, attachment.instance.id, attachment.device)


def _check_attach(volume: Any, instance: Any, device: str) -> None:
    if volume.attachment is not None:
        raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.status != "available":
        raise EC2ClientError("IncorrectState", f"Volume '{volume.id}' is not 'available'.")
    if instance.state not in ATTACHABLE:
        raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if volume.availability_zone != instance.placement.zone:
        message = f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
        raise EC2ClientError("InvalidVolume.ZoneMismatch", message)
    if device in instance.block_device_mapping:
        message = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        raise EC2ClientError("InvalidParameterValue", message)


def _modifying(patches: Patches) -> None:
    @patches.wrap(EBSBackend, "modify_volume")
    def modify(original: Any, self: Any, volume_id: str, target_size: Any = None, *args: Any, **options: Any) -> Any:
        if target_size is not None and int(target_size) < int(self.get_volume(volume_id).size):
            raise EC2ClientError("InvalidParameterValue", "New size cannot be smaller than existing size")
        return original(self, volume_id, target_size, *args, **options)
