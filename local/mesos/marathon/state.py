"""All that Marathon knows, in one place, so that a store can be put beneath it.

Nothing here acts: `scheduler` moves instances, `groups` moves apps, `deployments` moves both towards each other.
"""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from local.mesos.agent.task_info import TaskState
from local.mesos.marathon import ids
from local.mesos.marathon.definition import App, is_upgrade
from local.mesos.marathon.errors import NotFoundError


@dataclass(frozen=True)
class AppVersion:
    """A stored definition; all three times are versions, the last two of the latest change of that kind."""

    app: App
    version: str
    last_scaling_at: str
    last_config_change_at: str

    @classmethod
    def first(cls, app: App, version: str) -> Self:
        return cls(app, version, version, version)

    def changed_to(self, app: App, version: str) -> "AppVersion":
        """The definition's successor; itself where nothing differs (VersionInfo)."""
        if is_upgrade(self.app, app):
            return AppVersion(app, version, version, version)
        if self.app.instances != app.instances:
            return replace(self, app=app, version=version, last_scaling_at=version)
        return self

    def restarted(self, version: str) -> "AppVersion":
        return replace(self, version=version, last_config_change_at=version)


@dataclass
class Health:
    """What a health check has seen of an instance (Health of Marathon)."""

    first_success: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    last_failure_cause: str | None = None
    consecutive_failures: int = 0

    @property
    def alive(self) -> bool:
        if self.last_success is None:
            return False
        return self.last_failure is None or self.last_success > self.last_failure


class Goal(StrEnum):
    RUNNING = "Running"
    DECOMMISSIONED = "Decommissioned"


@dataclass
class Task:
    """One launch of an instance."""

    id: str
    agent_id: str
    host: str
    ports: list[int]
    state: TaskState
    staged_at: datetime
    started_at: datetime | None = None
    region: str | None = None
    zone: str | None = None


@dataclass
class Instance:
    """A slot of an app; ``task`` is None while it waits to be launched.

    ``run_spec`` is the definition it is (to be) launched with.
    """

    id: str
    run_spec: AppVersion
    since: datetime
    goal: Goal = Goal.RUNNING
    attempts: int = 0
    task: Task | None = None
    health: dict[int, Health] = field(default_factory=dict[int, Health])
    ready: bool = True

    @property
    def app_id(self) -> str:
        return self.run_spec.app.id

    @property
    def is_running(self) -> bool:
        return self.task is not None and self.task.state is TaskState.RUNNING

    @property
    def is_unreachable(self) -> bool:
        return self.task is not None and self.task.state is TaskState.UNREACHABLE

    @property
    def is_considered_healthy(self) -> bool:
        """Running, and passing every check where there are any."""
        checks = len(self.run_spec.app.health_checks)
        return self.is_running and all(
            index in self.health and self.health[index].alive for index in range(checks)
        )

    @property
    def condition(self) -> str:
        """Marathon's name for the state."""
        if self.task is None:
            return "Scheduled"
        if self.is_unreachable:
            return "Unreachable"
        return self.task.state.removeprefix("TASK_").capitalize()


@dataclass(frozen=True)
class TaskFailure:
    app_id: str
    host: str
    message: str
    state: str
    task_id: str
    timestamp: datetime
    version: str
    slave_id: str | None


@dataclass(frozen=True)
class KnownAgent:
    """An agent that has registered and is not gone for good, whether it is there or silent.

    Attributes:
        id: under which it comes back.
        name, attributes: of its machine, by which it is known again.
        host: a loopback address that its tasks were told.
        ports: first and last of those its tasks may have.
    """

    id: str
    name: str
    attributes: Mapping[str, str]
    host: str
    ports: tuple[int, int]


class Pulse:
    """Wakes everyone who waits for any change; what changed they read from the state.

    Attributes:
        keep: called before anybody wakes. All that a change causes (answers, events, launches, kills) happens in a
            later turn of the event loop than the change itself, and so after it was kept.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._depth = 0
        self._due = False
        self.keep: Callable[[], None] = lambda: None

    @contextmanager
    def together(self) -> Generator[None]:
        """Make what happens in the block one change. No ``await`` may stand in it."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._due and not self._depth:
                self.notify()

    def notify(self) -> None:
        """Something has changed; every change ends with this, in the same turn of the event loop."""
        if self._depth:
            self._due = True
            return
        self._due = False
        self.keep()
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next change, or after ``timeout_s`` without one."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        await asyncio.wait([future], timeout=timeout_s)
        self._waiting.discard(future)


@dataclass
class State:
    """Apps with their versions (newest last), instances, the last failure of each app, and agents by id.

    ``agents_ever`` counts all that ever registered: no id is given twice.
    """

    versions: dict[str, list[AppVersion]] = field(default_factory=dict[str, list[AppVersion]])
    instances: dict[str, Instance] = field(default_factory=dict[str, Instance])
    last_failures: dict[str, TaskFailure] = field(default_factory=dict[str, TaskFailure])
    groups: set[str] = field(default_factory=lambda: {"/"})
    agents: dict[str, KnownAgent] = field(default_factory=dict[str, KnownAgent])
    agents_ever: int = 0
    changed: Pulse = field(default_factory=Pulse)

    #: ``--zk_max_versions``
    kept_versions = 50

    def apps(self) -> dict[str, AppVersion]:
        return {app_id: versions[-1] for app_id, versions in self.versions.items()}

    def find(self, app_id: str) -> AppVersion | None:
        versions = self.versions.get(app_id)
        return versions[-1] if versions else None

    def app(self, app_id: str) -> AppVersion:
        found = self.find(app_id)
        if found is None:
            raise NotFoundError(f"App '{app_id}' does not exist")
        return found

    def app_at(self, app_id: str, version: str) -> AppVersion:
        for each in self.versions.get(app_id, []):
            if each.version == version:
                return each
        self.app(app_id)
        raise NotFoundError(f"App '{app_id}' with version '{version}' does not exist")

    def store(self, apps: dict[str, AppVersion]) -> None:
        """Make ``apps`` the whole tree. An app that vanishes leaves its groups (RootGroup.removeApp)."""
        for app_id in self.versions.keys() - apps.keys():
            del self.versions[app_id]
        for app_id, current in apps.items():
            versions = self.versions.setdefault(app_id, [])
            if not versions or versions[-1] != current:
                versions.append(current)
                del versions[: -self.kept_versions]
            self.groups.update(ids.parents(app_id))

    def of_app(self, app_id: str) -> list[Instance]:
        return [each for each in self.instances.values() if each.app_id == app_id]

    def active(self, app_id: str) -> list[Instance]:
        """Instances that shall run; those on their way out do not count."""
        return [each for each in self.of_app(app_id) if each.goal is Goal.RUNNING]

    def by_task(self, task_id: str) -> Instance | None:
        instance = self.instances.get(ids.instance_of(task_id) or "")
        return instance if instance and instance.task and instance.task.id == task_id else None

    def tasks(self) -> Iterator[tuple[Instance, Task]]:
        for instance in self.instances.values():
            if instance.task is not None:
                yield instance, instance.task
