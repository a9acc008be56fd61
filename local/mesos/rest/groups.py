"""``/v2/groups`` and everything below it (GroupsResource of Marathon 1.11)."""

from aiohttp import web

from local.mesos.marathon import groups, ids, views
from local.mesos.marathon.definition import Json
from local.mesos.marathon.deployments import step_json
from local.mesos.marathon.errors import InvalidJsonError, MarathonError
from local.mesos.marathon.groups import GroupChange
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.timestamps import canonical
from local.mesos.rest.exchange import deployed, flag, read_object

_EMBEDS = {"group.groups", "group.apps", "group.pods"}


class Groups:
    """Handlers of the group endpoints."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._state = manager.scheduler.state

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Find the call that a path means; ids hold slashes, so a table of routes cannot."""
        segments = [each for each in request.match_info["tail"].split("/") if each]
        match request.method:
            case "GET":
                return self._read(request, segments)
            case "POST":
                return await self._create(request, _id(segments))
            case "PUT":
                return await self._update(request, _id(segments))
            case "DELETE":
                change = groups.removal(self._state, _id(segments))
                return deployed(self._manager.change(change, force=flag(request, "force", False)))
            case _:
                raise MarathonError("Method Not Allowed", status=405)

    # Reading

    def _read(self, request: web.Request, segments: list[str]) -> web.Response:
        if segments and segments[-1] == "apps":
            below = groups.apps_below(self._state, groups.known(self._state, _id(segments[:-1])))
            return web.json_response([views.app_version_json(self._state.app(each)) for each in below])
        if segments and segments[-1] == "versions":
            return web.json_response(self._versions(groups.known(self._state, _id(segments[:-1]))))
        if len(segments) > 1 and segments[-2] == "versions":
            return web.json_response(self._at(_id(segments[:-2]), canonical(segments[-1])))
        embed = set(request.query.getall("embed", [])) or _EMBEDS
        return web.json_response(self._json(groups.known(self._state, _id(segments)), embed))

    def _versions(self, group_id: str) -> list[str]:
        below = groups.apps_below(self._state, group_id)
        return sorted(
            {each.version for app_id in below for each in self._state.versions[app_id]}, reverse=True
        )

    def _at(self, group_id: str, version: str) -> Json:
        apps = {each.id for each in groups.at_version(self._state, group_id, version)}
        found = {
            app_id: next(each for each in reversed(self._state.versions[app_id]) if each.version <= version)
            for app_id in apps
        }
        inner = {
            parent for app_id in apps for parent in ids.parents(app_id) if ids.is_below(parent, group_id)
        }

        def of(group: str) -> Json:
            return {
                "id": group,
                "apps": [
                    views.app_version_json(each)
                    for app_id, each in sorted(found.items())
                    if ids.parents(app_id)[0] == group
                ],
                "groups": [
                    of(each)
                    for each in sorted(inner - {group})
                    if each != "/" and ids.parents(each)[0] == group
                ],
                "pods": [],
                "dependencies": [],
                "version": version,
            }

        return of(group_id)

    def _json(self, group_id: str, embed: set[str]) -> Json:
        versions = self._versions(group_id)
        document: Json = {
            "id": group_id,
            "dependencies": [],
            "version": versions[0] if versions else "1970-01-01T00:00:00.000Z",
        }
        scheduler, deployments = self._manager.scheduler, self._manager.deployments
        if "group.apps" in embed:
            inside = views.embedded({each for each in embed if each.startswith("group.apps.")})
            document["apps"] = [
                views.app_json(stored, scheduler, deployments, inside)
                for app_id, stored in self._state.apps().items()
                if ids.parents(app_id)[0] == group_id
            ]
        if "group.groups" in embed:
            document["groups"] = [
                self._json(each, embed)
                for each in sorted(self._state.groups - {"/"})
                if ids.parents(each)[0] == group_id
            ]
        if "group.pods" in embed:
            document["pods"] = []
        return document

    # Changing

    async def _create(self, request: web.Request, below: str) -> web.Response:
        document = await read_object(request)
        given = document.get("id")
        if given is not None and not isinstance(given, str):
            raise InvalidJsonError({"/id": ["error.expected.jsstring"]})
        group_id = ids.canonical(
            f"{below}/{given or ''}" if not (given or "").startswith("/") else given or "/"
        )
        groups.check_new(self._state, group_id)
        change = groups.update(self._state, group_id, document)
        answer = deployed(self._manager.change(change, force=flag(request, "force", False)), status=201)
        answer.headers["Location"] = f"/v2/groups{group_id}"
        return answer

    async def _update(self, request: web.Request, group_id: str) -> web.Response:
        change = self._change(group_id, await read_object(request))
        force = flag(request, "force", False)
        if flag(request, "dryRun", False):
            plan = self._manager.planned(change)
            return web.json_response({"steps": [step_json(each) for each in plan.steps]})
        return deployed(self._manager.change(change, force=force))

    def _change(self, group_id: str, document: Json) -> GroupChange:
        if document.get("scaleBy") is not None:
            return groups.scaling(self._state, group_id, document["scaleBy"])
        if document.get("version") is not None:
            return groups.rollback(self._state, group_id, canonical(str(document["version"])))
        return groups.update(self._state, group_id, document)


def _id(segments: list[str]) -> str:
    return ids.canonical("/".join(segments))
