"""The whole of an environment, as its `Pulumi.<stack>.yaml` describes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from infra.settings.app_lint import AppLint
from infra.settings.cluster import ClusterSettings
from infra.settings.crawler import (
    QUEUE_NAME_LIMIT,
    STAGES,
    CrawlerSettings,
    Instances,
    QueueSettings,
    Stage,
    queue_name,
)
from infra.settings.fleet import FleetSettings, Prewarm
from infra.settings.image import ImageSettings
from infra.settings.monitoring import MonitoringSettings
from infra.settings.network import NetworkSettings
from infra.settings.release import PinnedRelease
from infra.settings.section import Section


class Settings(Section):
    """One environment."""

    network: NetworkSettings
    """Where it stands: a VPC of its own, or one that is there."""

    cluster: ClusterSettings
    """The Mesos masters and Marathon: managed by the stack, or existing."""

    fleet: FleetSettings
    """The Spot Fleet of Mesos agents."""

    prewarm: list[Prewarm] = Field(default=[])
    """Capacity ahead of crawls whose time is known."""

    monitoring: MonitoringSettings | None = None
    """Alarms, dashboard, budget and shipped logs; none of them where it is absent."""

    image: ImageSettings = ImageSettings()
    """The workers' image."""

    release: PinnedRelease | None = None
    """The release that runs while this is set, whatever the working tree holds."""

    queues: QueueSettings = QueueSettings()
    """What all stage queues share."""

    crawler: CrawlerSettings = CrawlerSettings()
    """How the workers behave."""

    instances: Instances = Instances()
    """Tasks of each app."""

    scaled: list[Stage] = Field(default=[])
    """Apps whose number of tasks belongs to the scaler: created with none, and left as they are by every deployment."""

    app_lint: AppLint = AppLint()
    """Exceptions from the rules on the apps' JSON."""

    name_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")]
    """Begins the name of every queue and table. Default: `trawler-<stack>`."""

    shops: Annotated[str, Field(pattern=r"^[^/].*$")] = "workers/shops"
    """Folder of the shop definitions that the release carries, relative to the project's root."""

    pages_expire_days: Annotated[int, Field(ge=1, le=30)] = 3
    """Days until the bodies of the pages bucket expire."""

    protect: bool = True
    """Refuse to delete or replace what holds data or work: buckets, tables, queues, volumes, masters, fleet request."""

    permissions_boundary_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:policy/")] | None = (
        None
    )
    """Permissions boundary of every role, where the account asks for one."""

    @field_validator("name_prefix")
    @classmethod
    def _queue_names_fit(cls, value: str) -> str:
        longest = max((queue_name(value, s, dead=True) for s in STAGES), key=len)
        if len(longest) > QUEUE_NAME_LIMIT:
            raise ValueError(
                f"queue name '{longest}' has {len(longest)} characters, SQS allows {QUEUE_NAME_LIMIT}: "
                f"shorten namePrefix (or the stack's name) by {len(longest) - QUEUE_NAME_LIMIT}"
            )
        return value
