"""Basic authentication as a Mesos with ``--authenticate_http_readwrite`` and ``--http_credentials`` asks for it."""

import hmac
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.mesos.rest.credentials import Credentials, CredentialsError, sent


def asking_for(principal: Credentials, realm: str) -> Middleware:
    """A middleware that lets through who sends this principal and its secret; ``/health`` asks nobody."""
    expected = f"{principal.username}:{principal.password}".encode()

    @web.middleware
    async def asking(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/health" or hmac.compare_digest(sent(request), expected):
            return await handler(request)
        return web.Response(status=401, headers={"WWW-Authenticate": f'Basic realm="{realm}"'})

    return asking


def read_principal(path: Path) -> Credentials:
    """A principal and its secret from a file as Mesos' ``--credential`` reads it: ``{"principal": …, "secret": …}``.

    Raises:
        CredentialsError: it cannot be read, or is not of that form; names the file and nothing of its content.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except ValueError:
        document = None
    if isinstance(document, dict):
        principal, secret = document.get("principal"), document.get("secret")
        if isinstance(principal, str) and principal and isinstance(secret, str) and secret:
            return Credentials(principal, secret)
    raise CredentialsError(f"{path}: a JSON object with the texts principal and secret is needed")
