"""The contract of AzureBitbucketCluster: what consumers, the automation and an auditor rely on."""

import json
from typing import Any

import pytest

from components.azure.backup_store import ACCOUNT_LIMIT, CONTAINER
from components.azure.cluster import AzureBitbucketCluster
from components.azure.encryption import VAULT_LIMIT
from components.azure.live import Facts
from components.azure.place import unique_name
from components.naming import CLUSTER_TAG
from components.user_data import LIMITS
from tests.components.recorder import AZURE_CALLS, NOT_FOUND, SUBSCRIPTION, record, strings

ARGS: Any = {
    "version": "7.9.0",
    "certificate_id": "https://certificates.vault.azure.net/secrets/bitbucket",
    "certificate_identity": "/identities/certificates",
}
FULL: Any = {
    **ARGS,
    "search_url": "https://search.example",
    "search_password": "se4rch-S3cret",
    "license": "l1cence-S3cret",
    "admin_email": "admin@example.com",
    "admin_password": "adm1n-S3cret",
    "tags": {"owner": "platform", CLUSTER_TAG: "not-yours"},
}
ALLOWED = {
    "authorization:ManagementLockByScope",
    "authorization:RoleAssignment",
    "compute:Disk",
    "compute:DiskEncryptionSet",
    "compute:VirtualMachine",
    "compute:VirtualMachineScaleSet",
    "dbforpostgresql:Configuration",
    "dbforpostgresql:Database",
    "dbforpostgresql:Server",
    "keyvault:Key",
    "keyvault:Secret",
    "keyvault:Vault",
    "managedidentity:UserAssignedIdentity",
    "monitor:ActionGroup",
    "monitor:MetricAlert",
    "network:ApplicationGateway",
    "network:LoadBalancer",
    "network:NatGateway",
    "network:NetworkInterface",
    "network:NetworkSecurityGroup",
    "network:PublicIPAddress",
    "network:VirtualNetwork",
    "network:WebApplicationFirewallPolicy",
    "privatedns:PrivateZone",
    "privatedns:VirtualNetworkLink",
    "resources:ResourceGroup",
    "storage:BlobContainer",
    "storage:BlobServiceProperties",
    "storage:ManagementPolicy",
    "storage:StorageAccount",
}
UNTAGGABLE = {
    "BlobContainer",
    "BlobServiceProperties",
    "Configuration",
    "Database",
    "ManagementLockByScope",
    "ManagementPolicy",
    "RoleAssignment",
    "Stash",
}
IN_DNS = {"PrivateZone", "VirtualNetworkLink"}
"""Kinds whose tags have no colon in their names."""
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/bitbucket"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/bitbucket-network"


def build(name="bitbucket", *, preview=False, answers=None, **more):
    args: Any = FULL | more
    return record(lambda: AzureBitbucketCluster(name, args), preview=preview, answers=answers)


@pytest.fixture(scope="module")
def estate():
    return build()


@pytest.fixture(scope="module")
def gateway(estate):
    return estate.one("ApplicationGateway").inputs


# --- The tree ---------------------------------------------------------------------------------------------------------


def test_the_token_is_the_one_that_consumers_write(estate):
    assert estate.one("AzureBitbucketCluster").type == "bitbucket-dc:index:AzureBitbucketCluster"


def test_only_known_types_are_declared(estate):
    declared = {r.type for r in estate.resources if r.custom}
    assert declared <= {f"azure-native:{kind}" for kind in ALLOWED} | {"pulumi:index:Stash"}


def test_every_child_hangs_below_the_component(estate):
    root = estate.one("AzureBitbucketCluster").urn
    parents = {r.urn: r.parent for r in estate.resources}
    for child in estate.resources:
        urn = child.urn
        while urn in parents and urn != root:
            urn = parents[urn]
        assert urn == root, child.name


def test_names_of_children_come_from_the_components_own():
    short, long = build("one", cluster_name="same"), build("another-name", cluster_name="same")
    assert {r.name.removeprefix("one") for r in short.resources} == {
        r.name.removeprefix("another-name") for r in long.resources
    }


def test_every_component_registers_its_outputs_once(estate):
    components = {r.urn for r in estate.resources if not r.custom}
    assert {urn: len(outputs) for urn, outputs in estate.outputs.items() if urn in components} == dict.fromkeys(
        components, 1
    )


