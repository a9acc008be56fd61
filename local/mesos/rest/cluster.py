"""Deployments, tasks, queue and groups (DeploymentsResource, TasksResource, QueueResource, GroupsResource)."""

from aiohttp import web

from local.mesos.marathon import ids, views
from local.mesos.marathon.definition import Json
from local.mesos.marathon.deployments import deployment_json
from local.mesos.marathon.errors import BadRequestError, InvalidJsonError, NotFoundError
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.plan import Plan
from local.mesos.rest.apps import kill
from local.mesos.rest.exchange import deployed, flag, read_object

_SHOWN_STATES = {"running": {"TASK_RUNNING"}, "staging": {"TASK_STAGING", "TASK_STARTING"}}
_GROUP_EMBEDS = {"group.groups", "group.apps", "group.pods"}


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

    # Groups

    async def groups(self, request: web.Request) -> web.Response:
        segments = [each for each in request.match_info["tail"].split("/") if each]
        embed = set(request.query.getall("embed", [])) or _GROUP_EMBEDS
        if segments and segments[-1] == "apps":
            group_id = self._group_id(segments[:-1])
            below = [each for app_id, each in self._state.apps().items() if ids.is_below(app_id, group_id)]
            return web.json_response([views.app_version_json(each) for each in below])
        if segments and segments[-1] == "versions":
            return web.json_response([self._version_of(self._group_id(segments[:-1]))])
        return web.json_response(self._group(self._group_id(segments), embed))

    def _group_id(self, segments: list[str]) -> str:
        group_id = ids.canonical("/".join(segments))
        if group_id not in self._state.groups:
            raise NotFoundError(f"Group '{group_id}' does not exist")
        return group_id

    def _version_of(self, group_id: str) -> str:
        versions = [
            each.version for app_id, each in self._state.apps().items() if ids.is_below(app_id, group_id)
        ]
        return max(versions, default="1970-01-01T00:00:00.000Z")

    def _group(self, group_id: str, embed: set[str]) -> Json:
        document: Json = {
            "id": group_id,
            "dependencies": [],
            "version": self._version_of(group_id),
            "enforceRole": False,
        }
        if "group.apps" in embed:
            app_embeds = {each for each in embed if each.startswith("group.apps.")}
            document["apps"] = [
                views.app_json(stored, self._scheduler, self._deployments, views.embedded(app_embeds))
                for app_id, stored in self._state.apps().items()
                if ids.parents(app_id)[0] == group_id
            ]
        if "group.groups" in embed:
            document["groups"] = [
                self._group(each, embed)
                for each in sorted(self._state.groups - {"/"})
                if ids.parents(each)[0] == group_id
            ]
        if "group.pods" in embed:
            document["pods"] = []
        return document
