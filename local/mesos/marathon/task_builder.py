"""From an app to the task an agent runs (TaskBuilder and EnvironmentHelper of Marathon 1.11)."""

import re

from local.mesos.agent.task_info import PublishedPort, TaskInfo, Uri, VolumeMount
from local.mesos.marathon.definition import App
from local.mesos.marathon.state import AppVersion

_LONGEST_LABEL = 512


def task_info(run_spec: AppVersion, task_id: str, host: str, ports: list[int]) -> TaskInfo:
    """The task of one launch; ``ports`` are the host ports assigned, in order of declaration."""
    app = run_spec.app
    container = app.container
    docker = container.docker if container else None
    return TaskInfo(
        task_id=task_id,
        command=app.cmd,
        arguments=tuple(app.args),
        environment=environment(run_spec, task_id, host, ports),
        uris=tuple(
            Uri(each.uri, each.extract, each.executable, each.cache, each.dest_path) for each in app.fetch
        ),
        user=app.user,
        image=app.image,
        volumes=tuple(
            VolumeMount(each.container_path, each.host_path or "", each.mode)
            for each in (container.volumes if container else [])
        ),
        parameters=tuple((each.key, each.value) for each in (docker.parameters if docker else [])),
        privileged=bool(docker and docker.privileged),
        force_pull=bool(docker and docker.force_pull_image),
        network=_network(app),
        ports=_published(app, host, ports),
        grace_s=app.task_kill_grace_period_seconds,
        role=app.role,
        cpus=app.cpus,
        mem_mb=app.mem,
    )


def _network(app: App) -> str:
    if app.on_host_network:
        return "host"
    return app.networks[0].name or "bridge"


def _published(app: App, host: str, ports: list[int]) -> tuple[PublishedPort, ...]:
    if app.on_host_network:
        return ()
    mappings = (app.container and app.container.port_mappings) or []
    return tuple(
        PublishedPort(host, port, mapping.container_port or port, protocol)
        for mapping, port in zip(mappings, ports, strict=True)
        for protocol in mapping.protocol.split(",")
    )


def environment(run_spec: AppVersion, task_id: str, host: str, ports: list[int]) -> dict[str, str]:
    """Marathon's own variables, then those of the ports, then the app's: later wins."""
    app = run_spec.app
    own = {
        "MESOS_TASK_ID": task_id,
        "MARATHON_APP_ID": app.id,
        "MARATHON_APP_VERSION": run_spec.version,
        "MARATHON_APP_RESOURCE_CPUS": str(app.cpus),
        "MARATHON_APP_RESOURCE_MEM": str(app.mem),
        "MARATHON_APP_RESOURCE_DISK": str(app.disk),
        "MARATHON_APP_RESOURCE_GPUS": str(app.gpus),
        "MARATHON_APP_ENFORCE_GROUP_ROLE": "false",
    }
    if app.image:
        own["MARATHON_APP_DOCKER_IMAGE"] = app.image
    return (
        own
        | _labels(app)
        | _ports(app, host, ports)
        | {k: v for k, v in app.env.items() if isinstance(v, str)}
    )


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _labels(app: App) -> dict[str, str]:
    short = {k: v for k, v in app.labels.items() if len(k) < _LONGEST_LABEL and len(v) < _LONGEST_LABEL}
    named = {f"MARATHON_APP_LABEL_{_variable(key)}": value for key, value in short.items()}
    return {"MARATHON_APP_LABELS": " ".join(_variable(key) for key in short)} | named


def _ports(app: App, host: str, ports: list[int]) -> dict[str, str]:
    variables = {"HOST": host}
    if not ports:
        return variables
    if app.on_host_network:
        declared = [(each.port, each.name) for each in app.port_definitions or []]
        effective = ports
    else:
        mappings = (app.container and app.container.port_mappings) or []
        declared = [(each.container_port, each.name) for each in mappings]
        effective = [number or ports[index] for index, (number, _) in enumerate(declared)]
    variables |= {"PORT": str(effective[0]), "PORTS": ",".join(map(str, effective))}
    for index, ((number, name), port) in enumerate(zip(declared, effective, strict=True)):
        variables[f"PORT{index}"] = str(port)
        if number:
            variables[f"PORT_{number}"] = str(port)
        if name:
            variables[f"PORT_{_variable(name)}"] = str(port)
    return variables
