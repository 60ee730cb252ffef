"""Who may talk to whom: a security group for each kind of machine, and rules for the flows between them."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.flows import EVERYWHERE, FLOWS, GROUPS, SSH, Flow
from components.naming import Estate
from components.spec import NetworkSpec
from components.tokens import type_token


class AwsFirewall(pulumi.ComponentResource):
    """Security groups with a rule resource for each side of each flow."""

    groups: dict[str, pulumi.Output[str]]
    """Ids of the security groups, by the names in GROUPS."""

    def __init__(
        self,
        name: str,
        spec: NetworkSpec,
        estate: Estate,
        vpc_id: pulumi.Input[str],
        *,
        front_ports: Sequence[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsFirewall"), name, {}, opts)
        self._name, self._estate = name, estate
        self.groups = {group: self._group(group, vpc_id) for group in GROUPS}
        for flow in FLOWS:
            self._between(flow)
        self._from_outside(spec, front_ports)
        self._to_outside(spec)
        self.register_outputs({"groups": self.groups})

    def _group(self, group: str, vpc_id: pulumi.Input[str]) -> pulumi.Output[str]:
        child = f"{self._name}-{group}"
        made = aws.ec2.SecurityGroup(
            child,
            description=f"{group} of {self._estate.cluster}",
            vpc_id=vpc_id,
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )
        identifier: pulumi.Output[str] = made.id
        return identifier

    def _between(self, flow: Flow) -> None:
        self._rule("out", flow, self.groups[flow.source], peer=self.groups[flow.target])
        self._rule("in", flow, self.groups[flow.target], peer=self.groups[flow.source])

    def _from_outside(self, spec: NetworkSpec, front_ports: Sequence[int]) -> None:
        doors = [("balancer", port) for port in front_ports] + [("ssh-balancer", SSH)]
        for group, port in doors:
            for number, cidr in enumerate(spec.allowed_cidrs):
                flow = Flow(f"clients-{port}-{number}", "", group, port, port)
                self._rule("in", flow, self.groups[group], cidr=cidr)

    def _to_outside(self, spec: NetworkSpec) -> None:
        for port in spec.egress_ports:
            self._rule("out", Flow(f"world-{port}", "nodes", "", port, port), self.groups["nodes"], cidr=EVERYWHERE)
        # Packages and Systems Manager; nothing else.
        flow = Flow("world-443", "file-server", "", 443, 443)
        self._rule("out", flow, self.groups["file-server"], cidr=EVERYWHERE)

    def _rule(
        self,
        direction: str,
        flow: Flow,
        group: pulumi.Output[str],
        *,
        peer: pulumi.Output[str] | None = None,
        cidr: str | None = None,
    ) -> None:
        own = flow.target if direction == "in" else flow.source
        child = f"{self._name}-{own}-{direction}-{flow.what}"
        kind = aws.vpc.SecurityGroupIngressRule if direction == "in" else aws.vpc.SecurityGroupEgressRule
        kind(
            child,
            security_group_id=group,
            ip_protocol=flow.protocol,
            from_port=flow.low,
            to_port=flow.high,
            referenced_security_group_id=peer,
            cidr_ipv4=cidr,
            description=flow.what,
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )
