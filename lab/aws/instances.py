# ruff: noqa: SLF001 - the repair of moto's instances needs names that are private to it
"""EC2 instances with a life: pending, running, shutting-down, terminated; and a machine under each.

Repairs in moto: instances are ``running`` at once and ``terminated`` at once; a freed address is given away first;
``ClientToken`` is not honoured by run_instances and create_volume.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.utils import parse_user_data

from lab.aws.patches import Patches
from lab.aws.ports import MachineSpec

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED = ("pending", 0), ("running", 16), ("shutting-down", 32), ("terminated", 48)
STOPPING, STOPPED = ("stopping", 64), ("stopped", 80)


@dataclass(slots=True)
class Instances:
    """The instances on their way from one state to the next.

    Attributes:
        world: the world they live in.
        moving: instance id -> (instance, time of the last change), for those in pending, shutting-down or stopping.
        tokens: ClientToken -> what it made, per kind of call.
    """

    world: AwsWorld
    moving: dict[str, tuple[Any, float]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], Any] = field(default_factory=dict)

    def launched(self, instance: Any) -> None:
        """Begin an instance's life."""
        self._enter(instance, PENDING)
        self.world.machines.launch(spec_of(instance))
        self.world.emit("launched", instance=instance.id, address=instance.private_ip, tags=tags_of(instance))

    def terminate(self, instance: Any) -> None:
        """Begin its end; nothing happens to one that is ending or gone."""
        if instance._state.name in {SHUTTING_DOWN[0], TERMINATED[0]}:
            return
        self._enter(instance, SHUTTING_DOWN)
        self.world.machines.shut_down(instance.id)
        self.world.targets.forget_instance(instance.id)
        self.world.emit("terminating", instance=instance.id)

    def stop(self, instance: Any) -> None:
        """Begin to stop it."""
        self._enter(instance, STOPPING)
        self.world.machines.shut_down(instance.id)
        self.world.emit("stopping", instance=instance.id)

    def start(self, instance: Any) -> None:
        """Begin to start a stopped one."""
        self._enter(instance, PENDING)
        self.world.machines.start(instance.id)
        self.world.emit("starting", instance=instance.id)

    def advance(self, now: float) -> None:
        """Move on those whose time has come."""
        for identity, (instance, since) in list(self.moving.items()):
            state = instance._state.name
            if state == PENDING[0]:
                if now - since >= self.world.timings.pending:
                    self._settle(identity, instance, RUNNING)
            elif now - since >= self.world.timings.shut_down and not self.world.machines.running(identity):
                self._settle(identity, instance, TERMINATED if state == SHUTTING_DOWN[0] else STOPPED)

    def _enter(self, instance: Any, state: tuple[str, int]) -> None:
        instance._state.name, instance._state.code = state
        self.moving[instance.id] = (instance, self.world.clock.now())

    def _settle(self, identity: str, instance: Any, state: tuple[str, int]) -> None:
        del self.moving[identity]
        if state is TERMINATED:
            instance._lab_end()
            if self.world.reuse_addresses:
                instance.ec2_backend.get_subnet(instance.subnet_id).del_subnet_ip(instance.private_ip)
        instance._state.name, instance._state.code = state
        self.world.emit(state[0], instance=identity)


def spec_of(instance: Any) -> MachineSpec:
    """Describe moto's instance as the machine under it needs to know it."""
    data = parse_user_data(instance.user_data if instance.user_data is None else str(instance.user_data))
    return MachineSpec(
        id=instance.id,
        address=instance.private_ip,
        zone=instance.placement.zone,
        instance_type=instance.instance_type,
        image=instance.image_id,
        tags=tags_of(instance),
        user_data=data.decode() if data is not None else "",
    )


def tags_of(resource: Any) -> dict[str, str]:
    """Return a moto EC2 resource's tags as a dictionary."""
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def install(world: AwsWorld, patches: Patches) -> None:
    """Repair instances, their addresses and their idempotency."""
    _lives(world, patches)
    _addresses(patches)
    _tokens(world, patches)


def _lives(world: AwsWorld, patches: Patches) -> None:
    patches.put(Instance, "_lab_end", Instance.terminate)

    @patches.wrap(InstanceBackend, "run_instances")
    def run(original: Any, self: Any, *args: Any, **options: Any) -> Any:
        token = options.get("client_token")
        key = ("run_instances", token or "")
        if token and token != "ABCDE" and key in world.instances.tokens:  # noqa: S105 - what moto puts for "none"
            return world.instances.tokens[key]
        reservation = original(self, *args, **options)
        world.instances.tokens[key] = reservation
        for instance in reservation.instances:
            world.instances.launched(instance)
        return reservation

    @patches.replace(Instance, "terminate")
    def terminate(self: Any) -> Any:
        before = type(self._state)(self._state.name, self._state.code)
        world.instances.terminate(self)
        return before

    @patches.wrap(Instance, "stop")
    def stop(original: Any, self: Any) -> Any:
        if self._state.name != RUNNING[0]:
            raise EC2ClientError("IncorrectInstanceState", f"The instance '{self.id}' is not in a state to be stopped.")
        before = original(self)
        world.instances.stop(self)
        return before

    @patches.wrap(Instance, "start")
    def start(original: Any, self: Any) -> Any:
        if self._state.name != STOPPED[0]:
            message = f"The instance '{self.id}' is not in a state from which it can be started."
            raise EC2ClientError("IncorrectInstanceState", message)
        before = original(self)
        world.instances.start(self)
        return before


def _addresses(patches: Patches) -> None:
    @patches.wrap(Subnet, "get_available_subnet_ip")
    def address(original: Any, self: Any, instance: Any) -> Any:
        """Take addresses in turn; a freed one is taken first only where the world frees any."""
        if getattr(self, "_lab_freed", None):
            self._unused_ips = {self._lab_freed.pop(0)}
        return original(self, instance)

    @patches.replace(Subnet, "del_subnet_ip")
    def free(self: Any, ip: str) -> None:
        if self._subnet_ips.pop(ip, None) is not None:
            self._lab_freed = [*getattr(self, "_lab_freed", []), ip]


def _tokens(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(ElasticBlockStore, "create_volume")
    def create(original: Any, self: Any) -> Any:
        key = ("create_volume", self._get_param("ClientToken") or "")
        if key[1] and key in world.instances.tokens:
            return ActionResult(world.instances.tokens[key])
        answer = original(self)
        world.instances.tokens[key] = answer.result
        return answer
