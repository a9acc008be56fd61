"""The client against a server that misbehaves as Marathon and the network do."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.marathon import servers
from infra.marathon.client import (
    AnswerLost,
    AppExists,
    AppLocked,
    AppNotFound,
    MarathonClient,
    MarathonError,
    MarathonFailed,
    MarathonRefused,
    MarathonUnreachable,
    NotAllowed,
)

Answer = tuple[int, Any]


@contextmanager
def server(
    answer: Callable[[str, str], Answer],
    look: Callable[[BaseHTTPRequestHandler], None] = lambda _: None,
    certificate: tuple[Path, Path] | None = None,
) -> Generator[str]:
    """A server on loopback whose answers come from a function of method and path.

    Args:
        answer: gives status and body; of a redirect the body holds its headers.
        look: sees each request.
        certificate: PEM files of certificate and key, to speak TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            look(self)
            status, body = answer(self.command, self.path)
            headers: dict[str, str] = body if 300 <= status < 400 else {}
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            with contextlib.suppress(OSError):  # who asked may be gone
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_GET = do_PUT = do_DELETE = do_POST = _serve  # noqa: N815  the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a handshake that the client broke off

    http = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def a_certificate(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of 127.0.0.1, signed by itself."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, key_file


@pytest.fixture(autouse=True)
def no_waiting() -> Generator[None]:
    """Retries happen, their waits do not."""
    with stamina.set_testing(True, attempts=3):
        yield


def test_the_next_server_is_asked_when_one_does_not_answer() -> None:
    with server(lambda _m, _p: (200, {"app": {"id": "/a"}})) as url:
        assert MarathonClient(["http://127.0.0.1:9", url]).app("/a") == {"id": "/a"}


def test_an_election_is_waited_out() -> None:
    empty: dict[str, list[str]] = {"queue": []}
    answers: Iterator[Answer] = iter([(502, "no leader"), (503, ""), (200, empty)])
    with server(lambda _m, _p: next(answers)) as url:
        assert MarathonClient([url]).queue_item("/a") is None


def test_nobody_answering_names_the_servers_and_the_setting() -> None:
    with pytest.raises(MarathonUnreachable, match=r"127\.0\.0\.1:9: connection refused.*marathonUrls"):
        MarathonClient(["http://127.0.0.1:9"]).apps()


def test_a_refused_app_says_marathons_own_words() -> None:
    body = {"message": "Object is not valid", "details": [{"path": "/cpus", "errors": ["must be positive"]}]}
    with server(lambda _m, _p: (422, body)) as url, pytest.raises(MarathonRefused) as refused:
        MarathonClient([url]).put_app("/a", {})
    assert "Object is not valid (/cpus: must be positive)" in str(refused.value)


def test_a_lock_names_the_deployments_that_hold_it() -> None:
    body = {"message": "App is locked", "deployments": [{"id": "d1"}]}
    with server(lambda _m, _p: (409, body)) as url, pytest.raises(AppLocked) as locked:
        MarathonClient([url]).put_app("/a", {})
    assert locked.value.deployments == ["d1"]


def test_an_unknown_app_is_told_apart() -> None:
    with server(lambda _m, _p: (404, {"message": "no"})) as url, pytest.raises(AppNotFound):
        MarathonClient([url]).app("/a")


def test_an_address_without_a_route_is_not_asked_again() -> None:
    asked: list[str] = []

    def answer(method: str, path: str) -> Answer:
        asked.append(path)
        return 500, {"message": "URI not found"}

    with server(answer) as url, pytest.raises(MarathonFailed, match="URI not found"):
        MarathonClient([url]).apps()
    assert len(asked) == 1


def a_read_app(**fields: Any) -> dict[str, Any]:
    """An app as Marathon gives it."""
    return {"app": {"id": "/a", "cmd": "exec x", "version": "2026-01-01T00:00:00.000Z", **fields}}


@pytest.mark.parametrize(("applied", "puts"), [(True, 1), (False, 2)])
def test_a_write_whose_answer_was_lost_is_said_again_only_where_it_was_not_done(
    applied: bool, puts: int
) -> None:
    asked: list[str] = []

    def answer(method: str, path: str) -> Answer:
        asked.append(method)
        if method == "GET":
            return (200, a_read_app(deployments=[{"id": "d1"}])) if applied else (404, {"message": "none"})
        return (503, "") if asked.count("PUT") == 1 else (201, {"deploymentId": "d2", "version": "v"})

    with server(answer) as url:
        made = MarathonClient([url]).put_app("/a", {"id": "/a", "cmd": "exec x"})
    assert made == ("d1" if applied else "d2")
    assert asked.count("PUT") == puts


def test_a_restart_whose_answer_was_lost_is_not_said_again() -> None:
    asked: list[str] = []

    def answer(method: str, path: str) -> Answer:
        asked.append(path)
        return 503, ""

    with server(answer) as url, pytest.raises(AnswerLost):
        MarathonClient([url]).restart_app("/a")
    assert len(asked) == 1


def test_a_deleted_app_whose_answer_was_lost_is_gone() -> None:
    answers: Iterator[Answer] = iter([(503, ""), (404, {"message": "none"})])
    with server(lambda _m, _p: next(answers)) as url:
        assert MarathonClient([url]).delete_app("/a") == ""


def test_an_app_that_exists_is_told_apart_from_one_that_is_locked() -> None:
    body = {"message": "An app with id [/a] already exists."}
    with server(lambda _m, _p: (409, body)) as url, pytest.raises(AppExists):
        MarathonClient([url]).put_app("/a", {})


@pytest.mark.parametrize(("status", "hint"), [(401, "credentialsSecret"), (403, "limit of deployments")])
def test_who_is_not_allowed_is_told_what_to_look_at(status: int, hint: str) -> None:
    with server(lambda _m, _p: (status, "<html>Unauthorized</html>")) as url:
        with pytest.raises(NotAllowed, match=rf"GET {url}/v2/info: HTTP {status}.*{hint}"):
            MarathonClient([url]).info()
        with pytest.raises(NotAllowed):
            MarathonClient([url]).ping()


def test_credentials_go_to_servers_of_the_list_only() -> None:
    seen: list[str | None] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization"))

    with (
        server(lambda _m, _p: (200, {"leader": "b:1"}), elsewhere) as other,
        server(lambda _m, path: (302, {"Location": f"{other}{path}"})) as url,
    ):
        with pytest.raises(MarathonError, match=r"redirected to .* not in `cluster.marathonUrls`"):
            MarathonClient([url], ("user", "password")).leader()
        assert seen == []
        assert MarathonClient([url, other], ("user", "password")).leader() == "b:1"
    assert seen == ["Basic dXNlcjpwYXNzd29yZA=="]


def test_a_password_in_a_url_is_refused_without_being_shown() -> None:
    with pytest.raises(MarathonError, match=r"cluster\.credentialsSecret") as refused:
        MarathonClient(["http://user:s3cret@marathon:8080"])
    assert "s3cret" not in str(refused.value)


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "ANSWER_LIMIT_BYTES", 1000)
    with (
        server(lambda _m, _p: (200, {"apps": ["x" * 2000]})) as url,
        pytest.raises(MarathonError, match="larger"),
    ):
        MarathonClient([url]).apps()


