"""One small declaration for each resource type, by service."""

from __future__ import annotations

from functools import cache

from local.aws.provider.declaration import Resource


@cache
def all_resources() -> dict[str, Resource]:
    """Declarations by type token."""
    from local.aws.provider.resources import (  # noqa: PLC0415
        cloudwatch,
        dynamodb,
        iam,
        launch_template,
        network,
        routes,
        s3,
        scaling,
        security_groups,
        spot_fleet,
        sqs,
    )

    modules = (
        sqs,
        s3,
        dynamodb,
        iam,
        network,
        routes,
        security_groups,
        launch_template,
        spot_fleet,
        scaling,
        cloudwatch,
    )
    return {resource.kind: resource for module in modules for resource in module.RESOURCES}
