"""Typed, validated stack configuration: the only reader of `pulumi.Config`.

Every key lives in the project's namespace (`trawler:`). A key that is not declared here is refused with
the nearest real one, since Pulumi itself keeps a misspelt key in silence.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, get_args

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from infra.errors import SettingsError

STAGES = ("plan", "fetch", "parse", "store")
"""The stages of a crawl, in the order a page passes them; each has a queue, a dead letter queue and an app."""

QUEUE_NAME_LIMIT = 80
"""Longest queue name, suffix `.fifo` included (Amazon SQS, CreateQueue, QueueName)."""

Stage = Literal["plan", "fetch", "parse", "store"]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")]
HostPort = Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]+:\d{1,5}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class ClusterSettings(_Section):
    """Where Marathon is."""

    marathon_urls: Annotated[list[HttpUrl], Field(min_length=1)]
    """Base URLs of the Marathon servers, the next one tried when one does not answer."""

    deploy_timeout_s: Annotated[int, Field(ge=10, le=3600)] = 600
    """How long an app may take until all its tasks run, seconds."""

    ready_timeout_s: Annotated[int, Field(ge=1, le=3600)] = 900
    """How long the first deployment waits for Marathon's `/ping`, seconds."""


class ImageSettings(_Section):
    """The image that brings Python and the dependencies, and no source."""

    repository: Annotated[str, Field(pattern=r"^[a-z0-9.\-_:/]+$")] = "quay.io/trawler/worker"
    base_image: Annotated[str, Field(min_length=1)] = "python:3.11-slim-bookworm"
    architecture: Literal["x86_64", "arm64"] = "x86_64"


class FleetSettings(_Section):
    """The Spot Fleet whose instances are Mesos agents. One instance is one unit of capacity."""

    ami: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")]
    """Pinned image of the agents: the newest one at deploy time would replace the fleet unasked."""

    instance_types: Annotated[list[str], Field(min_length=1)]
    zones: Annotated[list[str], Field(min_length=1)]
    base_capacity: Annotated[int, Field(ge=1)] = 1
    """On-demand instances that never go away: `plan` runs there."""

    min_capacity: Annotated[int, Field(ge=1)] = 1
    max_capacity: Annotated[int, Field(ge=1)] = 10

    @model_validator(mode="after")
    def _capacity_in_order(self) -> Self:
        if not self.base_capacity <= self.min_capacity <= self.max_capacity:
            raise ValueError(
                f"baseCapacity {self.base_capacity} ≤ minCapacity {self.min_capacity} ≤ maxCapacity "
                f"{self.max_capacity} does not hold"
            )
        return self


class QueueSettings(_Section):
    """What all stage queues share."""

    visibility_s: Annotated[int, Field(ge=5, le=43200)] = 60
    """Time after which a message of a dead worker comes back, seconds. Workers extend it while they work."""

    max_receive_count: Annotated[int, Field(ge=1, le=1000)] = 1000
    """Receives before SQS moves a message to the dead letter queue. High, as handing back burns receives;
    attempts are counted in the frontier table."""

    retention_days: Annotated[int, Field(ge=1, le=13)] = 4
    """How long a message is kept. Dead letter queues keep theirs a day longer."""


