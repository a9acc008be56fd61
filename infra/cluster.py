"""The Mesos masters of a managed cluster, their names, and the load balancer in front of Marathon."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_aws import cloudwatch, ebs, ec2, lb, route53

from infra.boot.cloud_init import HEALTH_PORT, VOLUME_DEVICE, MasterBoot, master_user_data
from infra.protection import stateful
from infra.security_groups import MARATHON, ZOOKEEPER
from infra.settings import ManagedCluster
from infra.subnets import host

FIRST_ADDRESS = 10
"""Master i has the address `FIRST_ADDRESS + i` of its subnet: above those AWS keeps for itself."""

HELD = ("ami", "userDataBase64", "instanceType")
"""What no update changes on a running master: each of these would replace or restart it."""

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only (Application Load Balancer User Guide, Security policies)."""


@dataclass(frozen=True)
class ClusterPlace:
    """Where masters stand."""

    vpc_id: Input[str]
    subnet_ids: Mapping[str, Input[str]]
    """Zone → subnet of the masters."""

    subnet_cidrs: Mapping[str, str] | None
    """Zone → addresses where the VPC is the stack's own: masters have addresses known by arithmetic. None: AWS
    chooses an interface's address once, and the interface keeps it."""

    masters_group_id: Input[str]
    balancer_group_id: Input[str] | None
    """Security group of the load balancer; not needed by a single master."""

    profile_name: Input[str]
    """Instance profile of the masters."""

    ready: Sequence[pulumi.Resource] = ()
    """What a master needs as it boots: its ways out, its rights, its log group."""


@dataclass(frozen=True)
class Master:
    """One of the masters."""

    label: str
    """`master-1` to `master-3`, or `master-solo`: a single master shares no name with one of three."""

    index: int
    generation: int
    host: str
    """DNS name."""


def masters(settings: ManagedCluster, stack: str) -> list[Master]:
    """The masters that the settings ask for.

    A single master is `master-solo`. Growing to three therefore makes three new machines with new, empty volumes
    under names nobody used before; a machine with an old log can never be one of them. (A log that was written
    under a quorum of one must not be joined to a larger one: Mesos, Operational guide.)
    """
    generations = settings.masters.generations
    labels = ["master-solo"] if len(generations) == 1 else [f"master-{i}" for i in (1, 2, 3)]
    return [
        Master(label, index, generation, f"{label}.{zone_name(settings, stack)}")
        for index, (label, generation) in enumerate(zip(labels, generations, strict=True), 1)
    ]


def zone_name(settings: ManagedCluster, stack: str) -> str:
    """The private DNS zone, `<stack>.<domain>`."""
    return f"{stack}.{settings.domain}"


def zookeeper_url(settings: ManagedCluster, stack: str) -> str:
    """Where agents find the leading Mesos master: `zk://master-1.<stack>.<domain>:2181,…/mesos`."""
    return f"zk://{','.join(f'{m.host}:{ZOOKEEPER}' for m in masters(settings, stack))}/mesos"


