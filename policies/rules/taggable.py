"""Types of the AWS provider that take tags, of the services in use here.

Source: the schema of pulumi-aws, from which a test reads them again. A type of another service is not judged:
add its service here when the program starts to use it.
"""

from __future__ import annotations

_BY_SERVICE = {
    "alb": """
        Listener ListenerRule LoadBalancer TargetGroup
    """,
    "appautoscaling": """
        Target
    """,
    "budgets": """
        Budget BudgetAction
    """,
    "cloudwatch": """
        AlarmMuteRule CompositeAlarm ContributorInsightRule ContributorManagedInsightRule EventBus
        EventRule InternetMonitor LogAnomalyDetector LogDelivery LogDeliveryDestination
        LogDeliverySource LogDestination LogGroup MetricAlarm MetricStream
    """,
    "dynamodb": """
        Table TableReplica
    """,
    "ebs": """
        Snapshot SnapshotCopy SnapshotImport Volume VolumeCopy
    """,
    "ec2": """
        Ami AmiCopy AmiFromInstance CapacityBlockReservation CapacityReservation CarrierGateway
        CustomerGateway DedicatedHost DefaultNetworkAcl DefaultRouteTable DefaultSecurityGroup
        DefaultSubnet DefaultVpc DefaultVpcDhcpOptions EgressOnlyInternetGateway Eip
        EncryptionControl Fleet FlowLog Instance InternetGateway KeyPair LaunchTemplate
        LocalGatewayRouteTable LocalGatewayRouteTableVirtualInterfaceGroupAssociation
        LocalGatewayRouteTableVpcAssociation ManagedPrefixList NatGateway NetworkAcl
        NetworkInsightsAccessScope NetworkInsightsAnalysis NetworkInsightsPath NetworkInterface
        PlacementGroup RouteTable SecondaryNetwork SecondarySubnet SecurityGroup SpotFleetRequest
        SpotInstanceRequest Subnet TrafficMirrorFilter TrafficMirrorSession TrafficMirrorTarget Vpc
        VpcBlockPublicAccessExclusion VpcDhcpOptions VpcEncryptionControl VpcEndpoint
        VpcEndpointService VpcIpam VpcIpamPool VpcIpamPoolCidrAllocation VpcIpamResourceDiscovery
        VpcIpamResourceDiscoveryAssociation VpcIpamScope VpcPeeringConnection
        VpcPeeringConnectionAccepter VpnConcentrator VpnConnection VpnGateway
    """,
    "ecr": """
        Repository
    """,
    "iam": """
        InstanceProfile OpenIdConnectProvider Policy Role SamlProvider ServerCertificate
        ServiceLinkedRole User VirtualMfaDevice
    """,
    "kms": """
        ExternalKey Key ReplicaExternalKey ReplicaKey
    """,
    "lb": """
        Listener ListenerRule LoadBalancer TargetGroup TrustStore
    """,
    "route53": """
        HealthCheck ProfilesAssociation ProfilesProfile ResolverEndpoint ResolverFirewallDomainList
        ResolverFirewallRuleGroup ResolverFirewallRuleGroupAssociation ResolverQueryLogConfig
        ResolverRule Zone
    """,
    "s3": """
        AccessPoint Bucket BucketObject BucketObjectv2 BucketV2 DirectoryBucket FilesAccessPoint
        FilesFileSystem ObjectCopy VectorsIndex VectorsVectorBucket
    """,
    "secretsmanager": """
        Secret
    """,
    "sns": """
        Topic
    """,
    "sqs": """
        Queue
    """,
    "ssm": """
        Activation Association ContactsRotation Document MaintenanceWindow Parameter PatchBaseline
        QuicksetupConfigurationManager
    """,
    "vpc": """
        RouteServer RouteServerEndpoint RouteServerPeer SecurityGroupEgressRule
        SecurityGroupIngressRule
    """,
}

SERVICES = tuple(_BY_SERVICE)

TAGGABLE = tuple(
    f"aws:{service}/{name[0].lower()}{name[1:]}:{name}"
    for service, names in _BY_SERVICE.items()
    for name in names.split()
)
"""Their tokens."""