def test_the_automation_finds_what_it_needs_in_the_outputs(estate):
    (outputs,) = estate.outputs[estate.one("AzureBitbucketCluster").urn]
    assert outputs == {
        "url": "https://bitbucket7b4f065198-http.westeurope.cloudapp.azure.com",
        "sshUrl": "ssh://bitbucket7b4f065198-ssh.westeurope.cloudapp.azure.com:7999",
        "clusterName": "bitbucket",
        "version": "7.9.0",
        "archiveUrl": "https://product-downloads.atlassian.com/software/stash/downloads/"
        "atlassian-bitbucket-{version}.tar.gz",
        "resourceGroup": "bitbucket",
        "autoScalingGroupName": "bitbucket-nodes",
        "launchTemplateId": f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/bitbucket-nodes",
        "targetGroupArns": [
            f"{GROUP}/providers/Microsoft.Network/applicationGateways/bitbucket-gateway/backendAddressPools/http",
            f"{GROUP}/providers/Microsoft.Network/loadBalancers/bitbucket-ssh/backendAddressPools/ssh",
        ],
        "nodePrincipalId": "principal-1",
        "databaseIdentifier": "bitbucket-database-7b4f065198",
        "fileServerId": f"{GROUP}/providers/Microsoft.Compute/virtualMachines/bitbucket-file-server",
        "volumeIds": [f"{GROUP}/providers/Microsoft.Compute/disks/bitbucket-home"],
        "vpcId": NETWORK,
        "alarmTopicArn": "bitbucket-alarms-topic-id",
        "backupBucket": f"https://bitbucket7b4f065198.blob.core.windows.net/{CONTAINER}",
        "encryptionKeyArn": "bitbucket-encryption-disks-id",
        "privateSubnetIds": [f"{NETWORK}/subnets/{kind}" for kind in ("file-server", "nodes")],
        "dataGeneration": "original",
    }


def test_a_preview_asks_the_cloud_only_who_asks_and_what_the_automation_has_changed():
    assert set(build(preview=True).calls) == set(AZURE_CALLS) - {"azure-native:resources:getResourceGroup"}


def test_a_resource_group_that_is_there_is_used_and_not_managed():
    estate = build(resource_group="somebody-elses")
    assert estate.of("ResourceGroup") == []
    groups = {r.inputs["resourceGroupName"] for r in estate.resources if "resourceGroupName" in r.inputs}
    assert groups == {"somebody-elses"}
    located = {r.inputs["location"] for r in estate.resources if "location" in r.inputs}
    assert located == {"northeurope", "global", "Global"}


def test_a_new_version_changes_the_model_and_nothing_else(estate):
    after = {r.urn: r.inputs for r in build(version="7.9.4").resources}
    changed = {(r.name, key) for r in estate.resources for key in _changes(r, after)}
    assert changed == {("bitbucket-nodes-group", "virtualMachineProfile"), ("bitbucket-nodes-group", "tags")}


def test_a_second_run_changes_nothing_but_what_is_ignored(estate):
    again = {r.urn: r.inputs for r in build().resources}
    assert [(r.name, key) for r in estate.resources for key in _changes(r, again)] == []


def _changes(resource, after):
    """What a later run would change. Generated values come from stashes, whose inputs are ignored."""
    unlike = {key for key in resource.inputs if _settled(resource.inputs[key]) != _settled(after[resource.urn][key])}
    return unlike - set(resource.ignored)


def _settled(value):
    """Leave out what was generated: in a real run the stash gives the first value again."""
    if isinstance(value, dict):
        return {key: _settled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner) for inner in value]
    return "generated" if isinstance(value, str) and value.startswith("Aa1-") else value


# --- What the automation has changed ----------------------------------------------------------------------------------

ROLLING: Any = {
    "azure-native:network:getApplicationGateway": {
        "backendAddressPools": [
            {"name": "http", "backendAddresses": [{"ipAddress": "10.0.16.9"}, {"ipAddress": "10.0.16.5"}]}
        ],
        "tags": {"bitbucket-dc:draining": "vm-1=1790000000", "somebody": "else"},
    },
    "azure-native:network:getLoadBalancer": {
        "backendAddressPools": [
            {
                "name": "ssh",
                "loadBalancerBackendAddresses": [
                    {
                        "name": "node-9",
                        "ipAddress": "10.0.16.9",
                        "virtualNetwork": {"id": NETWORK},
                        "adminState": "None",
                    },
                    {"name": "node-7", "ipAddress": "10.0.16.7", "adminState": "Down"},
                ],
            }
        ]
    },
    "azure-native:compute:getVirtualMachineScaleSet": {
        "sku": {"name": "Standard_D4s_v5", "capacity": 4},
        "tags": {"bitbucket-dc:replacing": "vm-1=7.9.0", "bitbucket-dc:renewed": "2=1790000000"},
    },
}


