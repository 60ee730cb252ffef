"""The ways in: HTTPS through an application load balancer, git over SSH through a network load balancer."""

import pulumi
import pulumi_aws as aws

from components.aws.network import AwsNetwork
from components.flows import HTTP, SSH
from components.naming import LOAD_BALANCER_LIMIT, TARGET_GROUP_TAG, Estate
from components.spec import FrontSpec
from components.tokens import type_token

IDLE_TIMEOUT = 3600
"""Seconds. A large clone or push can be silent for long while the server works."""
SESSION_COOKIE, SESSION_SECONDS = "BITBUCKETSESSIONID", 86400
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
HEALTHY_AFTER, UNHEALTHY_AFTER, LONGEST_CHECK = 2, 3, 5


class AwsLoadBalancer(pulumi.ComponentResource):
    """Both load balancers and their target groups.

    A health check on /status with matcher 200 is all a load balancer can do: Bitbucket answers 200 in maintenance
    and before its set-up too. The automation reads the body itself.
    """

    url: pulumi.Output[str]
    """URL that people use."""
    ssh_url: pulumi.Output[str]
    """URL of git over SSH."""
    target_group_arns: list[pulumi.Output[str]]
    """ARNs of the target groups: HTTP, SSH."""

    def __init__(
        self,
        name: str,
        spec: FrontSpec,
        estate: Estate,
        *,
        network: AwsNetwork,
        groups: dict[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsLoadBalancer"), name, {}, opts)
        self._name, self._spec, self._estate, self._network = name, spec, estate, network
        self._inside = pulumi.ResourceOptions(parent=self)
        self.http = self._balancer(
            "http",
            groups["balancer"],
            load_balancer_type="application",
            idle_timeout=IDLE_TIMEOUT,
            drop_invalid_header_fields=True,
        )
        self.ssh = self._balancer(
            "ssh", groups["ssh-balancer"], load_balancer_type="network", enable_cross_zone_load_balancing=True
        )
        self.http_targets, self.ssh_targets = self._http_targets(), self._ssh_targets()
        self._listeners()
        scheme = "http" if spec.certificate is None else "https"
        self.url = pulumi.Output.from_input(spec.base_url or pulumi.Output.concat(scheme, "://", self.http.dns_name))
        self.ssh_url = pulumi.Output.from_input(
            spec.ssh_base_url or pulumi.Output.concat("ssh://", self.ssh.dns_name, f":{SSH}")
        )
        self.target_group_arns = [self.http_targets.arn, self.ssh_targets.arn]
        self.register_outputs({"url": self.url, "sshUrl": self.ssh_url})

    def _balancer(self, kind: str, group: pulumi.Output[str], **more: object) -> aws.lb.LoadBalancer:
        child, network = f"{self._name}-{kind}", self._network
        return aws.lb.LoadBalancer(
            child,
            name=self._estate.physical(kind, LOAD_BALANCER_LIMIT),
            internal=self._spec.internal,
            subnets=network.private_subnet_ids if self._spec.internal else network.public_subnet_ids,
            security_groups=[group],
            # Its name is what people's bookmarks and clones point at.
            enable_deletion_protection=self._estate.protect_data,
            tags=self._estate.tagged(child),
            opts=self._inside,
            **more,
        )

    def _http_targets(self) -> aws.lb.TargetGroup:
        return self._targets(
            "http",
            port=HTTP,
            protocol="HTTP",
            deregistration_delay=self._spec.deregistration_delay,
            # A clone weighs more than a page.
            load_balancing_algorithm_type="least_outstanding_requests",
            stickiness={
                "type": "app_cookie",
                "enabled": True,
                "cookie_name": SESSION_COOKIE,
                "cookie_duration": SESSION_SECONDS,
            },
        )

    def _ssh_targets(self) -> aws.lb.TargetGroup:
        return self._targets("ssh", port=SSH, protocol="TCP", deregistration_delay=self._spec.ssh_deregistration_delay)

    def _targets(self, kind: str, **more: object) -> aws.lb.TargetGroup:
        child, interval = f"{self._name}-{kind}-targets", self._spec.health_check_interval
        return aws.lb.TargetGroup(
            child,
            name=self._estate.physical(f"{kind}-targets", LOAD_BALANCER_LIMIT),
            vpc_id=self._network.vpc_id,
            target_type="instance",
            health_check={
                "protocol": "HTTP",
                "port": str(HTTP),
                "path": "/status",
                "matcher": "200",
                "interval": interval,
                "timeout": min(LONGEST_CHECK, interval - 1),
                "healthy_threshold": HEALTHY_AFTER,
                "unhealthy_threshold": UNHEALTHY_AFTER,
            },
            tags=self._estate.tagged(child, **{TARGET_GROUP_TAG: kind}),
            opts=self._inside,
            **more,
        )

    def _listeners(self) -> None:
        to_nodes = {"type": "forward", "target_group_arn": self.http_targets.arn}
        if self._spec.certificate is None:
            self._listener("http", self.http, port=80, protocol="HTTP", default_actions=[to_nodes])
        else:
            redirect = {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"}
            to_https = {"type": "redirect", "redirect": redirect}
            self._listener("http", self.http, port=80, protocol="HTTP", default_actions=[to_https])
            self._listener(
                "https",
                self.http,
                port=443,
                protocol="HTTPS",
                ssl_policy=TLS_POLICY,
                certificate_arn=self._spec.certificate,
                default_actions=[to_nodes],
            )
        to_ssh = {"type": "forward", "target_group_arn": self.ssh_targets.arn}
        self._listener(
            "ssh", self.ssh, port=SSH, protocol="TCP", tcp_idle_timeout_seconds=IDLE_TIMEOUT, default_actions=[to_ssh]
        )

    def _listener(self, kind: str, balancer: aws.lb.LoadBalancer, **more: object) -> None:
        child = f"{self._name}-{kind}-listener"
        aws.lb.Listener(
            child, load_balancer_arn=balancer.arn, tags=self._estate.tagged(child), opts=self._inside, **more
        )
