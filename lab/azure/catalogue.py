"""Which type of resource behaves how; every type that is not listed here is kept as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping

from lab.azure import (
    accounts,
    apps,
    balancers,
    database_backups,
    databases,
    definitions,
    disks,
    gateways,
    instances,
    metrics,
    models,
    name_checks,
    principals,
    public_addresses,
    restore_points,
    roles,
    snapshots,
    subnets,
    usages,
    vault_keys,
    vaults,
)
from lab.azure.kinds import Deferred, Kind, Statuses
from lab.azure.scale_sets import ScaleSets
from lab.azure.set_machines import SetMachines
from lab.azure.virtual_machines import VirtualMachines

SERVER_PARTS = ("databases", "configurations", "firewallRules", "virtualEndpoints", "administrators")
"""What a database server has below it, beside its backups."""

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
    gateways.GATEWAY: gateways.Gateways,
    balancers.BALANCER: balancers.Balancers,
    balancers.POOL: balancers.Pools,
    balancers.RULE: balancers.Rules,
    databases.SERVER: databases.Servers,
    database_backups.BACKUP: database_backups.Backups,
    **{f"{databases.SERVER}/{part}": Deferred for part in SERVER_PARTS},
    disks.ENCRYPTION_SET: Deferred,
    metrics.METRICS: metrics.Metrics,
    **apps.KINDS,
    public_addresses.ADDRESS: public_addresses.Addresses,
    roles.ASSIGNMENT: roles.Assignments,
    **definitions.KINDS,
    **usages.KINDS,
    **name_checks.KINDS,
    principals.IDENTITY: principals.Identities,
    vaults.VAULT: vaults.Vaults,
    vault_keys.KEY: vault_keys.Keys,
    vaults.SECRET: vaults.Secrets,
    accounts.ACCOUNT: accounts.Accounts,
    accounts.SERVICE: accounts.Services,
    accounts.CONTAINER: accounts.Containers,
}
STATUSES: Mapping[str, Statuses] = {
    disks.DISK: disks.STATUSES,
    disks.SNAPSHOT: disks.STATUSES,
    databases.SERVER: databases.STATUSES,
    database_backups.BACKUP: databases.STATUSES,
    **{f"{databases.SERVER}/{part}": databases.STATUSES for part in SERVER_PARTS},
    disks.ENCRYPTION_SET: disks.STATUSES,
}
"""First statuses where they are not the usual ones."""
