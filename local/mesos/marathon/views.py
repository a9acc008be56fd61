"""State as Marathon's clients read it. No key is here that a real Marathon would not send.

A key too many breaks clients that hand every key to a constructor, the PyPI package ``marathon`` among them.
"""

from collections.abc import Collection
from statistics import fmean, median

from local.mesos.agent.task_info import TaskState
from local.mesos.marathon.definition import Json, as_json
from local.mesos.marathon.deployments import Deployments
from local.mesos.marathon.offers import REASONS, OfferStatistics, UnusedOffer
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import AppVersion, Health, Instance, State, TaskFailure
from local.mesos.marathon.timestamps import now, text_of

_PREFIXES = ("group.apps.", "apps.", "app.")


def embedded(values: Collection[str]) -> set[str]:
    """What ``embed`` asks for, its prefixes taken off; unknown values stay without effect."""
    names: set[str] = set()
    for value in values:
        prefix = next((each for each in _PREFIXES if value.startswith(each)), "")
        names.add(value.removeprefix(prefix))
    if "failures" in names:
        names |= {"lastTaskFailure", "tasks", "counts", "deployments"}
    return names


def app_version_json(stored: AppVersion) -> Json:
    return as_json(stored.app) | {
        "version": stored.version,
        "versionInfo": {
            "lastScalingAt": stored.last_scaling_at,
            "lastConfigChangeAt": stored.last_config_change_at,
        },
    }


def app_json(stored: AppVersion, scheduler: Scheduler, deployments: Deployments, embed: set[str]) -> Json:
    """An app with whatever of counts, deployments, tasks and lastTaskFailure was asked for."""
    state, app_id = scheduler.state, stored.app.id
    document = app_version_json(stored)
    if "counts" in embed:
        document |= counts(state.of_app(app_id))
    if "deployments" in embed:
        document["deployments"] = [{"id": each} for each in deployments.holding(app_id)]
    if "tasks" in embed:
        document["tasks"] = [task_json(each, state) for each in state.of_app(app_id) if each.task]
    if embed & {"taskStats", "tasksStats"}:
        document["tasksStats"] = stats(stored, state.of_app(app_id))
    if "readiness" in embed:
        document["readinessCheckResults"] = []
    failure = state.last_failures.get(app_id)
    if "lastTaskFailure" in embed and failure is not None:
        document["lastTaskFailure"] = failure_json(failure)
    return document


def counts(instances: Collection[Instance]) -> Json:
    """Staged, running, healthy and unhealthy; an instance in another state counts nowhere."""
    with_results = [each for each in instances if each.is_running and each.health]
    healthy = sum(all(health.alive for health in each.health.values()) for each in with_results)
    return {
        "tasksStaged": sum(
            each.task is not None and each.task.state is TaskState.STAGING for each in instances
        ),
        "tasksRunning": sum(each.is_running for each in instances),
        "tasksHealthy": healthy,
        "tasksUnhealthy": len(with_results) - healthy,
    }


def stats(stored: AppVersion, instances: Collection[Instance]) -> Json:
    """How the tasks of an app fare, by how old their definition is; a group without tasks is left out (TaskStats)."""
    latest = [
        each for each in instances if each.run_spec.last_config_change_at == stored.last_config_change_at
    ]
    groups = {
        "startedAfterLastScaling": [
            each for each in instances if each.run_spec.version >= stored.last_scaling_at
        ],
        "withLatestConfig": latest,
        "withOutdatedConfig": [each for each in instances if each not in latest],
        "totalSummary": list(instances),
    }
    with_tasks = {name: [each for each in group if each.task] for name, group in groups.items()}
    return {name: {"stats": _stats(group)} for name, group in with_tasks.items() if group}


def _stats(instances: Collection[Instance]) -> Json:
    seconds = sorted((now() - each.task.started_at).total_seconds() for each in instances
                     if each.task and each.task.started_at)  # fmt: skip
    document: Json = {
        "counts": {name.removeprefix("tasks").lower(): count for name, count in counts(instances).items()}
    }
    if seconds:
        document["lifeTime"] = {"averageSeconds": fmean(seconds), "medianSeconds": median(seconds)}
    return document