def test_something_else_than_marathon_is_told() -> None:
    with (
        server(lambda _m, _p: (200, "<html>")) as url,
        pytest.raises(MarathonError, match="is this Marathon"),
    ):
        MarathonClient([url]).apps()


def test_a_slow_server_is_given_up_and_a_slow_write_is_looked_after() -> None:
    release = threading.Event()

    def answer(method: str, path: str) -> Answer:
        if method == "PUT":
            release.wait(5)
        return 200, a_read_app()

    with server(answer) as url:
        client = MarathonClient([url], timeout_s=(1, 0.2))
        assert client.put_app("/a", {"id": "/a", "cmd": "exec x"}).version == "2026-01-01T00:00:00.000Z"
        release.set()


def test_a_certificate_counts_by_the_given_authority_only(tmp_path: Path) -> None:
    trusted, key = a_certificate(tmp_path / "a")
    other, _ = a_certificate(tmp_path / "b")
    with server(lambda _m, _p: (200, {"leader": "b:1"}), certificate=(trusted, key)) as url:
        assert MarathonClient([url], ca_file=trusted).leader() == "b:1"
        for ca_file in (other, None):
            with pytest.raises(MarathonError, match=r"not trusted.*`cluster\.caFile`"):
                MarathonClient([url], ca_file=ca_file).leader()
    with pytest.raises(MarathonError, match="no such file"):
        MarathonClient([url], ca_file=tmp_path / "none.pem")


def test_groups_go_as_far_up_as_they_are_empty() -> None:
    gone: list[str] = []

    def answer(method: str, path: str) -> Answer:
        if method == "DELETE":
            gone.append(path)
            return 200, {"deploymentId": "d", "version": "v"}
        return 200, {"id": path, "apps": ["x"] if path == "/v2/groups/a" else [], "groups": [], "pods": []}

    with server(answer) as url:
        MarathonClient([url]).delete_empty_groups("/a/b/c/app")
    assert gone == ["/v2/groups/a/b/c?force=false", "/v2/groups/a/b?force=false"]


def test_ping_is_false_and_quiet_while_nothing_is_there() -> None:
    assert MarathonClient(["http://127.0.0.1:9"]).ping() is False
