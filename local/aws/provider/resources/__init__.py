"""One small declaration for each resource type, by service."""

from __future__ import annotations

from functools import cache

from local.aws.provider.declaration import Resource


@cache
def all_resources() -> dict[str, Resource]:
    """Declarations by type token."""
    from local.aws.provider.resources import (  # noqa: PLC0415
        addresses,
        budgets,
        cloudwatch,
        dashboards,
        dns,
        dynamodb,
        events,
        iam,
        identity_providers,
        instances,
        interfaces,
        keys,
        launch_template,
        listeners,
        load_balancing,
        network,
        notices,
        routes,
        s3,
        scaling,
        secrets,
        security_groups,
        spot_fleet,
        sqs,
        volumes,
    )

    modules = (
        sqs,
        s3,
        dynamodb,
        iam,
        identity_providers,
        keys,
        secrets,
        network,
        addresses,
        routes,
        security_groups,
        interfaces,
        volumes,
        instances,
        launch_template,
        spot_fleet,
        load_balancing,
        listeners,
        dns,
        scaling,
        cloudwatch,
        dashboards,
        events,
        notices,
        budgets,
    )
    return {resource.kind: resource for module in modules for resource in module.RESOURCES}