def test_an_estate_that_is_not_there_yet_begins_with_nobody_in_its_pools():
    """The automation puts nodes there, when they have joined."""
    estate = build(answers=dict.fromkeys(ROLLING, NOT_FOUND))
    assert estate.one("ApplicationGateway").inputs["backendAddressPools"] == [{"name": "http", "backendAddresses": []}]
    (pool,) = estate.one("LoadBalancer").inputs["backendAddressPools"]
    assert (pool["name"], pool["loadBalancerBackendAddresses"]) == ("ssh", [])
    assert estate.one("VirtualMachineScaleSet").inputs["sku"]["capacity"] == 3


@pytest.fixture(scope="module")
def rolling():
    return build(answers=ROLLING)


def test_addresses_and_capacity_are_sent_as_the_automation_left_them(rolling):
    (http,) = rolling.one("ApplicationGateway").inputs["backendAddressPools"]
    assert http["backendAddresses"] == [{"ipAddress": "10.0.16.5"}, {"ipAddress": "10.0.16.9"}]
    (ssh,) = rolling.one("LoadBalancer").inputs["backendAddressPools"]
    assert ssh["loadBalancerBackendAddresses"] == [
        {"name": "node-7", "ipAddress": "10.0.16.7", "adminState": "Down"},
        {"name": "node-9", "ipAddress": "10.0.16.9", "virtualNetwork": {"id": NETWORK}},
    ]
    assert rolling.one("VirtualMachineScaleSet").inputs["sku"]["capacity"] == 4


def test_notes_of_the_automation_stay_while_they_mean_something(rolling):
    assert rolling.one("ApplicationGateway").inputs["tags"]["bitbucket-dc:draining"] == "vm-1=1790000000"
    assert rolling.one("VirtualMachineScaleSet").inputs["tags"]["bitbucket-dc:replacing"] == "vm-1=7.9.0"
    assert "somebody" not in rolling.one("ApplicationGateway").inputs["tags"]
    note = {"bitbucket-dc:replacing": "vm-1=7.9.0", "bitbucket-dc:renewed": "2=1790000000"}
    smaller = {"azure-native:compute:getVirtualMachineScaleSet": {"sku": {"capacity": 2}, "tags": note}}
    quiet = build(answers=ROLLING | smaller)  # as many in the pool as there are: nobody is out
    assert "bitbucket-dc:draining" not in quiet.one("ApplicationGateway").inputs["tags"]
    assert "bitbucket-dc:replacing" not in quiet.one("VirtualMachineScaleSet").inputs["tags"]
    (ssh,) = quiet.one("LoadBalancer").inputs["backendAddressPools"]
    assert [line["name"] for line in ssh["loadBalancerBackendAddresses"]] == ["node-9"], "node-7 is nobody's"
    for estate in (rolling, quiet):  # a renewed machine stays renewed
        assert estate.one("VirtualMachineScaleSet").inputs["tags"]["bitbucket-dc:renewed"] == "2=1790000000"


@pytest.mark.parametrize(("planned", "capacity"), [(2, 4), (4, 4), (6, 6)])
def test_nodes_arrive_by_the_program_and_go_by_the_automation_only(planned, capacity):
    assert Facts(nodes=4).capacity(planned) == capacity


def test_a_cloud_that_does_not_answer_stops_the_run():
    """An empty pool would be sent otherwise, and nobody would serve."""
    refused = 'Status=403 Code="AuthorizationFailed" Message="no right to read it"'
    with pytest.raises(Exception, match="AuthorizationFailed"):
        build(answers={"azure-native:network:getApplicationGateway": refused})


def test_nothing_of_it_is_left_to_ignoring(estate):
    for kind in ("ApplicationGateway", "LoadBalancer", "VirtualMachineScaleSet"):
        assert estate.one(kind).ignored == ()


# --- Data -------------------------------------------------------------------------------------------------------------

HOLDS_DATA = {
    "BlobContainer",
    "Database",
    "Disk",
    "Key",
    "ResourceGroup",
    "Secret",
    "Server",
    "Stash",
    "StorageAccount",
}


def test_what_holds_data_is_protected(estate):
    for resource in estate.resources:
        if resource.kind in HOLDS_DATA | {"Vault"}:
            assert resource.protect, resource.name


def test_azure_too_refuses_to_delete_disks_and_manifests(estate):
    locked = {
        lock.inputs["scope"].rsplit("/", 1)[-1]: lock.inputs["level"] for lock in estate.of("ManagementLockByScope")
    }
    assert locked == {"bitbucket-home": "CanNotDelete", "bitbucket7b4f065198": "CanNotDelete"}
    vault = estate.one("Vault").inputs["properties"]
    assert (vault["enableSoftDelete"], vault["enablePurgeProtection"]) == (True, True)
    assert vault["softDeleteRetentionInDays"] == 90


