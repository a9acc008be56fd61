"""What a registry says about a tag, and what is made of it."""

from __future__ import annotations

import base64
import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from infra.registry import ANSWER_LIMIT, Absent, Present, Reference, Unknown, look_up
from infra.registry_credentials import CredentialsError, credentials_of

DIGEST = "sha256:" + "ab" * 32
FOUND = (200, {"Docker-Content-Digest": DIGEST}, b"")
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Asked:
    method: str
    path: str
    authorization: str | None


@dataclass
class Registry:
    """A registry of this machine that answers as it is told."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    answer: Callable[[Asked], Answer] = lambda _: FOUND

    def image(self) -> str:
        return f"{self.address}/team/worker:1f2e"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    played = Registry()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            asked = Asked(self.command, self.path, self.headers.get("Authorization"))
            played.asked.append(asked)
            status, headers, body = played.answer(asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name
            """Nobody reads it."""

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with ExitStack() as held:
        server = held.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        held.callback(server.shutdown)
        played.address = f"127.0.0.1:{server.server_address[1]}"
        yield played


def logged_in(folder: Path, host: str) -> None:
    auth = base64.b64encode(b"robot:pass:word").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("quay.io/trawler/worker:1f2e", "quay.io", "trawler/worker", "1f2e"),
        ("127.0.0.1:5000/worker:1f2e", "127.0.0.1:5000", "worker", "1f2e"),
        ("localhost/a/b:1", "localhost", "a/b", "1"),
        ("team/worker:1f2e", "docker.io", "team/worker", "1f2e"),
        ("python", "docker.io", "library/python", "latest"),
        ("host:5000/worker", "host:5000", "worker", "latest"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, registry: str, repository: str, tag: str) -> None:
    assert Reference.parse(text) == Reference(registry, repository, tag)


def test_a_tag_that_the_registry_has_is_present_with_its_digest(registry: Registry) -> None:
    assert look_up(registry.image()) == Present(DIGEST)
    assert [(a.method, a.path) for a in registry.asked] == [("HEAD", "/v2/team/worker/manifests/1f2e")]


def test_a_tag_that_the_registry_lacks_is_absent(registry: Registry) -> None:
    registry.answer = lambda _: (404, {}, b"")
    assert look_up(registry.image()) == Absent()


def test_a_registry_that_is_down_or_in_trouble_cannot_tell(registry: Registry) -> None:
    registry.answer = lambda _: (503, {}, b"")
    assert isinstance(look_up(registry.image()), Unknown)
    registry.answer = lambda _: (302, {"Location": "http://127.0.0.1:1/"}, b"")
    assert isinstance(look_up(registry.image()), Unknown)
    gone = look_up("127.0.0.1:1/team/worker:1f2e")
    assert isinstance(gone, Unknown)
    assert not gone.refused
    assert "refused" in gone.why


def test_something_that_is_no_registry_is_not_taken_for_one(registry: Registry) -> None:
    registry.answer = lambda _: (200, {}, b"")
    answer = look_up(registry.image())
    assert isinstance(answer, Unknown)
    assert "is it a registry?" in answer.why


def test_a_token_is_fetched_where_the_registry_asks_for_one(registry: Registry, tmp_path: Path) -> None:
    logged_in(tmp_path, registry.address)

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/token"):
            assert asked.authorization == basic("robot", "pass:word")
            assert "scope=repository%3Ateam%2Fworker%3Apull" in asked.path
            assert "service=the-registry" in asked.path
            return 200, {}, b'{"token": "a-token"}'
        if asked.authorization == "Bearer a-token":
            return FOUND
        realm = f'Bearer realm="http://{registry.address}/token",service="the-registry"'
        return 401, {"WWW-Authenticate": realm}, b""

    registry.answer = answer
    assert look_up(registry.image()) == Present(DIGEST)


def test_a_login_of_docker_opens_a_registry_with_a_password(registry: Registry, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.authorization == basic("robot", "pass:word"):
            return FOUND
        return 401, {"WWW-Authenticate": 'Basic realm="registry"'}, b""

    registry.answer = answer
    refused = look_up(registry.image())
    assert isinstance(refused, Unknown)
    assert refused.refused
    assert f"docker login {registry.address}" in refused.why
    logged_in(tmp_path, registry.address)
    assert look_up(registry.image()) == Present(DIGEST)


def test_no_password_goes_where_it_could_be_read_on_the_way(registry: Registry, tmp_path: Path) -> None:
    logged_in(tmp_path, registry.address)
    registry.answer = lambda _: (
        401,
        {"WWW-Authenticate": 'Bearer realm="ftp://elsewhere.example/token"'},
        b"",
    )
    assert isinstance(look_up(registry.image()), Unknown)
    assert all(asked.authorization is None for asked in registry.asked)


def test_an_endless_or_foreign_token_is_not_read(registry: Registry) -> None:
    for body in (b"x" * (ANSWER_LIMIT + 1), b"<html>", b"[]"):

        def answer(asked: Asked, body: bytes = body) -> Answer:
            if asked.path.startswith("/token"):
                return 200, {}, body
            return 401, {"WWW-Authenticate": f'Bearer realm="http://{registry.address}/token"'}, b""

        registry.answer = answer
        assert isinstance(look_up(registry.image()), Unknown)


def test_credentials_that_cannot_be_read_are_told_without_them(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": "c2VjcmV0"}}}))
    registry.answer = lambda _: (401, {"WWW-Authenticate": 'Basic realm="registry"'}, b"")
    answer = look_up(registry.image())
    assert isinstance(answer, Unknown)
    assert "config.json" in answer.why
    assert "secret" not in answer.why
    assert "c2VjcmV0" not in answer.why


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> dict[str, str]:
    """A credential helper that the configuration names for one registry."""
    program = folder / "docker-credential-played"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    (folder / "config.json").write_text(json.dumps({"credHelpers": {"quay.io": "played"}}))
    return {"DOCKER_CONFIG": str(folder)}


def test_a_credential_helper_is_asked_for_its_registry_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """read host; echo "{\\"Username\\": \\"robot\\", \\"Secret\\": \\"for-$host\\"}" """
    environment = helper(tmp_path, monkeypatch, script)
    assert credentials_of("quay.io", environment) == ("robot", "for-quay.io")
    assert credentials_of("other.example", environment) is None


def test_a_helper_that_knows_nothing_means_no_credentials_and_one_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    assert credentials_of("quay.io", environment) is None
    environment = helper(tmp_path, monkeypatch, "echo the keychain is locked >&2; exit 1")
    with pytest.raises(CredentialsError, match=r"docker-credential-played failed for quay\.io"):
        credentials_of("quay.io", environment)


@mock_aws
def test_ecr_is_asked_by_its_own_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    ecr = boto3.client("ecr", region_name="eu-west-1")
    ecr.create_repository(repositoryName="team/worker")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": DIGEST, "size": 1},
        "layers": [],
    }
    ecr.put_image(repositoryName="team/worker", imageManifest=json.dumps(manifest), imageTag="1f2e")
    assert isinstance(look_up(f"{host}/team/worker:1f2e"), Present)
    assert look_up(f"{host}/team/worker:other") == Absent()
    assert look_up(f"{host}/team/missing:1f2e") == Absent()
