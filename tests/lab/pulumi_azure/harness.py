"""What the tests build: one resource of each kind that the estate has, as a program writes it."""

import base64
from dataclasses import dataclass, field
from typing import Any

from lab.azure.world import AzureWorld
from lab.pulumi.azure.client import Account
from tests.lab.pulumi_aws.harness import Engine, Live, Properties

PREFIX = "10.20.0.0/16"
IMAGE = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}


def kind(name: str) -> str:
    return f"azure-native:{name}"


@dataclass
class Estate:
    """Makes resources through the provider, each once."""

    engine: Engine
    world: AzureWorld
    group: str
    account: Account
    made: dict[str, Live] = field(default_factory=dict)

    def place(self, provider: str, name: str) -> str:
        return f"/subscriptions/{self.world.subscription}/resourceGroups/{self.group}/providers/{provider}/{name}"

    def have(self, name: str) -> Live:
        """Return a resource, made when it is asked for first."""
        if name not in self.made:
            self.made[name] = self.create(name, self.wanted(name))
        return self.made[name]

    def create(self, name: str, inputs: Properties) -> Live:
        token = name.partition("/")[0]
        return self.engine.create(kind(token), inputs, name=token.rpartition(":")[2].lower())

    def document(self, identity: str) -> Any:
        """Return what Azure has under an id, as only Azure sees it."""
        return self.world.resources.get(identity).document

    def wanted(self, name: str) -> Properties:
        found: Properties = getattr(self, name.replace(":", "_").replace("/", "_"))()
        return {"resourceGroupName": self.group, **found}

    # --- inputs --------------------------------------------------------------------------------------------------

    def network_VirtualNetwork(self) -> Properties:  # noqa: N802 - the type's name
        return {"virtualNetworkName": "net", "addressSpace": {"addressPrefixes": [PREFIX]}, "tags": {"a": "b"}}

    def network_Subnet(self) -> Properties:  # noqa: N802 - the type's name
        self.have("network:VirtualNetwork")
        return {"virtualNetworkName": "net", "subnetName": "nodes", "addressPrefix": "10.20.1.0/24"}

    def network_Subnet_gateway(self) -> Properties:  # noqa: N802 - the type's name
        self.have("network:VirtualNetwork")
        return {"virtualNetworkName": "net", "subnetName": "gateway", "addressPrefix": "10.20.2.0/24"}

    def network_PublicIPAddress(self) -> Properties:  # noqa: N802 - the type's name
        return {"publicIPAllocationMethod": "Static", "sku": {"name": "Standard"}, "zones": ["1", "2", "3"]}

    def network_NetworkSecurityGroup(self) -> Properties:  # noqa: N802 - the type's name
        rule = {"access": "Allow", "direction": "Inbound", "priority": 100, "protocol": "Tcp"}
        return {"securityRules": [{"name": "git", **rule, "destinationPortRange": "7999"}]}

    def network_ApplicationGateway(self) -> Properties:  # noqa: N802 - the type's name
        place = self.place("Microsoft.Network/applicationGateways", "front")

        def part(group: str, name: str) -> Properties:
            return {"id": f"{place}/{group}/{name}"}

        rule = {
            "name": "all",
            "ruleType": "Basic",
            "priority": 10,
            "httpListener": part("httpListeners", "http"),
            "backendAddressPool": part("backendAddressPools", "http"),
            "backendHttpSettings": part("backendHttpSettingsCollection", "http"),
        }
        settings = {"name": "http", "port": 7990, "protocol": "Http", "requestTimeout": 60}
        listener = {
            "name": "http",
            "protocol": "Http",
            "frontendIPConfiguration": part("frontendIPConfigurations", "public"),
            "frontendPort": part("frontendPorts", "http"),
        }
        return {
            "applicationGatewayName": "front",
            "gatewayIPConfigurations": [{"name": "ip", "subnet": {"id": self.have("network:Subnet/gateway").id}}],
            "frontendIPConfigurations": [
                {"name": "public", "publicIPAddress": {"id": self.have("network:PublicIPAddress").id}}
            ],
            "frontendPorts": [{"name": "http", "port": 80}],
            "backendAddressPools": [{"name": "http"}],
            "backendHttpSettingsCollection": [settings],
            "httpListeners": [listener],
            "requestRoutingRules": [rule],
            "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 2},
        }

    def network_LoadBalancer(self) -> Properties:  # noqa: N802 - the type's name
        front = {"name": "front", "publicIPAddress": {"id": self.have("network:PublicIPAddress").id}}
        return {"loadBalancerName": "ssh", "sku": {"name": "Standard"}, "frontendIPConfigurations": [front]}

    def network_LoadBalancerBackendAddressPool(self) -> Properties:  # noqa: N802 - the type's name
        self.have("network:LoadBalancer")
        return {"loadBalancerName": "ssh", "backendAddressPoolName": "nodes"}

    def network_NetworkInterface(self) -> Properties:  # noqa: N802 - the type's name
        address = {"name": "ip", "subnet": {"id": self.have("network:Subnet").id}}
        return {"networkInterfaceName": "files", "ipConfigurations": [address]}

    def compute_VirtualMachineScaleSet(self) -> Properties:  # noqa: N802 - the type's name
        address = {"name": "ip", "subnet": {"id": self.have("network:Subnet").id}}
        card = {"name": "nic", "primary": True, "ipConfigurations": [address]}
        data = base64.b64encode(b"BITBUCKET_VERSION='7.9.0'\n").decode()
        return {
            "vmScaleSetName": "nodes",
            "sku": {"name": "Standard_D4s_v5", "capacity": 2},
            "upgradePolicy": {"mode": "Manual"},
            "overprovision": False,
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": "bb", "customData": data},
                "storageProfile": {"imageReference": IMAGE, "osDisk": {"createOption": "FromImage"}},
                "networkProfile": {"networkInterfaceConfigurations": [card]},
            },
        }

    def compute_Disk(self) -> Properties:  # noqa: N802 - the type's name
        return {"diskName": "home", "creationData": {"createOption": "Empty"}, "diskSizeGB": 8}

    def compute_VirtualMachine(self) -> Properties:  # noqa: N802 - the type's name
        disk = {"lun": 0, "createOption": "Attach", "managedDisk": {"id": self.have("compute:Disk").id}}
        return {
            "vmName": "files",
            "tags": {"bitbucket-dc:role": "file-server"},
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "osProfile": {"computerName": "files", "adminUsername": "operator"},
            "storageProfile": {
                "imageReference": IMAGE,
                "osDisk": {"createOption": "FromImage"},
                "dataDisks": [disk],
            },
            "networkProfile": {"networkInterfaces": [{"id": self.have("network:NetworkInterface").id}]},
        }

    def dbforpostgresql_Server(self) -> Properties:  # noqa: N802 - the type's name
        return {
            "serverName": "bitbucket-db",
            "sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
            "administratorLogin": "bitbucket",
            "administratorLoginPassword": "secret",
            "version": "16",
            "storage": {"storageSizeGB": 64},
            "backup": {"backupRetentionDays": 14},
        }

    def dbforpostgresql_Database(self) -> Properties:  # noqa: N802 - the type's name
        self.have("dbforpostgresql:Server")
        return {"serverName": "bitbucket-db", "databaseName": "bitbucket", "charset": "UTF8"}

    def dbforpostgresql_Configuration(self) -> Properties:  # noqa: N802 - the type's name
        self.have("dbforpostgresql:Server")
        return {"serverName": "bitbucket-db", "configurationName": "max_connections", "value": "300"}

    def keyvault_Vault(self) -> Properties:  # noqa: N802 - the type's name
        sku = {"family": "A", "name": "standard"}
        tenant = self.world.principal.tenant
        return {"vaultName": "keys", "properties": {"sku": sku, "tenantId": tenant, "enableRbacAuthorization": True}}

    def keyvault_Secret(self) -> Properties:  # noqa: N802 - the type's name
        self.have("keyvault:Vault")
        return {"vaultName": "keys", "secretName": "database", "properties": {"value": "hush"}}

    def storage_StorageAccount(self) -> Properties:  # noqa: N802 - the type's name
        return {"kind": "StorageV2", "sku": {"name": "Standard_ZRS"}, "enableHttpsTrafficOnly": True}

    def storage_BlobServiceProperties(self) -> Properties:  # noqa: N802 - the type's name
        name = self.have("storage:StorageAccount").inputs["accountName"]
        return {"accountName": name, "isVersioningEnabled": True}

    def storage_BlobContainer(self) -> Properties:  # noqa: N802 - the type's name
        return {"accountName": self.have("storage:StorageAccount").inputs["accountName"], "containerName": "backups"}

    def managedidentity_UserAssignedIdentity(self) -> Properties:  # noqa: N802 - the type's name
        return {}

    def monitor_ActionGroup(self) -> Properties:  # noqa: N802 - the type's name
        return {"groupShortName": "ops", "enabled": True, "location": "global"}

    def monitor_MetricAlert(self) -> Properties:  # noqa: N802 - the type's name
        criteria = {"odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", "allOf": []}
        return {
            "criteria": criteria, "enabled": True, "evaluationFrequency": "PT1M", "windowSize": "PT5M", "severity": 2,
            "scopes": [self.have("compute:VirtualMachine").id], "location": "global",
        }  # fmt: skip

    def privatedns_PrivateZone(self) -> Properties:  # noqa: N802 - the type's name
        return {"privateZoneName": "lab.postgres.database.azure.com", "location": "global"}

    def privatedns_VirtualNetworkLink(self) -> Properties:  # noqa: N802 - the type's name
        net = self.have("network:VirtualNetwork").id
        zone = self.have("privatedns:PrivateZone").inputs["privateZoneName"]
        return {"privateZoneName": zone, "location": "global", "virtualNetwork": {"id": net}}


PLAIN = (
    "network:VirtualNetwork", "network:Subnet", "network:PublicIPAddress", "network:NetworkSecurityGroup",
    "network:LoadBalancer", "network:LoadBalancerBackendAddressPool", "network:ApplicationGateway",
    "network:NetworkInterface", "compute:VirtualMachineScaleSet", "compute:Disk", "compute:VirtualMachine",
    "dbforpostgresql:Server", "dbforpostgresql:Database", "dbforpostgresql:Configuration", "keyvault:Vault",
    "keyvault:Secret", "storage:StorageAccount", "storage:BlobServiceProperties", "storage:BlobContainer",
    "managedidentity:UserAssignedIdentity", "monitor:ActionGroup", "monitor:MetricAlert", "privatedns:PrivateZone",
    "privatedns:VirtualNetworkLink",
)  # fmt: skip
