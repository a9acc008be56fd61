"""Fields of older Marathons, turned into today's before anything else reads them (AppNormalization, 1.11)."""

import re
from typing import Any

from local.mesos.marathon.definition import Json
from local.mesos.marathon.errors import InvalidObjectError, MarathonError

_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tar\.bz2|tar\.xz|gz|tgz|tbz2|txz|zip)$")
_NETWORK_MODES = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}


def is_archive(uri: str) -> bool:
    """Whether a legacy ``uris`` entry is extracted: by the suffix of its path, the query aside."""
    return _ARCHIVE.search(uri.split("?", 1)[0]) is not None


def without_nulls(document: Json) -> Json:
    """``null`` reads as absent, at any depth of objects."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(inner) for key, inner in value.items() if inner is not None}
        if isinstance(value, list):
            return [cleaned(inner) for inner in value]
        return value

    return cleaned(document)


def modernised(document: Json) -> Json:
    """A copy of a submitted app without deprecated fields and nulls.

    Raises:
        InvalidObjectError: an old field and its successor contradict each other.
    """
    app = without_nulls(document)
    app.pop("residency", None)
    _uris(app)
    _ports(app)
    _docker(app)
    if app.pop("ipAddress", None) is not None:
        _refuse_if(app.get("networks"), "/ipAddress", "may not be specified along with networks")
        app["networks"] = [{"mode": "container", "name": "default"}]
    return app


def _refuse_if(clash: Any, path: str, why: str) -> None:
    if clash:
        raise InvalidObjectError({path: [why]})


def _uris(app: Json) -> None:
    uris = app.pop("uris", None)
    if not isinstance(uris, list):
        return
    _refuse_if(uris and app.get("fetch"), "/uris", "may not be set in conjunction with fetch")
    if uris or "fetch" not in app:
        app["fetch"] = [{"uri": uri, "extract": is_archive(str(uri))} for uri in uris]


def _ports(app: Json) -> None:
    ports = app.pop("ports", None)
    if not isinstance(ports, list):
        return
    if "portDefinitions" not in app:
        app["portDefinitions"] = [{"port": port} for port in ports]
        return
    declared = [each.get("port") for each in app["portDefinitions"] if isinstance(each, dict)]
    _refuse_if(ports != declared, "/ports", "cannot specify both ports and portDefinitions")


def _docker(app: Json) -> None:
    container = app.get("container")
    docker = container.get("docker") if isinstance(container, dict) else None
    if not isinstance(container, dict) or not isinstance(docker, dict):
        return
    _refuse_if("credential" in docker, "/container/docker/credential", "must be empty")
    network = docker.pop("network", None)
    if network is not None:
        _refuse_if(
            app.get("networks"), "/container/docker/network", "may not be specified along with networks"
        )
        if network not in _NETWORK_MODES:
            raise MarathonError(f"unsupported docker network type {network}")
        mode = _NETWORK_MODES[network]
        app["networks"] = [{"mode": mode, "name": "default"} if mode == "container" else {"mode": mode}]
    mappings = docker.pop("portMappings", None)
    if mappings:
        if container.get("portMappings"):
            raise MarathonError(
                "cannot specify both container.portMappings and container.docker.portMappings"
            )
        container["portMappings"] = mappings
