"""EC2 route tables, their routes, and which subnets use them.

Source: the EC2 API reference.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.errors import ProviderError
from local.aws.provider.resources.ec2 import arn, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_TARGETS: Final = {
    "carrierGatewayId": "CarrierGatewayId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
_DESTINATIONS: Final = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


def _create_table(op: Operation, props: Props) -> str:
    answer = op.client().create_route_table(
        VpcId=props["vpcId"], TagSpecifications=tagged(props, "route-table")
    )
    return str(answer["RouteTable"]["RouteTableId"])


def _find_table(op: Operation, identity: str) -> dict[str, Any] | None:
    return only(op.client().describe_route_tables(Filters=filters(route_table_id=identity))["RouteTables"])


def _read_table(op: Operation, identity: str, _state: Props) -> Props | None:
    table = _find_table(op, identity)
    if table is None:
        return None
    owner = table.get("OwnerId", "123456789012")
    return {
        "arn": arn(op, owner, f"route-table/{identity}"),
        "ownerId": owner,
        "vpcId": table["VpcId"],
        "tagsAll": ec2_tags(op, identity),
    }


ROUTE_TABLE = Resource(
    kind="aws:ec2/routeTable:RouteTable",
    service="ec2",
    create=_create_table,
    read=_read_table,
    delete=lambda op, identity, _: op.client().delete_route_table(RouteTableId=identity),
    tag=tag_ec2,
    implements=inputs("vpcId"),
)


def _destination(props: Props) -> dict[str, str]:
    return given(props, **{api: key for key, api in _DESTINATIONS.items()})


def _target(props: Props) -> dict[str, str]:
    target = given(props, **{api: key for key, api in _TARGETS.items()})
    if len(target) != 1 or len(_destination(props)) != 1:
        raise ProviderError("an ec2.Route has exactly one destination and exactly one target")
    return target


def _create_route(op: Operation, props: Props) -> str:
    op.client().create_route(RouteTableId=props["routeTableId"], **_destination(props), **_target(props))
    [destination] = _destination(props).values()
    return f"r-{props['routeTableId']}{zlib.crc32(destination.encode())}"


def _read_route(op: Operation, _identity: str, state: Props) -> Props | None:
    table = _find_table(op, state["routeTableId"]) if state.get("routeTableId") else None
    wanted = _destination(state)
    for route in table["Routes"] if table else []:
        if all(route.get(api) == value for api, value in wanted.items()):
            targets = {key: route[api] for key, api in _TARGETS.items() if route.get(api)}
            return {
                **dict.fromkeys(_TARGETS),
                **targets,
                "routeTableId": state["routeTableId"],
                "origin": route.get("Origin", "CreateRoute"),
                "state": route.get("State", "active"),
            }
    return None


ROUTE = Resource(
    kind="aws:ec2/route:Route",
    service="ec2",
    create=_create_route,
    read=_read_route,
    update=lambda op, _id, _old, new: op.client().replace_route(
        RouteTableId=new["routeTableId"], **_destination(new), **_target(new)
    ),
    delete=lambda op, _id, state: op.client().delete_route(
        RouteTableId=state["routeTableId"], **_destination(state)
    ),
    implements=inputs("routeTableId") | frozenset([*_TARGETS, *_DESTINATIONS]),
)


def _associate(op: Operation, props: Props) -> str:
    answer = op.client().associate_route_table(
        RouteTableId=props["routeTableId"], **given(props, SubnetId="subnetId", GatewayId="gatewayId")
    )
    return str(answer["AssociationId"])


def _find_association(op: Operation, identity: str, state: Props) -> dict[str, Any] | None:
    """By id, or by subnet: an update in place gives an association another id."""
    for table in op.client().describe_route_tables()["RouteTables"]:
        for entry in table.get("Associations", []):
            same = state.get("subnetId") is not None and entry.get("SubnetId") == state["subnetId"]
            if entry["RouteTableAssociationId"] == identity or same:
                return {**entry, "RouteTableId": table["RouteTableId"]}
    return None


def _read_association(op: Operation, identity: str, state: Props) -> Props | None:
    entry = _find_association(op, identity, state)
    if entry is None:
        return None
    return {
        "routeTableId": entry["RouteTableId"],
        "subnetId": entry.get("SubnetId"),
        "gatewayId": entry.get("GatewayId"),
    }


def _reassociate(op: Operation, identity: str, old: Props, new: Props) -> None:
    entry = _find_association(op, identity, old)
    if entry is None:
        raise ProviderError(f"association {identity} is gone; `pulumi up --refresh` makes it anew")
    op.client().replace_route_table_association(
        AssociationId=entry["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
    )


def _disassociate(op: Operation, identity: str, state: Props) -> None:
    entry = _find_association(op, identity, state)
    if entry is not None:
        op.client().disassociate_route_table(AssociationId=entry["RouteTableAssociationId"])


ROUTE_TABLE_ASSOCIATION = Resource(
    kind="aws:ec2/routeTableAssociation:RouteTableAssociation",
    service="ec2",
    create=_associate,
    read=_read_association,
    update=_reassociate,
    delete=_disassociate,
    implements=inputs("routeTableId subnetId gatewayId"),
)

RESOURCES = (ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION)
