"""AwsBitbucketCluster: the whole estate, put together."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.args import AwsBitbucketClusterArgs
from components.aws.alarms import AwsAlarms
from components.aws.backup_store import AwsBackupStore
from components.aws.database import DATABASE_NAME, DATABASE_USER, AwsDatabase
from components.aws.encryption import AwsEncryption
from components.aws.firewall import AwsFirewall
from components.aws.identity import AwsIdentity, node_policy
from components.aws.load_balancer import AwsLoadBalancer
from components.aws.network import AwsNetwork
from components.aws.nodes import AwsNodes
from components.aws.secrets import AwsSecrets
from components.aws.shared_home import EXPORT, AwsSharedHome
from components.clouds import AWS
from components.node_script import Surroundings, node_script
from components.outputs import exports
from components.spec import ClusterSpec
from components.tokens import type_token


class AwsBitbucketCluster(pulumi.ComponentResource):
    """A Bitbucket Data Center cluster on AWS: network, load balancers, nodes, database, shared home, alarms."""

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
    auto_scaling_group_name: pulumi.Output[str]
    """Name of the nodes' auto-scaling group."""
    launch_template_id: pulumi.Output[str]
    """Id of the nodes' launch template."""
    target_group_arns: pulumi.Output[Sequence[str]]
    """ARNs of the target groups: HTTP, SSH."""
    database_identifier: pulumi.Output[str]
    """Identifier of the RDS instance."""
    file_server_id: pulumi.Output[str]
    """Id of the file server's instance."""
    volume_ids: pulumi.Output[Sequence[str]]
    """Ids of the shared home's volumes."""
    vpc_id: pulumi.Output[str]
    """Id of the VPC."""
    alarm_topic_arn: pulumi.Output[str]
    """ARN of the topic that alarms are sent to."""
    backup_bucket: pulumi.Output[str]
    """Name of the bucket that keeps the manifests of backup sets."""
    encryption_key_arn: pulumi.Output[str]
    """ARN of the key that the estate's data is encrypted with."""
    private_subnet_ids: pulumi.Output[Sequence[str]]
    """Ids of the private subnets, one for each zone."""
    data_generation: pulumi.Output[str]
    """Name of the generation of data in use."""

    def __init__(self, name: str, args: AwsBitbucketClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a cluster.

        Raises:
            InvalidInput: an input is wrong; the message names it.
        """
        super().__init__(type_token("AwsBitbucketCluster"), name, {}, opts)
        self._name, self._spec = name, ClusterSpec.read(name, args, AWS)
        self._inside = pulumi.ResourceOptions(parent=self)
        self._build_ground()
        self._build_data()
        self._build_nodes()
        self.alarms = AwsAlarms(
            f"{name}-alarms",
            self._spec.estate,
            key_arn=self.encryption.key_arn,
            balancer=self.load_balancer,
            database=self._spec.database,
            database_identifier=self.database.identifier,
            file_server_id=self.shared_home.server_id,
            opts=self._inside,
        )
        self._name_outputs()
        self.register_outputs(self.exports())

    def _build_ground(self) -> None:
        """Key, network, firewall, load balancers."""
        name, spec, estate = self._name, self._spec, self._spec.estate
        self.encryption = AwsEncryption(f"{name}-encryption", estate, opts=self._inside)
        self.network = AwsNetwork(f"{name}-network", spec.network, estate, opts=self._inside)
        self.firewall = AwsFirewall(
            f"{name}-firewall",
            spec.network,
            estate,
            self.network.vpc_id,
            front_ports=(80,) if spec.front.certificate is None else (80, 443),
            opts=self._inside,
        )
        self.load_balancer = AwsLoadBalancer(
            f"{name}-load-balancer",
            spec.front,
            estate,
            network=self.network,
            groups=self.firewall.groups,
            opts=self._inside,
        )

    def _build_data(self) -> None:
        """Secrets, database, shared home, and the store of their backups."""
        name, spec, estate, key_arn = self._name, self._spec, self._spec.estate, self.encryption.key_arn
        self.secrets = AwsSecrets(
            f"{name}-secrets",
            estate,
            key_arn=key_arn,
            search=spec.bitbucket.search,
            setup=spec.bitbucket.setup,
            opts=self._inside,
        )
        self.database = AwsDatabase(
            f"{name}-database",
            spec.database,
            spec.data,
            estate,
            network=self.network,
            group=self.firewall.groups["database"],
            key_arn=key_arn,
            password=self.secrets.database_password,
            opts=self._inside,
        )
        self.backup_store = AwsBackupStore(f"{name}-backup-store", estate, key_arn=key_arn, opts=self._inside)
        identity = AwsIdentity(f"{name}-file-server-identity", estate, opts=self._inside)
        self.shared_home = AwsSharedHome(
            f"{name}-shared-home",
            spec,
            network=self.network,
            group=self.firewall.groups["file-server"],
            key_arn=key_arn,
            profile_name=identity.profile_name,
            after=[self.network, self.firewall, identity],
            opts=self._inside,
        )

    def _build_nodes(self) -> None:
        """The nodes' role, their start-up script, and the nodes."""
        name, spec, key_arn = self._name, self._spec, self.encryption.key_arn
        region = aws.get_region_output(opts=pulumi.InvokeOutputOptions(parent=self)).region
        secret_arns = pulumi.Output.all(*self.secrets.arns.values())
        policy = pulumi.Output.all(secret_arns, key_arn, region, spec.bitbucket.archive_url).apply(
            lambda known: node_policy(*known)
        )
        identity = AwsIdentity(f"{name}-node-identity", spec.estate, policy=policy, opts=self._inside)
        self.nodes = AwsNodes(
            f"{name}-nodes",
            spec.machines,
            spec.estate,
            network=self.network,
            group=self.firewall.groups["nodes"],
            key_arn=key_arn,
            profile_name=identity.profile_name,
            target_group_arns=self.load_balancer.target_group_arns,
            version=spec.bitbucket.version,
            user_data=self._user_data(region, identity.role_name),
            after=[self.network, self.firewall, self.load_balancer, self.shared_home, self.secrets, identity],
            opts=self._inside,
        )

    def _user_data(self, region: pulumi.Input[str], role_name: pulumi.Input[str]) -> pulumi.Output[str]:
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
        place = {"AWS_REGION": region, "NODE_ROLE_NAME": role_name}
        return node_script("aws", self._spec, place, around)

    def _name_outputs(self) -> None:
        bitbucket = self._spec.bitbucket
        self.url, self.ssh_url = self.load_balancer.url, self.load_balancer.ssh_url
        self.cluster_name = pulumi.Output.from_input(self._spec.estate.cluster)
        self.version = pulumi.Output.from_input(bitbucket.version)
        self.archive_url = pulumi.Output.from_input(bitbucket.archive_url)
        self.auto_scaling_group_name = self.nodes.group_name
        self.launch_template_id = self.nodes.launch_template_id
        self.target_group_arns = pulumi.Output.all(*self.load_balancer.target_group_arns)
        self.database_identifier = self.database.identifier
        self.file_server_id = self.shared_home.server_id
        self.volume_ids = pulumi.Output.all(*self.shared_home.volume_ids)
        self.vpc_id = self.network.vpc_id
        self.alarm_topic_arn = self.alarms.topic_arn
        self.backup_bucket, self.encryption_key_arn = self.backup_store.bucket_name, self.encryption.key_arn
        self.private_subnet_ids = pulumi.Output.all(*self.network.private_subnet_ids)
        self.data_generation = pulumi.Output.from_input(self._spec.data.active.name)

    def exports(self) -> dict[str, pulumi.Output[Any]]:
        """Return every output by the name that other languages and stacks see."""
        return exports(self)
