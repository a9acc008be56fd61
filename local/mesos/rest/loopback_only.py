"""Answers those only who address this machine by a name or address of its own.

A server on loopback can be reached from any web page whose name an attacker lets resolve to 127.0.0.1; the page's
requests carry the attacker's name as their host.
"""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from local.mesos.agent.loopback import is_loopback


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 for a ``Host`` that is not loopback."""
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        return web.json_response(
            {"message": f"Host {host!r} is not this machine; use 127.0.0.1 or localhost"}, status=403
        )
    return await handler(request)
