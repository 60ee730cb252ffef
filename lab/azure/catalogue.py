"""Which type of resource behaves how; every type that is not listed here is kept as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping

from lab.azure import disks, instances, models, restore_points, snapshots, subnets
from lab.azure.kinds import Kind, Statuses
from lab.azure.scale_sets import ScaleSets
from lab.azure.set_machines import SetMachines
from lab.azure.virtual_machines import VirtualMachines

KINDS: Mapping[str, type[Kind]] = {
    models.SCALE_SET: ScaleSets,
    instances.SET_VM: SetMachines,
    instances.VM: VirtualMachines,
    disks.DISK: disks.Disks,
    disks.SNAPSHOT: snapshots.Snapshots,
    **restore_points.KINDS,
    subnets.NETWORK: subnets.Networks,
    subnets.SUBNET: subnets.Subnets,
    subnets.CARD: subnets.Cards,
}
STATUSES: Mapping[str, Statuses] = {
    disks.DISK: disks.STATUSES,
    disks.SNAPSHOT: disks.STATUSES,
}
"""First statuses where they are not the usual ones."""
