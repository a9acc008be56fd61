"""From a submitted document to a sound, normalised app definition.

The road is Marathon's: legacy fields, types and ranges (422 ``Invalid JSON``), normal form, rules (422
``Object is not valid``), service ports.
"""

from collections.abc import Iterable

from pydantic import ValidationError

from local.mesos.marathon import ids, rules
from local.mesos.marathon.definition import (
    App,
    HealthCheck,
    Json,
    Network,
    PortDefinition,
    PortMapping,
    as_json,
)
from local.mesos.marathon.errors import Details, InvalidJsonError, InvalidObjectError, MarathonError
from local.mesos.marathon.legacy import modernised

SERVICE_PORTS = range(10000, 20001)

#: pydantic's error types → play-json's, which Marathon's clients see.
_PLAY_ERRORS = {
    "missing": "error.path.missing",
    "string_type": "error.expected.jsstring",
    "int_type": "error.expected.jsnumber",
    "float_type": "error.expected.jsnumber",
    "bool_type": "error.expected.jsboolean",
    "list_type": "error.expected.jsarray",
    "dict_type": "error.expected.jsobject",
    "model_type": "error.expected.jsobject",
    "model_attributes_type": "error.expected.jsobject",
    "greater_than_equal": "error.min",
    "less_than_equal": "error.max",
    "string_too_short": "error.minLength",
    "string_too_long": "error.maxLength",
    "literal_error": "error.unknown.enum.literal",
}


def _json_path(location: Iterable[str | int]) -> str:
    """``('container', 'volumes', 0, 'mode')`` → ``/container/volumes(0)/mode``."""
    return "".join(f"({part})" if isinstance(part, int) else f"/{part}" for part in location) or "/"


def _details(error: ValidationError) -> Details:
    details: Details = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = _PLAY_ERRORS.get(each["type"], each["type"])
        details.setdefault(_json_path(each["loc"]), []).append(
            name if name.startswith("error.") else f"error.{name}"
        )
    return details


def read_app(document: Json, *, app_id: str | None = None) -> App:
    """The app a document describes, in normal form and following every rule; service ports still 0.

    Args:
        document: parsed JSON object.
        app_id: the id of the request's path, which wins over a missing one and must equal a given one.

    Raises:
        InvalidJsonError: a field has the wrong type, is missing or out of range.
        InvalidObjectError: a rule is broken.
    """
    modern = modernised(document)
    if app_id is not None:
        given = modern.get("id")
        if isinstance(given, str) and ids.canonical(given) != app_id:
            raise InvalidObjectError(
                {"/id": [f"'{given}' does not match the id in the request's path, {app_id}"]}
            )
        modern["id"] = app_id
    try:
        app = App.model_validate(modern)
    except ValidationError as error:
        raise InvalidJsonError(_details(error)) from None
    app = _normal(app, modern)
    if details := rules.broken(app):
        raise InvalidObjectError(details)
    return app


def updated_app(current: App, update: Json) -> App:
    """``current`` with each given top-level field replaced whole (``partialUpdate=true``).

    Raises:
        InvalidJsonError, InvalidObjectError: as `read_app`.
    """
    # These two alone are cleared by being left out.
    base = {
        key: value
        for key, value in as_json(current).items()
        if key not in {"resourceLimits", "executorResources"}
    }
    given = modernised({**update, "id": update.get("id", current.id)})
    merged = {**base, **given}
    networks = merged.get("networks")
    on_host = not networks or (isinstance(networks, list) and isinstance(networks[0], dict)
                               and networks[0].get("mode") == "host")  # fmt: skip
    if not on_host and "portDefinitions" not in given:
        merged.pop("portDefinitions", None)
    if on_host and "container" not in given and isinstance(merged.get("container"), dict):
        merged["container"] = {k: v for k, v in merged["container"].items() if k != "portMappings"}
    return read_app(merged, app_id=current.id)


def _normal(app: App, document: Json) -> App:
    app_id = ids.canonical(app.id)
    parent = ids.parents(app_id)[0] if app_id != "/" else "/"
    changes: Json = {
        "id": app_id,
        "networks": app.networks or [Network(mode="host")],
        "dependencies": [
            ids.canonical(each if each.startswith("/") else f"{parent}/{each}") for each in app.dependencies
        ],
    }
    if app.on_host_network:
        if app.port_definitions is None:
            changes["port_definitions"] = [PortDefinition(name="default")]
    else:
        changes |= {"port_definitions": app.port_definitions or None, "require_ports": False}
        if app.container and app.container.port_mappings is None:
            mappings = [PortMapping(name="default", host_port=0)]
            changes["container"] = app.container.model_copy(update={"port_mappings": mappings})
    if app.is_single_instance and "upgradeStrategy" not in document:
        changes["upgrade_strategy"] = app.upgrade_strategy.model_copy(
            update={"minimum_health_capacity": 0.0, "maximum_over_capacity": 0.0}
        )
    normal = app.model_copy(update=changes)
    has_ports = bool(normal.service_ports())
    checks = [_with_port(check, has_ports) for check in app.health_checks]
    return normal.model_copy(update={"health_checks": checks})


def _with_port(check: HealthCheck, has_ports: bool) -> HealthCheck:
    if check.protocol == "COMMAND" or not has_ports or check.port is not None or check.port_index is not None:
        return check
    return check.model_copy(update={"port_index": 0})


def with_service_ports(app: App, *, before: App | None, taken: set[int]) -> App:
    """The app with every service port 0 replaced by one that no other app has.

    Ports that ``before`` was given stay, so that an unchanged PUT changes nothing (AssignDynamicServiceLogic).

    Raises:
        MarathonError: all ports between 10000 and 20000 are taken.
    """
    wanted = app.service_ports()
    reusable = [
        port
        for port in (before.service_ports() if before else [])
        if port in SERVICE_PORTS and port not in wanted
    ]
    free = (
        port for port in SERVICE_PORTS if port not in taken and port not in wanted and port not in reusable
    )
    assigned: list[int] = []
    for port in wanted:
        chosen = port or (reusable.pop(0) if reusable else next(free, None))
        if chosen is None:
            raise MarathonError("no service port between 10000 and 20000 is free")
        assigned.append(chosen)
    if assigned == wanted:
        return app
    if app.on_host_network:
        definitions = [
            each.model_copy(update={"port": port})
            for each, port in zip(app.port_definitions or [], assigned, strict=True)
        ]
        return app.model_copy(update={"port_definitions": definitions})
    assert app.container is not None  # service ports outside host mode come from its mappings  # noqa: S101
    mappings = [
        each.model_copy(update={"service_port": port})
        for each, port in zip(app.container.port_mappings or [], assigned, strict=True)
    ]
    return app.model_copy(update={"container": app.container.model_copy(update={"port_mappings": mappings})})
