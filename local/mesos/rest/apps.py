"""``/v2/apps`` and everything below it (AppsResource, AppTasksResource, AppVersionsResource of Marathon 1.11)."""

from aiohttp import web

from local.mesos.marathon import ids, views
from local.mesos.marathon.definition import App, Json, as_json
from local.mesos.marathon.deployments import Deployments
from local.mesos.marathon.errors import InvalidJsonError, InvalidObjectError, MarathonError, NotFoundError
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.plan import Plan
from local.mesos.marathon.reading import read_app, updated_app
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import AppVersion, Instance
from local.mesos.marathon.timestamps import canonical
from local.mesos.rest.exchange import deployed, flag, read_list, read_object, scale_and_wipe
from local.mesos.rest.label_selector import matches

_COUNTS = {"counts", "deployments"}
_SINGLE = _COUNTS | {"tasks", "lastTaskFailure"}


class Apps:
    """Handlers of the app endpoints; an id may be written with any number of slashes around its segments."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._scheduler: Scheduler = manager.scheduler
        self._deployments: Deployments = manager.deployments
        self._state = manager.scheduler.state

    async def handle(self, request: web.Request) -> web.StreamResponse:  # noqa: PLR0911 - one a call
        """Find the call that a path means; ids hold slashes, so a table of routes cannot."""
        segments = [each for each in request.match_info["tail"].split("/") if each]
        method = request.method
        if not segments:
            return await self._collection(request)
        if segments[-1] == "restart" and method == "POST":
            return self._restart(request, _id(segments[:-1]))
        if segments[-1] == "tasks":
            return self._tasks(request, segments[:-1])
        if len(segments) > 1 and segments[-2] == "tasks" and method == "DELETE":
            return self._kill_one(request, _id(segments[:-2]), segments[-1])
        if segments[-1] == "versions" and method == "GET":
            app_id = _id(segments[:-1])
            self._state.app(app_id)
            return web.json_response(
                {"versions": [each.version for each in reversed(self._state.versions[app_id])]}
            )
        if len(segments) > 1 and segments[-2] == "versions" and method == "GET":
            found = self._state.app_at(_id(segments[:-2]), canonical(segments[-1]))
            return web.json_response(views.app_version_json(found))
        return await self._single(request, segments)

    async def _collection(self, request: web.Request) -> web.Response:
        match request.method:
            case "GET":
                return self._list(request)
            case "POST":
                return await self._create(request)
            case "PUT":
                return await self._put_many(request, create=True)
            case "PATCH":
                return await self._put_many(request, create=False)
            case _:
                raise MarathonError("Method Not Allowed", status=405)

    async def _single(self, request: web.Request, segments: list[str]) -> web.Response:
        match request.method:
            case "GET" if segments[-1] == "*":
                return self._group(request, _id(segments[:-1]))
            case "GET":
                embed = _SINGLE | views.embedded(request.query.getall("embed", []))
                return web.json_response({"app": self._json(self._state.app(_id(segments)), embed)})
            case "PUT":
                return await self._put(request, _id(segments))
            case "PATCH":
                return await self._patch(request, _id(segments))
            case "DELETE":
                return deployed(self._manager.delete([_id(segments)], force=flag(request, "force", True)))
            case _:
                raise MarathonError("Method Not Allowed", status=405)

    # Reading

    def _json(self, stored: AppVersion, embed: set[str]) -> Json:
        return views.app_json(stored, self._scheduler, self._deployments, embed)

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        cmd, part, label = query.get("cmd"), query.get("id"), query.get("label")
        chosen = [
            stored
            for stored in self._state.apps().values()
            if (cmd is None or cmd.lower() in (stored.app.cmd or "").lower())
            and (part is None or part.lower() in stored.app.id.lower())
            and (label is None or matches(label, stored.app.labels))
        ]
        embed = _COUNTS | views.embedded(query.getall("embed", []))
        return web.json_response({"apps": [self._json(stored, embed) for stored in chosen]})

    def _below(self, group_id: str) -> list[AppVersion]:
        if group_id not in self._state.groups:
            raise NotFoundError(f"Group '{group_id}' does not exist")
        return [each for app_id, each in self._state.apps().items() if ids.is_below(app_id, group_id)]

    def _group(self, request: web.Request, group_id: str) -> web.Response:
        embed = _COUNTS | views.embedded(request.query.getall("embed", []))
        return web.json_response({"*": [self._json(each, embed) for each in self._below(group_id)]})

    # Changing

    def _posted(self, request: web.Request, app: App) -> None:
        self._scheduler.events.publish(
            "api_post_event", clientIp=request.remote or "", uri=request.path, appDefinition=as_json(app)
        )

    async def _create(self, request: web.Request) -> web.Response:
        app = read_app(await read_object(request))
        plan = self._manager.create(app, force=flag(request, "force", False))
        self._posted(request, app)
        body: Json = as_json(app) | {
            "version": plan.version,
            "tasksStaged": 0,
            "tasksRunning": 0,
            "tasksHealthy": 0,
            "tasksUnhealthy": 0,
            "deployments": [{"id": plan.id}],
        }
        response = deployed(plan, status=201, body=body)
        response.headers["Location"] = f"/v2/apps{app.id}"
        return response

    async def _put(self, request: web.Request, app_id: str) -> web.Response:
        document = await read_object(request)
        before = self._state.find(app_id)
        partial = flag(request, "partialUpdate", True)
        version = document.get("version")
        if version is not None and partial:
            others = {key for key, value in document.items() if value is not None} - {"version", "id"}
            if others:
                raise InvalidObjectError(
                    {"/version": ["The 'version' field may only be combined with the 'id' field."]}
                )
            app = self._state.app_at(app_id, canonical(str(version))).app
        elif before is not None and partial:
            app = updated_app(before.app, document)
        else:
            app = read_app(document, app_id=app_id)
        plan = self._manager.put([app], force=flag(request, "force", False))
        self._posted(request, app)
        return deployed(plan, status=200 if before else 201)

    async def _patch(self, request: web.Request, app_id: str) -> web.Response:
        app = updated_app(self._state.app(app_id).app, await read_object(request))
        plan = self._manager.put([app], force=flag(request, "force", False))
        self._posted(request, app)
        return deployed(plan)

    async def _put_many(self, request: web.Request, *, create: bool) -> web.Response:
        partial = flag(request, "partialUpdate", True) or not create
        apps: list[App] = []
        for index, document in enumerate(await read_list(request)):
            raw = document.get("id")
            if not isinstance(raw, str):
                raise InvalidJsonError({f"({index})/id": ["error.path.missing"]})
            app_id = ids.canonical(raw)
            before = self._state.find(app_id) if create else self._state.app(app_id)
            apps.append(
                updated_app(before.app, document) if before and partial else read_app(document, app_id=app_id)
            )
        plan = self._manager.put(apps, force=flag(request, "force", False))
        for app in apps:
            self._posted(request, app)
        return deployed(plan)

    def _restart(self, request: web.Request, app_id: str) -> web.Response:
        return deployed(self._manager.restart(app_id, force=flag(request, "force", False)))

    # Tasks

    def _tasks(self, request: web.Request, segments: list[str]) -> web.Response:
        if request.method == "GET":
            if segments and segments[-1] == "*":
                chosen = [each.app.id for each in self._below(_id(segments[:-1]))]
            else:
                chosen = [self._state.app(_id(segments)).app.id]
            tasks = [each for app_id in chosen for each in self._state.of_app(app_id) if each.task]
            return web.json_response({"tasks": [views.task_json(each, self._state) for each in tasks]})
        if request.method != "DELETE":
            raise MarathonError("Method Not Allowed", status=405)
        app_id = _id(segments)
        self._state.app(app_id)
        host = request.query.get("host", "*")
        found = [each for each in self._state.active(app_id) if each.task and host in {"*", each.task.host}]
        answer = kill(self._manager, found, request)
        if isinstance(answer, Plan):
            return deployed(answer)
        return web.json_response({"tasks": answer})

    def _kill_one(self, request: web.Request, app_id: str, task_id: str) -> web.Response:
        self._state.app(app_id)
        instance = self._state.by_task(task_id)
        if instance is None or instance.app_id != app_id:
            raise NotFoundError(f"Task '{task_id}' does not exist")
        answer = kill(self._manager, [instance], request)
        return deployed(answer) if isinstance(answer, Plan) else web.json_response({"task": answer[0]})


def kill(manager: Manager, instances: list[Instance], request: web.Request) -> list[Json] | Plan:
    """End tasks as the call's ``scale`` and ``wipe`` say: the tasks as they were, or the deployment made."""
    scale, wipe = scale_and_wipe(request)
    if scale:
        return manager.kill_and_scale(instances, force=flag(request, "force", False))
    state = manager.scheduler.state
    tasks = [views.task_json(each, state, service_ports=True) for each in instances]
    for each in instances:
        manager.scheduler.kill(each, wipe=wipe)
    return tasks


def _id(segments: list[str]) -> str:
    return ids.canonical("/".join(segments))
