"""The faults that a client meets on the wire: each stands between it and the call that it meant."""

import asyncio
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.mesos.faults import Faults
from local.mesos.marathon import ids
from local.mesos.marathon.errors import AppLockedError
from local.mesos.marathon.events import EventBus
from local.mesos.rest.credentials import refusal
from local.mesos.rest.exchange import flag
from local.mesos.rest.jetty import error_page

FAULTS: web.AppKey[Faults] = web.AppKey("faults", Faults)
_APPS = "/v2/apps"
_BELOW_AN_APP = ("restart", "tasks", "versions")


def with_faults(faults: Faults, events: EventBus) -> Middleware:
    """A middleware that lets the faults in force happen to calls of ``/v2``; ``/ping`` always answers."""

    @web.middleware
    async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/v2/"):
            return await handler(request)
        app_id, where = app_of(request.path), f"{request.method} {request.path}"
        if slow := faults.take("slow-answers", app_id, where=where):
            await asyncio.sleep(slow.seconds or 0)
        if lost := faults.take("lost-leader", where=where):
            if lost.used == 1:
                events.close()
            return error_page(request, HTTPStatus.BAD_GATEWAY)
        if faults.take("unauthorized", where=where):
            return refusal()
        if _takes_the_lock(request) and faults.take("locked", app_id, where=where):
            raise AppLockedError([str(uuid4())])
        response = await handler(request)
        lost_answer = _is_write(request) and faults.take("lost-answer", app_id, where=where)
        if lost_answer and request.transport is not None:
            request.transport.abort()
        return response

    return between


def app_of(path: str) -> str | None:
    """The app that a path of the API names, None where it names none."""
    if not path.startswith(f"{_APPS}/"):
        return None
    segments = [each for each in path.removeprefix(_APPS).split("/") if each]
    for word in _BELOW_AN_APP:
        if word in segments:
            segments = segments[: segments.index(word)]
    return ids.canonical("/".join(segments)) if segments else None


def _is_write(request: web.Request) -> bool:
    return request.method in {"POST", "PUT", "PATCH", "DELETE"}


def _takes_the_lock(request: web.Request) -> bool:
    """Whether a call changes apps or groups and would respect another deployment's hold on them."""
    forced = flag(request, "force", request.method == "DELETE" and request.path.startswith(_APPS))
    return _is_write(request) and request.path.startswith((_APPS, "/v2/groups")) and not forced