class Cluster(ComponentResource):
    """ZooKeeper, Mesos masters and Marathon on machines with a fixed identity: one, or three behind a balancer.

    A master is a network interface and a data volume that outlive the instance between them, an A record, and an
    alarm by which EC2 recovers the instance on other hardware. No update ever restarts or replaces a master,
    whatever changes around it: image, type and boot script are held as they were when it started. Only raising
    its own generation replaces it, on the same interface and volume, the old instance being gone before the new
    one starts: a fourth master would break the quorum's arithmetic. In a protected stack the engine refuses that
    for every master but the one the settings name as `replaceable`, in a preview too.

    With three masters an internal load balancer sends requests to those whose Marathon reaches its leader. One
    master is reached straight. Idle cost: the instances, their volumes, the zone and the balancer (docs/cluster.md).
    """

    target_group_arn_suffix: Output[str] | None = None
    balancer_arn_suffix: Output[str] | None = None

    def __init__(
        self,
        name: str,
        settings: ManagedCluster,
        place: ClusterPlace,
        stack: str,
        region: str,
        protect: bool,
        log_group: str | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the masters.

        Args:
            name: logical name.
            settings: the cluster's settings.
            place: where the masters stand.
            stack: the stack's name; part of every DNS name.
            region: AWS region.
            protect: the stack's setting.
            log_group: log group of the masters' journals; None ships nothing.
            opts: options of the component.

        Raises:
            BootError: a master's user data is over EC2's limit.
        """
        super().__init__("trawler:infra:Cluster", name, {}, opts)
        self._name, self._settings, self._place = name, settings, place
        self._stack, self._region, self._protected = stack, region, protect
        self._masters = masters(settings, stack)
        scripts = {m.label: self._user_data(m, log_group) for m in self._masters}
        zone = route53.Zone(
            f"{name}-zone",
            name=zone_name(settings, stack),
            comment=f"Masters of {pulumi.get_project()} {stack}",
            vpcs=[{"vpc_id": place.vpc_id}],
            opts=self._child(),
        )
        interfaces = {m.label: self._interface(m) for m in self._masters}
        records = [
            self._address(m.label, m.host, interfaces[m.label].private_ip, zone) for m in self._masters
        ]
        instances = {
            m.label: self._machine(m, interfaces[m.label], scripts[m.label], records) for m in self._masters
        }

        self.zookeeper = zookeeper_url(settings, stack)
        self.instance_ids: dict[str, Output[str]] = {label: i.id for label, i in instances.items()}
        self.marathon_host = f"marathon.{zone_name(settings, stack)}"
        secure = settings.certificate_arn is not None and len(self._masters) > 1
        self.marathon_port = 443 if secure else MARATHON
        self.marathon_urls = [
            f"https://{self.marathon_host}" if secure else f"http://{self.marathon_host}:{MARATHON}"
        ]
        if len(self._masters) > 1:
            self._balancer(instances, zone)
        else:
            (only,) = interfaces.values()
            self._address("marathon", self.marathon_host, only.private_ip, zone)
        self.register_outputs({"zookeeper": self.zookeeper, "instanceIds": self.instance_ids})

    def _user_data(self, master: Master, log_group: str | None) -> str:
        return master_user_data(
            MasterBoot(
                region=self._region,
                stack=self._stack,
                index=master.index,
                hosts=tuple(m.host for m in self._masters),
                credentials_secret=self._settings.credentials_secret,
                agent_secret=self._settings.agent_secret,
                framework_secret=self._settings.framework_secret,
                log_group=log_group,
            )
        )

    def _zone_of(self, master: Master) -> str:
        zones = sorted(self._place.subnet_ids)
        return zones[(master.index - 1) % len(zones)]

    def _interface(self, master: Master) -> ec2.NetworkInterface:
        zone, cidrs = self._zone_of(master), self._place.subnet_cidrs
        return ec2.NetworkInterface(
            f"{self._name}-{master.label}-interface",
            description=f"{master.host}: outlives its instance",
            subnet_id=self._place.subnet_ids[zone],
            private_ips=[host(cidrs[zone], FIRST_ADDRESS + master.index)] if cidrs else None,
            security_groups=[self._place.masters_group_id],
            tags=self._tags(master),
            # Another interface is another address: the instance would have to go with it.
            opts=self._child(protect=self._protected),
        )

    def _machine(
        self,
        master: Master,
        interface: ec2.NetworkInterface,
        user_data: str,
        records: list[route53.Record],
    ) -> ec2.Instance:
        settings = self._settings.masters
        volume = ebs.Volume(
            f"{self._name}-{master.label}-volume",
            availability_zone=self._zone_of(master),
            size=settings.volume_gb,
            type="gp3",
            encrypted=True,
            tags=self._tags(master),
            opts=stateful(self, self._protected),
        )
        instance = ec2.Instance(
            f"{self._name}-{master.label}",
            ami=settings.ami,
            instance_type=settings.instance_type,
            iam_instance_profile=self._place.profile_name,
            primary_network_interface={"network_interface_id": interface.id},
            user_data_base64=base64.b64encode(user_data.encode()).decode(),
            root_block_device={"encrypted": True, "volume_type": "gp3", "delete_on_termination": True},
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            maintenance_options={"auto_recovery": "default"},
            instance_initiated_shutdown_behavior="stop",
            # Nobody ends a master by a slip in the console. The engine may: what holds it back is `protect`.
            disable_api_termination=self._protected,
            force_destroy=True,
            tags=self._tags(master) | {"Generation": str(master.generation)},
            opts=ResourceOptions(
                parent=self,
                depends_on=[*records, *self._place.ready],
                protect=self._protected and settings.replaceable != master.index,
                delete_before_replace=True,
                # Held on an update only: a replacement is made of what the program says now.
                ignore_changes=list(HELD),
                replace_on_changes=["tags.Generation"],
            ),
        )
        ec2.VolumeAttachment(
            f"{self._name}-{master.label}-data",
            device_name=VOLUME_DEVICE,
            volume_id=volume.id,
            instance_id=instance.id,
            # Detached under a running ZooKeeper, the volume would lose its last writes.
            stop_instance_before_detaching=True,
            opts=ResourceOptions(parent=self, delete_before_replace=True),
        )
        self._recovery(master, instance)
        return instance

    def _recovery(self, master: Master, instance: ec2.Instance) -> None:
        cloudwatch.MetricAlarm(
            f"{self._name}-{master.label}-recovery",
            name=f"{pulumi.get_project()}-{self._stack}-{master.label}-recovery",
            alarm_description=f"{master.host}: EC2 moves the instance to other hardware (docs/cluster.md)",
            namespace="AWS/EC2",
            metric_name="StatusCheckFailed_System",
            dimensions={"InstanceId": instance.id},
            statistic="Maximum",
            period=60,
            evaluation_periods=2,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=1,
            # A stopped instance reports nothing; recovering it would mean nothing either.
            treat_missing_data="missing",
            alarm_actions=[f"arn:aws:automate:{self._region}:ec2:recover"],
            opts=self._child(),
        )

    def _address(self, label: str, name: str, address: Input[str], zone: route53.Zone) -> route53.Record:
        return route53.Record(
            f"{self._name}-{label}-address",
            zone_id=zone.zone_id,
            name=name,
            type="A",
            ttl=60,
            records=[address],
            opts=self._child(),
        )

    def _balancer(self, instances: Mapping[str, ec2.Instance], zone: route53.Zone) -> None:
        if self._place.balancer_group_id is None:
            raise ValueError(
                "three masters stand behind a load balancer: ClusterPlace.balancer_group_id is missing"
            )
        name, certificate = self._name, self._settings.certificate_arn
        balancer = lb.LoadBalancer(
            f"{name}-balancer",
            internal=True,
            load_balancer_type="application",
            security_groups=[self._place.balancer_group_id],
            subnets=[subnet for _, subnet in sorted(self._place.subnet_ids.items())],
            drop_invalid_header_fields=True,
            enable_deletion_protection=self._protected,
            opts=self._child(),
        )
        group = lb.TargetGroup(
            f"{name}-marathon",
            vpc_id=self._place.vpc_id,
            port=MARATHON,
            protocol="HTTP",
            target_type="instance",
            deregistration_delay=30,
            health_check={
                "protocol": "HTTP",
                "port": str(HEALTH_PORT),
                "path": "/leader",
                "matcher": "200",
                "interval": 10,
                "timeout": 6,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            opts=self._child(),
        )
        for label, instance in instances.items():
            lb.TargetGroupAttachment(
                f"{name}-{label}-target",
                target_group_arn=group.arn,
                target_id=instance.id,
                opts=ResourceOptions(parent=self, delete_before_replace=True),
            )
        lb.Listener(
            f"{name}-listener",
            load_balancer_arn=balancer.arn,
            port=self.marathon_port,
            protocol="HTTPS" if certificate else "HTTP",
            certificate_arn=certificate,
            ssl_policy=TLS_POLICY if certificate else None,
            default_actions=[{"type": "forward", "target_group_arn": group.arn}],
            opts=self._child(),
        )
        route53.Record(
            f"{name}-marathon-address",
            zone_id=zone.zone_id,
            name=self.marathon_host,
            type="A",
            aliases=[
                {"name": balancer.dns_name, "zone_id": balancer.zone_id, "evaluate_target_health": False}
            ],
            opts=self._child(),
        )
        self.target_group_arn_suffix = group.arn_suffix
        self.balancer_arn_suffix = balancer.arn_suffix

    def _tags(self, master: Master) -> dict[str, str]:
        project = pulumi.get_project()
        return {
            "Project": project,
            "Stack": self._stack,
            "Role": "master",
            "Name": f"{project}-{self._stack}-{master.label}",
        }

    def _child(self, protect: bool = False) -> ResourceOptions:
        return ResourceOptions(parent=self, protect=protect or None)
