"""Which instances die first when an app shrinks (ScalingProposition of Marathon 1.11)."""

from collections.abc import Collection, Iterable, Mapping

from local.mesos.agent.agent import Agent
from local.mesos.agent.task_info import TaskState
from local.mesos.marathon import constraints
from local.mesos.marathon.definition import App
from local.mesos.marathon.offers import fields_of
from local.mesos.marathon.state import Instance

_RANKS = {TaskState.UNREACHABLE: 0, TaskState.STAGING: 2, TaskState.STARTING: 3, TaskState.RUNNING: 4}


def first_to_die(
    instances: Iterable[Instance],
    app: App,
    named: Collection[str],
    agents: Mapping[str, Agent],
    *,
    unhealthy_first: bool = False,
) -> list[Instance]:
    """All of ``instances``, the first to kill first.

    Named ones, those whose agent no longer meets the constraints, then by state, then by age as ``killSelection`` says.

    Args:
        instances: what there is to choose from.
        app: whose constraints and kill selection hold.
        named: instance ids that were asked for.
        agents: agents by id.
        unhealthy_first: whether health counts, as it does in a rolling restart but not in a scale.
    """
    direction = -1 if app.kill_selection == "YOUNGEST_FIRST" else 1

    def rank(instance: Instance) -> tuple[bool, bool, bool, int, float]:
        state = instance.task.state if instance.task else None
        started = instance.task.started_at if instance.task else None
        age = (started or instance.since).timestamp()
        return (
            instance.id not in named,
            not _is_misplaced(instance, app, agents),
            unhealthy_first and instance.is_considered_healthy,
            1 if state is None else _RANKS.get(state, 5),
            direction * age,
        )

    return sorted(instances, key=rank)


def _is_misplaced(instance: Instance, app: App, agents: Mapping[str, Agent]) -> bool:
    agent = agents.get(instance.task.agent_id) if instance.task else None
    if agent is None:
        return False
    own = [each for each in app.constraints if each[1] in {"LIKE", "UNLIKE", "IS"}]
    return not constraints.are_met(own, fields_of(agent.machine), [])