def task_json(instance: Instance, state: State, *, service_ports: bool = False) -> Json:
    task = instance.task
    if task is None:
        raise ValueError(f"instance {instance.id} has no task")
    stored = state.find(instance.app_id)
    ports = (stored or instance.run_spec).app.service_ports() if service_ports else []
    document: Json = {
        "appId": instance.app_id,
        "host": task.host,
        "id": task.id,
        "state": str(task.state),
        "role": instance.run_spec.app.role,
        "healthCheckResults": [health_json(each, instance.id) for each in instance.health.values()],
        "ipAddresses": [{"ipAddress": task.host, "protocol": "IPv4"}],
        "ports": task.ports,
        "servicePorts": ports[: len(task.ports)],
        "localVolumes": [],
        "slaveId": task.agent_id,
        "stagedAt": text_of(task.staged_at),
        "version": instance.run_spec.version,
    }
    if task.started_at is not None:
        document["startedAt"] = text_of(task.started_at)
    if task.region is not None:
        document["region"] = task.region
    if task.zone is not None:
        document["zone"] = task.zone
    return document


def health_json(health: Health, instance_id: str) -> Json:
    document: Json = {
        "alive": health.alive,
        "consecutiveFailures": health.consecutive_failures,
        "instanceId": instance_id,
    }
    times = {
        "firstSuccess": health.first_success,
        "lastSuccess": health.last_success,
        "lastFailure": health.last_failure,
    }
    document |= {key: text_of(moment) for key, moment in times.items() if moment is not None}
    if health.last_failure_cause is not None:
        document["lastFailureCause"] = health.last_failure_cause
    return document


def failure_json(failure: TaskFailure) -> Json:
    document: Json = {
        "appId": failure.app_id,
        "host": failure.host,
        "message": failure.message,
        "state": failure.state,
        "taskId": failure.task_id,
        "timestamp": text_of(failure.timestamp),
        "version": failure.version,
    }
    return document | ({"slaveId": failure.slave_id} if failure.slave_id else {})


def queue_json(scheduler: Scheduler, *, last_unused_offers: bool = False) -> list[Json]:
    """One item for each app with instances that wait."""
    waiting: dict[str, list[Instance]] = {}
    for instance in scheduler.state.instances.values():
        if instance.task is None:
            waiting.setdefault(instance.app_id, []).append(instance)
    items: list[Json] = []
    for app_id, instances in waiting.items():
        first = instances[0]
        delay = scheduler.delay_of(first)
        item: Json = {
            "count": len(instances),
            "role": first.run_spec.app.role,
            "delay": {"timeLeftSeconds": int(delay + 0.999), "overdue": delay <= 0},
            "since": text_of(min(each.since for each in instances)),
            "processedOffersSummary": _offers_json(scheduler.statistics.get(app_id) or OfferStatistics()),
            "app": app_version_json(first.run_spec),
        }
        if last_unused_offers:
            seen = scheduler.statistics.get(app_id)
            item["lastUnusedOffers"] = [_unused(each) for each in seen.unused_offers.values()] if seen else []
        items.append(item)
    return items


def _unused(unused: UnusedOffer) -> Json:
    machine, left = unused.agent.machine, unused.left
    scalars = {"cpus": left.cpus, "mem": left.mem, "disk": left.disk}
    return {
        "offer": {
            "id": f"{unused.agent.id}-O",
            "hostname": machine.host,
            "agentId": unused.agent.id,
            "resources": [
                *({"name": name, "role": "*", "scalar": round(value, 3)} for name, value in scalars.items()),
                {"name": "ports", "role": "*", "ranges": _ranges(left.ports)},
            ],
            "attributes": [{"name": name, "text": value} for name, value in machine.attributes.items()],
        },
        "reason": [unused.reason],
        "timestamp": text_of(unused.at),
    }


def _ranges(ports: Collection[int]) -> list[Json]:
    ranges: list[Json] = []
    for port in sorted(ports):
        if ranges and ranges[-1]["end"] == port - 1:
            ranges[-1]["end"] = port
        else:
            ranges.append({"begin": port, "end": port})
    return ranges


def _offers_json(statistics: OfferStatistics) -> Json:
    last = sum(statistics.last_declined.values())
    document: Json = {
        "processedOffersCount": statistics.processed,
        "unusedOffersCount": statistics.unused,
        "rejectSummaryLastOffers": _rejects(statistics.last_declined, last),
        "rejectSummaryLaunchAttempt": _rejects(statistics.declined, statistics.processed),
    }
    if statistics.last_unused_at is not None:
        document["lastUnusedOfferAt"] = text_of(statistics.last_unused_at)
    if statistics.last_used_at is not None:
        document["lastUsedOfferAt"] = text_of(statistics.last_used_at)
    return document


def _rejects(declined: "dict[str, int]", processed: int) -> list[Json]:
    """One row a reason, in the order of checking; each sees only the offers that passed the rows above it."""
    rows: list[Json] = []
    left = processed
    for reason in REASONS:
        count = declined.get(reason, 0)
        rows.append({"reason": reason, "declined": count, "processed": left})
        left -= count
    return rows
