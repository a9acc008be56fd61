"""The environment: read the settings, wire the components, export what others need."""

from __future__ import annotations

from pathlib import Path

import pulumi

from infra import environment, image, release
from infra.apps import Apps, read_all
from infra.autoscaling import AutoScaling
from infra.aws_connection import AwsConnection
from infra.errors import InfraError
from infra.fleet import SCALABLE_DIMENSION, Fleet
from infra.identity import Identity
from infra.queues import Queues, urls
from infra.settings import load, raw_config
from infra.storage import Storage, release_uri
from infra.tables import Tables

# The engine starts the program in its own folder; relative, so that no machine's path reaches the state.
ROOT = Path("..")


def main() -> None:
    """Register every resource of the stack."""
    # Whatever can be wrong in what was given is found here, before the first resource is registered.
    settings = load()
    connection = AwsConnection.from_config(raw_config().get)
    packed = release.pack(ROOT / "workers", ROOT / settings.shops)
    manifests = read_all(ROOT / "marathon_apps", environment.PLACEHOLDERS)

    queues = Queues("queues", settings.queues, settings.name_prefix, settings.protect)
    tables = Tables("tables", settings.name_prefix, settings.protect)
    storage = Storage("storage", settings.pages_expire_days, settings.vpc_endpoint_id, settings.protect)
    identity = Identity(
        "identity", queues.stages, [tables.frontier, tables.items], storage.artifacts, storage.pages
    )
    fleet = Fleet(
        "fleet",
        settings.fleet,
        identity.fleet_role.arn,
        identity.agent_profile.arn,
        settings.cluster.marathon_urls,
        depends_on=[identity.fleet_policy],
    )
    AutoScaling(
        "autoscaling",
        fleet.resource_id,
        SCALABLE_DIMENSION,
        settings.fleet.min_capacity,
        settings.fleet.max_capacity,
    )
    stored = release.Release("release", packed, storage.artifacts.bucket, ROOT / "build" / "releases")
    uri = release_uri(storage.artifacts, packed.key, connection.endpoints.get("s3"))
    worker_image = image.reference(ROOT / "workers", settings.image)
    Apps(
        "apps",
        manifests,
        environment.values(settings, connection.region, worker_image, uri, queues, tables, storage),
        settings.cluster,
        depends_on=[stored, fleet, queues, tables, identity],
    )

    pulumi.export("queueUrls", urls(queues))
    pulumi.export("deadLetterQueueUrls", {s: q.dead.url for s, q in queues.stages.items()})
    pulumi.export("frontierTable", tables.frontier.name)
    pulumi.export("itemsTable", tables.items.name)
    pulumi.export("artifactBucket", storage.artifacts.bucket)
    pulumi.export("pagesBucket", storage.pages.bucket)
    pulumi.export("fleetRequest", fleet.request.id)
    pulumi.export("release", packed.digest)
    pulumi.export("image", worker_image)
    pulumi.export("marathonUrls", settings.cluster.marathon_urls)
    pulumi.export("apps", [app["id"] for app in manifests.values()])


try:
    main()
except InfraError as e:
    # Shown as one diagnostic without a traceback: the text says what and where.
    raise pulumi.RunError(str(e)) from None
