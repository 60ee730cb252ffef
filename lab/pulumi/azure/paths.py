"""Where the resources of each type are in Azure Resource Manager, and what is special about a type.

A path names its parameters as `pulumi_azure_native` names the inputs. A path without a slash in front is below
`/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ACCOUNT = "Microsoft.Storage/storageAccounts/{accountName}"
_SERVER = "Microsoft.DBforPostgreSQL/flexibleServers/{serverName}"
_VAULT = "Microsoft.KeyVault/vaults/{vaultName}"
_AUTHORITY = "/{scope}/providers/Microsoft.Authorization"

_PATHS: Mapping[str, str] = {
    "app:Job": "Microsoft.App/jobs/{jobName}",
    "app:ManagedEnvironment": "Microsoft.App/managedEnvironments/{environmentName}",
    "authorization:ManagementLockAtResourceGroupLevel": "Microsoft.Authorization/locks/{lockName}",
    "authorization:ManagementLockByScope": f"{_AUTHORITY}/locks/{{lockName}}",
    "authorization:RoleAssignment": f"{_AUTHORITY}/roleAssignments/{{roleAssignmentName}}",
    "authorization:RoleDefinition": f"{_AUTHORITY}/roleDefinitions/{{roleDefinitionId}}",
    "compute:Disk": "Microsoft.Compute/disks/{diskName}",
    "compute:DiskEncryptionSet": "Microsoft.Compute/diskEncryptionSets/{diskEncryptionSetName}",
    "compute:RestorePoint": (
        "Microsoft.Compute/restorePointCollections/{restorePointCollectionName}/restorePoints/{restorePointName}"
    ),
    "compute:RestorePointCollection": "Microsoft.Compute/restorePointCollections/{restorePointCollectionName}",
    "compute:Snapshot": "Microsoft.Compute/snapshots/{snapshotName}",
    "compute:VirtualMachine": "Microsoft.Compute/virtualMachines/{vmName}",
    "compute:VirtualMachineScaleSet": "Microsoft.Compute/virtualMachineScaleSets/{vmScaleSetName}",
    "dbforpostgresql:Configuration": f"{_SERVER}/configurations/{{configurationName}}",
    "dbforpostgresql:Database": f"{_SERVER}/databases/{{databaseName}}",
    "dbforpostgresql:FirewallRule": f"{_SERVER}/firewallRules/{{firewallRuleName}}",
    "dbforpostgresql:Server": _SERVER,
    "dbforpostgresql:VirtualEndpoint": f"{_SERVER}/virtualEndpoints/{{virtualEndpointName}}",
    "keyvault:Key": f"{_VAULT}/keys/{{keyName}}",
    "keyvault:Secret": f"{_VAULT}/secrets/{{secretName}}",
    "keyvault:Vault": _VAULT,
    "managedidentity:FederatedIdentityCredential": (
        "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
        "/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}"
    ),
    "managedidentity:UserAssignedIdentity": "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
    "monitor:ActionGroup": "Microsoft.Insights/actionGroups/{actionGroupName}",
    "monitor:AutoscaleSetting": "Microsoft.Insights/autoscaleSettings/{autoscaleSettingName}",
    "monitor:DiagnosticSetting": "/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
    "monitor:MetricAlert": "Microsoft.Insights/metricAlerts/{ruleName}",
    "monitor:ScheduledQueryRule": "Microsoft.Insights/scheduledQueryRules/{ruleName}",
    "network:ApplicationGateway": "Microsoft.Network/applicationGateways/{applicationGatewayName}",
    "network:ApplicationSecurityGroup": "Microsoft.Network/applicationSecurityGroups/{applicationSecurityGroupName}",
    "network:LoadBalancer": "Microsoft.Network/loadBalancers/{loadBalancerName}",
    "network:LoadBalancerBackendAddressPool": (
        "Microsoft.Network/loadBalancers/{loadBalancerName}/backendAddressPools/{backendAddressPoolName}"
    ),
    "network:NatGateway": "Microsoft.Network/natGateways/{natGatewayName}",
    "network:NetworkInterface": "Microsoft.Network/networkInterfaces/{networkInterfaceName}",
    "network:NetworkSecurityGroup": "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
    "network:PrivateDnsZoneGroup": (
        "Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}"
    ),
    "network:PrivateEndpoint": "Microsoft.Network/privateEndpoints/{privateEndpointName}",
    "network:PublicIPAddress": "Microsoft.Network/publicIPAddresses/{publicIpAddressName}",
    "network:PublicIPPrefix": "Microsoft.Network/publicIPPrefixes/{publicIpPrefixName}",
    "network:Route": "Microsoft.Network/routeTables/{routeTableName}/routes/{routeName}",
    "network:RouteTable": "Microsoft.Network/routeTables/{routeTableName}",
    "network:SecurityRule": (
        "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}/securityRules/{securityRuleName}"
    ),
    "network:Subnet": "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
    "network:VirtualNetwork": "Microsoft.Network/virtualNetworks/{virtualNetworkName}",
    "network:WebApplicationFirewallPolicy": (
        "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/{policyName}"
    ),
    "operationalinsights:Workspace": "Microsoft.OperationalInsights/workspaces/{workspaceName}",
    "privatedns:PrivateRecordSet": (
        "Microsoft.Network/privateDnsZones/{privateZoneName}/{recordType}/{relativeRecordSetName}"
    ),
    "privatedns:PrivateZone": "Microsoft.Network/privateDnsZones/{privateZoneName}",
    "privatedns:VirtualNetworkLink": (
        "Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}"
    ),
    "resources:ResourceGroup": GROUP,
    "storage:BlobContainer": f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
    "storage:BlobContainerImmutabilityPolicy": (
        f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}/immutabilityPolicies/{{immutabilityPolicyName}}"
    ),
    "storage:BlobServiceProperties": f"{_ACCOUNT}/blobServices/{{blobServicesName}}",
    "storage:ManagementPolicy": f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}",
    "storage:StorageAccount": _ACCOUNT,
}

TYPES: Mapping[str, str] = {
    f"azure-native:{name}": path if path.startswith("/") else f"{GROUP}/providers/{path}"
    for name, path in _PATHS.items()
}
"""Type token -> path of its resources."""

DEFAULTS: Mapping[str, frozenset[str]] = {
    f"azure-native:{name}": frozenset({parameter})
    for name, parameter in (
        ("dbforpostgresql:Configuration", "configurationName"),
        ("storage:BlobServiceProperties", "blobServicesName"),
    )
}
"""Types whose resources are there as soon as their owner is: made by changing, never deleted."""

STAYING = frozenset({*DEFAULTS, "azure-native:keyvault:Secret", "azure-native:keyvault:Key"})
"""Types that the resource manager cannot delete; what they are goes with their owner."""

_ENVIRONMENT = (
    "internal",
    "infrastructureSubnetId",
    "dockerBridgeCidr",
    "platformReservedCidr",
    "platformReservedDnsIP",
)
REPLACING: Mapping[str, tuple[str, ...]] = {
    f"azure-native:{name}": properties
    for name, properties in {
        "app:Job": ("environmentId",),
        "app:ManagedEnvironment": (
            "customDomainConfiguration.dnsSuffix",
            "infrastructureResourceGroup",
            "zoneRedundant",
            *(f"vnetConfiguration.{name}" for name in _ENVIRONMENT),
        ),
        "authorization:RoleAssignment": ("principalId",),
        "dbforpostgresql:Server": (
            "administratorLogin",
            "availabilityZone",
            "backup.geoRedundantBackup",
            "pointInTimeUTC",
            "sourceServerResourceId",
        ),
        "network:PrivateEndpoint": ("subnet",),
        "network:PublicIPAddress": ("publicIPAddressVersion", "publicIPPrefix", "sku"),
        "storage:StorageAccount": (
            "isHnsEnabled",
            *(f"encryption.services.{service}.keyType" for service in ("blob", "file", "queue", "table")),
        ),
    }.items()
}
"""Properties whose change replaces a resource, beside what stands in the path and the location.

