"""Rules between the fields of an app and between apps (AppValidation, SchedulingValidation of Marathon 1.11)."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from local.mesos.marathon import ids
from local.mesos.marathon.definition import App, HealthCheck, UnreachableStrategy
from local.mesos.marathon.errors import Details

_Refuse = Callable[[str, str], None]

OPERATORS = frozenset({"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"})


def broken(app: App) -> Details:
    """The rules an app in normal form breaks, by JSON path; empty when it is sound."""
    details: Details = {}

    def refuse(path: str, why: str) -> None:
        details.setdefault(path, []).append(why)

    for problem in ids.problems(app.id):
        refuse("/id", problem)
    _command(app, refuse)
    _container(app, refuse)
    _ports(app, refuse)
    for index, constraint in enumerate(app.constraints):
        if problem := _constraint_problem(constraint):
            refuse(f"/constraints({index})", problem)
    for index, artifact in enumerate(app.fetch):
        if not _is_uri(artifact.uri):
            refuse(f"/fetch({index})/uri", "URI has invalid syntax.")
    for index, check in enumerate(app.health_checks):
        for problem in _health_check_problems(check, len(app.service_ports())):
            refuse(f"/healthChecks({index})", problem)
    _health_checks(app, refuse)
    _strategies(app, refuse)
    _scheduling(app, refuse)
    return details


def _command(app: App, refuse: _Refuse) -> None:
    if app.cmd is not None and app.args:
        refuse("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.")
    if app.cmd is None and not app.args and not app.image:
        refuse("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.")
    if app.cmd is not None and len(app.cmd) <= 1:
        refuse("/cmd", f"got {len(app.cmd)}, expected more than 1 character")


def _container(app: App, refuse: _Refuse) -> None:
    if app.container is None:
        return
    if app.container.type == "DOCKER" and app.container.docker is None:
        refuse("/container/docker", "not defined")
    if app.container.docker is not None:
        if app.container.type == "DOCKER" and not app.container.docker.image:
            refuse("/container/docker/image", "must not be empty")
        if app.container.type == "MESOS" and app.container.docker.parameters:
            refuse("/container/docker/parameters", "must be empty")
    for index, volume in enumerate(app.container.volumes):
        at = f"/container/volumes({index})"
        if not volume.container_path:
            refuse(f"{at}/containerPath", "must not be empty")
        if volume.host_path is None:
            refuse(
                f"{at}/hostPath", "persistent, external and secret volumes are not emulated: give a hostPath"
            )
        elif not volume.host_path:
            refuse(f"{at}/hostPath", "must not be empty")


def _ports(app: App, refuse: _Refuse) -> None:
    if not app.on_host_network and app.port_definitions:
        refuse("/portDefinitions", "portDefinitions are only allowed with host-mode networking")
    if app.on_host_network and app.container and app.container.port_mappings:
        refuse("/container/portMappings", "portMappings are not allowed with host-mode networking")
    if len([each for each in app.networks if each.mode != "host"]) > 1 and app.container and app.image:
        refuse("/networks", "Docker containers may join at most one container network")
    if not app.on_host_network and app.container is None:
        refuse("/networks", "container networks need a container")
    definitions = app.port_definitions or []
    given = [each.port for each in definitions if each.port]
    if len(given) != len(set(given)):
        refuse("/portDefinitions", "Ports must be unique.")
    names = [each.name for each in definitions if each.name]
    if len(names) != len(set(names)):
        refuse("/portDefinitions", "Port names must be unique.")


def _constraint_problem(constraint: list[str]) -> str | None:  # noqa: PLR0911 - one a rule
    if len(constraint) not in {2, 3}:
        return "Each constraint must have either 2 or 3 fields."
    operator, value = constraint[1], constraint[2] if len(constraint) == 3 else None
    if operator not in OPERATORS:
        return f"{operator} is not a valid constraint operator; use one of {', '.join(sorted(OPERATORS))}"
    if operator == "UNIQUE" and value is not None:
        return "Value specified but not used: UNIQUE takes no value"
    if operator in {"LIKE", "UNLIKE", "IS", "MAX_PER"} and not value:
        return f"A value must be specified for {operator}"
    if operator in {"LIKE", "UNLIKE"}:
        try:
            re.compile(value or "")
        except re.error as error:
            return f"'{value}' is not a valid regular expression: {error}"
    if value and (
        (operator == "MAX_PER" and not value.isdigit()) or (operator == "GROUP_BY" and not value.isdigit())
    ):
        return f"Value was specified but is not a number: {operator} takes an integer"
    return None


def _is_uri(text: str) -> bool:
    if not text or re.search(r"[\s<>{}|\\^`]", text):
        return False
    try:
        _ = urlsplit(text).port
    except ValueError:
        return False
    return True


def _health_check_problems(check: HealthCheck, ports: int) -> Iterable[str]:
    if check.protocol == "COMMAND":
        if check.command is None:
            yield "COMMAND must have the field command"
        return
    if check.command is not None:
        yield f"{check.protocol} must not have the field command"
    if check.port is not None and check.port_index is not None:
        yield "HTTP and TCP checks must specify either a port or a port index, not both"
    if check.port is None and (check.port_index is None or check.port_index >= ports):
        yield "Health check port indices must address an element of the ports array or container port mappings."


def _health_checks(app: App, refuse: _Refuse) -> None:
    beside_the_task = [each for each in app.health_checks if each.protocol.startswith("MESOS_")]
    if len(beside_the_task) > 1:
        refuse("/healthChecks", "AppDefinition can contain at most one Mesos health check")
    for index, check in enumerate(app.health_checks):
        in_docker = app.container is not None and app.container.type == "DOCKER"
        if check.ip_protocol == "IPv6" and not (in_docker and check in beside_the_task):
            refuse(
                f"/healthChecks({index})/ipProtocol", "IPv6 is for MESOS_ checks of Docker containers only"
            )
    if app.check is not None:
        refuse("/check", "checks are not emulated: leave it out")


def _strategies(app: App, refuse: _Refuse) -> None:
    strategy = app.unreachable_strategy
    if isinstance(strategy, UnreachableStrategy) and (
        strategy.inactive_after_seconds > strategy.expunge_after_seconds
    ):
        refuse(
            "/unreachableStrategy", "inactiveAfterSeconds must be less than or equal to expungeAfterSeconds"
        )
    if app.is_single_instance:
        upgrade = app.upgrade_strategy
        if upgrade.minimum_health_capacity or upgrade.maximum_over_capacity:
            refuse("/upgradeStrategy", "must be 0 and 0 with the label MARATHON_SINGLE_INSTANCE_APP")
        if app.instances > 1:
            refuse("/instances", "must be at most 1 with the label MARATHON_SINGLE_INSTANCE_APP")
    if len(app.readiness_checks) > 1:
        refuse("/readinessChecks", "must have at most 1 element")
    for index, check in enumerate(app.readiness_checks):
        if check.timeout_seconds >= check.interval_seconds:
            refuse(f"/readinessChecks({index})/timeoutSeconds", "must be less than intervalSeconds")


def _scheduling(app: App, refuse: _Refuse) -> None:
    if app.gpus and app.container and app.container.type == "DOCKER":
        refuse("/gpus", "gpus are not supported with the Docker containerizer")
    if app.secrets or any(isinstance(value, dict) for value in app.env.values()):
        refuse("/secrets", "Feature secrets is not enabled. Enable with --enable_features secrets")
    limits = app.resource_limits
    for name, least, limit in (
        ("cpus", app.cpus, limits and limits.cpus),
        ("mem", app.mem, limits and limits.mem),
    ):
        if isinstance(limit, float) and limit < least:
            refuse(f"/resourceLimits/{name}", f"must be at least the {name} that the app asks for, {least:g}")
    strangers = [role for role in app.accepted_resource_roles if role not in {"*", app.role}]
    if strangers:
        refuse("/acceptedResourceRoles", f"{', '.join(strangers)}: only * and the app's own role are allowed")


def broken_between(apps: Mapping[str, App]) -> Details:
    """Rules that hold for the whole tree: no app is also a group, dependencies have no cycle."""
    details: Details = {}
    for app_id in apps:
        for parent in ids.parents(app_id):
            if parent in apps:
                details.setdefault("/id", []).append(
                    f"Groups and Applications may not have the same identifier: {parent}"
                )
    for cyclic in sorted(_in_cycles(apps)):
        details.setdefault("/dependencies", []).append(f"Dependency graph has cyclic dependencies: {cyclic}")
    return details


def dependencies_of(app: App, apps: Mapping[str, App]) -> set[str]:
    """The apps an app waits for; a group stands for all apps below it."""
    return {
        other
        for wanted in app.dependencies
        for other in apps
        if other == wanted or ids.is_below(other, wanted)
        if other != app.id
    }


def _in_cycles(apps: Mapping[str, App]) -> set[str]:
    left = {app_id: dependencies_of(app, apps) for app_id, app in apps.items()}
    while ready := [app_id for app_id, waits_for in left.items() if not waits_for & left.keys()]:
        for app_id in ready:
            del left[app_id]
    return set(left)
