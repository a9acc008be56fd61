"""One agent: takes tasks, brings each through fetch, pull, launch and end, and reports every state."""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from local.mesos.agent.containerizer import Container, Containerizer, ContainerSpec, LaunchError
from local.mesos.agent.disturbance import Disturbance, Undisturbed
from local.mesos.agent.fetcher import Fetcher, FetchError
from local.mesos.agent.inside import RunsCommands
from local.mesos.agent.sandbox import Sandbox, SandboxError, latest_sandbox, make_sandbox
from local.mesos.agent.task_info import Report, StatusUpdate, TaskInfo, TaskState

_log = logging.getLogger(__name__)

#: ``--executor_shutdown_grace_period`` of a Mesos agent, for tasks that name no grace of their own.
DEFAULT_GRACE_S = 5.0


@dataclass(frozen=True)
class Machine:
    """What an agent offers.

    Attributes:
        name: the machine's name in logs, e.g. ``ip-10-0-0-4``.
        host: a loopback address of the machine's own, where its tasks' ports answer.
        attributes: what constraints may name.
        ports: the ports its tasks may get; no two machines share one, since all stand on one network.
    """

    name: str
    host: str
    cpus: float
    mem_mb: float
    disk_mb: float
    ports: range
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    region: str | None = None
    zone: str | None = None


@dataclass
class _Run:
    task: TaskInfo
    report: Report
    work: asyncio.Task[None] | None = None
    bringing_up: asyncio.Task[int] | None = None
    container: Container | None = None
    container_id: str | None = None
    recovering: bool = False
    told: TaskState = TaskState.STAGING
    kill_ordered: bool = False
    kill_grace_s: float | None = None
    killing: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


class _GoneError(LaunchError):
    """A task that an earlier server ran is not there any more."""


