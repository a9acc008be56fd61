"""What every call shares: arguments, bodies, headers and errors (RestResource, MarathonExceptionMapper)."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local.mesos.marathon.definition import Json
from local.mesos.marathon.errors import BadRequestError, InvalidJsonError, MarathonError, UnreadableJsonError
from local.mesos.marathon.manager import result_of
from local.mesos.marathon.plan import Plan

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EVENTS = "/v2/events"
_HEADERS = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
}


def flag(request: web.Request, name: str, default: bool) -> bool:
    """A boolean argument, whatever its case; anything but ``true`` is false."""
    return request.query.get(name, str(default)).lower() == "true"


def scale_and_wipe(request: web.Request) -> tuple[bool, bool]:
    scale, wipe = flag(request, "scale", False), flag(request, "wipe", False)
    if scale and wipe:
        raise BadRequestError("You cannot use scale and wipe at the same time.")
    return scale, wipe


async def read_json(request: web.Request) -> Any:
    """The request's document.

    Raises:
        MarathonError: the content type is not JSON (415).
        UnreadableJsonError: there is no body, or it does not parse.
    """
    if request.content_type != "application/json":
        raise MarathonError("Unsupported Media Type", status=415)
    body = await request.text()
    if not body.strip():
        raise UnreadableJsonError("Please specify data in JSON format", "the body is empty")
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnreadableJsonError("Invalid JSON", str(error)) from None


async def read_object(request: web.Request) -> Json:
    document = await read_json(request)
    if not isinstance(document, dict):
        raise InvalidJsonError({"/": ["error.expected.jsobject"]})
    return document


async def read_list(request: web.Request) -> list[Json]:
    document = await read_json(request)
    if not isinstance(document, list):
        raise InvalidJsonError({"/": ["error.expected.jsarray"]})
    for index, each in enumerate(document):
        if not isinstance(each, dict):
            raise InvalidJsonError({f"({index})": ["error.expected.jsobject"]})
    return document


def deployed(plan: Plan, *, status: int = 200, body: Json | None = None) -> web.Response:
    """The answer to a call that made a deployment."""
    return web.json_response(
        result_of(plan) if body is None else body, status=status, headers={"Marathon-Deployment-Id": plan.id}
    )


def _takes_json(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "*/*")
    kinds = {each.split(";")[0].strip().lower() for each in accepted.split(",")}
    return bool(kinds & {"*/*", "application/*", "application/json"})


@web.middleware
async def marathon_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as Marathon words them, and the headers it puts on everything."""
    try:
        if request.path.startswith("/v2/") and request.path != EVENTS and not _takes_json(request):
            raise MarathonError("Not Acceptable", status=406)
        response = await handler(request)
    except MarathonError as error:
        response = web.json_response(error.body(), status=error.status)
    except web.HTTPRequestEntityTooLarge:
        response = web.json_response({"message": "Request Entity Too Large"}, status=413)
    except web.HTTPException as error:
        response = web.json_response({"message": error.reason}, status=error.status)
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - answered and logged: one bad call must not end the server
        _log.exception("%s %s failed", request.method, request.path)
        response = web.json_response({"message": f"{type(error).__name__}: {error}"}, status=500)
    if not response.prepared:
        add_headers(request, response)
    return response


def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers["X-Marathon-Leader"] = f"http://{leader_of(request)}"


LEADER: web.AppKey[str] = web.AppKey("leader", str)


def leader_of(request: web.Request) -> str:
    return request.app[LEADER]
