"""The VPC: a new one over the stack's zones, or one that somebody else looks after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_aws import ec2

from infra.security_groups import ANYWHERE, https_from
from infra.settings import ExistingNetwork, NewNetwork
from infra.subnets import Placement, subnet_cidr


class Network(ComponentResource):
    """Where agents and masters stand, with the S3 gateway endpoint through which releases are read.

    A new VPC has a public and a private subnet in each zone, an internet gateway, NAT gateways and interface
    endpoints as the settings ask, gateway endpoints for S3 and DynamoDB (free), and a default security group
    that lets nothing through. An existing one is only referred to. Idle cost: NAT gateways and interface
    endpoints; see docs/network.md. Changing `cidr` replaces everything that stands in the VPC.
    """

    vpc_id: Input[str]
    vpc_cidr: str
    s3_endpoint_id: Input[str]
    agent_subnet_ids: Mapping[str, Input[str]]
    """Zone → subnet."""

    master_subnet_ids: Mapping[str, Input[str]]
    master_subnet_cidrs: Mapping[str, str] | None
    """Zone → addresses, where the VPC is the stack's own."""

    def __init__(
        self,
        name: str,
        settings: NewNetwork | ExistingNetwork,
        region: str,
        with_masters: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the network.

        Args:
            name: logical name.
            settings: a new VPC, or one that is there.
            region: AWS region.
            with_masters: the stack has masters of its own, which need subnets.
            opts: options of the component.
        """
        super().__init__("trawler:infra:Network", name, {}, opts)
        self._name = name
        self.vpc_cidr = settings.cidr
        if isinstance(settings, ExistingNetwork):
            self.vpc_id = settings.vpc_id
            self.s3_endpoint_id = settings.s3_endpoint_id
            self.agent_subnet_ids = dict(settings.agent_subnet_ids)
            self.master_subnet_ids = dict(settings.master_subnet_ids)
            self.master_subnet_cidrs = None
        else:
            self._new(settings, region, with_masters)
        self.register_outputs({"vpcId": self.vpc_id})

    def _new(self, settings: NewNetwork, region: str, with_masters: bool) -> None:
        name = self._name
        vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=settings.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named("vpc"),
            opts=self._child(),
        )
        self.vpc_id = vpc.id
        # Nobody uses it; AWS's own rules in it would let its members talk to each other and to the world.
        ec2.DefaultSecurityGroup(
            f"{name}-default-group", vpc_id=vpc.id, ingress=[], egress=[], opts=self._child()
        )
        used: set[Placement] = {settings.agents}
        if with_masters:
            used.add(settings.masters)
        if settings.nat != "none":
            used |= {"public", "private"}
        subnets = {placement: self._subnets(settings, vpc, placement) for placement in sorted(used)}
        tables = self._route_tables(settings, vpc, subnets)
        self.s3_endpoint_id = self._endpoints(settings, region, vpc, subnets, tables)
        self.agent_subnet_ids = {zone: subnet.id for zone, subnet in subnets[settings.agents].items()}
        self.master_subnet_ids = {
            zone: subnet.id for zone, subnet in subnets.get(settings.masters, {}).items()
        }
        self.master_subnet_cidrs = {
            zone: subnet_cidr(settings.cidr, zone, settings.masters) for zone in settings.zones
        }

    def _subnets(self, settings: NewNetwork, vpc: ec2.Vpc, placement: Placement) -> dict[str, ec2.Subnet]:
        return {
            zone: ec2.Subnet(
                f"{self._name}-{placement}-{zone}",
                vpc_id=vpc.id,
                cidr_block=subnet_cidr(settings.cidr, zone, placement),
                availability_zone=zone,
                map_public_ip_on_launch=placement == "public",
                tags=self._named(f"{placement}-{zone}"),
                opts=self._child(),
            )
            for zone in settings.zones
        }

    def _route_tables(
        self, settings: NewNetwork, vpc: ec2.Vpc, subnets: Mapping[str, Mapping[str, ec2.Subnet]]
    ) -> list[ec2.RouteTable]:
        name, tables = self._name, list[ec2.RouteTable]()
        public, out = subnets.get("public", {}), list[ec2.Route]()
        if public:
            gateway = ec2.InternetGateway(
                f"{name}-gateway", vpc_id=vpc.id, tags=self._named("gateway"), opts=self._child()
            )
            table = self._table("public", vpc)
            out = [
                ec2.Route(
                    f"{name}-public-out",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    gateway_id=gateway.id,
                    opts=self._child(),
                )
            ]
            for zone, subnet in public.items():
                self._associate(f"public-{zone}", subnet, table)
            tables.append(table)
        nats = self._nats(settings, public, out)
        for zone, subnet in subnets.get("private", {}).items():
            table = self._table(f"private-{zone}", vpc)
            nat = nats.get(zone) or next(iter(nats.values()), None)
            if nat:
                ec2.Route(
                    f"{name}-private-{zone}-out",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=nat.id,
                    opts=self._child(),
                )
            self._associate(f"private-{zone}", subnet, table)
            tables.append(table)
        return tables

    def _nats(
        self, settings: NewNetwork, public: Mapping[str, ec2.Subnet], way_out: Sequence[pulumi.Resource]
    ) -> dict[str, ec2.NatGateway]:
        zones = {"none": [], "one": settings.zones[:1], "perZone": settings.zones}[settings.nat]
        gateways: dict[str, ec2.NatGateway] = {}
        for zone in zones:
            address = ec2.Eip(
                f"{self._name}-nat-{zone}-address",
                domain="vpc",
                tags=self._named(f"nat-{zone}"),
                opts=self._child(),
            )
            gateways[zone] = ec2.NatGateway(
                f"{self._name}-nat-{zone}",
                allocation_id=address.id,
                subnet_id=public[zone].id,
                tags=self._named(f"nat-{zone}"),
                # AWS asks for the internet gateway first (Amazon VPC User Guide, NAT gateways).
                opts=self._child(depends_on=way_out),
            )
        return gateways

    def _endpoints(
        self,
        settings: NewNetwork,
        region: str,
        vpc: ec2.Vpc,
        subnets: Mapping[str, Mapping[str, ec2.Subnet]],
        tables: list[ec2.RouteTable],
    ) -> Input[str]:
        gateways = {
            service: ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                tags=self._named(service),
                opts=self._child(),
            )
            for service in ("s3", "dynamodb")
        }
        if settings.interface_endpoints:
            placement = "private" if "private" in subnets else "public"
            group = ec2.SecurityGroup(
                f"{self._name}-endpoints-group",
                vpc_id=vpc.id,
                description="AWS services, for machines of this VPC",
                tags=self._named("endpoints"),
                opts=self._child(),
            )
            rule = https_from(f"{self._name}-endpoints-https", group, settings.cidr, self)
            for service in settings.interface_endpoints:
                ec2.VpcEndpoint(
                    f"{self._name}-{service.replace('.', '-')}",
                    vpc_id=vpc.id,
                    service_name=f"com.amazonaws.{region}.{service}",
                    vpc_endpoint_type="Interface",
                    private_dns_enabled=True,
                    subnet_ids=[subnet.id for subnet in subnets[placement].values()],
                    security_group_ids=[group.id],
                    tags=self._named(service),
                    opts=self._child(depends_on=[rule]),
                )
        return gateways["s3"].id

    def _table(self, kind: str, vpc: ec2.Vpc) -> ec2.RouteTable:
        return ec2.RouteTable(
            f"{self._name}-{kind}-routes", vpc_id=vpc.id, tags=self._named(kind), opts=self._child()
        )

    def _associate(self, kind: str, subnet: ec2.Subnet, table: ec2.RouteTable) -> None:
        ec2.RouteTableAssociation(
            f"{self._name}-{kind}-table", subnet_id=subnet.id, route_table_id=table.id, opts=self._child()
        )

    def _named(self, kind: str) -> dict[str, str]:
        return {"Name": f"{pulumi.get_project()}-{pulumi.get_stack()}-{kind}"}

    def _child(self, depends_on: Sequence[pulumi.Resource] = ()) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=list(depends_on))
