"""An app's definition with everything filled in that Marathon fills in, so that two can be compared.

Source: Marathon 1.6 to 1.11, `AppNormalization`, `AppConversion`, `FetchUri` and the types of `app.raml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

READ_ONLY = frozenset(
    {
        "version", "versionInfo", "tasks", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy",
        "deployments", "lastTaskFailure", "readinessCheckResults", "taskStats", "tasksStats",
    }
)  # fmt: skip
"""What a read adds about an app's life. Sent back, `version` would be refused and the rest ignored."""

WITHOUT_EFFECT = frozenset({"residency", "storeUrls"})

SETS = ("constraints", "dependencies", "acceptedResourceRoles", "healthChecks")
"""Lists whose order means nothing: Marathon holds them as sets and gives them back in any."""

_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tar\.bz2|tar\.xz|gz|tgz|tbz2|txz|zip)$")
_NETWORKS = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}

_APP: Json = {
    "cpus": 1,
    "mem": 128,
    "disk": 0,
    "gpus": 0,
    "instances": 1,
    "executor": "",
    "args": [],
    "env": {},
    "labels": {},
    "secrets": {},
    "constraints": [],
    "dependencies": [],
    "fetch": [],
    "healthChecks": [],
    "readinessChecks": [],
    "requirePorts": False,
    "backoffSeconds": 1,
    "backoffFactor": 1.15,
    "killSelection": "YOUNGEST_FIRST",
}
_FETCH: Json = {"extract": True, "executable": False, "cache": False}
_CONTAINER: Json = {"type": "DOCKER", "volumes": []}
_DOCKER: Json = {"forcePullImage": False, "privileged": False, "parameters": []}
_PORT: Json = {"port": 0, "protocol": "tcp", "labels": {}}
_MAPPING: Json = {"containerPort": 0, "servicePort": 0, "protocol": "tcp", "labels": {}}
_HEALTH: Json = {
    "protocol": "HTTP",
    "gracePeriodSeconds": 300,
    "intervalSeconds": 60,
    "timeoutSeconds": 20,
    "maxConsecutiveFailures": 3,
    "delaySeconds": 15,
    "ipProtocol": "IPv4",
    "ignoreHttp1xx": False,
}
_READINESS: Json = {
    "name": "readinessCheck",
    "protocol": "HTTP",
    "path": "/",
    "portName": "http-api",
    "intervalSeconds": 30,
    "timeoutSeconds": 10,
    "preserveLastResponse": False,
}


