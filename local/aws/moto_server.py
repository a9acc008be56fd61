"""moto as a server process for one part of AWS.

SQS and DynamoDB, which carry the load, get processes of their own: Python runs one thread at a time.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, Literal, TypeAlias, get_args

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

Service: TypeAlias = Literal["aws", "sqs", "dynamodb"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)

_OWN: Final = {"sqs": {"sqs"}, "dynamodb": {"dynamodb", "dynamodbstreams"}}
Application: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]

_LOADED_AHEAD: Final = ("ec2", "iam", "s3", "cloudwatch", "elbv2")
"""Parts of moto that take up to seconds to load."""

_PARENT_POLL_S: Final = 0.5
_THREADS: Final = 64
"""Requests answered at once. A long poll holds one for as long as it waits."""
_MAX_BODY_BYTES: Final = 256 * 1024 * 1024


def serve(service: Service, port: int, *, exit_with_parent: bool = False) -> int:
    """Serves a part of AWS on 127.0.0.1 until SIGTERM or SIGINT; prints one line when it is ready.

    Args:
        service: `sqs`, `dynamodb`, or `aws` for all others.
        port: TCP port; 0 picks a free one, which the line names.
        exit_with_parent: ends when the process that started this one is gone.

    Returns:
        exit code: 0 after a signal, 2 when the port is taken.
    """
    listener = _listen(port)
    if listener is None:
        sys.stderr.write(
            f"port {port} is taken on 127.0.0.1; choose another with --port, or stop what holds it\n"
        )
        return 2
    # moto reads these when it is imported (iam-managed-policies).
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    bound = int(listener.getsockname()[1])
    os.environ["MOTO_PORT"] = str(bound)
    # Before the slow imports: a stop that comes early is obeyed too.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if exit_with_parent:
        _watch_parent()
    application = moto_application(service)

    # waitress drops headers with an underscore in their name (server-metadata-names).
    server: Any = create_server(
        application,
        sockets=[listener],
        threads=_THREADS,
        connection_limit=1000,
        channel_timeout=120,
        max_request_body_size=_MAX_BODY_BYTES,
        ident=None,
    )
    server.channel_class = _Channel
    sys.stdout.write(f"{service}: ready on http://127.0.0.1:{bound}\n")
    sys.stdout.flush()
    if service == "aws":
        threading.Thread(target=_load_ahead, daemon=True, name="load-ahead").start()
    server.run()
    return 0


def _load_ahead() -> None:
    """Loads what the first resources of a stack need, while the engine that will ask for them is still starting."""
    from moto.backends import get_backend  # noqa: PLC0415

    for name in _LOADED_AHEAD:
        get_backend(name)


class _Parser(HTTPRequestParser):
    """A request without a body is complete with its headers; waitress waits for more where it says Expect."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.content_length == 0:
            self.expect_continue = False


class _Channel(HTTPChannel):
    parser_class = _Parser


def _stop(_number: int, _frame: object) -> None:
    # State is in memory and meant to be lost: requests in flight (long polls) are not waited for.
    os._exit(0)


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise
    return listener


def _watch_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_S)
        os._exit(0)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def moto_application(service: Service) -> Application:
    """moto, made fit for the part of AWS it serves. moto is changed for the whole process: one part a process."""
    from moto.core import responses  # noqa: PLC0415
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication  # noqa: PLC0415

    class Dispatcher(DomainDispatcherApplication):
        """Remembers which part of moto serves a host (server-connections): finding out takes 40 % of a call."""

        def get_backend_for_host(self, host: str | None) -> Any:
            if host not in backends:
                backends[host] = super().get_backend_for_host(host)
            return backends[host]

    backends: dict[str | None, Any] = {}
    # The same for a class's method names, which moto collects anew for each call.
    loose_responses: Any = responses
    loose_responses.method_names_from_class = cache(loose_responses.method_names_from_class)
    if service == "sqs":
        from local.aws.moto_sqs.control import install as install_sqs  # noqa: PLC0415

        install_sqs()
    elif service == "dynamodb":
        from local.aws.moto_dynamodb import install as install_dynamodb  # noqa: PLC0415

        install_dynamodb()
    return only_own_services(service, Dispatcher(_prepared_backend))


def _prepared_backend(name: Any) -> Any:
    """moto's part for one AWS service, loaded when it is first asked for: EC2 alone takes more than a second."""
    from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415

    if name == "ec2":
        from local.aws.moto_fleets.requests import install  # noqa: PLC0415

        install()
    return create_backend_app(name)


def only_own_services(service: Service, dispatcher: Any) -> Application:
    """The application, which answers a request for a service of another process with an error that says so."""
    elsewhere: set[str] = set().union(*_OWN.values()) if service == "aws" else set()
    own = _OWN.get(service, set())

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # moto takes an object's key from the path as it was sent.
        environ["RAW_URI"] = environ.get("REQUEST_URI", "")
        asked = _signing_service(environ)
        # server-wrong-service
        if asked and (asked in elsewhere or (own and asked not in own)):
            text = f"this process serves {service}, not {asked}: check the endpoint that the client uses for {asked}"
            body = ('{"__type":"UnknownOperationException","message":"' + text + '"}').encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("400 Bad Request", headers)
            return [body]
        return dispatcher(environ, start_response)

    return application


def _signing_service(environ: dict[str, Any]) -> str | None:
    """The service that a request was signed for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`."""
    parts = str(environ.get("HTTP_AUTHORIZATION", "")).split("Credential=")
    scope = parts[1].split(",")[0].split("/") if len(parts) > 1 else []
    return scope[3] if len(scope) > 3 else None
