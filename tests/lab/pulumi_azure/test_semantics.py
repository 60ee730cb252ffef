"""What the provider does with changes, drift, failures and refusals."""

import threading
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto.provider_pb2 import PropertyDiff

from lab.azure.identities import Principal
from lab.pulumi.aws.values import UNKNOWN
from lab.pulumi.azure.client import Account, Arm, Refused
from tests.lab.pulumi_aws.harness import Live
from tests.lab.pulumi_aws.harness import Refused as Wrong
from tests.lab.pulumi_azure.harness import Estate, kind

NET, SET, GATEWAY = kind("network:VirtualNetwork"), kind("compute:VirtualMachineScaleSet"), "network:ApplicationGateway"
VERSION = "2024-05-01"


def change(estate: Estate, identity: str, **properties: Any) -> None:
    """Change a resource as somebody else would: the whole of it, with other properties."""
    account = estate.account
    arm = Arm(account, threading.Event())
    found = arm.get(identity, VERSION)
    assert found is not None
    found["properties"] |= properties
    arm.put(identity, VERSION, found, 10)
    arm.close()


def test_names_regions_and_types_are_filled_in(estate: Estate) -> None:
    token = kind("network:PublicIPAddress")
    inputs = estate.engine.check(token, {"resourceGroupName": estate.group}, name="front")
    assert inputs["publicIpAddressName"].startswith("front")
    assert len(inputs["publicIpAddressName"]) == len("front") + 8
    assert inputs["location"] == "westeurope"
    again = estate.engine.check(token, {"resourceGroupName": estate.group}, inputs, name="front")
    assert again == inputs
    account = estate.engine.check(
        kind("storage:StorageAccount"), {"kind": "x", "sku": {"name": "y"}, "resourceGroupName": "g", "location": "l"}
    )
    assert account["accountName"].isalnum()


def test_what_is_not_declared_is_refused(estate: Estate) -> None:
    with pytest.raises(Wrong) as refused:
        estate.engine.check(NET, {"adressSpace": {}})
    assert refused.value.reasons["adressSpace"].startswith("Unknown property")
    assert refused.value.reasons["resourceGroupName"] == "Missing required property"


def test_a_type_that_it_does_not_have(estate: Estate) -> None:
    with pytest.raises(grpc.RpcError, match="has no type azure-native:sql:Server"):
        estate.engine.check("azure-native:sql:Server", {})


def test_replacements(estate: Estate) -> None:
    live, wanted = estate.have("network:VirtualNetwork"), estate.wanted("network:VirtualNetwork")
    moved = estate.engine.diff(NET, live, wanted | {"location": "North Europe"})
    assert (list(moved.replaces), moved.deleteBeforeReplace) == (["location"], True)
    assert not estate.engine.diff(NET, live, wanted | {"location": "West Europe"}).diffs
    renamed = estate.engine.diff(NET, live, wanted | {"virtualNetworkName": "other"})
    assert (list(renamed.replaces), renamed.deleteBeforeReplace) == (["virtualNetworkName"], False)
    disk = estate.have("compute:Disk")
    bigger = estate.engine.diff(kind("compute:Disk"), disk, estate.wanted("compute:Disk") | {"diskSizeGB": 16})
    assert (list(bigger.diffs), list(bigger.replaces)) == (["diskSizeGB"], [])
    unknown = estate.engine.diff(NET, live, wanted | {"virtualNetworkName": UNKNOWN})
    assert list(unknown.replaces) == ["virtualNetworkName"]


def test_what_azure_takes_at_creation_only_replaces(estate: Estate) -> None:
    token = kind("dbforpostgresql:Server")
    server, wanted = estate.have("dbforpostgresql:Server"), estate.wanted("dbforpostgresql:Server")
    moved = estate.engine.diff(token, server, wanted | {"availabilityZone": "3"})
    assert (list(moved.replaces), moved.deleteBeforeReplace) == (["availabilityZone"], True)
    geo = estate.engine.diff(token, server, wanted | {"backup": {"geoRedundantBackup": "Enabled"}})
    assert list(geo.replaces) == ["backup"]
    assert geo.detailedDiff["backup.geoRedundantBackup"].kind == PropertyDiff.ADD_REPLACE
    longer = estate.engine.diff(token, server, wanted | {"backup": {"backupRetentionDays": 30}})
    assert (list(longer.diffs), list(longer.replaces)) == (["backup"], [])


def test_what_azure_does_not_let_change_is_sent_and_refused(estate: Estate) -> None:
    """As with the genuine provider: the engine is not told to replace, and Azure says no."""
    token = kind("compute:Disk")
    disk, wanted = estate.have("compute:Disk"), estate.wanted("compute:Disk")
    copied = wanted | {"creationData": {"createOption": "Copy", "sourceResourceId": disk.id}}
    assert not estate.engine.diff(token, disk, copied).replaces
    with pytest.raises(grpc.RpcError, match="PropertyChangeNotAllowed: Changing property 'creationData'"):
        estate.engine.update(token, disk, copied)
    address = kind("network:PublicIPAddress")
    zoned = {"resourceGroupName": estate.group, "publicIpAddressName": "zoned", "zones": ["1"]}
    live = estate.engine.create(address, zoned)
    with pytest.raises(grpc.RpcError, match=r"ResourceAvailabilityZonesCannotBeModified.* What to do: "):
        estate.engine.update(address, live, zoned | {"zones": ["1", "2"]})
    estate.engine.delete(address, live)


