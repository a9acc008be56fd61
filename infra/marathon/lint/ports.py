"""Networks, ports, and the health checks that call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from infra.marathon.app_fields import AppManifest, PortDefinition, PortMapping
from infra.marathon.lint.facts import TASK_PORTS, Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule

_VALIDATION = "Marathon 1.11, AppValidation.scala"
_HEALTH = "Marathon 1.11, docs/docs/health-checks.md"
_BY_MARATHON = frozenset({"HTTP", "HTTPS", "TCP"})
_READS = ("networks", "container", "portDefinitions", "healthChecks", "requirePorts")


def _on_host(app: AppManifest) -> bool:
    return all(network.mode == "host" for network in app.networks)


def _ports(app: AppManifest) -> tuple[str, Sequence[PortDefinition] | Sequence[PortMapping]]:
    """Where the app's ports are declared, and which; one of Marathon's own where it adds one."""
    if not _on_host(app):
        mappings = app.container.portMappings if app.container else []
        return "/container/portMappings", mappings or [PortMapping(name="default")]
    if app.portDefinitions is None:
        return "/portDefinitions", [PortDefinition(name="default")]
    return "/portDefinitions", app.portDefinitions


def _network(app: App, _: Facts) -> Iterator[Found]:
    networks = app.app.networks
    modes = {network.mode for network in networks}
    if len(modes) > 1 or len(networks) > 1:
        yield Found("/networks", "a Docker task has one network", "keep one of them")
    for i, network in enumerate(networks):
        if network.mode != "container" and network.name:
            yield Found(f"/networks/{i}/name", f"{network.mode} has no name", "remove it")
        if network.mode == "container" and not network.name:
            yield Found(f"/networks/{i}", "a container network has a name", "add `name`, or write mode: host")
        if network.mode == "host" and network.labels:
            yield Found(f"/networks/{i}/labels", "host has no labels", "remove them")
    mappings = app.app.container.portMappings if app.app.container else []
    if _on_host(app.app) and mappings:
        yield Found(
            "/container/portMappings", "has no meaning on the host's network", "write `portDefinitions`"
        )
    if not _on_host(app.app) and app.app.portDefinitions:
        yield Found(
            "/portDefinitions", "has no meaning but on the host's network", "write container.portMappings"
        )


def _task_network(app: App, facts: Facts) -> Iterator[Found]:
    if facts.task_network == "host" and not _on_host(app.app):
        what = "fleet.taskNetwork is host: a container with an address of its own gets no AWS credentials"
        yield Found("/networks", what, 'write [{"mode": "host"}], or set fleet.taskNetwork to bridge')


def _unique(app: App, _: Facts) -> Iterator[Found]:
    where, ports = _ports(app.app)
    names = Counter(port.name for port in ports if port.name)
    numbers = Counter(port.port for port in ports if isinstance(port, PortDefinition) and port.port)
    for i, port in enumerate(ports):
        if port.name and names[port.name] > 1:
            yield Found(
                f"{where}/{i}/name", f"'{port.name}' is another port's name, too", "give each its own"
            )
        if isinstance(port, PortDefinition) and numbers[port.port] > 1:
            yield Found(f"{where}/{i}/port", f"{port.port} stands twice", "give each its own, or 0")


def _offered(app: App, _: Facts) -> Iterator[Found]:
    where, ports = _ports(app.app)
    if app.app.requirePorts and not _on_host(app.app):
        yield Found(
            "/requirePorts", "has no meaning but on the host's network", "write hostPort where one is needed"
        )
    for i, port in enumerate(ports):
        if isinstance(port, PortDefinition):
            fixed, key = (port.port if app.app.requirePorts else 0), "port"
        else:
            fixed, key = port.hostPort or 0, "hostPort"
        if fixed and fixed not in TASK_PORTS:
            what = f"no agent offers {fixed}: they offer {TASK_PORTS[0]} to {TASK_PORTS[-1]}"
            yield Found(f"{where}/{i}/{key}", what, "write 0, and read $PORT0 in the task")


def _health_port(app: App, _: Facts) -> Iterator[Found]:
    where, ports = _ports(app.app)
    for i, check in enumerate(app.app.healthChecks):
        place = f"/healthChecks/{i}"
        if check.protocol == "COMMAND":
            continue
        if check.portIndex is not None and check.portIndex >= len(ports):
            have = f"{len(ports)} ports" if len(ports) != 1 else "one port"
            what = f"is {check.portIndex}, but {where} has {have}"
            yield Found(f"{place}/portIndex", what, "count from 0, or define the port")
        elif check.portIndex is None and check.port is None and not ports:
            yield Found(place, "calls a port, and the app has none", f"define one in {where}, or use COMMAND")
        elif check.port is not None and check.protocol in _BY_MARATHON and check.port not in TASK_PORTS:
            what = f"is {check.port}, and Marathon's machines reach tasks on {TASK_PORTS[0]} to {TASK_PORTS[-1]} only"
            yield Found(f"{place}/port", what, "write portIndex instead")


def _health_form(app: App, _: Facts) -> Iterator[Found]:
    checks = app.app.healthChecks
    by_mesos = [i for i, check in enumerate(checks) if check.protocol.startswith("MESOS_")]
    for _first, i in pairwise(by_mesos):
        yield Found(
            f"/healthChecks/{i}/protocol", "is a second check by Mesos, which has one", "remove one of them"
        )
    for i, check in enumerate(checks):
        place = f"/healthChecks/{i}"
        if (check.protocol == "COMMAND") != (check.command is not None):
            what = "a COMMAND check has a command, and no other has one"
            yield Found(place, what, "write both or neither")
        if check.ipProtocol == "IPv6" and not check.protocol.startswith("MESOS_"):
            yield Found(f"{place}/ipProtocol", "Marathon's own checks know IPv4 only", "write IPv4")
        if "HTTP" in check.protocol and not (check.path or "").startswith("/"):
            what = (
                "an HTTP check has no path of its own accord"
                if not check.path
                else "does not begin with a slash"
            )
            yield Found(f"{place}/path", what, "write one, /ping")


def _health_kills(app: App, _: Facts) -> Iterator[Found]:
    for i, check in enumerate(app.app.healthChecks):
        place = f"/healthChecks/{i}"
        if check.maxConsecutiveFailures == 0:
            yield Found(f"{place}/maxConsecutiveFailures", "is 0: a sick task is never replaced", "write 3")
        if check.timeoutSeconds >= check.intervalSeconds:
            what = (
                f"is {check.timeoutSeconds} s, as long as the interval of {check.intervalSeconds} s or longer"
            )
            yield Found(f"{place}/timeoutSeconds", what, "write less than the interval")


RULES: tuple[Rule, ...] = (
    AppRule(
        id="network-form",
        severity="error",
        what="There is one network; ports are `portDefinitions` on the host's, `container.portMappings` on any other.",
        why="Marathon refuses mixtures (422).",
        reference="Marathon 1.11, NetworkValidation.scala, AppValidation.scala",
        fixed=True,
        reads=_READS,
        check=_network,
    ),
    AppRule(
        id="network-credentials",
        severity="error",
        what="Tasks are on the network for which the fleet's machines were made (setting fleet.taskNetwork).",
        why="At a metadata hop limit of 1 a container with an address of its own gets no AWS credentials.",
        reference="Amazon EC2 User Guide, Instance metadata options, hop limit",
        reads=_READS,
        check=_task_network,
    ),
    AppRule(
        id="port-unique",
        severity="error",
        what="No two ports of an app have one name or one number.",
        why="Marathon refuses them (422).",
        reference=_VALIDATION,
        fixed=True,
        reads=_READS,
        check=_unique,
    ),
    AppRule(
        id="port-offered",
        severity="error",
        what="A port that must be a certain one is one that agents offer.",
        why="No offer ever matches, and the deployment waits until it is cancelled.",
        reference="Apache Mesos, Attributes and Resources, default ports",
        reads=_READS,
        check=_offered,
    ),
    AppRule(
        id="health-port",
        severity="error",
        what="A health check calls a port that the app has, and that Marathon's machines may reach.",
        why="Marathon refuses an unknown index (422); a port that is closed to it makes every task sick.",
        reference=f"{_VALIDATION}, portIndexIsValid",
        reads=_READS,
        check=_health_port,
    ),
    AppRule(
        id="health-form",
        severity="error",
        what="A health check has what its protocol needs: a path, a command, one of Mesos at most.",
        why="Marathon refuses some of it (422) and takes the rest in silence.",
        reference=f"{_VALIDATION}; healthCheck.raml",
        reads=_READS,
        check=_health_form,
    ),
    AppRule(
        id="health-kills",
        severity="warning",
        what="A health check ends a task that does not answer, and its timeout is shorter than its interval.",
        why="A check that never kills is only a picture; one that outlasts its interval runs beside itself.",
        reference=_HEALTH,
        reads=_READS,
        check=_health_kills,
    ),
)
