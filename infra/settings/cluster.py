"""Settings of the Mesos cluster: three masters of our own, or one that runs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.section import AmiId, Cidr, HttpUrl, SecretName, Section

InstanceType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]


class Access(Section):
    """How whoever deploys reaches Marathon, which is private."""

    via: Literal["tunnel", "vpc"] = "tunnel"
    """`tunnel`: through `make tunnel` on this machine; `vpc`: the runner stands in the VPC."""

    port: Annotated[int, Field(ge=1024, le=65535)] = 8080
    """Local port of the tunnel."""


class _Deployments(Section):
    deploy_timeout_s: Annotated[int, Field(ge=10, le=3600)] = 600
    """How long an app may take until all its tasks run, seconds."""

    ready_timeout_s: Annotated[int, Field(ge=1, le=3600)] = 900
    """How long the first deployment waits for Marathon's `/ping`, seconds."""

    settle_s: Annotated[int, Field(ge=0, le=300)] = 3
    """How long a task of an app without health checks must have run to count as well, seconds: Marathon takes it for
    healthy the moment it starts. 0 asks for nothing."""

    crash_limit: Annotated[int, Field(ge=1, le=100)] = 3
    """So many new tasks failing in a row end a deployment early; Marathon itself would try for ever."""

    agent_port: Annotated[int, Field(ge=1, le=65535)] = 5051
    """Where each Mesos agent serves its HTTP interface, of which the end of a failed task's log is asked."""

    ca_file: Annotated[str, Field(pattern=r"^[^/].*$")] | None = None
    """PEM file of the authority that signed Marathon's certificates, relative to the project's root; without one, the
    public authorities count."""


class ExistingCluster(_Deployments):
    """A cluster that runs: its addresses and the names of its credentials."""

    mode: Literal["existing"]
    marathon_urls: Annotated[list[HttpUrl], Field(min_length=1)]
    """Base URLs of the Marathon servers, the next one tried when one does not answer."""

    credentials_secret: SecretName | None = None
    """Secrets Manager entry with Marathon's `username` and `password` (JSON), where it asks for them."""

    agent_secret: SecretName | None = None
    """Secrets Manager entry with the Mesos agents' `principal` and `secret` (JSON), where the master asks."""

    zookeeper: Annotated[str, Field(pattern=r"^zk://[^/\s@]+/[^\s@]+$")]
    """Where agents find the leading Mesos master, `zk://host:2181,…/mesos`."""

    master_cidrs: Annotated[list[Cidr], Field(min_length=1)]
    """Networks of the masters: they call the agents, and agents call them."""


class Masters(Section):
    """The machines that run ZooKeeper, the Mesos master and Marathon."""

    ami: AmiId
    """Pinned image of the masters, made by the recipe in `infra/boot/`."""

    instance_type: InstanceType = "t3.medium"
    """EC2 instance type of a master, of the image's architecture."""

    generations: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=3)]
    """A number for each master: three in production, one in an unprotected stack. Raising one replaces that master
    with what image, type and boot script are now; nothing else does."""

    replaceable: Annotated[int, Field(ge=1, le=3)] | None = None
    """The one master (1 to 3) that may be replaced; the engine refuses to replace any other."""

    volume_gb: Annotated[int, Field(ge=8, le=1000)] = 20
    """Volume of ZooKeeper's log and Mesos' replicated log, GiB. It outlives its machine."""

    @model_validator(mode="after")
    def _quorum(self) -> Self:
        if len(self.generations) == 2:
            raise ValueError("generations has two masters: a quorum needs three, a cheap stack one")
        if self.replaceable and self.replaceable > len(self.generations):
            raise ValueError(f"replaceable {self.replaceable}: there are {len(self.generations)} masters")
        return self


class ManagedCluster(_Deployments):
    """A cluster of the stack's own."""

    mode: Literal["managed"]
    masters: Masters
    """The machines of ZooKeeper, Mesos master and Marathon."""

    access: Access = Access()
    """How whoever deploys reaches Marathon."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] = "trawler.internal"
    """Private DNS zone of the VPC; a master is `master-1.<stack>.<domain>`."""

    credentials_secret: SecretName
    """Secrets Manager entry with Marathon's `username` and `password` (JSON)."""

    agent_secret: SecretName
    """Secrets Manager entry with the Mesos agents' `principal` and `secret` (JSON)."""

    framework_secret: SecretName
    """Secrets Manager entry with the `principal` and `secret` by which Marathon registers with Mesos (JSON)."""

    certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:acm:")] | None = None
    """Certificate of the internal load balancer. Without one it speaks HTTP inside the VPC."""


ClusterSettings = Annotated[ManagedCluster | ExistingCluster, Field(discriminator="mode")]
