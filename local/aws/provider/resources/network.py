"""EC2 networks: VPC, subnets, gateways, routes, security groups and their rules, VPC endpoints.

Source: the EC2 API reference.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list
from local.aws.provider.errors import ProviderError
from local.aws.provider.resources.launch_template import ec2_tags, tag_ec2
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _tagged(props: Props, kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tag_list(props["tagsAll"])}] if props.get("tagsAll") else []


def _given(props: Props, **names: str) -> dict[str, Any]:
    """Parameters of those properties that are set, by API name: _given(props, CidrBlock="cidrBlock")."""
    return {api: props[name] for api, name in names.items() if props.get(name) not in (None, "")}


def _only(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    return found[0] if found else None


def _filters(**values: str) -> list[dict[str, Any]]:
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def _arn(op: Operation, owner: str, path: str) -> str:
    return f"arn:aws:ec2:{op.region}:{owner}:{path}"


# VPC


def _create_vpc(op: Operation, props: Props) -> str:
    client = op.client()
    answer = client.create_vpc(
        CidrBlock=props["cidrBlock"],
        InstanceTenancy=props["instanceTenancy"],
        AmazonProvidedIpv6CidrBlock=bool(props.get("assignGeneratedIpv6CidrBlock")),
        TagSpecifications=_tagged(props, "vpc"),
    )
    identity = op.made = str(answer["Vpc"]["VpcId"])
    _set_dns(client, identity, {}, props)
    return identity


def _set_dns(client: Any, identity: str, old: Props, new: Props) -> None:
    # Support before host names: AWS refuses names without support.
    for key, api in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
        if new.get(key) is not None and old.get(key) != new[key]:
            client.modify_vpc_attribute(VpcId=identity, **{api: {"Value": bool(new[key])}})


def _read_vpc(op: Operation, identity: str, _state: Props) -> Props | None:
    client = op.client()
    vpc = _only(client.describe_vpcs(Filters=_filters(vpc_id=identity))["Vpcs"])
    if vpc is None:
        return None

    def attribute(api: str) -> bool:
        name = api[0].lower() + api[1:]
        return bool(client.describe_vpc_attribute(VpcId=identity, Attribute=name)[api]["Value"])

    tables = client.describe_route_tables(Filters=_filters(vpc_id=identity, **{"association.main": "true"}))
    groups = client.describe_security_groups(Filters=_filters(vpc_id=identity, group_name="default"))
    acls = client.describe_network_acls(Filters=_filters(vpc_id=identity, default="true"))
    main = _only(tables["RouteTables"])
    ipv6 = _only(vpc.get("Ipv6CidrBlockAssociationSet", []))
    return {
        "arn": _arn(op, vpc["OwnerId"], f"vpc/{identity}"),
        "ownerId": vpc["OwnerId"],
        "cidrBlock": vpc["CidrBlock"],
        "instanceTenancy": vpc["InstanceTenancy"],
        "dhcpOptionsId": vpc.get("DhcpOptionsId"),
        "enableDnsSupport": attribute("EnableDnsSupport"),
        "enableDnsHostnames": attribute("EnableDnsHostnames"),
        "mainRouteTableId": main["RouteTableId"] if main else None,
        "defaultRouteTableId": main["RouteTableId"] if main else None,
        "defaultSecurityGroupId": next((group["GroupId"] for group in groups["SecurityGroups"]), None),
        "defaultNetworkAclId": next((acl["NetworkAclId"] for acl in acls["NetworkAcls"]), None),
        "ipv6CidrBlock": ipv6["Ipv6CidrBlock"] if ipv6 else None,
        "ipv6AssociationId": ipv6["AssociationId"] if ipv6 else None,
        "tagsAll": ec2_tags(op, identity),
    }


VPC = Resource(
    kind="aws:ec2/vpc:Vpc",
    service="ec2",
    create=_create_vpc,
    read=_read_vpc,
    update=lambda op, identity, old, new: _set_dns(op.client(), identity, old, new),
    delete=lambda op, identity, _: op.client().delete_vpc(VpcId=identity),
    tag=tag_ec2,
    implements=inputs(
        "assignGeneratedIpv6CidrBlock cidrBlock enableDnsHostnames enableDnsSupport instanceTenancy"
    ),
)


# Subnet


def _create_subnet(op: Operation, props: Props) -> str:
    answer = op.client().create_subnet(
        VpcId=props["vpcId"],
        TagSpecifications=_tagged(props, "subnet"),
        **_given(
            props,
            CidrBlock="cidrBlock",
            Ipv6CidrBlock="ipv6CidrBlock",
            AvailabilityZone="availabilityZone",
            AvailabilityZoneId="availabilityZoneId",
        ),
    )
    identity = op.made = str(answer["Subnet"]["SubnetId"])
    _set_subnet(op, identity, {}, props)
    return identity


def _set_subnet(op: Operation, identity: str, old: Props, new: Props) -> None:
    settings = {
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
        "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
    }
    for key, api in settings.items():
        if bool(old.get(key)) != bool(new.get(key)):
            op.client().modify_subnet_attribute(SubnetId=identity, **{api: {"Value": bool(new.get(key))}})


def _read_subnet(op: Operation, identity: str, _state: Props) -> Props | None:
    subnet = _only(op.client().describe_subnets(Filters=_filters(subnet_id=identity))["Subnets"])
    if subnet is None:
        return None
    ipv6 = _only(subnet.get("Ipv6CidrBlockAssociationSet", []))
    return {
        "arn": _arn(op, subnet["OwnerId"], f"subnet/{identity}"),
        "ownerId": subnet["OwnerId"],
        "vpcId": subnet["VpcId"],
        "cidrBlock": subnet["CidrBlock"],
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId"),
        "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
        "assignIpv6AddressOnCreation": subnet.get("AssignIpv6AddressOnCreation", False),
        "ipv6CidrBlock": ipv6["Ipv6CidrBlock"] if ipv6 else None,
        "ipv6CidrBlockAssociationId": ipv6["AssociationId"] if ipv6 else None,
        "tagsAll": ec2_tags(op, identity),
    }


SUBNET = Resource(
    kind="aws:ec2/subnet:Subnet",
    service="ec2",
    create=_create_subnet,
    read=_read_subnet,
    update=_set_subnet,
    delete=lambda op, identity, _: op.client().delete_subnet(SubnetId=identity),
    tag=tag_ec2,
    implements=inputs(
        "vpcId assignIpv6AddressOnCreation availabilityZone availabilityZoneId cidrBlock ipv6CidrBlock mapPublicIpOnLaunch"
    ),
)


# Internet gateway


def _create_gateway(op: Operation, props: Props) -> str:
    answer = op.client().create_internet_gateway(TagSpecifications=_tagged(props, "internet-gateway"))
    identity = op.made = str(answer["InternetGateway"]["InternetGatewayId"])
    _attach_gateway(op, identity, {}, props)
    return identity


def _attach_gateway(op: Operation, identity: str, old: Props, new: Props) -> None:
    if old.get("vpcId") == new.get("vpcId"):
        return
    if old.get("vpcId"):
        op.client().detach_internet_gateway(InternetGatewayId=identity, VpcId=old["vpcId"])
    if new.get("vpcId"):
        op.client().attach_internet_gateway(InternetGatewayId=identity, VpcId=new["vpcId"])


def _find_gateway(op: Operation, identity: str) -> dict[str, Any] | None:
    found = op.client().describe_internet_gateways(Filters=_filters(internet_gateway_id=identity))
    return _only([entry for entry in found["InternetGateways"] if entry["InternetGatewayId"] == identity])


def _read_gateway(op: Operation, identity: str, _state: Props) -> Props | None:
    gateway = _find_gateway(op, identity)
    if gateway is None:
        return None
    owner = gateway.get("OwnerId", "123456789012")
    return {
        "arn": _arn(op, owner, f"internet-gateway/{identity}"),
        "ownerId": owner,
        "vpcId": next((attachment["VpcId"] for attachment in gateway.get("Attachments", [])), None),
        "tagsAll": ec2_tags(op, identity),
    }


def _delete_gateway(op: Operation, identity: str, _state: Props) -> None:
    gateway = _find_gateway(op, identity)
    for attachment in gateway.get("Attachments", []) if gateway else []:
        op.client().detach_internet_gateway(InternetGatewayId=identity, VpcId=attachment["VpcId"])
    op.client().delete_internet_gateway(InternetGatewayId=identity)


INTERNET_GATEWAY = Resource(
    kind="aws:ec2/internetGateway:InternetGateway",
    service="ec2",
    create=_create_gateway,
    read=_read_gateway,
    update=_attach_gateway,
    delete=_delete_gateway,
    tag=tag_ec2,
    implements=inputs("vpcId"),
)


# Route tables, routes, associations

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
        VpcId=props["vpcId"], TagSpecifications=_tagged(props, "route-table")
    )
    return str(answer["RouteTable"]["RouteTableId"])


def _find_table(op: Operation, identity: str) -> dict[str, Any] | None:
    return _only(op.client().describe_route_tables(Filters=_filters(route_table_id=identity))["RouteTables"])


def _read_table(op: Operation, identity: str, _state: Props) -> Props | None:
    table = _find_table(op, identity)
    if table is None:
        return None
    owner = table.get("OwnerId", "123456789012")
    return {
        "arn": _arn(op, owner, f"route-table/{identity}"),
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
    return _given(props, **{api: key for key, api in _DESTINATIONS.items()})


def _target(props: Props) -> dict[str, str]:
    given = _given(props, **{api: key for key, api in _TARGETS.items()})
    if len(given) != 1 or len(_destination(props)) != 1:
        raise ProviderError("an ec2.Route has exactly one destination and exactly one target")
    return given


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
        RouteTableId=props["routeTableId"], **_given(props, SubnetId="subnetId", GatewayId="gatewayId")
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


# VPC endpoints


def _create_endpoint(op: Operation, props: Props) -> str:
    differences.require_endpoint_service(op, props["serviceName"])
    answer = op.client().create_vpc_endpoint(
        VpcId=props["vpcId"],
        ServiceName=props["serviceName"],
        VpcEndpointType=props["vpcEndpointType"],
        TagSpecifications=_tagged(props, "vpc-endpoint"),
        **_given(
            props,
            PolicyDocument="policy",
            RouteTableIds="routeTableIds",
            SubnetIds="subnetIds",
            SecurityGroupIds="securityGroupIds",
            PrivateDnsEnabled="privateDnsEnabled",
        ),
    )
    return str(answer["VpcEndpoint"]["VpcEndpointId"])


def _read_endpoint(op: Operation, identity: str, state: Props) -> Props | None:
    # By id: moto lacks the filter, and answers an unknown id as AWS does.
    found = op.client().describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"]
    endpoint = _only([entry for entry in found if entry["VpcEndpointId"] == identity])
    if endpoint is None or endpoint.get("State") in ("deleted", "deleting"):
        return None
    owner = endpoint.get("OwnerId", "123456789012")
    lists = {
        "routeTableIds": endpoint.get("RouteTableIds", []),
        "subnetIds": endpoint.get("SubnetIds", []),
        "networkInterfaceIds": endpoint.get("NetworkInterfaceIds", []),
        "securityGroupIds": [group["GroupId"] for group in endpoint.get("Groups", [])]
        or state.get("securityGroupIds"),
    }
    return {
        **lists,
        "arn": _arn(op, owner, f"vpc-endpoint/{identity}"),
        "ownerId": owner,
        "vpcId": endpoint["VpcId"],
        "serviceName": endpoint["ServiceName"],
        "vpcEndpointType": endpoint.get("VpcEndpointType", "Gateway"),
        "state": endpoint.get("State", "available"),
        "requesterManaged": endpoint.get("RequesterManaged", False),
        "policy": endpoint.get("PolicyDocument") or state.get("policy"),
        "prefixListId": endpoint.get("PrefixListId"),
        "cidrBlocks": [],
        "dnsEntries": [
            {"dnsName": entry.get("DnsName"), "hostedZoneId": entry.get("HostedZoneId")}
            for entry in endpoint.get("DnsEntries", [])
        ],
        "tagsAll": ec2_tags(op, identity),
    }


def _update_endpoint(op: Operation, identity: str, old: Props, new: Props) -> None:
    request: dict[str, Any] = {}
    for key, api in (
        ("routeTableIds", "RouteTableIds"),
        ("subnetIds", "SubnetIds"),
        ("securityGroupIds", "SecurityGroupIds"),
    ):
        before, after = set(old.get(key) or []), set(new.get(key) or [])
        if after - before:
            request[f"Add{api}"] = sorted(after - before)
        if before - after:
            request[f"Remove{api}"] = sorted(before - after)
    if new.get("policy") and old.get("policy") != new["policy"]:
        request["PolicyDocument"] = new["policy"]
    if request:
        op.client().modify_vpc_endpoint(VpcEndpointId=identity, **request)


VPC_ENDPOINT = Resource(
    kind="aws:ec2/vpcEndpoint:VpcEndpoint",
    service="ec2",
    create=_create_endpoint,
    read=_read_endpoint,
    update=_update_endpoint,
    delete=lambda op, identity, _: op.client().delete_vpc_endpoints(VpcEndpointIds=[identity]),
    tag=tag_ec2,
    implements=inputs(
        "vpcId serviceName vpcEndpointType policy privateDnsEnabled routeTableIds subnetIds securityGroupIds"
    ),
)

RESOURCES = (VPC, SUBNET, INTERNET_GATEWAY, ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION, VPC_ENDPOINT)
