"""Hosts the components for programs in other languages (`pulumi package add`)."""

from pulumi.provider.experimental import component_provider_host

from components.aws.cluster import AwsBitbucketCluster
from components.azure.cluster import AzureBitbucketCluster
from components.tokens import PACKAGE

if __name__ == "__main__":
    component_provider_host([AwsBitbucketCluster, AzureBitbucketCluster], PACKAGE)