def test_preview_changes_nothing(estate: Estate) -> None:
    wanted = {"resourceGroupName": estate.group, "virtualNetworkName": "preview"}
    seen = estate.engine.create(NET, wanted, preview=True)
    assert seen.state["name"] == "preview"
    assert seen.state["provisioningState"] == UNKNOWN
    assert estate.world.resources.find(estate.place("Microsoft.Network/virtualNetworks", "preview")) is None


def test_subnets_that_are_resources_of_their_own_stay(estate: Estate) -> None:
    subnet, net = estate.have("network:Subnet"), estate.have("network:VirtualNetwork")
    wanted = estate.wanted("network:VirtualNetwork") | {"tags": {"a": "c"}}
    estate.made["network:VirtualNetwork"] = live = estate.engine.update(NET, net, wanted)
    assert live.state["tags"] == {"a": "c"}
    assert estate.engine.read(kind("network:Subnet"), subnet) is not None
    read = estate.engine.read(NET, live)
    assert read is not None
    assert "subnets" not in read.inputs


def test_addresses_that_automation_put_into_a_pool_are_seen_and_stay(estate: Estate) -> None:
    live = estate.have(GATEWAY)
    address = {"ipAddress": "10.20.1.4"}
    pools = [{"name": "http", "properties": {"backendAddresses": [address]}}]
    change(estate, live.id, backendAddressPools=pools)
    read = estate.engine.read(kind(GATEWAY), live)
    assert read is not None
    assert read.inputs["backendAddressPools"] == [{"name": "http", "backendAddresses": [address]}]
    assert {**read.inputs, "backendAddressPools": 0} == {**live.inputs, "backendAddressPools": 0}
    wanted = estate.wanted(GATEWAY)
    assert estate.engine.diff(kind(GATEWAY), read, wanted).diffs
    assert not estate.engine.diff(kind(GATEWAY), read, wanted, ignore=("backendAddressPools",)).diffs
    kept = wanted | {"backendAddressPools": read.inputs["backendAddressPools"], "tags": {"x": "y"}}
    estate.made[GATEWAY] = estate.engine.update(kind(GATEWAY), read, kept)
    assert estate.made[GATEWAY].state["backendAddressPools"][0]["backendAddresses"] == [address]


def test_a_capacity_that_automation_chose_is_seen(estate: Estate) -> None:
    live = estate.have("compute:VirtualMachineScaleSet")
    document = estate.document(live.id)
    document["sku"]["capacity"] = 3
    read = estate.engine.read(SET, live)
    assert read is not None
    assert read.inputs["sku"] == live.inputs["sku"] | {"capacity": 3}
    assert not estate.engine.diff(SET, read, estate.wanted("compute:VirtualMachineScaleSet"), ("sku.capacity",)).diffs
    document["sku"]["capacity"] = 2
    assert read.inputs["virtualMachineProfile"] == live.inputs["virtualMachineProfile"]


def test_what_is_there_already_is_not_taken_over(estate: Estate) -> None:
    wanted = estate.wanted("network:VirtualNetwork")
    estate.have("network:VirtualNetwork")
    with pytest.raises(grpc.RpcError, match=r"cannot create already existing resource .* `pulumi import`"):
        estate.engine.create(NET, wanted)


def test_what_was_made_and_failed_is_remembered(estate: Estate) -> None:
    estate.world.disturbances.fail_operations("compute", "PUT virtualMachineScaleSets")
    wanted = estate.wanted("compute:VirtualMachineScaleSet") | {"vmScaleSetName": "broken"}
    with pytest.raises(grpc.RpcError) as failed:
        estate.engine.create(SET, wanted)
    details = dict(failed.value.trailing_metadata())["grpc-status-details-bin"]
    place = estate.place("Microsoft.Compute/virtualMachineScaleSets", "broken")
    assert place.encode() in details
    assert "InternalExecutionError" in failed.value.details()
    estate.engine.delete(SET, Live(place, {}, {}))


def test_deleting(estate: Estate) -> None:
    token = kind("network:PublicIPAddress")
    live = estate.engine.create(token, {"resourceGroupName": estate.group, "publicIpAddressName": "short"})
    estate.engine.delete(token, live)
    assert estate.engine.read(token, live) is None
    estate.engine.delete(token, live)  # a second time is no trouble
    secret = estate.have("keyvault:Secret")
    estate.engine.delete(kind("keyvault:Secret"), secret)  # it goes with its vault
    assert estate.engine.read(kind("keyvault:Secret"), secret) is not None


def test_a_lock_keeps_what_it_locks(estate: Estate) -> None:
    token = kind("network:PublicIPAddress")
    live = estate.engine.create(token, {"resourceGroupName": estate.group, "publicIpAddressName": "locked"})
    lock = estate.engine.create(
        kind("authorization:ManagementLockByScope"), {"scope": live.id, "lockName": "keep", "level": "CanNotDelete"}
    )
    with pytest.raises(grpc.RpcError, match=r"ScopeLocked: .* remove the management lock"):
        estate.engine.delete(token, live)
    estate.engine.delete(kind("authorization:ManagementLockByScope"), lock)
    estate.engine.delete(token, live)


def test_secrets_and_keys(estate: Estate) -> None:
    server = estate.have("dbforpostgresql:Server")
    assert "administratorLoginPassword" not in server.state
    assert server.inputs["administratorLoginPassword"] == "secret"
    account = estate.have("storage:StorageAccount").inputs["accountName"]
    token = "azure-native:storage:listStorageAccountKeys"
    found = estate.engine.invoke(token, accountName=account, resourceGroupName=estate.group)
    assert [key["keyName"] for key in found["keys"]] == ["key1", "key2"]


def test_identities_are_a_list_for_programs_and_principals_are_told(estate: Estate) -> None:
    given = estate.have("managedidentity:UserAssignedIdentity")
    assert given.state["principalId"] != given.state["clientId"]
    wanted = estate.wanted("compute:VirtualMachineScaleSet") | {
        "vmScaleSetName": "known", "sku": {"name": "Standard_D4s_v5", "capacity": 0},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [given.id]},
    }  # fmt: skip
    live = estate.engine.create(SET, wanted)
    assert live.state["identity"]["userAssignedIdentities"][given.id]["principalId"] == given.state["principalId"]
    other = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other"
    more = wanted | {"identity": {"type": "UserAssigned", "userAssignedIdentities": [given.id, other]}}
    foreseen = estate.engine.update(SET, live, more, preview=True).state["identity"]["userAssignedIdentities"]
    assert foreseen == {**live.state["identity"]["userAssignedIdentities"], other: UNKNOWN}
    new = estate.engine.create(SET, wanted | {"vmScaleSetName": "new"}, preview=True)
    assert new.state["identity"]["userAssignedIdentities"] == {given.id: UNKNOWN}
    read = estate.engine.read(SET, live)
    assert read is not None
    assert read.inputs == live.inputs
    imported = estate.engine.read(SET, Live(live.id, {}, {}))
    assert imported is not None
    assert imported.inputs["identity"] == wanted["identity"]
    estate.engine.delete(SET, live)
    own = {"resourceGroupName": estate.group, "identity": {"type": "SystemAssigned"}}
    disks = estate.engine.create(kind("compute:DiskEncryptionSet"), own)
    assert disks.state["identity"]["principalId"]


def test_functions(estate: Estate) -> None:
    found = estate.engine.invoke("azure-native:authorization:getClientConfig")
    assert found["subscriptionId"] == estate.world.subscription
    assert found["tenantId"] == estate.world.principal.tenant
    assert found["objectId"] == estate.world.principal.object
    subnet = estate.have("network:Subnet")
    asked = {"resourceGroupName": estate.group, "virtualNetworkName": "net", "subnetName": "nodes"}
    read = estate.engine.invoke("azure-native:network:getSubnet", **asked)
    assert (read["id"], read["addressPrefix"]) == (subnet.id, "10.20.1.0/24")
    with pytest.raises(grpc.RpcError, match="ResourceNotFound"):
        estate.engine.invoke("azure-native:network:getSubnet", **(asked | {"subnetName": "none"}))
    with pytest.raises(grpc.RpcError, match="has no azure-native:network:getUsages"):
        estate.engine.invoke("azure-native:network:getUsages")


def test_who_may_not_is_told_what_is_missing(estate: Estate) -> None:
    reader = estate.world.identities.add(
        Principal("c11e0000-0000-4000-8000-00000000000a", estate.world.principal.tenant, "s", actions=("*/read",))
    )
    estate.engine.configure(clientId=reader.client, clientSecret="s")
    try:
        with pytest.raises(grpc.RpcError, match=r"AuthorizationFailed: .*virtualNetworks/write.* What to do: give"):
            estate.engine.create(NET, {"resourceGroupName": estate.group, "virtualNetworkName": "no"})
        estate.engine.configure(clientId=reader.client, clientSecret="wrong")
        with pytest.raises(grpc.RpcError, match=r"AADSTS7000215.*AZURE_CLIENT_SECRET"):
            estate.engine.create(NET, {"resourceGroupName": estate.group, "virtualNetworkName": "no"})
    finally:
        estate.engine.configure()


def test_a_bad_moment_passes(account: Account, estate: Estate) -> None:
    """A change that comes while another one is under way is sent again; one that is wrong is not."""
    arm = Arm(account, threading.Event())
    with pytest.raises(Refused, match="LocationRequired"):
        arm.put(estate.place("Microsoft.Network/virtualNetworks", "wrong"), VERSION, {"properties": {}}, 5)
    arm.close()