def normal(app: Mapping[str, Any]) -> Json:
    """The definition in Marathon's normal form; one that is in it already comes back equal.

    Legacy fields become today's, nulls are absent, options have their defaults, ids are absolute and sets sorted. What
    a server decides by its own flags (`role`, `maxLaunchDelaySeconds`, …) stays absent where it is not set.

    Args:
        app: as written, or as Marathon gave it. Values of another type than Marathon's are kept as they are.
    """
    made: Json = {
        key: value for key, value in without_nulls(app).items() if key not in READ_ONLY | WITHOUT_EFFECT
    }
    _legacy(made)
    made = {**_APP, **made}
    if isinstance(made.get("id"), str):
        made["id"] = absolute(made["id"])
    made["fetch"] = _each(made["fetch"], _FETCH)
    if isinstance(made.get("container"), dict):
        made["container"] = _container(made["container"])
    _network(made)
    made["healthChecks"] = [_health(check, made) for check in _list(made["healthChecks"])]
    made["readinessChecks"] = _each(made["readinessChecks"], _READINESS)
    made["upgradeStrategy"] = _upgrade(made)
    if made.get("unreachableStrategy") != "disabled":
        given = made.get("unreachableStrategy")
        made["unreachableStrategy"] = {
            "inactiveAfterSeconds": 0,
            "expungeAfterSeconds": 0,
            **(given if isinstance(given, dict) else {}),
        }
    for key in SETS:
        if isinstance(made.get(key), list):
            made[key] = sorted(made[key], key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return made


def without_nulls(node: Any) -> Any:
    """A null reads as absent, at any depth of objects."""
    if isinstance(node, Mapping):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [without_nulls(value) for value in node]
    return node


def absolute(app_id: str) -> str:
    """The id as Marathon says it: one slash before each segment and none behind."""
    return "/" + "/".join(segment for segment in app_id.split("/") if segment)


def on_host_network(app: Mapping[str, Any]) -> bool:
    """Whether the tasks of an app in normal form share their agent's network."""
    networks = _list(app.get("networks"))
    return not networks or (isinstance(networks[0], dict) and networks[0].get("mode") == "host")


def _legacy(app: Json) -> None:
    uris = app.pop("uris", None)
    if isinstance(uris, list) and not app.get("fetch"):
        app["fetch"] = [
            {"uri": uri, "extract": bool(_ARCHIVE.search(str(uri).split("?")[0]))} for uri in uris
        ]
    ports = app.pop("ports", None)
    if isinstance(ports, list) and "portDefinitions" not in app:
        app["portDefinitions"] = [{"port": port} for port in ports]
    container = app.get("container")
    docker = container.get("docker") if isinstance(container, dict) else None
    if not isinstance(container, dict) or not isinstance(docker, dict):
        return
    network, mappings = docker.get("network"), docker.get("portMappings")
    kept = {key: value for key, value in docker.items() if key not in {"network", "portMappings"}}
    app["container"] = {**container, "docker": kept}
    if mappings and not container.get("portMappings"):
        app["container"]["portMappings"] = mappings
    if network in _NETWORKS and not app.get("networks"):
        app["networks"] = [{"mode": _NETWORKS[network]}]


def _container(container: Json) -> Json:
    made = {**_CONTAINER, **container}
    if isinstance(made.get("docker"), dict):
        # A universal container takes neither parameters nor privileges, and is read back without them.
        docker = _DOCKER if made["type"] == "DOCKER" else {"forcePullImage": False}
        made["docker"] = {**docker, **made["docker"]}
    return made


def _network(app: Json) -> None:
    networks = [
        {"labels": {}, **network} if isinstance(network, dict) else network
        for network in _list(app.get("networks"))
    ]
    app["networks"] = networks or [{"mode": "host", "labels": {}}]
    if on_host_network(app):
        given = app.get("portDefinitions")
        app["portDefinitions"] = _each([{"name": "default"}] if given is None else given, _PORT)
        if isinstance(app.get("container"), dict):
            app["container"].pop("portMappings", None)
        return
    app.pop("portDefinitions", None)
    app["requirePorts"] = False
    if isinstance(app.get("container"), dict):
        bridge = isinstance(networks[0], dict) and networks[0].get("mode") == "container/bridge"
        default = {**_MAPPING, "hostPort": 0} if bridge else _MAPPING
        mappings = app["container"].get("portMappings")
        app["container"]["portMappings"] = _each(
            [{"name": "default"}] if mappings is None else mappings, default
        )


def _health(check: Any, app: Json) -> Any:
    if not isinstance(check, dict):
        return check
    made = {**_HEALTH, **check}
    container = app.get("container")
    ports = (
        app.get("portDefinitions")
        if on_host_network(app)
        else container.get("portMappings")
        if isinstance(container, dict)
        else None
    )
    if ports and made["protocol"] != "COMMAND" and "port" not in made:
        made.setdefault("portIndex", 0)
    return made


def _upgrade(app: Json) -> Json:
    container = app.get("container")
    volumes = _list(container.get("volumes")) if isinstance(container, dict) else []
    lasting = any(isinstance(volume, dict) and "persistent" in volume for volume in volumes)
    default = (
        {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
        if lasting
        else {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}
    )
    given = app.get("upgradeStrategy")
    return {**default, **(given if isinstance(given, dict) else {})}


def _each(items: Any, default: Json) -> list[Any]:
    return [{**default, **item} if isinstance(item, dict) else item for item in _list(items)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