What the genuine provider has: those that its generator lists by hand (`forceNewMap`), and those that Azure's
specifications let be given at creation only (`x-ms-mutability` without `update`), which Azure's SDKs show as the
visibility of a field. Everything else is sent as an update, and what Azure does not let change, Azure refuses.
"""

CHILDREN: Mapping[str, tuple[str, ...]] = {
    f"azure-native:{name}": properties
    for name, properties in {
        "keyvault:Vault": ("properties.accessPolicies",),
        "network:LoadBalancer": ("backendAddressPools", "inboundNatRules"),
        "network:NetworkSecurityGroup": ("securityRules",),
        "network:RouteTable": ("routes",),
        "network:VirtualNetwork": ("subnets", "virtualNetworkPeerings"),
    }.items()
}
"""Lists of what can be a resource of its own: a program that does not name the list leaves it as it is."""

_PARAMETER = re.compile(r"{(\w+)}")


def parameters(path: str) -> list[str]:
    """Return the parameters of a path that the program gives, in order."""
    return [name for name in _PARAMETER.findall(path) if name != "subscriptionId"]


def own_name(path: str) -> str:
    """Return the parameter with the resource's own name."""
    return parameters(path)[-1]


def filled(path: str, values: Mapping[str, str]) -> str:
    """Return a path with its parameters filled in. Raises KeyError for one that is not given."""
    return _PARAMETER.sub(lambda found: str(values[found[1]]).strip("/"), path)


def taken_apart(path: str, identity: str) -> dict[str, str]:
    """Return the parameters of an id, as `filled` would put them in; empty when the id is not of that kind."""
    pattern = _PARAMETER.sub(lambda found: f"(?P<{found[1]}>{'.+' if found[1] in SCOPES else '[^/]+'})", path)
    matched = re.fullmatch(pattern, identity, re.IGNORECASE)
    return matched.groupdict() if matched else {}


SCOPES = frozenset({"scope", "resourceUri"})
"""Parameters that are ids themselves."""
