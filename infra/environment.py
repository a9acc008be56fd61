"""What the stack knows and an app's JSON may ask for by `${placeholder}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.settings import STAGES, Settings

if TYPE_CHECKING:
    # Whoever only asks what there is need not wait for the provider's SDK.
    import pulumi

    from infra.queues import Queues
    from infra.storage import Storage
    from infra.tables import Tables

PLACEHOLDERS = frozenset(
    {
        "frontier_table",
        "image",
        "items_table",
        "max_attempts",
        "pages_bucket",
        "private_hosts",
        "pump_interval_s",
        "region",
        "release_uri",
        "resend_after_s",
        "retry_base_s",
        "user_agent",
        "visibility_s",
        "window",
        *(f"{stage}_queue_url" for stage in STAGES),
        *(f"{stage}_dead_letter_queue_url" for stage in STAGES),
        *(f"{stage}_instances" for stage in STAGES),
    }
)
"""The names `values` fills: known before any resource is, so that an app's JSON can be checked first."""


def counts(settings: Settings) -> dict[str, int]:
    """Placeholder → tasks of each stage's app."""
    return {f"{stage}_instances": getattr(settings.instances, stage) for stage in STAGES}


def values(
    settings: Settings,
    region: str,
    image: str,
    release_uri: pulumi.Input[str],
    queues: Queues,
    tables: Tables,
    storage: Storage,
) -> Mapping[str, pulumi.Input[Any]]:
    """Placeholder → value. All are texts, as environment variables are, but for the instances, which are counts.

    Args:
        settings: the stack's settings.
        region: AWS region of the queues and tables.
        image: `<repository>:<tag>`.
        release_uri: what the agents fetch.
        queues: the stage queues.
        tables: the frontier and the items.
        storage: the buckets.
    """
    crawler = settings.crawler
    return {
        "frontier_table": tables.frontier.name,
        "image": image,
        "items_table": tables.items.name,
        "max_attempts": str(crawler.max_attempts),
        "pages_bucket": storage.pages.bucket,
        "private_hosts": ",".join(crawler.private_hosts),
        "pump_interval_s": str(crawler.pump_interval_s),
        "region": region,
        "release_uri": release_uri,
        "resend_after_s": str(crawler.resend_after_s),
        "retry_base_s": str(crawler.retry_base_s),
        "user_agent": crawler.user_agent,
        "visibility_s": str(settings.queues.visibility_s),
        "window": str(crawler.window),
        **{f"{stage}_queue_url": queue.main.url for stage, queue in queues.stages.items()},
        **{f"{stage}_dead_letter_queue_url": queue.dead.url for stage, queue in queues.stages.items()},
        **counts(settings),
    }
