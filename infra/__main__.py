"""The environment: read the settings, wire the components, export what others need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi_aws import get_caller_identity_output

from infra import environment, gate, image, metrics, revision
from infra.apps import Apps, read_all
from infra.autoscaling import AutoScaling
from infra.aws_connection import AwsConnection
from infra.boot.cloud_init import AgentBoot, agent_user_data
from infra.cluster import Cluster, ClusterPlace, zookeeper_url
from infra.errors import InfraError
from infra.fleet import Fleet
from infra.identity import Identity, Reach
from infra.logs import Logs, log_group
from infra.marathon.lint import Facts
from infra.monitoring import Monitoring, Watched
from infra.network import Network
from infra.queues import Queues, urls
from infra.release import Packed, Stored, pack
from infra.release.resource import DeployRecord, Release
from infra.room import require_room
from infra.security_groups import SecurityGroups
from infra.settings import ExistingCluster, ManagedCluster, Settings, load, raw_config
from infra.storage import Storage, release_uri
from infra.tables import Tables

# The engine starts the program in its own folder; relative, so that no machine's path reaches the state.
ROOT = Path("..")


def main() -> None:
    """Register every resource of the stack."""
    # Whatever can be wrong in what was given is found here, before the first resource is registered.
    settings = load()
    stack = pulumi.get_stack()
    connection = AwsConnection.from_config(raw_config().get)
    release, worker_image = _release(settings)
    image.require(
        worker_image, settings.image, connection, stack, pulumi.warn, pinned=settings.release is not None
    )
    facts = Facts.of(settings, stack, worker_image)
    manifests = read_all(ROOT / "marathon_apps", environment.PLACEHOLDERS, facts)
    require_room(manifests, environment.counts(settings), settings.fleet.min_capacity)
    agents_boot = agent_user_data(_agent_boot(settings, stack, connection.region))

    managed = isinstance(settings.cluster, ManagedCluster)
    network = Network("network", settings.network, connection.region, with_masters=managed)
    groups = SecurityGroups("groups", network.vpc_id, network.vpc_cidr, settings.cluster)
    queues = Queues("queues", settings.queues, settings.name_prefix, settings.protect)
    tables = Tables("tables", settings.name_prefix, settings.protect)
    storage = Storage("storage", settings.pages_expire_days, network.s3_endpoint_id, settings.protect)
    identity = Identity(
        "identity",
        settings.cluster,
        Reach(connection.region, get_caller_identity_output().account_id, stack, metrics.NAMESPACE),
        queues.stages,
        [tables.frontier, tables.items],
        storage.artifacts,
        storage.pages,
        settings.permissions_boundary_arn,
        image=settings.image,
    )
    # A machine boots within a minute of its request: its ways out, its rights and its log group come first.
    ready: list[pulumi.Resource] = [network, groups, identity]
    if settings.monitoring:
        ready.append(Logs("logs", stack, settings.monitoring.log_retention_days, settings.protect))
    cluster = _cluster(settings, stack, connection.region, network, groups, identity, ready)
    fleet = Fleet(
        "fleet",
        settings.fleet,
        network.agent_subnet_ids,
        groups.agents.id,
        identity.fleet_role.arn,
        identity.agent_profile.arn,
        agents_boot,
        settings.protect,
        depends_on=[*ready, *([cluster] if cluster else [])],
    )
    AutoScaling(
        "autoscaling",
        fleet.resource_id,
        fleet.scalable_dimension,
        settings.fleet.min_capacity,
        settings.fleet.max_capacity,
        settings.prewarm,
    )
    if settings.monitoring:
        watched = Watched(
            queues=queues.stages,
            fleet_request_id=fleet.request_id,
            max_capacity=settings.fleet.max_capacity,
            target_group_arn_suffix=cluster.target_group_arn_suffix if cluster else None,
            balancer_arn_suffix=cluster.balancer_arn_suffix if cluster else None,
            masters=cluster.instance_ids if cluster else {},
            region=connection.region,
        )
        Monitoring("monitoring", settings.monitoring, watched, settings.name_prefix, stack)
    # Every app follows the release: nothing of a deploy is written before its preview has agreed.
    bucket = gate.after_agreement(storage.artifacts.bucket, release.digest)
    origin = _origin(settings, release)
    stored = Release("release", release, bucket, ROOT / "build" / "releases", worker_image, origin)
    uri = release_uri(storage.artifacts, release.key, connection.endpoints.get("s3"))
    marathon_urls = _marathon_urls(settings, cluster)
    apps = Apps(
        "apps",
        manifests,
        environment.values(settings, connection.region, worker_image, uri, queues, tables, storage),
        settings.cluster,
        marathon_urls,
        # The bucket's policy, too: before it, no agent can fetch a release.
        depends_on=[stored, storage, fleet, queues, tables, identity],
        scaled=settings.scaled,
    )
    DeployRecord(
        "deploy",
        stack,
        release,
        worker_image,
        bucket,
        origin,
        # Only what runs everywhere is written down as deployed.
        ResourceOptions(depends_on=list(apps.apps.values())),
    )

    pulumi.export("queueUrls", urls(queues))
    pulumi.export("deadLetterQueueUrls", {s: q.dead.url for s, q in queues.stages.items()})
    pulumi.export("frontierTable", tables.frontier.name)
    pulumi.export("itemsTable", tables.items.name)
    pulumi.export("artifactBucket", storage.artifacts.bucket)
    pulumi.export("pagesBucket", storage.pages.bucket)
    pulumi.export("fleetRequest", fleet.request_id)
    pulumi.export("release", _once_live(apps, release.digest))
    pulumi.export("image", _once_live(apps, worker_image))
    pulumi.export("marathonUrls", marathon_urls)
    pulumi.export("apps", [app["id"] for app in manifests.values()])


def _release(settings: Settings) -> tuple[Packed | Stored, str]:
    """What runs, and the image that it runs in: the working tree's, or what the stack is held at."""
    if settings.release:
        return Stored(settings.release.digest), settings.release.image
    packed = pack(ROOT / "workers", ROOT / settings.shops)
    return packed, image.reference(ROOT / "workers", settings.image)


