"""The resource types of this provider, by token."""

from __future__ import annotations

from lab.pulumi.aws.resource import ResourceType
from lab.pulumi.aws.types import (
    autoscaling,
    bucket,
    database,
    database_groups,
    firewall,
    iam,
    launch_template,
    listener,
    load_balancing,
    machine,
    machine_state,
    monitoring,
    network,
    routes,
    secrets,
    storage,
    target_group,
)

RESOURCES: dict[str, ResourceType] = {
    resource.type: resource
    for resource in (
        network.VPC,
        network.SUBNET,
        network.INTERNET_GATEWAY,
        network.EIP,
        network.NAT_GATEWAY,
        routes.ROUTE_TABLE,
        routes.ROUTE_TABLE_ASSOCIATION,
        firewall.SECURITY_GROUP,
        firewall.INGRESS_RULE,
        firewall.EGRESS_RULE,
        launch_template.LAUNCH_TEMPLATE,
        autoscaling.GROUP,
        load_balancing.LOAD_BALANCER,
        target_group.TARGET_GROUP,
        listener.LISTENER,
        iam.ROLE,
        iam.ROLE_POLICY,
        iam.ROLE_POLICY_ATTACHMENT,
        iam.INSTANCE_PROFILE,
        machine.INSTANCE,
        machine_state.STATE,
        storage.VOLUME,
        storage.VOLUME_ATTACHMENT,
        database.INSTANCE,
        database_groups.SUBNET_GROUP,
        database_groups.PARAMETER_GROUP,
        secrets.SECRET_TYPE,
        secrets.SECRET_VERSION,
        secrets.KEY,
        secrets.ALIAS,
        monitoring.METRIC_ALARM,
        monitoring.LOGS,
        monitoring.TOPIC_TYPE,
        bucket.BUCKET,
        bucket.VERSIONING,
        bucket.ENCRYPTION,
        bucket.PUBLIC_ACCESS_BLOCK,
        bucket.POLICY,
        bucket.LIFECYCLE,
    )
}
