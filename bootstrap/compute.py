"""What a deploy role may do to EC2: make what it tags as its stack's, change what carries that tag."""

from __future__ import annotations

from typing import Any

from bootstrap.scope import Scope, allow, document

_NEW = {
    "AllocateAddress": "elastic-ip",
    "AuthorizeSecurityGroupEgress": "security-group-rule",
    "AuthorizeSecurityGroupIngress": "security-group-rule",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreateNetworkInterface": "network-interface",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVolume": "volume",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
    "RequestSpotFleet": "spot-fleet-request",
    "RunInstances": "instance",
}
"""EC2 action → what it makes and tags."""

_INTO = {
    "AuthorizeSecurityGroupEgress": ["security-group"],
    "AuthorizeSecurityGroupIngress": ["security-group"],
    "CreateNatGateway": ["elastic-ip", "subnet"],
    "CreateNetworkInterface": ["security-group", "subnet"],
    "CreateRouteTable": ["vpc"],
    "CreateSecurityGroup": ["vpc"],
    "CreateSubnet": ["vpc"],
    "CreateVpcEndpoint": ["route-table", "security-group", "subnet", "vpc"],
    "RequestSpotFleet": ["launch-template", "security-group", "subnet"],
    "RunInstances": ["launch-template", "network-interface", "security-group", "subnet"],
}
"""EC2 action → what of the stack's it makes it in."""

_CHANGE = {
    "elastic-ip": ["AssociateAddress", "DisassociateAddress", "ReleaseAddress"],
    "instance": [
        "AssociateAddress",
        "AttachVolume",
        "DetachVolume",
        "ModifyInstanceAttribute",
        "ModifyInstanceMaintenanceOptions",
        "ModifyInstanceMetadataOptions",
        "MonitorInstances",
        "StartInstances",
        "StopInstances",
        "TerminateInstances",
        "UnmonitorInstances",
    ],
    "internet-gateway": ["AttachInternetGateway", "DeleteInternetGateway", "DetachInternetGateway"],
    "launch-template": ["CreateLaunchTemplateVersion", "DeleteLaunchTemplate", "ModifyLaunchTemplate"],
    "natgateway": ["DeleteNatGateway"],
    "network-interface": ["AssociateAddress", "DeleteNetworkInterface", "ModifyNetworkInterfaceAttribute"],
    "route-table": [
        "AssociateRouteTable",
        "CreateRoute",
        "DeleteRoute",
        "DeleteRouteTable",
        "DisassociateRouteTable",
        "ModifyVpcEndpoint",
        "ReplaceRoute",
        "ReplaceRouteTableAssociation",
    ],
    "security-group": [
        "DeleteSecurityGroup",
        "ModifyNetworkInterfaceAttribute",
        "ModifySecurityGroupRules",
        "ModifyVpcEndpoint",
        "RevokeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "UpdateSecurityGroupRuleDescriptionsIngress",
    ],
    "security-group-rule": ["ModifySecurityGroupRules"],
    "spot-fleet-request": ["CancelSpotFleetRequests", "ModifySpotFleetRequest"],
    "subnet": [
        "AssociateRouteTable",
        "DeleteSubnet",
        "DisassociateRouteTable",
        "ModifySubnetAttribute",
        "ModifyVpcEndpoint",
        "ReplaceRouteTableAssociation",
    ],
    "volume": ["AttachVolume", "DetachVolume", "ModifyVolume"],
    "vpc": ["AttachInternetGateway", "DeleteVpc", "DetachInternetGateway", "ModifyVpcAttribute"],
    "vpc-endpoint": ["DeleteVpcEndpoints", "ModifyVpcEndpoint"],
}
"""Kind of EC2 resource → what is done to one of the stack's. No `DeleteVolume`: volumes hold ZooKeeper's log."""


def making(scope: Scope) -> dict[str, Any]:
    """What of EC2 the stack makes, in what is its own: tagged as the stack's from the first moment."""
    kinds = sorted(set(_NEW.values()))
    into = sorted({kind for kinds in _INTO.values() for kind in kinds})
    return document(
        allow("New", "ec2", sorted(_NEW), scope.ec2(*kinds), scope.made),
        allow("Into", "ec2", sorted(_INTO), scope.ec2(*into), scope.own),
        # Not the stack's: an image is AWS's or the account's, and a root volume is made with its instance.
        allow("Image", "ec2", ["RequestSpotFleet", "RunInstances"], scope.ec2("image")),
        allow("RootVolume", "ec2", ["RunInstances"], scope.ec2("volume")),
        allow(
            "TagNew",
            "ec2",
            ["CreateTags"],
            scope.ec2(*kinds, "spot-instances-request"),
            {"StringEquals": {"ec2:CreateAction": sorted(_NEW)}, **scope.made},
        ),
    )


def changing(scope: Scope) -> dict[str, Any]:
    """What of EC2 the stack changes and deletes: what carries its tags."""
    kinds = sorted(_CHANGE)
    return document(
        allow(
            "Change", "ec2", sorted({a for v in _CHANGE.values() for a in v}), scope.ec2(*kinds), scope.own
        ),
        allow("Tag", "ec2", ["CreateTags", "DeleteTags"], scope.ec2(*kinds), scope.own),
        # A VPC's default security group is made by AWS, without tags, and emptied by the program: it is tagged first.
        allow(
            "TagDefaultGroup",
            "ec2",
            ["CreateTags"],
            scope.ec2("security-group"),
            {**scope.made, "Null": {"aws:ResourceTag/Stack": "true", "aws:ResourceTag/Project": "true"}},
        ),
    )