def test_protection_can_be_lifted_so_that_an_estate_can_be_destroyed():
    open_estate = build(protect_data=False)
    assert not any(r.protect for r in open_estate.resources)
    assert open_estate.of("ManagementLockByScope") == []


def test_a_vault_is_not_asked_to_forget_sooner_when_protection_is_lifted(estate):
    """Azure takes these days at creation only, and refuses every other number afterwards."""
    vault = estate.one("Vault")
    assert vault.inputs["properties"]["softDeleteRetentionInDays"] == 90
    assert vault.ignored == ("properties.softDeleteRetentionInDays",)


def test_manifests_are_kept_in_a_private_versioned_container(estate):
    account = estate.one("StorageAccount").inputs
    assert (account["minimumTlsVersion"], account["enableHttpsTrafficOnly"]) == ("TLS1_2", True)
    assert (account["allowBlobPublicAccess"], account["allowSharedKeyAccess"]) == (False, False)
    service = estate.one("BlobServiceProperties").inputs
    assert service["isVersioningEnabled"] is True
    assert (
        service["deleteRetentionPolicy"] == service["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 365}
    )
    (rule,) = estate.one("ManagementPolicy").inputs["policy"]["rules"]
    assert list(rule["definition"]["actions"]) == ["version"]  # the manifest that counts never goes
    assert estate.one("BlobContainer").inputs["publicAccess"] == "None"


@pytest.mark.parametrize("cluster", ["bb", "b" * 40, "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t"])
@pytest.mark.parametrize("limit", [ACCOUNT_LIMIT, VAULT_LIMIT])
def test_names_that_are_everybodys_fit_and_are_the_estates_own(cluster, limit):
    names = [unique_name(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}", cluster, limit) for group in "ab"]
    assert len(set(names)) == 2
    assert all(3 <= len(name) <= limit and name.isalnum() and name.islower() and name[0] in "ab" for name in names)


def test_disks_are_encrypted_with_the_estates_own_key(estate):
    key = "bitbucket-encryption-disks-id"
    home = estate.one("Disk").inputs["encryption"]
    assert home == {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": key}
    for profile in (
        estate.one("VirtualMachine").inputs["storageProfile"],
        estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]["storageProfile"],
    ):
        assert profile["osDisk"]["managedDisk"]["diskEncryptionSet"] == {"id": key}
    used = estate.one("DiskEncryptionSet").inputs
    assert used["activeKey"]["keyUrl"] == "https://estate.vault.azure.net/keys/data/1"  # Azure wants the version
    assert used["rotationToLatestKeyVersionEnabled"] is True


@pytest.mark.parametrize(
    ("size", "fast"),
    [("Standard_D4s_v5", True), ("Standard_E8ds_v6", True), ("Standard_B2s_v2", True), ("Standard_B2ms", False)],
)
def test_machines_talk_to_the_network_directly_where_their_size_can(size, fast):
    estate = build(instance_type=size, file_server_instance_type=size)
    profile = estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]["networkProfile"]
    (card,) = profile["networkInterfaceConfigurations"]
    assert card["enableAcceleratedNetworking"] is fast
    assert estate.one("NetworkInterface").inputs["enableAcceleratedNetworking"] is fast


def test_what_becomes_of_a_systems_disk_is_said_of_single_machines_only(estate):
    """Azure takes the word in flexible orchestration only; in uniform the disk goes with its node."""
    profile = estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]["storageProfile"]
    assert "deleteOption" not in profile["osDisk"]
    assert estate.one("VirtualMachine").inputs["storageProfile"]["osDisk"]["deleteOption"] == "Delete"


def test_disks_wait_until_their_set_may_use_the_key(estate):
    right = estate.one("RoleAssignment", "-encryption-use").urn
    for kind in ("Disk", "VirtualMachine", "VirtualMachineScaleSet"):
        assert right in estate.one(kind).dependencies, kind


def test_secrets_are_secret_wherever_they_go(estate):
    values = [s.inputs["properties"]["value"] for s in estate.of("Secret")]
    values += [s.inputs["input"] for s in estate.of("Stash")]
    assert len(set(values)) == 6  # database, hazelcast, search, license, admin, and the machines' own
    for resource in estate.resources:
        assert not [t for t in strings(resource.visible) if any(value in t for value in values)], resource.name
    assert "administratorLoginPassword" in estate.one("Server").secrets
    assert all(s.secrets == {"input"} and "output" in s.secret_outputs for s in estate.of("Stash"))
    assert not [value for value in values if value in estate.user_data()]


