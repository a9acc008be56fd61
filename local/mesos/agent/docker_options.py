"""What ``docker create`` is told of a task, after Mesos' ``Docker::RunOptions`` (src/docker/docker.cpp).

Of the app's ``parameters`` those are taken that act on the container alone. The others would hand the container more of
this machine than the person has who runs the server, or would take it out of the agent's hands (its name, its
networks, its end), and are refused by name: a stand-in must not pass over what a real agent would do.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.mesos.agent.containerizer import ContainerSpec, LaunchError
from local.mesos.agent.task_info import TaskInfo, VolumeMount

#: Where every container finds its sandbox (agent flag ``--sandbox_directory``).
SANDBOX_DIRECTORY = "/mnt/mesos/sandbox"

#: On every container of ours; its value names the server's work folder, so that nobody takes another's for leftovers.
WORK_DIR_LABEL = "trawler.work-dir"

_SHORT = {
    "w": "workdir",
    "u": "user",
    "h": "hostname",
    "l": "label",
    "e": "env",
    "c": "cpu-shares",
    "m": "memory",
}

#: Options of ``docker run`` that act on nothing but the container.
PARAMETERS = frozenset(
    {
        "add-host", "cap-drop", "cpu-period", "cpu-quota", "cpu-shares", "cpus", "cpuset-cpus", "dns", "dns-option",
        "dns-search", "domainname", "entrypoint", "env", "expose", "hostname", "init", "label",
        "log-driver", "log-opt", "memory", "memory-reservation", "memory-swap", "memory-swappiness", "network-alias",
        "no-healthcheck", "oom-score-adj", "pids-limit", "read-only", "security-opt", "shm-size", "stop-signal",
        "sysctl", "tmpfs", "ulimit", "user", "workdir",
    }
)  # fmt: skip

_NOT_GREATER = frozenset({"oom-score-adj"})
_SAFE_SECURITY = frozenset({"no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"})

#: Variables by which the ``docker`` program itself is led; they must not reach it from a task.
_OF_THE_PROGRAM = (
    "DOCKER_",
    "BUILDKIT_",
    "XDG_",
    "LD_",
    "SSL_",
    "GO",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
_LONGEST_LINE = 32_000


@dataclass(frozen=True)
class Create:
    """One ``docker create``.

    Attributes:
        arguments: everything after ``create``; no value of the task's environment is among them.
        env_file: what ``--env-file /dev/stdin`` reads.
        passed: variables that no line of such a file can hold, for the program's own environment.
    """

    arguments: Sequence[str]
    env_file: bytes
    passed: Mapping[str, str]


def container_name(container_id: str) -> str:
    return f"mesos-{container_id}"


def create_options(spec: ContainerSpec, work_dir: Path) -> Create:
    """The call that creates the container of a task.

    Args:
        spec: what to launch; its task has an image.
        work_dir: of the server, for the label.

    Raises:
        LaunchError: a parameter, volume or variable that cannot be, by its name.
    """
    task = spec.task
    if task.privileged:
        raise _refused("privileged", "a privileged container owns this machine; local agents run none")
    environment = {**spec.environment, "MESOS_SANDBOX": SANDBOX_DIRECTORY}
    parameters = [_parameter(key, value, environment) for key, value in task.parameters]
    env_file, passed = _split(environment)
    memory = max(32 * 1024 * 1024, int(task.mem_mb * 1024 * 1024))
    arguments = [
        *("--name", container_name(spec.id), "--pull", "never", "--net", task.network),
        *("--cpu-shares", str(max(2, int(1024 * task.cpus))), "--memory", str(memory)),
        *("--label", f"MESOS_TASK_ID={task.task_id}", "--label", f"{WORK_DIR_LABEL}={work_dir}"),
        *("--env-file", "/dev/stdin"),
        *(word for name in passed for word in ("-e", name)),
        *("-v", f"{spec.sandbox.path}:{SANDBOX_DIRECTORY}"),
        *(word for volume in task.volumes for word in ("-v", _bind(volume, spec.sandbox.path))),
        *(word for port in _ports(task) for word in ("-p", port)),
        *(word for word in parameters if word is not None),
    ]
    return Create([*arguments, *_command(task)], env_file, passed)


def _command(task: TaskInfo) -> list[str]:
    if task.command is not None:
        return ["--entrypoint", "/bin/sh", str(task.image), "-c", task.command]
    return [str(task.image), *task.arguments]


def _ports(task: TaskInfo) -> list[str]:
    if task.network == "host":
        return []
    # Mesos publishes on all addresses; here a machine is a loopback address, and nothing is reached from outside.
    return [f"{each.host_ip}:{each.host_port}:{each.container_port}/{each.protocol}" for each in task.ports]


def _parameter(key: str, value: str, environment: dict[str, str]) -> str | None:
    name = _SHORT.get(key, key)
    if name not in PARAMETERS:
        why = f"not among those that local agents pass on ({', '.join(sorted(PARAMETERS))})"
        raise _refused(key, why)
    if name == "security-opt" and value not in _SAFE_SECURITY:
        raise _refused(f"{key}={value}", "of this one only no-new-privileges is passed on")
    if name in _NOT_GREATER and value.startswith("-"):
        raise _refused(f"{key}={value}", "a task must not outlive this machine's own processes")
    if name == "label" and value.partition("=")[0] in {WORK_DIR_LABEL, "MESOS_TASK_ID"}:
        raise _refused(f"{key}={value}", "the agent finds its containers by this label")
    if name == "env":
        variable, equals, content = value.partition("=")
        if not equals:
            raise _refused(
                f"{key}={value}", "give it a value: nothing of the agent's environment goes to a task"
            )
        environment[variable] = content
        return None
    return f"--{name}={value}"


def _refused(parameter: str, why: str) -> LaunchError:
    return LaunchError(f"Failed to launch container: docker parameter '{parameter}' is refused: {why}")


def _split(environment: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    lines: list[str] = []
    passed: dict[str, str] = {}
    for name, value in environment.items():
        if (
            not name
            or name.startswith("#")
            or any(each in name for each in " \t\r\n=\0\ufeff")
            or "\0" in value
        ):
            raise LaunchError(f"Failed to launch container: '{name}' cannot be a variable of a container")
        if "\n" not in value and not value.endswith("\r") and len(value.encode()) < _LONGEST_LINE:
            lines.append(f"{name}={value}\n")
            continue
        if name in {"PATH", "HOME", "TMPDIR"} or name.upper().startswith(_OF_THE_PROGRAM):
            raise LaunchError(
                f"Failed to launch container: variable '{name}' is too long or has several lines; "
                "docker itself reads a variable of this name"
            )
        passed[name] = value
    return "".join(lines).encode(), passed


def _bind(volume: VolumeMount, sandbox: Path) -> str:
    relative_target = not PurePosixPath(volume.container_path).is_absolute()
    target = f"{SANDBOX_DIRECTORY}/{volume.container_path}" if relative_target else volume.container_path
    mode = "rw" if volume.mode == "RW" else "ro"
    if PurePosixPath(volume.host_path).is_absolute():
        source = _of_this_machine(Path(volume.host_path), mode)
    elif relative_target:
        raise LaunchError(
            f"Failed to launch container: Failed to create container: hostPath '{volume.host_path}' and containerPath "
            f"'{volume.container_path}' are both relative to the sandbox; make containerPath absolute"
        )
    else:
        source = _in_sandbox(volume.host_path, sandbox)
    if ":" in str(source) or ":" in target:
        raise LaunchError(
            f"Failed to launch container: a volume's path cannot hold a colon: '{source}:{target}'"
        )
    return f"{source}:{target}:{mode}"


def _in_sandbox(host_path: str, sandbox: Path) -> Path:
    source = Path(os.path.normpath(sandbox / host_path))
    if not source.is_relative_to(sandbox) or not source.resolve().is_relative_to(sandbox.resolve()):
        raise LaunchError(f"Failed to launch container: hostPath '{host_path}' leaves the sandbox")
    try:
        if not source.exists():  # else the daemon makes it, and it belongs to root
            source.mkdir(parents=True)
    except OSError as error:
        raise LaunchError(
            f"Failed to launch container: cannot make the folder '{source}': {error.strerror}"
        ) from error
    return source


def _of_this_machine(path: Path, mode: str) -> Path:
    """The path, if the server's user could do as much with it as the container then can."""
    try:
        source = path.resolve(strict=True)
        found = source.stat()
    except OSError as error:
        raise LaunchError(f"Failed to launch container: hostPath '{path}': {error.strerror}") from error
    own = found.st_uid == os.geteuid()
    readable_file = stat.S_ISREG(found.st_mode) and os.access(source, os.R_OK)
    if own and not stat.S_ISSOCK(found.st_mode):
        return source
    if mode == "ro" and readable_file:
        return source
    raise LaunchError(
        f"Failed to launch container: hostPath '{path}' is refused: it belongs to another user of this machine; "
        "local agents mount what belongs to their own user, and files that it can read, read-only"
    )
