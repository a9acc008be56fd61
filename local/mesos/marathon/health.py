"""Health and readiness checks, as Marathon's leader makes them (HealthCheckActor and HealthCheckWorker, 1.11).

The ``MESOS_`` kinds, which Mesos would probe beside the task, are probed from here, too: it is one machine. COMMAND
runs inside the task's container.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from local.mesos.marathon.definition import HealthCheck, ReadinessCheck
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import Health, Instance, Task
from local.mesos.marathon.timestamps import now

_log = logging.getLogger(__name__)
_FIRST_PROBE_WITHIN_S = 5.0


@dataclass(frozen=True)
class Verdict:
    """What one probe found; None for an informational answer that counts as nothing."""

    healthy: bool | None
    cause: str = ""


class HealthChecks:
    """Probes every running task of every app that has checks; results are in the instances' ``health``.

    Args:
        scheduler: whose tasks.
        tasks_run: whether anybody is there to ask; where not, a task is healthy and ready as soon as it runs.
        dooms: whether the task of an id shall never be healthy nor ready.
    """

    def __init__(
        self, scheduler: Scheduler, *, tasks_run: bool = True, dooms: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._dooms = dooms
        self._tasks_run = tasks_run
        self._scheduler = scheduler
        self._state = scheduler.state
        self._probing: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the tasks; ends only by cancellation, and every probe with it."""
        try:
            while True:
                self._follow()
                await self._state.changed.wait(5.0)
        finally:
            for probing in self._probing.values():
                probing.cancel()

    def _follow(self) -> None:
        running = {
            task.id: instance
            for instance, task in self._state.tasks()
            if instance.is_running
            and (instance.run_spec.app.health_checks or instance.run_spec.app.readiness_checks)
        }
        for task_id in self._probing.keys() - running.keys():
            self._probing.pop(task_id).cancel()
        for task_id, instance in running.items():
            if task_id not in self._probing:
                self._probing[task_id] = asyncio.create_task(
                    self._probe_all(instance), name=f"health {task_id}"
                )

    async def _probe_all(self, instance: Instance) -> None:
        task, app = instance.task, instance.run_spec.app
        if task is None:
            return
        if not self._tasks_run and not self._dooms(task.id):
            self._believe(instance)
            return
        async with asyncio.TaskGroup() as group:
            for index, check in enumerate(app.health_checks):
                group.create_task(self._repeat(instance, task, index, check))
            for readiness in app.readiness_checks:
                group.create_task(self._until_ready(instance, task, readiness))

    def _believe(self, instance: Instance) -> None:
        for index, check in enumerate(instance.run_spec.app.health_checks):
            self._note(instance, index, check, Verdict(True), in_grace=False)
        instance.ready = True
        self._state.changed.notify()

    async def _repeat(self, instance: Instance, task: Task, index: int, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.sleep(min(float(check.interval_seconds), _FIRST_PROBE_WITHIN_S))
        while instance.task is task:
            verdict = Verdict(False, "by order") if self._dooms(task.id) else await self._look(check, task)
            if instance.task is task and verdict.healthy is not None:
                in_grace = loop.time() - started < check.grace_period_seconds
                self._note(instance, index, check, verdict, in_grace=in_grace)
            await asyncio.sleep(check.interval_seconds)

    async def _look(self, check: HealthCheck, task: Task) -> Verdict:
        """One look at a task, within the check's timeout."""
        if check.protocol != "COMMAND":
            return await probe(check, task)
        agent = self._scheduler.agents.get(task.agent_id)
        command = check.command.value if check.command else ""
        try:
            status = await agent.execute(task.id, command, check.timeout_seconds) if agent else None
        except TimeoutError:
            return Verdict(False, f"Command timed out after {check.timeout_seconds} s")
        except OSError as error:
            return Verdict(False, f"Command cannot be run: {error}")
        if status is None:
            return Verdict(False, "Command cannot be run inside the task")
        return Verdict(status == 0, f"Command exited with status {status}")

    def _note(
        self, instance: Instance, index: int, check: HealthCheck, verdict: Verdict, *, in_grace: bool
    ) -> None:
        before = instance.health.get(index)
        if not verdict.healthy and in_grace and (before is None or before.first_success is None):
            return  # before its first success a task has no result at all while the grace lasts
        health = before or Health()
        was_alive = health.alive
        failures_before = health.consecutive_failures
        if verdict.healthy:
            health.last_success = now()
            health.first_success = health.first_success or health.last_success
            health.consecutive_failures = 0
        else:
            health.last_failure, health.last_failure_cause = now(), verdict.cause
            health.consecutive_failures += 1
        instance.health[index] = health
        if before is None or was_alive is not health.alive:
            self._changed(instance, health)
        if not verdict.healthy:
            self._failed(instance, check, health, failures_before)

    def _changed(self, instance: Instance, health: Health) -> None:
        version = instance.run_spec.version
        events = self._scheduler.events
        events.publish(
            "health_status_changed_event",
            appId=instance.app_id, instanceId=instance.id, version=version, alive=health.alive,
        )  # fmt: skip
        events.publish(
            "instance_health_changed_event",
            instanceId=instance.id, runSpecId=instance.app_id, healthy=health.alive, runSpecVersion=version,
        )  # fmt: skip
        _log.info("instance %s %s", instance.id, "healthy" if health.alive else "unhealthy")
        self._state.changed.notify()

    def _failed(self, instance: Instance, check: HealthCheck, health: Health, failures_before: int) -> None:
        self._scheduler.events.publish(
            "failed_health_check_event",
            appId=instance.app_id, taskId=instance.id, healthCheck=check.model_dump(by_alias=True, exclude_none=True),
        )  # fmt: skip
        if check.max_consecutive_failures and failures_before >= check.max_consecutive_failures:
            cause = health.last_failure_cause or "failed"
            self._scheduler.fail_health(instance, f"Marathon killed it after failed health checks: {cause}")

    async def _until_ready(self, instance: Instance, task: Task, check: ReadinessCheck) -> None:
        names = [each.name for each in instance.run_spec.app.port_definitions or []]
        port = (
            task.ports[names.index(check.port_name)] if check.port_name in names else (task.ports or [0])[0]
        )
        url = f"{check.protocol.lower()}://{task.host}:{port}{check.path}"
        while instance.task is task and not instance.ready:
            status, _ = (None, "") if self._dooms(task.id) else await _http_status(url, check.timeout_seconds)
            if instance.task is task and status in check.http_status_codes_for_ready:
                instance.ready = True
                self._state.changed.notify()
                return
            await asyncio.sleep(check.interval_seconds)


async def probe(check: HealthCheck, task: Task) -> Verdict:
    """One look at a task's port, within the check's timeout."""
    port = check.port or task.ports[check.port_index or 0]
    if check.protocol.endswith("TCP"):
        return await _tcp(task.host, port, check.timeout_seconds)
    scheme = "https" if check.protocol.endswith("HTTPS") else "http"
    status, cause = await _http_status(
        f"{scheme}://{task.host}:{port}{check.path or '/'}", check.timeout_seconds
    )
    if status is None:
        return Verdict(False, cause)
    if 100 <= status < 200 and check.ignore_http1xx:
        return Verdict(None)
    return Verdict(200 <= status < 400, f"HTTP status {status}")


async def _http_status(url: str, timeout_s: float) -> tuple[int | None, str]:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    any_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("https") else None
    if any_certificate is not None:  # Marathon's checks accept any
        any_certificate.check_hostname = False
        any_certificate.verify_mode = ssl.CERT_NONE
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False, ssl=any_certificate or True) as response,
        ):
            return response.status, ""
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return None, f"{type(error).__name__}: {error}"


async def _tcp(host: str, port: int, timeout_s: float) -> Verdict:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout_s)
    except (OSError, TimeoutError) as error:
        return Verdict(False, f"{type(error).__name__}: {error}")
    writer.close()
    return Verdict(True)
