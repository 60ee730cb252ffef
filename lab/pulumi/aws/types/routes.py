"""Routing: RouteTable with its routes inline, RouteTableAssociation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import EC2, tag_map, tag_specification
from lab.pulumi.aws.values import Properties

_DESTINATION = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_ROUTE = {
    **_DESTINATION,
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
_TABLES = {"InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"}


def _destination(route: Mapping[str, Any]) -> str:
    return next((str(route[name]) for name in _DESTINATION if route.get(name)), "")


def _filled(route: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the empty fields: programs may write `gatewayId=""` for none."""
    return {k: v for k, v in route.items() if v}


def _create_table(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("route-table", inputs.get("tags"))
    made = aws.call("ec2", "CreateRouteTable", VpcId=inputs["vpcId"], TagSpecifications=tags)
    return str(made["RouteTable"]["RouteTableId"])


def _read_table(aws: Aws, table: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeRouteTables", RouteTableIds=[table])["RouteTables"][0]
    return {
        "vpcId": found["VpcId"],
        "routes": [_filled(seen(r, _ROUTE)) for r in found.get("Routes", []) if _is_ours(r)],
        "arn": aws.arn("ec2", f"route-table/{table}"),
        "ownerId": found.get("OwnerId"),
        "tags": tag_map(found.get("Tags")),
    }


def _is_ours(route: Mapping[str, Any]) -> bool:
    """Leave out the network's own route, which comes with every table."""
    return route.get("GatewayId") != "local" and route.get("Origin") != "CreateRouteTable"


def _change_routes(task: Task) -> None:
    """Replace, create and delete routes so that no destination is without a route in between."""
    now = _read_table(task.aws, task.id, {}) or {}
    there = {_destination(r): r for r in now.get("routes", [])}
    wanted = {_destination(r): _filled(r) for r in task.news.get("routes") or ()}
    for destination, route in wanted.items():
        if there.get(destination) != route:
            operation = "ReplaceRoute" if destination in there else "CreateRoute"
            task.aws.call("ec2", operation, RouteTableId=task.id, **picked(route, _ROUTE))
    for destination in there.keys() - wanted.keys():
        task.aws.call("ec2", "DeleteRoute", RouteTableId=task.id, **picked(there[destination], _DESTINATION))


ROUTE_TABLE = ResourceType(
    type="aws:ec2/routeTable:RouteTable",
    create=_create_table,
    finish=_change_routes,
    read=_read_table,
    updates=[Update.of(_change_routes, "routes")],
    delete=lambda t: t.aws.call("ec2", "DeleteRouteTable", RouteTableId=t.id),
    tagging=EC2,
    replace_on=frozenset({"vpcId"}),
    computed=frozenset({"routes"}),
    sets=frozenset({"routes"}),
    gone=frozenset(_TABLES),
    busy=frozenset({"DependencyViolation"}),
)

_ASSOCIATION = {"routeTableId": "RouteTableId", "subnetId": "SubnetId", "gatewayId": "GatewayId"}


def _associate(aws: Aws, inputs: Properties) -> str:
    return str(aws.call("ec2", "AssociateRouteTable", **picked(inputs, _ASSOCIATION))["AssociationId"])


def _association(aws: Aws, association: str, state: Properties) -> dict[str, Any] | None:
    """Find the association: by id, else by what it ties, since moving it to another table gives it a new id."""
    for table in aws.call("ec2", "DescribeRouteTables")["RouteTables"]:
        for found in table.get("Associations", []):
            tied = seen(found, _ASSOCIATION)
            ours = state.get("subnetId") and found.get("SubnetId") == state["subnetId"]
            if found["RouteTableAssociationId"] == association or ours:
                return {**tied, "routeTableId": table["RouteTableId"], "id": found["RouteTableAssociationId"]}
    return None


def _read_association(aws: Aws, association: str, state: Properties) -> Properties | None:
    found = _association(aws, association, state)
    return {name: found[name] for name in _ASSOCIATION} if found else None


def _move_association(task: Task) -> None:
    found = _association(task.aws, task.id, task.olds)
    current = found["id"] if found else task.id
    table = task.news["routeTableId"]
    task.aws.call("ec2", "ReplaceRouteTableAssociation", AssociationId=current, RouteTableId=table)


def _disassociate(task: Task) -> None:
    found = _association(task.aws, task.id, task.olds)
    if found:
        task.aws.call("ec2", "DisassociateRouteTable", AssociationId=found["id"])


ROUTE_TABLE_ASSOCIATION = ResourceType(
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    create=_associate,
    read=_read_association,
    updates=[Update.of(_move_association, "routeTableId")],
    delete=_disassociate,
    replace_on=frozenset({"subnetId", "gatewayId"}),
    gone=frozenset({"InvalidAssociationID.NotFound", *_TABLES}),
    delete_before_replace=True,
)