def test_generated_secrets_stay_as_first_generated(estate):
    stashes = {s.name.removeprefix("bitbucket-secrets-").removesuffix("-value"): s for s in estate.of("Stash")}
    assert set(stashes) == {"database", "hazelcast", "machine"}
    assert all(s.ignored == ("input",) for s in stashes.values())


def test_secrets_and_the_key_go_with_their_vault(estate):
    """Alone they are deleted inside the vault, where whoever declares an estate has no rights."""
    vault = estate.one("Vault").urn
    assert {r.deleted_with for kind in ("Secret", "Key") for r in estate.of(kind)} == {vault}


def test_the_database_gets_the_password_that_the_nodes_will_read(estate):
    stored = estate.one("Secret", "-database").inputs["properties"]["value"]
    assert estate.one("Server").inputs["administratorLoginPassword"] == stored
    assert "DATABASE_SECRET='https://estate.vault.azure.net/secrets/database'" in estate.user_data()


def test_the_database_is_standing_by_in_a_second_zone_and_has_room_for_every_node(estate):
    server = estate.one("Server").inputs
    assert server["highAvailability"] == {"mode": "ZoneRedundant"}
    assert server["backup"] == {"backupRetentionDays": 14, "geoRedundantBackup": "Disabled"}
    assert server["storage"]["storageSizeGB"] == 128  # the size that Azure has for 100
    assert estate.one("Configuration").inputs["value"] == "500"
    assert build(nodes=9).one("Configuration").inputs["value"] == str(80 * 10 + 20)


def test_a_database_that_has_grown_is_not_asked_to_shrink():
    answer = {"storage": {"storageSizeGB": 512}, "availabilityZone": "2"}
    server = build(answers={"azure-native:dbforpostgresql:getServer": answer}).one("Server").inputs
    assert server["storage"] == {"storageSizeGB": 512, "autoGrow": "Enabled"}


def test_a_standby_that_has_taken_over_stays_where_it_is(estate):
    """Azure takes a zone at creation only: another one would replace the server, and its data with it."""
    server = estate.one("Server")
    assert server.inputs["availabilityZone"] == ""  # any
    assert set(server.ignored) == {"availabilityZone", "highAvailability.standbyAvailabilityZone"}


def test_a_servers_name_is_the_estates_own_and_fits():
    server = build(cluster_name="b" * 40, resource_group="somebody-elses").one("Server").inputs["serverName"]
    assert server.startswith("b" * 40 + "-database-")
    assert len(server) <= 63
    assert server != build(cluster_name="b" * 40).one("Server").inputs["serverName"]


def test_a_burstable_database_has_no_standby_and_backups_may_be_kept_far_away():
    server = build(database_instance_class="Standard_B2ms", geo_redundant_backup=True).one("Server").inputs
    assert server["sku"] == {"name": "Standard_B2ms", "tier": "Burstable"}
    assert server["highAvailability"] == {"mode": "Disabled"}
    assert server["backup"]["geoRedundantBackup"] == "Enabled"


def test_the_shared_home_is_a_disk_of_its_own_behind_an_address_that_stays(estate):
    (address,) = estate.one("NetworkInterface").inputs["ipConfigurations"]
    assert (address["privateIPAllocationMethod"], address["privateIPAddress"]) == ("Static", "10.0.0.10")
    server = estate.one("VirtualMachine")
    (disk,) = server.inputs["storageProfile"]["dataDisks"]
    assert (disk["lun"], disk["createOption"], disk["deleteOption"], disk["caching"]) == (0, "Attach", "Detach", "None")
    assert server.inputs["zones"] == estate.one("Disk").inputs["zones"] == ["1"]
    assert server.delete_before_replace
    assert set(server.ignored) == {"storageProfile.imageReference", "userData"}
    assert server.replaced_on == ("storageProfile.dataDisks[*].managedDisk.id",)
    assert "SHARED_HOME_SERVER='10.0.0.10'" in estate.user_data()


# --- Who may reach whom -----------------------------------------------------------------------------------------------


def test_every_taggable_resource_carries_our_tags_and_the_operators(estate):
    for resource in estate.resources:
        if resource.custom and resource.kind not in UNTAGGABLE:
            tags = resource.inputs["tags"]
            ours = None if resource.kind in IN_DNS else "bitbucket"
            assert (tags.get(CLUSTER_TAG), tags["owner"]) == (ours, "platform"), resource.name


def test_tags_of_dns_have_names_that_dns_takes(estate):
    for kind in IN_DNS:
        assert set(estate.one(kind).inputs["tags"]) == {"Name", "owner"}


