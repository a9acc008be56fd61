"""EC2 networks: VPC, subnets, internet gateways, VPC endpoints.

Source: the EC2 API reference.
"""

from __future__ import annotations

from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.resources.ec2 import arn, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

# VPC


def _create_vpc(op: Operation, props: Props) -> str:
    client = op.client()
    answer = client.create_vpc(
        CidrBlock=props["cidrBlock"],
        InstanceTenancy=props["instanceTenancy"],
        AmazonProvidedIpv6CidrBlock=bool(props.get("assignGeneratedIpv6CidrBlock")),
        TagSpecifications=tagged(props, "vpc"),
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
    vpc = only(client.describe_vpcs(Filters=filters(vpc_id=identity))["Vpcs"])
    if vpc is None:
        return None

    def attribute(api: str) -> bool:
        name = api[0].lower() + api[1:]
        return bool(client.describe_vpc_attribute(VpcId=identity, Attribute=name)[api]["Value"])

    tables = client.describe_route_tables(Filters=filters(vpc_id=identity, **{"association.main": "true"}))
    groups = client.describe_security_groups(Filters=filters(vpc_id=identity, group_name="default"))
    acls = client.describe_network_acls(Filters=filters(vpc_id=identity, default="true"))
    main = only(tables["RouteTables"])
    ipv6 = only(vpc.get("Ipv6CidrBlockAssociationSet", []))
    return {
        "arn": arn(op, vpc["OwnerId"], f"vpc/{identity}"),
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
        TagSpecifications=tagged(props, "subnet"),
        **given(
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
    subnet = only(op.client().describe_subnets(Filters=filters(subnet_id=identity))["Subnets"])
    if subnet is None:
        return None
    ipv6 = only(subnet.get("Ipv6CidrBlockAssociationSet", []))
    return {
        "arn": arn(op, subnet["OwnerId"], f"subnet/{identity}"),
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
        "vpcId assignIpv6AddressOnCreation availabilityZone availabilityZoneId cidrBlock ipv6CidrBlock "
        "mapPublicIpOnLaunch"
    ),
)


# Internet gateway


def _create_gateway(op: Operation, props: Props) -> str:
    answer = op.client().create_internet_gateway(TagSpecifications=tagged(props, "internet-gateway"))
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
    found = op.client().describe_internet_gateways(Filters=filters(internet_gateway_id=identity))
    return only([entry for entry in found["InternetGateways"] if entry["InternetGatewayId"] == identity])


def _read_gateway(op: Operation, identity: str, _state: Props) -> Props | None:
    gateway = _find_gateway(op, identity)
    if gateway is None:
        return None
    owner = gateway.get("OwnerId", "123456789012")
    return {
        "arn": arn(op, owner, f"internet-gateway/{identity}"),
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


# VPC endpoints


def _create_endpoint(op: Operation, props: Props) -> str:
    differences.require_endpoint_service(op, props["serviceName"])
    answer = op.client().create_vpc_endpoint(
        VpcId=props["vpcId"],
        ServiceName=props["serviceName"],
        VpcEndpointType=props["vpcEndpointType"],
        TagSpecifications=tagged(props, "vpc-endpoint"),
        **given(
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
    endpoint = only([entry for entry in found if entry["VpcEndpointId"] == identity])
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
        "arn": arn(op, owner, f"vpc-endpoint/{identity}"),
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

RESOURCES = (VPC, SUBNET, INTERNET_GATEWAY, VPC_ENDPOINT)
