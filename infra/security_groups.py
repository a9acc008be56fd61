"""Who may talk to whom: the security groups and every rule, one resource each."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_aws import ec2, vpc

from infra.boot.cloud_init import HEALTH_PORT
from infra.settings import ExistingCluster, ManagedCluster

ANYWHERE = "0.0.0.0/0"

MARATHON, MESOS_MASTER, MESOS_AGENT, ZOOKEEPER = 8080, 5050, 5051, 2181
ZOOKEEPER_QUORUM, ZOOKEEPER_ELECTION = 2888, 3888
MARATHON_LIBPROCESS = 9090
"""Where the leading Mesos master calls Marathon's scheduler driver back (LIBPROCESS_PORT)."""

TASK_PORTS = (31000, 32000)
"""Ports a Mesos agent offers by default: Marathon's HTTP health checks call them."""


@dataclass(frozen=True)
class Ours:
    """An end of a rule that is a group of the stack."""

    name: str
    group: ec2.SecurityGroup


@dataclass(frozen=True)
class Outside:
    """An end of a rule that is a network."""

    name: str
    cidr: str


Peer = Ours | Outside


class SecurityGroups(ComponentResource):
    """A group for agents, and with a managed cluster one for masters and one for their load balancer.

    Nothing is open to the world: every inbound rule names another group or a network of the cluster. Agents
    reach the web on ports 80 and 443 and the masters; names are resolved by the VPC, which no group filters.
    """

    masters: ec2.SecurityGroup | None = None
    balancer: ec2.SecurityGroup | None = None

    def __init__(
        self,
        name: str,
        vpc_id: Input[str],
        vpc_cidr: str,
        cluster: ManagedCluster | ExistingCluster,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:SecurityGroups", name, {}, opts)
        self._name = name
        self.agents = self._group("agents", "Mesos agents and the workers on them", vpc_id)
        agents = Ours("agents", self.agents)
        web = Outside("web", ANYWHERE)
        for port in (80, 443):
            self._out(agents, web, port, why="shops and AWS services")
        if isinstance(cluster, ManagedCluster):
            self.masters = self._group("masters", "ZooKeeper, Mesos masters and Marathon", vpc_id)
            masters = Ours("masters", self.masters)
            self._masters(masters, agents, web)
            if len(cluster.masters.generations) > 1:
                self.balancer = self._group("balancer", "Load balancer in front of Marathon", vpc_id)
                self._balancer(cluster, Ours("balancer", self.balancer), masters, Outside("vpc", vpc_cidr))
        else:
            for i, cidr in enumerate(cluster.master_cidrs, 1):
                self._between_cluster_and_agents(Outside(f"cluster-{i}", cidr), agents)
        self.register_outputs({"agents": self.agents.id})

    def _masters(self, masters: Ours, agents: Ours, web: Outside) -> None:
        self._between_cluster_and_agents(masters, agents)
        self._out(masters, web, 443, why="AWS services")
        among = [ZOOKEEPER, ZOOKEEPER_QUORUM, ZOOKEEPER_ELECTION, MESOS_MASTER, MARATHON, MARATHON_LIBPROCESS]
        for port in among:
            self._both(masters, masters, port, why="the quorum, and Marathon's proxy to its leader")

    def _between_cluster_and_agents(self, masters: Peer, agents: Ours) -> None:
        self._both(agents, masters, ZOOKEEPER, why="who leads")
        self._both(agents, masters, MESOS_MASTER, why="registration and status updates")
        self._both(masters, agents, MESOS_AGENT, why="the master calls its agents")
        self._both(masters, agents, *TASK_PORTS, why="health checks of tasks")

    def _balancer(self, cluster: ManagedCluster, balancer: Ours, masters: Ours, inside: Outside) -> None:
        listener = 443 if cluster.certificate_arn else MARATHON
        self._in(balancer, inside, listener, why="whoever deploys, inside the VPC")
        self._both(balancer, masters, MARATHON, why="Marathon")
        self._both(balancer, masters, HEALTH_PORT, why="does its Marathon reach the leader")

    def _both(self, source: Peer, target: Peer, first: int, last: int | None = None, *, why: str) -> None:
        """Out of the source and into the target, where the end is a group of ours."""
        if isinstance(source, Ours):
            self._out(source, target, first, last, why=why)
        if isinstance(target, Ours):
            self._in(target, source, first, last, why=why)

    def _out(self, source: Ours, target: Peer, first: int, last: int | None = None, *, why: str) -> None:
        vpc.SecurityGroupEgressRule(
            f"{self._name}-{source.name}-to-{target.name}-{first}",
            security_group_id=source.group.id,
            ip_protocol="tcp",
            from_port=first,
            to_port=last or first,
            cidr_ipv4=target.cidr if isinstance(target, Outside) else None,
            referenced_security_group_id=target.group.id if isinstance(target, Ours) else None,
            description=why,
            opts=ResourceOptions(parent=self),
        )

    def _in(self, target: Ours, source: Peer, first: int, last: int | None = None, *, why: str) -> None:
        vpc.SecurityGroupIngressRule(
            f"{self._name}-{target.name}-from-{source.name}-{first}",
            security_group_id=target.group.id,
            ip_protocol="tcp",
            from_port=first,
            to_port=last or first,
            cidr_ipv4=source.cidr if isinstance(source, Outside) else None,
            referenced_security_group_id=source.group.id if isinstance(source, Ours) else None,
            description=why,
            opts=ResourceOptions(parent=self),
        )

    def _group(self, kind: str, description: str, vpc_id: Input[str]) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            f"{self._name}-{kind}",
            vpc_id=vpc_id,
            description=description,
            tags={"Name": f"{pulumi.get_project()}-{pulumi.get_stack()}-{kind}"},
            opts=ResourceOptions(parent=self),
        )


def https_from(name: str, group: ec2.SecurityGroup, cidr: str, parent: pulumi.Resource) -> pulumi.Resource:
    """HTTPS into a group from a network: what an interface endpoint needs."""
    return vpc.SecurityGroupIngressRule(
        name,
        security_group_id=group.id,
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        cidr_ipv4=cidr,
        description="machines of this VPC",
        opts=ResourceOptions(parent=parent),
    )