class CrawlerSettings(_Section):
    """How the workers behave."""

    user_agent: Annotated[str, Field(min_length=1, max_length=200)] = "trawler (+https://example.com/trawler)"
    window: Annotated[int, Field(ge=1, le=100)] = 20
    """URLs of one host in the fetch queue at a time."""

    pump_interval_s: Annotated[float, Field(ge=0.5, le=60)] = 5
    resend_after_s: Annotated[int, Field(ge=5, le=3600)] = 300
    """A URL marked queued this long ago without an answer is sent again, seconds."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    retry_base_s: Annotated[float, Field(gt=0, le=300)] = 10
    """Back-off before the first retry, doubled each time, seconds."""

    private_hosts: list[HostPort] = []
    """host:port pairs that a worker may reach although their address is private. Empty in production."""


class Instances(_Section):
    """Tasks of each app."""

    plan: Annotated[int, Field(ge=1)] = 1
    fetch: Annotated[int, Field(ge=1)] = 2
    parse: Annotated[int, Field(ge=1)] = 2
    store: Annotated[int, Field(ge=1)] = 1


class Settings(_Section):
    """One environment, as its `Pulumi.<stack>.yaml` describes it."""

    cluster: ClusterSettings
    fleet: FleetSettings
    image: ImageSettings = ImageSettings()
    queues: QueueSettings = QueueSettings()
    crawler: CrawlerSettings = CrawlerSettings()
    instances: Instances = Instances()

    name_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")]
    """Begins the name of every queue and table. Default: `trawler-<stack>`."""

    shops: Annotated[str, Field(pattern=r"^[^/].*$")] = "workers/shops"
    """Folder of the shop definitions that the release carries, relative to the project's root."""

    pages_expire_days: Annotated[int, Field(ge=1, le=30)] = 3
    protect: bool = True
    """Refuse to delete what holds data: buckets, tables, dead letter queues."""

    vpc_endpoint_id: Annotated[str, Field(pattern=r"^vpce-[0-9a-f]+$")] | None = None
    """The S3 gateway endpoint through which agents read releases by plain HTTPS."""

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


def queue_name(prefix: str, stage: str, *, dead: bool = False) -> str:
    """Name of a stage's queue: `<prefix>-<stage>[-dead][.fifo]`; only fetch is FIFO."""
    return f"{prefix}-{stage}{'-dead' if dead else ''}{'.fifo' if stage == 'fetch' else ''}"


def load() -> Settings:
    """Settings of the stack that is being deployed.

    Raises:
        SettingsError: a key is unknown, missing or wrong; every such key is named in one text.
    """
    return parse(raw_config(), project=pulumi.get_project(), stack=pulumi.get_stack())


def raw_config() -> dict[str, str]:
    """Every configuration value of the stack, of all namespaces, as the engine hands them over."""
    return {**get_config_env(), **CONFIG.get()}


def parse(config: Mapping[str, str], project: str, stack: str) -> Settings:
    """Settings from raw configuration.

    Args:
        config: full key (`trawler:fleet`) → text; structured values are JSON text.
        project: namespace of the keys that are ours.
        stack: name of the stack, for defaults and messages.

    Raises:
        SettingsError: see `load`.
    """
    values: dict[str, Any] = {"namePrefix": f"{project}-{stack}"}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == project:
            values[name] = _decoded(text)
    try:
        return Settings.model_validate(values)
    except ValidationError as e:
        lines = [_explained(dict(error), project) for error in e.errors(include_url=False)]
        raise SettingsError(
            f"Pulumi.{stack}.yaml is not valid:\n" + "\n".join(f"  {line}" for line in lines)
        ) from None


def _decoded(text: str) -> Any:
    """Structured values arrive as JSON text, plain ones as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explained(error: Mapping[str, Any], project: str) -> str:
    path: tuple[str | int, ...] = error["loc"]
    key = f"{project}:" + ".".join(str(part) for part in path)
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_nearest(str(path[-1]), _keys_at(path[:-1]))}"
        case "missing":
            return f"{key}: missing; set it with `pulumi config set --path '{key}' VALUE`"
        case "value_error":
            return f"{key}: {error['ctx']['error']}"
        case _:
            return f"{key}: {error['msg']} (given: {error['input']!r})"


def _nearest(given: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; the keys here are {', '.join(known)}"


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The key names that stand under a path of keys, e.g. ('fleet',)."""
    model: type[BaseModel] = Settings
    for part in path:
        for field in model.model_fields.values():
            if field.alias != part:
                continue
            inner = [t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type)]
            model = next((t for t in inner if issubclass(t, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]
