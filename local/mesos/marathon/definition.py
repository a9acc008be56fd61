"""The app definition, field by field (``app.raml`` of Marathon 1.11).

Types and ranges are held here; rules between fields are in `rules`, legacy fields in `legacy`. Unknown keys are
ignored, as Marathon's generated readers do.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Json = dict[str, Any]


class Part(BaseModel):
    """A JSON object of the API: camel case outside, numbers never taken from strings."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


def _environment_value(value: Any) -> str | Json:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("secret"), str):
        return {"secret": value["secret"]}
    raise PydanticCustomError("error.expected.jsstring", "a string, or an object with the key secret")


EnvironmentValue = Annotated[Any, AfterValidator(_environment_value)]
Port = Annotated[int, Field(ge=0, le=65535)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[int, Field(ge=0)]
NonEmpty = Annotated[str, Field(min_length=1)]
Protocol = Literal["tcp", "udp", "udp,tcp"]


class Artifact(Part):
    uri: Annotated[str, Field(max_length=1024)]
    extract: bool = True
    executable: bool = False
    cache: bool = False
    dest_path: str | None = None


class Parameter(Part):
    key: NonEmpty
    value: str


class Docker(Part):
    image: str | None = None
    force_pull_image: bool = False
    privileged: bool = False
    parameters: list[Parameter] = []


class Volume(Part):
    container_path: str
    host_path: str | None = None
    mode: Literal["RO", "RW"]


class PortMapping(Part):
    container_port: Port = 0
    host_port: Port | None = None
    service_port: Port = 0
    protocol: Protocol = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class Container(Part):
    type: Literal["DOCKER", "MESOS"] = "DOCKER"
    docker: Docker | None = None
    volumes: list[Volume] = []
    port_mappings: list[PortMapping] | None = None


class Network(Part):
    mode: Literal["host", "container", "container/bridge"] = "container"
    name: str | None = None
    labels: dict[str, str] | None = None


class PortDefinition(Part):
    port: Port = 0
    protocol: Protocol = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class Command(Part):
    value: str


class HealthCheck(Part):
    protocol: Literal["HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP"] = "HTTP"
    path: str | None = None
    port_index: Annotated[int, Field(ge=0)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    command: Command | None = None
    grace_period_seconds: Seconds = 300
    interval_seconds: Annotated[int, Field(ge=1)] = 60
    timeout_seconds: Annotated[int, Field(ge=1)] = 20
    max_consecutive_failures: Annotated[int, Field(ge=0)] = 3
    delay_seconds: Seconds = 15
    ip_protocol: Literal["IPv4", "IPv6"] = "IPv4"
    ignore_http1xx: Annotated[bool, Field(alias="ignoreHttp1xx")] = False


class ReadinessCheck(Part):
    name: str = "readinessCheck"
    protocol: Literal["HTTP", "HTTPS"] = "HTTP"
    path: str = "/"
    port_name: str = "http-api"
    interval_seconds: Annotated[int, Field(ge=1)] = 30
    timeout_seconds: Annotated[int, Field(ge=1)] = 10
    http_status_codes_for_ready: list[int] = [200]
    preserve_last_response: bool = False


class UpgradeStrategy(Part):
    minimum_health_capacity: Fraction = 1.0
    maximum_over_capacity: Fraction = 1.0


class UnreachableStrategy(Part):
    inactive_after_seconds: Seconds = 0
    expunge_after_seconds: Seconds = 0


def _unreachable_strategy(value: Any) -> UnreachableStrategy | Literal["disabled"]:
    if value == "disabled":
        return "disabled"
    if isinstance(value, UnreachableStrategy):
        return value
    if isinstance(value, dict):
        return UnreachableStrategy.model_validate(value)
    raise PydanticCustomError("error.expected.jsobject", "an object, or the string disabled")


Limit = Annotated[float, Field(gt=0)] | Literal["unlimited"]


class ResourceLimits(Part):
    """Kept and shown; nothing here enforces them."""

    cpus: Limit | None = None
    mem: Limit | None = None


class ExecutorResources(Part):
    cpus: Annotated[float, Field(ge=0)] = 0.1
    mem: Annotated[float, Field(ge=0)] = 32.0
    disk: Annotated[float, Field(ge=0)] = 10.0


class App(Part):
    id: str
    cmd: str | None = None
    args: list[str] = []
    user: str | None = None
    env: dict[str, EnvironmentValue] = {}
    instances: Annotated[int, Field(ge=0)] = 1
    cpus: Annotated[float, Field(ge=0.001)] = 1.0
    mem: Annotated[float, Field(ge=0)] = 128.0
    disk: Annotated[float, Field(ge=0)] = 0.0
    gpus: Annotated[int, Field(ge=0)] = 0
    executor: str = ""
    constraints: list[list[str]] = []
    fetch: list[Artifact] = []
    backoff_seconds: Seconds = 1
    backoff_factor: Annotated[float, Field(ge=1)] = 1.15
    max_launch_delay_seconds: Seconds = 300
    container: Container | None = None
    health_checks: list[HealthCheck] = []
    readiness_checks: list[ReadinessCheck] = []
    networks: list[Network] = []
    port_definitions: list[PortDefinition] | None = None
    require_ports: bool = False
    dependencies: list[str] = []
    upgrade_strategy: UpgradeStrategy = UpgradeStrategy()
    unreachable_strategy: Annotated[Any, AfterValidator(_unreachable_strategy)] = UnreachableStrategy()
    kill_selection: Literal["YOUNGEST_FIRST", "OLDEST_FIRST"] = "YOUNGEST_FIRST"
    task_kill_grace_period_seconds: Seconds | None = None
    labels: dict[str, str] = {}
    accepted_resource_roles: list[str] = []
    secrets: dict[str, Any] = {}
    role: str = "*"
    tty: bool | None = None
    resource_limits: ResourceLimits | None = None
    executor_resources: ExecutorResources | None = None
    check: Json | None = None

    @property
    def image(self) -> str | None:
        return self.container.docker.image if self.container and self.container.docker else None

    @property
    def on_host_network(self) -> bool:
        return not self.networks or self.networks[0].mode == "host"

    @property
    def is_single_instance(self) -> bool:
        return self.labels.get("MARATHON_SINGLE_INSTANCE_APP", "").lower() == "true"

    def service_ports(self) -> list[int]:
        if self.on_host_network:
            return [each.port for each in self.port_definitions or []]
        return [each.service_port for each in (self.container and self.container.port_mappings) or []]


#: Left out of a read when empty (``omitEmpty`` in app.raml).
OMITTED_WHEN_EMPTY = frozenset(
    {"args", "constraints", "dependencies", "env", "fetch", "healthChecks", "readinessChecks", "secrets",
     "acceptedResourceRoles"}
)  # fmt: skip


def as_json(app: App) -> Json:
    """The normal form of a definition: absent options are left out, never null."""
    document: Json = app.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in document.items() if value or key not in OMITTED_WHEN_EMPTY}


def is_upgrade(old: App, new: App) -> bool:
    """Whether going from ``old`` to ``new`` restarts tasks: all but two fields do (isUpgrade)."""
    without = {"instances": 0, "executor_resources": None}
    return old.model_copy(update=without) != new.model_copy(update=without)
