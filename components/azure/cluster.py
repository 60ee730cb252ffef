"""AzureBitbucketCluster: the whole estate, put together."""

from collections.abc import Sequence
from typing import Any

import pulumi

from components.args import AzureBitbucketClusterArgs
from components.azure.alarms import AzureAlarms
from components.azure.backup_store import AzureBackupStore
from components.azure.database import DATABASE_NAME, DATABASE_USER, AzureDatabase
from components.azure.encryption import AzureEncryption
from components.azure.firewall import AzureFirewall
from components.azure.identity import READER, SECRETS_USER, AzureIdentity
from components.azure.live import Facts, Names, facts
from components.azure.load_balancer import AzureLoadBalancer
from components.azure.network import AzureNetwork
from components.azure.nodes import AzureNodes
from components.azure.place import place
from components.azure.secrets import AzureSecrets
from components.azure.shared_home import EXPORT, AzureSharedHome
from components.clouds import AZURE
from components.node_script import Surroundings, node_script
from components.outputs import exports
from components.spec import ClusterSpec
from components.tokens import type_token

STORAGE_DOMAIN = "core.windows.net"


class AzureBitbucketCluster(pulumi.ComponentResource):
    """A Bitbucket Data Center cluster on Azure: network, gateway, nodes, database, shared home, alarms."""

    url: pulumi.Output[str]
    """URL that people use."""
    ssh_url: pulumi.Output[str]
    """URL of git over SSH."""
    cluster_name: pulumi.Output[str]
    """Value of the tag bitbucket-dc:cluster on everything that belongs to the cluster."""
    version: pulumi.Output[str]
    """Bitbucket version that new nodes install."""
    archive_url: pulumi.Output[str]
    """Where nodes fetch Bitbucket from, with {version}."""
    resource_group: pulumi.Output[str]
    """Name of the resource group."""
    auto_scaling_group_name: pulumi.Output[str]
    """Name of the nodes' scale set."""
    launch_template_id: pulumi.Output[str]
    """Id of the scale set, which holds the nodes' model."""
    target_group_arns: pulumi.Output[Sequence[str]]
    """Ids of the backend pools: HTTP, SSH."""
    node_principal_id: pulumi.Output[str]
    """Principal of the nodes' identity: what it may read beside its own secrets is for you to grant."""
    database_identifier: pulumi.Output[str]
    """Name of the flexible server."""
    file_server_id: pulumi.Output[str]
    """Id of the file server."""
    volume_ids: pulumi.Output[Sequence[str]]
    """Ids of the shared home's disks."""
    vpc_id: pulumi.Output[str]
    """Id of the virtual network."""
    alarm_topic_arn: pulumi.Output[str]
    """Id of the action group that alarms are sent to."""
    backup_bucket: pulumi.Output[str]
    """Address of the container that keeps the manifests of backup sets."""
    encryption_key_arn: pulumi.Output[str]
    """Id of the disk encryption set that the estate's disks are encrypted with."""
    private_subnet_ids: pulumi.Output[Sequence[str]]
    """Ids of the subnets for machines: file server, nodes."""
    data_generation: pulumi.Output[str]
    """Name of the generation of data in use."""

    def __init__(self, name: str, args: AzureBitbucketClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a cluster.

        Raises:
            InvalidInput: an input is wrong; the message names it.
        """
        super().__init__(type_token("AzureBitbucketCluster"), name, {}, opts)
        self._name, self._spec = name, ClusterSpec.read(name, args, AZURE)
        self._inside = pulumi.ResourceOptions(parent=self)
        self._where = place(name, self._spec.estate, self._spec.resource_group, self)
        cluster = self._spec.estate.cluster
        self._names = Names(f"{cluster}-gateway", f"{cluster}-ssh", f"{cluster}-nodes")
        self._live: pulumi.Output[Facts] = pulumi.Output.from_input(self._read())
        self._build_ground()
        self._build_data()
        self._build_nodes()
        self.alarms = AzureAlarms(
            f"{name}-alarms",
            self._spec.estate,
            self._where,
            balancer=self.load_balancer,
            database=self._spec.database,
            database_id=self.database.instance.id,
            file_server_id=self.shared_home.server_id,
            opts=self._inside,
        )
        self._name_outputs()
        self.register_outputs(self.exports())

    async def _read(self) -> Facts:
        return await facts(self._where, self._names, self)

    def _build_ground(self) -> None:
        """Vault and key, firewall, network, ways in."""
        name, spec, estate, where = self._name, self._spec, self._spec.estate, self._where
        self.encryption = AzureEncryption(f"{name}-encryption", estate, where, opts=self._inside)
        self.firewall = AzureFirewall(
            f"{name}-firewall",
            spec.network,
            estate,
            where,
            front_ports=(80,) if spec.front.certificate is None else (80, 443),
            opts=self._inside,
        )
        self.network = AzureNetwork(
            f"{name}-network", spec.network, estate, where, groups=self.firewall.groups, opts=self._inside
        )
        self.load_balancer = AzureLoadBalancer(
            f"{name}-load-balancer",
            spec.front,
            estate,
            where,
            network=self.network,
            names=self._names,
            live=self._live,
            opts=self._inside,
        )

    def _build_data(self) -> None:
        """Secrets, database, shared home, and the store of their backups."""
        name, spec, estate, where = self._name, self._spec, self._spec.estate, self._where
        self.secrets = AzureSecrets(
            f"{name}-secrets",
            estate,
            where,
            encryption=self.encryption,
            database=spec.database.password,
            search=spec.bitbucket.search,
            setup=spec.bitbucket.setup,
            opts=self._inside,
        )
        self.database = AzureDatabase(
            f"{name}-database",
            spec.database,
            spec.data,
            estate,
            where,
            network=self.network,
            password=self.secrets.database_password,
            opts=self._inside,
        )
        self.backup_store = AzureBackupStore(f"{name}-backup-store", estate, where, opts=self._inside)
        self.shared_home = AzureSharedHome(
            f"{name}-shared-home",
            spec,
            where,
            network=self.network,
            encryption=self.encryption,
            secrets=self.secrets,
            after=[self.network, self.firewall],
            opts=self._inside,
        )

    def _build_nodes(self) -> None:
        """The nodes' identity, their start-up script, and the nodes."""
        name, spec, where = self._name, self._spec, self._where
        identity = AzureIdentity(
            f"{name}-node-identity",
            spec.estate,
            where,
            physical=f"{spec.estate.cluster}-nodes",
            # Hazelcast lists the machines of the group; each secret is a scope of its own.
            rights={
                "find-members": (READER, where.scope),
                **{f"read-{what}": (SECRETS_USER, scope) for what, scope in self.secrets.ids.items()},
            },
            opts=self._inside,
        )
        self.node_principal_id = identity.principal_id
        self.nodes = AzureNodes(
            f"{name}-nodes",
            spec.machines,
            spec.estate,
            where,
            network=self.network,
            encryption=self.encryption,
            secrets=self.secrets,
            identity_id=identity.identity_id,
            bitbucket=spec.bitbucket,
            physical=self._names.scale_set,
            live=self._live,
            user_data=self._user_data(identity.client_id),
            after=[self.network, self.firewall, self.load_balancer, self.shared_home, self.secrets, identity],
            opts=self._inside,
        )

    def _user_data(self, client_id: pulumi.Input[str]) -> pulumi.Output[str]:
        """The start-up script of a node. It carries names of secrets, never a secret."""
        around = Surroundings(
            url=self.load_balancer.url,
            ssh_url=self.load_balancer.ssh_url,
            home_server=self.shared_home.address,
            home_export=EXPORT,
            database_host=self.database.host,
            database_port=self.database.port,
            database_name=DATABASE_NAME,
            database_user=DATABASE_USER,
            secrets=self.secrets.arns,
        )
        place: dict[str, pulumi.Input[str]] = {
            "SUBSCRIPTION": self._where.subscription,
            "RESOURCE_GROUP": self._where.group,
            "STORAGE_DOMAIN": STORAGE_DOMAIN,
            "IDENTITY_CLIENT_ID": client_id,
        }
        return node_script("azure", self._spec, place, around)

    def _name_outputs(self) -> None:
        bitbucket = self._spec.bitbucket
        self.url, self.ssh_url = self.load_balancer.url, self.load_balancer.ssh_url
        self.cluster_name = pulumi.Output.from_input(self._spec.estate.cluster)
        self.version = pulumi.Output.from_input(bitbucket.version)
        self.archive_url = pulumi.Output.from_input(bitbucket.archive_url)
        self.resource_group = self._where.group
        self.auto_scaling_group_name = self.nodes.group_name
        self.launch_template_id = self.nodes.launch_template_id
        self.target_group_arns = pulumi.Output.all(*self.load_balancer.target_group_arns)
        self.database_identifier = self.database.identifier
        self.file_server_id = self.shared_home.server_id
        self.volume_ids = pulumi.Output.all(*self.shared_home.volume_ids)
        self.vpc_id = self.network.vpc_id
        self.alarm_topic_arn = self.alarms.topic_arn
        self.backup_bucket, self.encryption_key_arn = self.backup_store.bucket_name, self.encryption.key_arn
        machines = [self.network.subnet_ids[kind] for kind in ("file-server", "nodes")]
        self.private_subnet_ids = pulumi.Output.all(*machines)
        self.data_generation = pulumi.Output.from_input(self._spec.data.active.name)

    def exports(self) -> dict[str, pulumi.Output[Any]]:
        """Return every output by the name that other languages and stacks see."""
        return exports(self)