class Agent:
    """A Mesos agent on one `Machine`.

    Args:
        agent_id: id of the agent, part of every sandbox's path.
        machine: what it offers.
        work_dir: root of the sandboxes.
        framework_id: the framework whose tasks it runs.
        containerizer: what runs the tasks.
        executor_environment: variables beneath all others (``--executor_environment_variables`` of Mesos).
        disturbance: what goes wrong by order; None for nothing.
    """

    def __init__(
        self,
        agent_id: str,
        machine: Machine,
        work_dir: Path,
        framework_id: str,
        containerizer: Containerizer,
        executor_environment: Mapping[str, str],
        disturbance: Disturbance | None = None,
    ) -> None:
        self.id = agent_id
        self.machine = machine
        self._work_dir = work_dir
        self._framework_id = framework_id
        self._containerizer = containerizer
        self._executor_environment = dict(executor_environment)
        self._disturbance = disturbance or Undisturbed()
        self._fetcher = Fetcher(work_dir / "fetch" / agent_id)
        self._runs: dict[str, _Run] = {}

    def launch(self, task: TaskInfo, report: Report) -> None:
        """Start bringing a task up; every state from TASK_STARTING on goes to ``report``."""
        run = _Run(task, report)
        self._runs[task.task_id] = run
        run.work = asyncio.create_task(self._work(run), name=f"run {task.task_id}")

    def recover(self, task: TaskInfo, report: Report, *, killing: bool) -> None:
        """Find again a task that an earlier server launched here, and go on with it where it is.

        Where it runs, TASK_RUNNING is reported; where it has ended meanwhile, its end is; where there is nothing of it,
        TASK_GONE, as a framework learns it that reconciles with an agent which does not know the task.

        Args:
            task: as it was launched.
            report: gets the states.
            killing: whether its end was ordered already; that order is given again.
        """
        run = _Run(task, report, recovering=True, kill_ordered=killing)
        self._runs[task.task_id] = run
        run.work = asyncio.create_task(self._work(run), name=f"recover {task.task_id}")

    def tasks(self) -> dict[str, TaskState]:
        """The tasks that have not ended, each with the state that was last reported."""
        return {task_id: run.told for task_id, run in self._runs.items()}

    def containers(self) -> set[str]:
        """Ids of the containers that are there, or about to be."""
        return {run.container_id for run in self._runs.values() if run.container_id}

    def container_of(self, task_id: str) -> str | None:
        """Id of a task's newest container, whether this agent object or an earlier one launched it."""
        sandbox = latest_sandbox(self._work_dir, self.id, self._framework_id, task_id)
        return sandbox.path.name if sandbox else None

    def kill(self, task_id: str, grace_s: float | None = None) -> bool:
        """Order a task's end; False when the agent does not have it. An earlier order is not lengthened."""
        run = self._runs.get(task_id)
        if run is None:
            return False
        if grace_s is None:
            grace_s = DEFAULT_GRACE_S if run.task.grace_s is None else run.task.grace_s
        run.kill_grace_s = grace_s
        if not run.kill_ordered:
            run.kill_ordered = True
            self._tell(run, StatusUpdate(task_id, TaskState.KILLING))
        if run.container is not None:
            self._order_kill(run, run.container, grace_s)
        elif run.bringing_up is not None and not run.recovering:
            run.bringing_up.cancel()
        return True

    @staticmethod
    def _tell(run: _Run, update: StatusUpdate) -> None:
        run.told = update.state
        run.report(update)

    @staticmethod
    def _order_kill(run: _Run, container: Container, grace_s: float) -> None:
        killing = asyncio.create_task(container.kill(grace_s), name=f"kill {run.task.task_id}")
        run.killing.add(killing)
        killing.add_done_callback(run.killing.discard)

    async def execute(self, task_id: str, command: str, timeout_s: float) -> int | None:
        """The exit status of a command inside a running task's container; None where nothing can be run in it.

        Raises:
            TimeoutError: it took longer; nothing of it runs any more.
            OSError: it cannot be started.
        """
        run = self._runs.get(task_id)
        if run is None or not isinstance(run.container, RunsCommands):
            return None
        return await run.container.execute(command, timeout_s)

    async def shut_down(self, grace_s: float) -> None:
        """End all tasks, SIGTERM first, SIGKILL after ``grace_s``; nothing of them runs afterwards."""
        works = [run.work for run in self._runs.values() if run.work is not None]
        for task_id in list(self._runs):
            self.kill(task_id, grace_s)
        await asyncio.gather(*works, return_exceptions=True)

    async def _work(self, run: _Run) -> None:
        update = await self._outcome(run)
        self._runs.pop(run.task.task_id, None)
        self._tell(run, update)

    async def _outcome(self, run: _Run) -> StatusUpdate:
        task = run.task
        try:
            if run.kill_ordered and not run.recovering:  # before anything of it began
                return self._ended(run, TaskState.KILLED, "")
            bringing_up = self._find(run) if run.recovering else self._run(run)
            run.bringing_up = asyncio.create_task(bringing_up, name=f"bring up {task.task_id}")
            status = await run.bringing_up
        except asyncio.CancelledError:
            if run.container is not None:
                await run.container.kill(0)
            return StatusUpdate(task.task_id, TaskState.KILLED, "Container was killed before it ran")
        except LaunchError as error:
            gone = isinstance(error, _GoneError)
            state = TaskState.GONE if gone else TaskState.FAILED
            reason = "REASON_RECONCILIATION" if gone else "REASON_CONTAINER_LAUNCH_FAILED"
            return self._ended(run, state, str(error), reason)
        except Exception as error:  # noqa: BLE001 - one broken task must not take the agent along: told and reported
            _log.exception("task %s: unexpected failure on %s", task.task_id, self.machine.name)
            return self._ended(run, TaskState.FAILED, f"Agent failure: {error}", "REASON_EXECUTOR_TERMINATED")
        if status == 0:
            return self._ended(run, TaskState.FINISHED, "Container exited with status 0")
        code = 128 - status if status < 0 else status
        return self._ended(
            run, TaskState.FAILED, f"Container exited with status {code}", "REASON_COMMAND_EXECUTOR_FAILED"
        )

    @staticmethod
    def _ended(run: _Run, state: TaskState, message: str, reason: str = "") -> StatusUpdate:
        if run.kill_ordered:  # any end after a kill order is a kill, whatever the exit status
            return StatusUpdate(run.task.task_id, TaskState.KILLED, message or "Container killed")
        return StatusUpdate(run.task.task_id, state, message, reason)

    async def _run(self, run: _Run) -> int:
        task, container_id = run.task, str(uuid4())
        run.container_id = container_id
        sandbox = self._sandbox(task, container_id)
        try:
            await self._disturbance.before_fetch(task, sandbox)
            if self._containerizer.starts_tasks:
                await self._fetcher.fetch_all(list(task.uris), sandbox)
        except FetchError as error:
            _note(sandbox, str(error))
            _log.warning("task %s: %s", task.task_id, error)
            raise LaunchError(
                f"Failed to launch container: Failed to fetch all URIs for container '{container_id}'"
                ": exited with status 1"
            ) from error
        try:
            await self._disturbance.before_pull(task)
            await self._containerizer.pull(task)
            self._tell(run, StatusUpdate(task.task_id, TaskState.STARTING))
            spec = ContainerSpec(container_id, task, sandbox, self._environment(task, sandbox, container_id))
            run.container = await self._containerizer.launch(spec)
        except LaunchError as error:
            _note(sandbox, str(error))
            raise
        self._tell(run, StatusUpdate(task.task_id, TaskState.RUNNING))
        return await run.container.wait()

    async def _find(self, run: _Run) -> int:
        """`_run` for a task that should be there already."""
        task = run.task
        sandbox = latest_sandbox(self._work_dir, self.id, self._framework_id, task.task_id)
        container = None
        if sandbox is not None:
            run.container_id = sandbox.path.name
            environment = self._environment(task, sandbox, run.container_id)
            container = await self._containerizer.recover(
                ContainerSpec(run.container_id, task, sandbox, environment)
            )
        if container is None:
            raise _GoneError("Task is gone: its agent was started again and found nothing of it")
        run.container, run.recovering = container, False
        _log.info("task %s found again on %s", task.task_id, self.machine.name)
        if run.kill_ordered:
            grace_s = DEFAULT_GRACE_S if task.grace_s is None else task.grace_s
            self._order_kill(run, container, grace_s if run.kill_grace_s is None else run.kill_grace_s)
        else:
            self._tell(run, StatusUpdate(task.task_id, TaskState.RUNNING))
        return await container.wait()

    def _sandbox(self, task: TaskInfo, container_id: str) -> Sandbox:
        try:
            return make_sandbox(self._work_dir, self.id, self._framework_id, task.task_id, container_id)
        except SandboxError as error:
            raise LaunchError(f"Failed to launch container: {error}") from error

    def _environment(self, task: TaskInfo, sandbox: Sandbox, container_id: str) -> dict[str, str]:
        return {
            **self._executor_environment,
            **task.environment,
            "MESOS_SANDBOX": str(sandbox.path),
            "MESOS_CONTAINER_NAME": f"mesos-{container_id}",
            "MESOS_ALLOCATION_ROLE": task.role,
        }

    def drop_cache(self) -> None:
        """Forget what was fetched with ``cache``: the machine and its disk are gone."""
        shutil.rmtree(self._work_dir / "fetch" / self.id, ignore_errors=True)


def _note(sandbox: Sandbox, line: str) -> None:
    try:
        sandbox.note(line)
    except OSError as error:  # a full disk: the log line still tells
        _log.warning("cannot write to %s: %s", sandbox.stderr, error.strerror)