def test_no_machine_and_no_database_has_a_public_address(estate):
    assert {a.name for a in estate.of("PublicIPAddress")} == {
        "bitbucket-network-nat",
        "bitbucket-load-balancer-http-address",
        "bitbucket-load-balancer-ssh-address",
    }
    profile = estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]["networkProfile"]
    machines = [*profile["networkInterfaceConfigurations"], estate.one("NetworkInterface").inputs]
    assert not [machine for machine in machines if "publicIP" in json.dumps(machine)]
    assert estate.one("Server").inputs["network"]["delegatedSubnetResourceId"] == f"{NETWORK}/subnets/database"


def test_every_subnet_has_its_group_and_machines_leave_through_the_gateway(estate):
    subnets = {s["name"]: s for s in estate.one("VirtualNetwork").inputs["subnets"]}
    for name, subnet in subnets.items():
        assert subnet["networkSecurityGroup"] == {"id": f"bitbucket-firewall-{name}-id"}
        assert ("natGateway" in subnet) == (name in {"nodes", "file-server", "backups"})
    delegated = {
        name: [d["serviceName"] for d in s["delegations"]] for name, s in subnets.items() if "delegations" in s
    }
    assert delegated == {
        "database": ["Microsoft.DBforPostgreSQL/flexibleServers"],
        "backups": ["Microsoft.App/environments"],
    }
    assert len({s["addressPrefix"] for s in subnets.values()}) == 6


def rules(estate, subnet, direction):
    found = estate.one("NetworkSecurityGroup", f"-firewall-{subnet}").inputs["securityRules"]
    return sorted((r for r in found if r["direction"] == direction), key=lambda r: r["priority"])


@pytest.mark.parametrize("subnet", ["gateway", "front", "nodes", "file-server", "database", "backups"])
def test_what_is_not_allowed_is_refused(estate, subnet):
    for direction in ("Inbound", "Outbound") if subnet in {"nodes", "file-server", "backups"} else ("Inbound",):
        *allowed, last = rules(estate, subnet, direction)
        assert (last["access"], last["protocol"], last["destinationPortRange"]) == ("Deny", "*", "*")
        assert all(r["access"] == "Allow" for r in allowed)
        assert len({r["priority"] for r in allowed}) == len({r["name"] for r in allowed}) == len(allowed)


def test_a_backup_reaches_bitbucket_azure_and_its_journal(estate):
    allowed = {r["name"]: r["destinationPortRange"] for r in rules(estate, "backups", "Outbound")[:-1]}
    assert allowed == {
        "environment": "*",
        "world-80": "80",
        "world-443": "443",
        "bitbucket-80": "80",
        "bitbucket-443": "443",
        "journal": "5432",
    }
    assert [r["name"] for r in rules(estate, "backups", "Inbound")[:-1]] == ["environment", "probes"]


def test_the_world_reaches_the_ways_in_only(estate):
    doors = {
        (subnet, r["destinationPortRange"])
        for subnet in ("gateway", "front", "nodes", "file-server", "database", "backups")
        for r in rules(estate, subnet, "Inbound")
        if r["sourceAddressPrefix"] == "*" and r["access"] == "Allow"
    }
    # Clients of git over SSH keep their own addresses on the way through the load balancer.
    assert doors == {("gateway", "80"), ("gateway", "443"), ("nodes", "7999")}


def test_allowed_networks_replace_the_world():
    estate = build(allowed_cidrs=["10.1.0.0/16", "10.2.0.0/16"], internal=True)
    sources = {r["sourceAddressPrefix"] for r in rules(estate, "gateway", "Inbound") if r["name"].startswith("clients")}
    assert sources == {"10.1.0.0/16", "10.2.0.0/16"}
    listeners = estate.one("ApplicationGateway").inputs["httpListeners"]
    assert {listener["frontendIPConfiguration"]["id"].rsplit("/", 1)[-1] for listener in listeners} == {"private"}
    (front,) = estate.one("LoadBalancer").inputs["frontendIPConfigurations"]
    assert (front["privateIPAddress"], "publicIPAddress" in front) == ("10.0.159.250", False)


def test_each_flow_is_allowed_on_both_sides(estate):
    def flows(direction):
        subnets = ("nodes", "file-server")
        found = [r for subnet in subnets for r in rules(estate, subnet, direction)]
        return {
            (r["sourceAddressPrefix"], r["destinationAddressPrefix"], r["protocol"], r["destinationPortRange"])
            for r in found
            if r["sourceAddressPrefix"] in {"10.0.0.0/20", "10.0.16.0/20"} and r["destinationAddressPrefix"] != "*"
        }

    database = ("10.0.16.0/20", "10.0.32.0/20", "Tcp", "5432")
    assert flows("Outbound") == flows("Inbound") | {database}
    assert database[3] in {r["destinationPortRange"] for r in rules(estate, "database", "Inbound")}