def _origin(settings: Settings, release: Packed | Stored) -> revision.Revision:
    """Where the release comes from; of a stored one its own record says it."""
    if isinstance(release, Stored):
        return revision.Revision()
    return revision.read(ROOT, "workers", "marathon_apps", settings.shops)


def _once_live(apps: Apps, value: str) -> Input[str]:
    """The value, once all apps run: what an update that failed was about is no output of the stack."""
    if pulumi.runtime.is_dry_run():
        return value
    return Output.all(*(app.version for app in apps.apps.values())).apply(lambda _: value)


def _agent_boot(settings: Settings, stack: str, region: str) -> AgentBoot:
    cluster = settings.cluster
    return AgentBoot(
        region=region,
        stack=stack,
        zookeeper=zookeeper_url(cluster, stack) if isinstance(cluster, ManagedCluster) else cluster.zookeeper,
        agent_secret=cluster.agent_secret,
        log_group=log_group(stack, "agents") if settings.monitoring else None,
        task_network=settings.fleet.task_network,
        task_log_group=log_group(stack, "tasks") if settings.monitoring else None,
        pull_secret=settings.image.pull_secret,
        ecr_registry=settings.image.ecr_registry,
    )


def _cluster(
    settings: Settings,
    stack: str,
    region: str,
    network: Network,
    groups: SecurityGroups,
    identity: Identity,
    ready: Sequence[pulumi.Resource],
) -> Cluster | None:
    """The masters, where the stack has its own."""
    managed, profile = settings.cluster, identity.master_profile
    if not isinstance(managed, ManagedCluster) or groups.masters is None or profile is None:
        return None
    place = ClusterPlace(
        vpc_id=network.vpc_id,
        subnet_ids=network.master_subnet_ids,
        subnet_cidrs=network.master_subnet_cidrs,
        masters_group_id=groups.masters.id,
        balancer_group_id=groups.balancer.id if groups.balancer else None,
        profile_name=profile.name,
        ready=ready,
    )
    logs = log_group(stack, "masters") if settings.monitoring else None
    return Cluster("cluster", managed, place, stack, region, settings.protect, logs)


def _marathon_urls(settings: Settings, cluster: Cluster | None) -> list[Input[str]]:
    """Where this deployment reaches Marathon."""
    if isinstance(settings.cluster, ExistingCluster):
        return list(settings.cluster.marathon_urls)
    access = settings.cluster.access
    if cluster and access.via == "vpc":
        return list(cluster.marathon_urls)
    return [f"http://127.0.0.1:{access.port}"]


try:
    main()
except InfraError as e:
    # Shown as one diagnostic without a traceback: the text says what and where.
    raise pulumi.RunError(str(e)) from None
