"""The fields of an app that this project may use, with Marathon's names, types and bounds.

Source: Marathon 1.11, `docs/docs/rest-api/public/api/v2/types/*.raml`.
"""
# ruff: noqa: N815 - Marathon's own field names

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core.core_schema import ValidationInfo

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
ID_SEGMENT = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
"""A segment of an app id (Marathon, `PathId`)."""

TEMPLATE = "template"
"""Key of the validation context: true while placeholders are not filled."""

_INT32 = 2**31 - 1


def _placeholder_passes(value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A value that is nothing but a placeholder takes the type of what fills it."""
    template = (info.context or {}).get(TEMPLATE)
    if template and isinstance(value, str) and PLACEHOLDER.fullmatch(value):
        return value
    return check(value)


_Fillable = WrapValidator(_placeholder_passes)
_Seconds = Annotated[int, Field(ge=0, le=_INT32), _Fillable]
_Port = Annotated[int, Field(ge=0, le=65535), _Fillable]
_Flag = Annotated[bool, _Fillable]
_Path = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A piece of an app's JSON: no field beyond the declared ones, and no value made to fit."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Parameter(Part):
    """An option of `docker run`."""

    key: _Path
    value: str


class Docker(Part):
    """The image, and how it is run."""

    image: Annotated[str, Field(min_length=1)]
    forcePullImage: _Flag = False
    privileged: _Flag = False
    parameters: list[Parameter] = []


class Volume(Part):
    """A folder of the machine, or of the sandbox where the path is relative."""

    containerPath: _Path
    hostPath: _Path
    mode: Literal["RO", "RW"]


class PortMapping(Part):
    """A port of a container that has an address of its own."""

    containerPort: _Port = 0
    hostPort: _Port | None = None
    servicePort: _Port = 0
    protocol: Literal["tcp", "udp", "udp,tcp"] = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class Container(Part):
    """What the task runs in."""

    type: Literal["DOCKER", "MESOS"] = "DOCKER"
    docker: Docker | None = None
    volumes: list[Volume] = []
    portMappings: list[PortMapping] = []


class Fetch(Part):
    """What the agent puts into the sandbox before the task starts."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    extract: _Flag = True
    executable: _Flag = False
    cache: _Flag = False
    destPath: Annotated[str, Field(min_length=1)] | None = None


class Network(Part):
    """What the container is attached to."""

    mode: Literal["host", "container/bridge", "container"] = "container"
    name: str | None = None
    labels: dict[str, str] = {}


class PortDefinition(Part):
    """A port of the machine that the task gets."""

    port: _Port = 0
    protocol: Literal["tcp", "udp", "udp,tcp"] = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class Command(Part):
    """Run by the shell beside the task."""

    value: str


class HealthCheck(Part):
    """How it is found out whether a task works."""

    protocol: Literal["HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP"] = "HTTP"
    path: str | None = None
    port: _Port | None = None
    portIndex: _Port | None = None
    command: Command | None = None
    gracePeriodSeconds: _Seconds = 300
    intervalSeconds: _Seconds = 60
    timeoutSeconds: _Seconds = 20
    maxConsecutiveFailures: _Seconds = 3
    delaySeconds: _Seconds = 15
    ignoreHttp1xx: _Flag = False
    ipProtocol: Literal["IPv4", "IPv6"] = "IPv4"


class UpgradeStrategy(Part):
    """How much of an app may be missing, and how much too many, while its tasks are replaced."""

    minimumHealthCapacity: Annotated[float, Field(ge=0, le=1), _Fillable]
    maximumOverCapacity: Annotated[float, Field(ge=0, le=1), _Fillable]


class UnreachableStrategy(Part):
    """When a task of an agent that does not answer is replaced."""

    inactiveAfterSeconds: _Seconds = 0
    expungeAfterSeconds: _Seconds = 0


class Secret(Part):
    """A variable whose value is an entry of `secrets`."""

    secret: str


class AppManifest(Part):
    """An app."""

    id: Annotated[str, Field(pattern=rf"^/?{ID_SEGMENT}(/{ID_SEGMENT})*$")]
    cmd: Annotated[str, Field(min_length=2)] | None = None
    args: list[str] | None = None
    user: str | None = None
    executor: str = ""
    instances: Annotated[int, Field(ge=0, le=_INT32), _Fillable] = 1
    cpus: Annotated[float, Field(ge=0.001), _Fillable] = 1.0
    mem: Annotated[float, Field(ge=0), _Fillable] = 128.0
    disk: Annotated[float, Field(ge=0), _Fillable] = 0.0
    gpus: Annotated[int, Field(ge=0), _Fillable] = 0
    container: Container | None = None
    fetch: list[Fetch] = []
    env: dict[str, str | Secret] = {}
    secrets: dict[str, dict[str, str]] = {}
    labels: dict[str, str] = {}
    constraints: list[Annotated[list[str], Field(min_length=2, max_length=3)]] = []
    networks: list[Network] = []
    portDefinitions: list[PortDefinition] | None = None
    requirePorts: _Flag = False
    healthChecks: list[HealthCheck] = []
    upgradeStrategy: UpgradeStrategy | None = None
    backoffSeconds: _Seconds = 1
    backoffFactor: Annotated[float, Field(ge=1), _Fillable] = 1.15
    maxLaunchDelaySeconds: _Seconds = 300
    taskKillGracePeriodSeconds: _Seconds | None = None
    unreachableStrategy: UnreachableStrategy | Literal["disabled"] | None = None
    killSelection: Literal["YOUNGEST_FIRST", "OLDEST_FIRST"] = "YOUNGEST_FIRST"
    dependencies: list[str] = []
    acceptedResourceRoles: list[str] | None = None
    role: str | None = None


LEGACY = {
    "/uris": 'write `fetch`: [{"uri": …}]',
    "/ports": "write `portDefinitions`",
    "/ipAddress": "write `networks`",
    "/residency": "remove it: it has no effect",
    "/storeUrls": "write `fetch`",
    "/container/docker/network": 'write `networks`: [{"mode": "host"}]',
    "/container/docker/portMappings": "write them below `container`",
    "/container/docker/credential": "remove it: the agents hold the registry's credentials",
}
"""Fields of old Marathons → what takes their place (Marathon 1.11, `AppNormalization.scala`)."""

READ_ONLY = frozenset(
    {
        *("version", "versionInfo", "deployments", "lastTaskFailure", "readinessCheckResults"),
        *(
            "tasks",
            "tasksStaged",
            "tasksRunning",
            "tasksHealthy",
            "tasksUnhealthy",
            "taskStats",
            "tasksStats",
        ),
    }
)
"""What only a read adds (Marathon 1.11, `app.raml`, AppInfo)."""

UNUSED = frozenset(
    {
        *("/check", "/executorResources", "/readinessChecks", "/resourceLimits", "/taskRateLimit", "/tty"),
        *("/container/docker/pullConfig", "/container/linuxInfo"),
        *(f"/container/volumes/*/{kind}" for kind in ("persistent", "external", "secret")),
        "/container/portMappings/*/networkNames",
    }
)
"""Fields that Marathon 1.11 has and this project's apps do not need; `*` is any index."""
