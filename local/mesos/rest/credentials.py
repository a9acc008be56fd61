"""HTTP Basic authentication as a Marathon with ``--http_credentials`` asks for it: of everybody, for everything.

``/ping`` asks as well (https://github.com/d2iq-archive/marathon/issues/7207). The body of the 401 is a guess.
"""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

REALM = "Mesosphere"
_BODY = (
    "<html><head><title>Error 401 Unauthorized</title></head><body><h2>HTTP ERROR 401</h2></body></html>\n"
)


class CredentialsError(Exception):
    """The file of credentials cannot be used; the text names it and says why, and nothing of its content."""


@dataclass(frozen=True)
class Credentials:
    """One user, as ``--http_credentials user:password`` knows it."""

    username: str
    password: str = field(repr=False)


def read_credentials(path: Path) -> Credentials:
    """Credentials from a JSON file, ``{"username": …, "password": …}``.

    Raises:
        CredentialsError: it cannot be read, or is not of that form.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        username, password = document["username"], document["password"]
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise CredentialsError(f"{path}: a JSON object with username and password is needed") from None
    if not (isinstance(username, str) and username and isinstance(password, str) and password):
        raise CredentialsError(f"{path}: username and password are texts that are not empty")
    if ":" in username:
        raise CredentialsError(f"{path}: a user name with a colon cannot be sent (RFC 7617, section 2)")
    return Credentials(username, password)


def asking_for(credentials: Credentials) -> Middleware:
    """A middleware that lets through who sends these credentials; anybody else is answered 401."""
    expected = f"{credentials.username}:{credentials.password}".encode()

    @web.middleware
    async def asking(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hmac.compare_digest(sent(request), expected):
            return await handler(request)
        return refusal()

    return asking


def refusal() -> web.Response:
    """Jetty's answer to somebody it does not know."""
    return web.Response(
        status=401,
        text=_BODY,
        content_type="text/html",
        headers={
            "WWW-Authenticate": f'Basic realm="{REALM}"',
            "Cache-Control": "must-revalidate,no-cache,no-store",
        },
    )


def sent(request: web.Request) -> bytes:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (ValueError, binascii.Error):
        return b""
