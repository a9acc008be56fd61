"""An app's JSON: read, checked and filled from `marathon_apps/`.

Marathon ignores an unknown field, so a misspelt one would be accepted in silence: it is refused here, before
any resource is registered.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.errors import ManifestError

Manifest = dict[str, Any]

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
ID_SEGMENT = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
"""A segment of an app id (Marathon, `PathId`)."""

_Placeholder = Annotated[str, Field(pattern=r"^\$\{\w+\}$")]
"""A value that is nothing but a placeholder takes the type of what fills it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Parameter(_Part):
    key: str
    value: str


class _Docker(_Part):
    image: Annotated[str, Field(min_length=1)]
    forcePullImage: bool = False
    privileged: bool = False
    parameters: list[_Parameter] = []


class _Volume(_Part):
    containerPath: Annotated[str, Field(min_length=1)]
    hostPath: Annotated[str, Field(min_length=1)]
    mode: Literal["RO", "RW"]


class _PortMapping(_Part):
    containerPort: int = 0
    hostPort: int | None = None
    servicePort: int = 0
    protocol: Literal["tcp", "udp", "udp,tcp"] = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class _Container(_Part):
    type: Literal["DOCKER", "MESOS"] = "DOCKER"
    docker: _Docker | None = None
    volumes: list[_Volume] = []
    portMappings: list[_PortMapping] = []


class _Fetch(_Part):
    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    extract: bool = True
    executable: bool = False
    cache: bool = False
    destPath: str | None = None


class _Network(_Part):
    mode: Literal["host", "container/bridge", "container"]
    name: str | None = None
    labels: dict[str, str] = {}


class _PortDefinition(_Part):
    port: int = 0
    protocol: Literal["tcp", "udp", "udp,tcp"] = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class _Command(_Part):
    value: str


class _HealthCheck(_Part):
    protocol: Literal["HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP"] = "HTTP"
    path: str | None = None
    port: int | None = None
    portIndex: int | None = None
    command: _Command | None = None
    gracePeriodSeconds: int = 300
    intervalSeconds: int = 60
    timeoutSeconds: int = 20
    maxConsecutiveFailures: int = 3
    delaySeconds: int = 15
    ignoreHttp1xx: bool = False
    ipProtocol: Literal["IPv4", "IPv6"] = "IPv4"


class _UpgradeStrategy(_Part):
    minimumHealthCapacity: Annotated[float, Field(ge=0, le=1)]
    maximumOverCapacity: Annotated[float, Field(ge=0, le=1)]


class _UnreachableStrategy(_Part):
    inactiveAfterSeconds: Annotated[int, Field(ge=0)] = 0
    expungeAfterSeconds: Annotated[int, Field(ge=0)] = 0


class _Secret(_Part):
    secret: str


class AppManifest(_Part):
    """The fields of an app that this project may use, with Marathon's types.

    Source: Marathon 1.11, `docs/docs/rest-api/public/api/v2/types/app.raml`.
    """

    id: Annotated[str, Field(pattern=rf"^/?{ID_SEGMENT}(/{ID_SEGMENT})*$")]
    cmd: Annotated[str, Field(min_length=2)] | None = None
    args: list[str] | None = None
    user: str | None = None
    instances: Annotated[int, Field(ge=0)] | _Placeholder = 1
    cpus: Annotated[float, Field(ge=0.001)] | _Placeholder = 1.0
    mem: Annotated[float, Field(ge=32)] | _Placeholder = 128.0
    disk: Annotated[float, Field(ge=0)] | _Placeholder = 0.0
    gpus: int = 0
    container: _Container | None = None
    fetch: list[_Fetch] = []
    env: dict[str, str | _Secret] = {}
    secrets: dict[str, dict[str, str]] = {}
    labels: dict[str, str] = {}
    constraints: list[Annotated[list[str], Field(min_length=2, max_length=3)]] = []
    networks: list[_Network] = []
    portDefinitions: list[_PortDefinition] = []
    requirePorts: bool = False
    healthChecks: list[_HealthCheck] = []
    upgradeStrategy: _UpgradeStrategy | None = None
    backoffSeconds: Annotated[float, Field(ge=0)] = 1
    backoffFactor: Annotated[float, Field(ge=0)] = 1.15
    maxLaunchDelaySeconds: Annotated[float, Field(ge=0)] = 300
    taskKillGracePeriodSeconds: Annotated[int, Field(ge=0)] | None = None
    unreachableStrategy: _UnreachableStrategy | Literal["disabled"] | None = None
    killSelection: Literal["YOUNGEST_FIRST", "OLDEST_FIRST"] = "YOUNGEST_FIRST"
    dependencies: list[str] = []
    acceptedResourceRoles: list[str] = []
    role: str | None = None


def read(path: Path) -> Manifest:
    """The manifest of a file, checked, its placeholders still in it.

    Raises:
        ManifestError: the file is not JSON, or has an unknown field or one of the wrong type; names file and field.
    """
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file") from None
    except ValueError as e:
        raise ManifestError(f"{path}: not JSON: {e}") from None
    try:
        AppManifest.model_validate(manifest)
    except ValidationError as e:
        errors = "; ".join(_explained(dict(error)) for error in e.errors(include_url=False))
        raise ManifestError(f"{path}: {errors}") from None
    return manifest


def check_placeholders(path: Path, manifest: Manifest, known: frozenset[str]) -> None:
    """Every placeholder is one that the stack fills.

    Raises:
        ManifestError: one is not; names file, field, placeholder and the ones there are.
    """
    for where, text in _texts(manifest):
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                raise ManifestError(
                    f"{path}: {where}: nothing fills the placeholder '${{{name}}}'{_nearest(name, known)}"
                )


def placeholders(manifest: Manifest) -> frozenset[str]:
    """The names that a manifest asks for by `${name}`."""
    return frozenset(name for _, text in _texts(manifest) for name in PLACEHOLDER.findall(text))


def fill(manifest: Manifest, values: Mapping[str, Any]) -> Manifest:
    """The manifest with every placeholder replaced.

    A text that is nothing but a placeholder takes the value with its type (a count stays a number); inside a
    longer text the value's text is put in. Values are data: they cannot add fields, whatever they hold.
    """

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        if not isinstance(node, str):
            return node
        whole = PLACEHOLDER.fullmatch(node)
        if whole:
            return values[whole[1]]
        return PLACEHOLDER.sub(lambda match: str(values[match[1]]), node)

    return filled(manifest)


def _texts(node: Any, where: str = "") -> list[tuple[str, str]]:
    if isinstance(node, dict):
        return [text for key, value in node.items() for text in _texts(value, f"{where}/{key}")]
    if isinstance(node, list):
        return [text for i, value in enumerate(node) for text in _texts(value, f"{where}/{i}")]
    return [(where, node)] if isinstance(node, str) else []


def _explained(error: Mapping[str, Any]) -> str:
    where = "/" + "/".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where}: Marathon knows no such field{_nearest(str(error['loc'][-1]), _fields())}"
    return f"{where}: {error['msg']}"


def _fields() -> frozenset[str]:
    models: list[type[BaseModel]] = [AppManifest, *_Part.__subclasses__()]
    return frozenset(name for model in models for name in model.model_fields)


def _nearest(given: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(given, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""