def test_machines_may_do_only_what_they_need(estate):
    rights = {
        r.name.removeprefix("bitbucket-node-identity-"): (r.inputs["roleDefinitionId"][-12:], r.inputs["scope"])
        for r in estate.of("RoleAssignment")
        if r.name.startswith("bitbucket-node-identity-")
    }
    secret = "0445c86b69e6"
    kept = {
        f"read-{s}": (secret, f"bitbucket-secrets-{s}-id")
        for s in ("database", "hazelcast", "search", "license", "admin")
    }
    assert rights == {"find-members": ("f606fba81ae7", GROUP), **kept}
    assert "identity" not in estate.one("VirtualMachine").inputs  # the file server asks for nothing


def test_somebody_may_log_in_with_a_key_or_nobody_can(estate):
    keyless = estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]["osProfile"]
    assert keyless["adminPassword"].startswith("Aa1-")
    keyed = build(admin_ssh_key="ssh-ed25519 AAAA").one("VirtualMachine").inputs["osProfile"]
    assert "adminPassword" not in keyed
    assert keyed["linuxConfiguration"]["disablePasswordAuthentication"] is True
    (key,) = keyed["linuxConfiguration"]["ssh"]["publicKeys"]
    assert key["keyData"] == "ssh-ed25519 AAAA"


# --- Ways in ----------------------------------------------------------------------------------------------------------


def test_pages_are_balanced_with_sessions_that_stick_and_time_to_finish(gateway):
    (settings,) = gateway["backendHttpSettingsCollection"]
    assert (settings["port"], settings["protocol"]) == (7990, "Http")
    assert settings["cookieBasedAffinity"] == "Enabled"
    assert settings["connectionDraining"] == {"enabled": True, "drainTimeoutInSec": 300}
    assert settings["requestTimeout"] == 3600
    assert gateway["enableHttp2"] is False  # its streams end after three silent minutes


def test_nodes_are_judged_by_status_on_both_ways(estate, gateway):
    (probe,) = gateway["probes"]
    assert (probe["path"], probe["match"]) == ("/status", {"statusCodes": ["200-399"]})
    assert probe["timeout"] < probe["interval"]
    (ssh,) = estate.one("LoadBalancer").inputs["probes"]
    assert (ssh["protocol"], ssh["port"], ssh["requestPath"]) == ("Http", 7990, "/status")


def test_everything_that_a_gateway_refers_to_is_in_it(gateway):
    place = f"{GROUP}/providers/Microsoft.Network/applicationGateways/bitbucket-gateway/"
    parts = {f"{place}{kind}/{one['name']}" for kind, ones in gateway.items() if isinstance(ones, list)
             for one in ones if isinstance(one, dict)}  # fmt: skip
    referred = {text for text in strings(gateway) if text.startswith(place)}
    assert referred <= parts
    assert len(referred) == 10


def test_plain_http_is_redirected(gateway):
    by_name = {rule["name"]: rule for rule in gateway["requestRoutingRules"]}
    assert "redirectConfiguration" in by_name["rule-80"]
    assert "backendAddressPool" not in by_name["rule-80"]
    (redirect,) = gateway["redirectConfigurations"]
    assert (redirect["redirectType"], redirect["includePath"]) == ("Permanent", True)
    assert gateway["sslCertificates"] == [{"name": "certificate", "keyVaultSecretId": ARGS["certificate_id"]}]
    assert gateway["identity"]["userAssignedIdentities"] == [ARGS["certificate_identity"]]


def test_plain_http_is_served_only_when_that_is_asked_for():
    args: Any = {"version": "7.9.0", "insecure_http": True}
    inputs = record(lambda: AzureBitbucketCluster("bitbucket", args)).one("ApplicationGateway").inputs
    (listener,) = inputs["httpListeners"]
    assert listener["protocol"] == "Http"
    assert "backendAddressPool" in inputs["requestRoutingRules"][0]
    assert "sslCertificates" not in inputs


def test_a_web_application_firewall_is_there_when_it_is_asked_for(estate, gateway):
    assert estate.of("WebApplicationFirewallPolicy") == []
    assert gateway["sku"] == {"name": "Standard_v2", "tier": "Standard_v2"}
    guarded = build(web_application_firewall=True)
    assert guarded.one("ApplicationGateway").inputs["sku"]["tier"] == "WAF_v2"
    assert guarded.one("ApplicationGateway").inputs["firewallPolicy"] == {"id": "bitbucket-load-balancer-rules-id"}
    settings = guarded.one("WebApplicationFirewallPolicy").inputs["policySettings"]
    assert (settings["mode"], settings["requestBodyCheck"]) == ("Prevention", False)
    assert (settings["requestBodyEnforcement"], settings["fileUploadEnforcement"]) == (False, False)  # of any size


