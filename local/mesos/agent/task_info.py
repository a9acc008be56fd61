"""What a framework asks of an agent, and what the agent reports back (Mesos' TaskInfo and TaskStatus)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class TaskState(StrEnum):
    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    DROPPED = "TASK_DROPPED"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNREACHABLE = "TASK_UNREACHABLE"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)


@dataclass(frozen=True)
class Uri:
    value: str
    extract: bool = True
    executable: bool = False
    cache: bool = False
    output_file: str | None = None


@dataclass(frozen=True)
class VolumeMount:
    """``host_path`` absolute, or relative to the sandbox."""

    container_path: str
    host_path: str
    mode: str


@dataclass(frozen=True)
class PublishedPort:
    """A port of a container with a network of its own, reached at ``host_ip:host_port``."""

    host_ip: str
    host_port: int
    container_port: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class TaskInfo:
    """One task to run.

    Attributes:
        command: a line for ``/bin/sh -c``; None where ``arguments`` (or the image's own command) run instead.
        environment: all variables the framework sets, in the order of precedence already resolved.
        image: the image's full name, None for a task without a container.
        parameters: ``docker run`` options as key and value.
        force_pull: pull the image also where it is.
        network: ``host``, ``bridge``, or the name of a network.
        ports: what is published of a network that is not the host's.
        grace_s: seconds between SIGTERM and SIGKILL, None for the agent's own default.
    """

    task_id: str
    command: str | None
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    uris: Sequence[Uri] = ()
    user: str | None = None
    image: str | None = None
    volumes: Sequence[VolumeMount] = ()
    parameters: Sequence[tuple[str, str]] = ()
    privileged: bool = False
    force_pull: bool = False
    network: str = "host"
    ports: Sequence[PublishedPort] = ()
    grace_s: float | None = None
    role: str = "*"
    cpus: float = 0.1
    mem_mb: float = 32.0


@dataclass(frozen=True)
class StatusUpdate:
    task_id: str
    state: TaskState
    message: str = ""
    reason: str = ""


Report = Callable[[StatusUpdate], None]
