"""Deployments, tasks and queue (DeploymentsResource, TasksResource, QueueResource of Marathon 1.11)."""

from aiohttp import web

from local.mesos.marathon import ids, views
from local.mesos.marathon.deployments import deployment_json
from local.mesos.marathon.errors import BadRequestError, InvalidJsonError, NotFoundError
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.plan import Plan
from local.mesos.rest.apps import kill
from local.mesos.rest.exchange import deployed, flag, read_object

_SHOWN_STATES = {"running": {"TASK_RUNNING"}, "staging": {"TASK_STAGING", "TASK_STARTING"}}


class Cluster:
    """Handlers of what concerns many apps at once."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._scheduler = manager.scheduler
        self._deployments = manager.deployments
        self._state = manager.scheduler.state

    # Deployments

    async def deployments(self, _: web.Request) -> web.Response:
        return web.json_response([deployment_json(each) for each in self._deployments.running()])

    async def end_deployment(self, request: web.Request) -> web.Response:
        """Roll back, or with ``force`` only stop: 202 and an empty body."""
        deployment = self._deployments.find(request.match_info["id"])
        if flag(request, "force", False):
            self._deployments.cancel(deployment)
            return web.Response(status=202)
        return deployed(self._manager.roll_back(deployment))

    # Tasks

    async def tasks(self, request: web.Request) -> web.Response:
        wanted = request.query.getall("status", []) + request.query.getall("status[]", [])
        states = {state for each in wanted for state in _SHOWN_STATES.get(each, set())}
        shown = [instance for instance, task in self._state.tasks() if not wanted or task.state in states]
        return web.json_response(
            {"tasks": [views.task_json(each, self._state, service_ports=True) for each in shown]}
        )

    async def delete_tasks(self, request: web.Request) -> web.Response:
        """End tasks by id; well-formed ids of no task are passed over."""
        wanted = (await read_object(request)).get("ids")
        if not isinstance(wanted, list):
            raise InvalidJsonError(
                {"/ids": ["error.path.missing" if wanted is None else "error.expected.jsarray"]}
            )
        for each in wanted:
            if not isinstance(each, str) or ids.instance_of(each) is None:
                raise BadRequestError(f"No valid task id: {each}")
        found = [instance for each in wanted if (instance := self._state.by_task(str(each)))]
        answer = kill(self._manager, found, request)
        return deployed(answer) if isinstance(answer, Plan) else web.json_response({"tasks": answer})

    # Queue

    async def queue(self, request: web.Request) -> web.Response:
        unused = "lastUnusedOffers" in request.query.getall("embed", [])
        return web.json_response({"queue": views.queue_json(self._scheduler, last_unused_offers=unused)})

    async def reset_delay(self, request: web.Request) -> web.Response:
        app_id = ids.canonical(request.match_info["id"])
        if not any(each.task is None for each in self._state.of_app(app_id)):
            raise NotFoundError(f"Application {app_id} not found in tasks queue.")
        self._scheduler.limiter.clear(app_id)
        self._state.changed.notify()
        return web.Response(status=204)