def test_git_over_ssh_may_be_silent_for_an_hour_and_gets_time_to_finish(estate):
    balancer = estate.one("LoadBalancer").inputs
    (rule,) = balancer["loadBalancingRules"]
    assert (rule["frontendPort"], rule["backendPort"], rule["idleTimeoutInMinutes"]) == (7999, 7999, 60)
    assert balancer["tags"]["bitbucket-dc:draining-time"] == "300"
    assert "drainPeriodInSeconds" not in balancer["backendAddressPools"][0]  # a preview that one has to register for


def test_clients_of_both_ways_may_be_silent_for_as_long_as_an_address_allows(estate):
    assert {a.inputs["idleTimeoutInMinutes"] for a in estate.of("PublicIPAddress")} == {30}


# --- Nodes ------------------------------------------------------------------------------------------------------------


def test_the_set_changes_no_node_by_itself(estate):
    inputs = estate.one("VirtualMachineScaleSet").inputs
    assert (inputs["orchestrationMode"], inputs["upgradePolicy"]) == ("Uniform", {"mode": "Manual"})
    assert (inputs["overprovision"], inputs["zones"]) == (False, ["1", "2", "3"])
    assert not {"automaticRepairsPolicy", "scaleInPolicy", "spotRestorePolicy"} & set(inputs)
    assert not [r for r in estate.resources if "Autoscale" in r.type]
    (card,) = inputs["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    (address,) = card["ipConfigurations"]
    assert not [key for key in address if "Pools" in key]  # its members could not be drained alone


def test_nodes_start_after_all_that_they_need(estate):
    needed = {
        *(r.urn for r in estate.of("Secret")),
        *(r.urn for r in estate.of("RoleAssignment") if "node-identity" in r.name),
        estate.one("VirtualNetwork").urn,
        estate.one("VirtualMachine").urn,
    }
    assert needed <= estate.one("VirtualMachineScaleSet").dependencies


def test_machines_carry_their_version_cluster_and_role(estate):
    tags = estate.one("VirtualMachineScaleSet").inputs["tags"]
    assert {
        "bitbucket-dc:version": "7.9.0",
        "bitbucket-dc:cluster": "bitbucket",
        "bitbucket-dc:role": "node",
        "bitbucket-dc:member": "5701",
    }.items() <= tags.items()
    assert tags["bitbucket-dc:archive-url"].endswith("{version}.tar.gz")
    server = estate.one("VirtualMachine").inputs["tags"]
    assert server["bitbucket-dc:role"] == "file-server"
    assert "bitbucket-dc:member" not in server  # Hazelcast would wait for its closed port


def test_user_data_fits_and_begins_with_plain_values():
    text = build(cluster_name="b" * 40, jvm_arguments="-D" + "x" * 500).user_data()
    assert len(text.encode()) < LIMITS["azure"] - 1024
    assert text.splitlines()[:3] == ["#!/bin/bash", "BITBUCKET_VERSION='7.9.0'", f"BBDC_CLUSTER='{'b' * 40}'"]


def test_the_automation_can_read_the_script(estate):
    """Custom data is shown to nobody, and would win over user data."""
    profile = estate.one("VirtualMachineScaleSet").inputs["virtualMachineProfile"]
    assert profile["userData"]
    assert "customData" not in profile["osProfile"]


def test_an_image_is_chosen_by_words_or_by_id(estate):
    image = estate.one("VirtualMachine").inputs["storageProfile"]["imageReference"]
    assert image == {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2", "version": "latest"}
    own = f"{GROUP}/providers/Microsoft.Compute/images/golden"
    chosen = build(image_id=own).one("VirtualMachine").inputs["storageProfile"]["imageReference"]
    assert chosen == {"id": own}


def test_alarms_speak_to_the_group(estate):
    alarms = {a.name.removeprefix("bitbucket-alarms-"): a.inputs for a in estate.of("MetricAlert")}
    metrics = {name: a["criteria"]["allOf"][0]["metricName"] for name, a in alarms.items()}
    assert metrics == {
        "http-unhealthy": "UnhealthyHostCount",
        "ssh-unhealthy": "DipAvailability",
        "database-storage": "storage_percent",
        "database-cpu": "cpu_percent",
        "database-connections": "active_connections",
        "file-server": "VmAvailabilityMetric",
    }
    assert {a["actions"][0]["actionGroupId"] for a in alarms.values()} == {"bitbucket-alarms-topic-id"}
    assert {a["windowSize"] for a in alarms.values()} <= {"PT1M", "PT5M", "PT15M", "PT30M"}
