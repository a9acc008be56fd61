"""`trawler releases` and `trawler diff` as typed: bucket and Marathon speak HTTP, the engine is a script."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import deflate
import pytest
import yaml

from infra.release.history import ReleaseRecord, ReleaseStore
from infra.storage_names import release_key
from ops.__main__ import main
from tests.servers.releases.conftest import BUCKET

Run = Callable[..., tuple[int, str, str]]


@dataclass
class Marathon:
    """What a Marathon says of its apps."""

    url: str
    apps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def runs(self, app_id: str, digest: str) -> None:
        """One task of an app runs a release."""
        app = {"id": app_id, "version": "2026-01-01T00:00:00.000Z", "instances": 1, "deployments": []}
        uri = f"http://s3.example/{BUCKET}/{release_key(digest)}"
        task = {"id": "t", "state": "TASK_RUNNING", "version": app["version"]}
        self.apps.append({**app, "fetch": [{"uri": uri}], "tasks": [task]})


@pytest.fixture
def marathon() -> Generator[Marathon]:
    """One that answers reads."""
    found = Marathon("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            one = [app for app in found.apps if path == f"/v2/apps/{app['id']}"]
            one += [app for app in found.apps if path == f"/v2/apps{app['id']}"]
            answer: dict[str, Any] | None = {"apps": found.apps} if path == "/v2/apps" else None
            body = (
                b"pong"
                if path == "/ping"
                else json.dumps(answer or {"app": one[0] if one else None}).encode()
            )
            self.send_response(200 if path == "/ping" or answer or one else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def run(
    endpoint: str,
    marathon: Marathon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The command with the stack's file; its status, and what it said on both channels."""
    outputs = {"artifactBucket": BUCKET, "marathonUrls": [marathon.url], "apps": ["/crawler/fetch"]}
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(f"#!/bin/sh\necho '{json.dumps(outputs)}'\n")
    engine.chmod(0o755)
    config = {
        "aws:region": "us-east-1",
        "aws:endpoints": [{"s3": endpoint}],
        "trawler:cluster": {"mode": "existing"},
    }
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": config}))
    for name, value in {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "PATH": f"{engine.parent}:/usr/bin:/bin",
    }.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, str, str]:
        line = ["trawler", *arguments, "--stack", "prod", "--config-file", str(file)]
        monkeypatch.setattr(sys, "argv", line)
        try:
            status = main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def store(s3: Any) -> ReleaseStore:
    return ReleaseStore(s3, BUCKET)


def stored(store: ReleaseStore, when: str, **files: str) -> str:
    """A release of these files, by its digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in {"when": when, **files}.items():
            info = tarfile.TarInfo(f"app/{name}.py")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    data = bytes(deflate.gzip_compress(buffer.getvalue(), 6))
    digest = hashlib.sha256(data).hexdigest()
    store.put(digest, data)
    store.put_record(ReleaseRecord(digest, len(data), when, "ada", "c0ffee" * 6, True, "r:tag", len(files)))
    return digest


def days(store: ReleaseStore, *which: int) -> list[str]:
    """A release of each of these days of January."""
    return [stored(store, f"2026-01-{day:02}T00:00:00Z") for day in which]


def there(store: ReleaseStore) -> set[str]:
    return {each.digest for each in store.releases()}


def test_the_list_says_of_each_release_whence_it_came_and_who_needs_it(run: Run, store: ReleaseStore) -> None:
    old, new = days(store, 1, 2)
    for digest in (old, new):
        store.add_deploy("prod", digest, "r:tag")
    status, out, said = run("releases", "list", "--json")
    assert status == 0, said
    listed = json.loads(out)["releases"]
    assert [each["digest"] for each in listed] == [new, old]
    assert [each["used_by"] for each in listed] == [["prod (last)"], ["prod (last but 1)"]]
    assert (listed[0]["who"], listed[0]["dirty"]) == ("ada", True)


def test_prune_asks_first_and_takes_out_only_what_nothing_needs(
    run: Run, store: ReleaseStore, marathon: Marathon
) -> None:
    unused, beside, running, deployed, newest = days(store, 1, 2, 3, 4, 5)
    marathon.runs("/crawler/fetch", running)
    marathon.runs("/put-by-hand", beside)
    store.add_deploy("prod-eu", deployed, "r:tag")

    status, _, said = run("releases", "prune", "--keep", "1")
    assert status == 3, said
    assert "Take 1 releases out" in said
    assert len(there(store)) == 5

    status, out, said = run("releases", "prune", "--keep", "1", "--yes", "--json")
    assert status == 0, said
    assert json.loads(out)["removed"] == [unused]
    assert there(store) == {beside, running, deployed, newest}


def test_prune_takes_nothing_out_while_it_cannot_be_told_what_runs(run: Run, store: ReleaseStore) -> None:
    days(store, 1, 2)
    status, _, said = run("releases", "prune", "--keep", "1", "--yes")
    assert status == 1, said
    assert "/crawler/fetch: Marathon has no such app" in said
    assert len(there(store)) == 2


def test_prune_of_all_is_a_misuse(run: Run, store: ReleaseStore, marathon: Marathon) -> None:
    (only,) = days(store, 1)
    marathon.runs("/crawler/fetch", only)
    status, _, said = run("releases", "prune", "--keep", "0", "--yes")
    assert status == 2, said
    assert there(store) == {only}


def test_a_diff_of_two_releases_shows_files_and_lines(run: Run, store: ReleaseStore) -> None:
    a = stored(store, "t", same="s", changed="x = 1\n", gone="g")
    b = stored(store, "t", same="s", changed="x = 2\n", new="\x1b[2Jn")
    status, out, said = run("diff", a[:8], b, "--patch")
    assert status == 0, said
    assert out.splitlines()[0] == f"{a[:12]} → {b[:12]}: 3 files differ"
    assert {"~ changed.py  6 bytes → 6 bytes", "-x = 1", "+x = 2"} <= set(out.splitlines())
    assert "\x1b" not in out
    told = json.loads(run("diff", a, b, "--patch", "--json")[1])
    assert [each["name"] for each in told["files"]] == ["changed.py", "gone.py", "new.py"]
    assert "+x = 2" in told["files"][0]["patch"]


def test_a_release_that_is_not_there_or_was_changed_is_told_in_one_sentence(
    run: Run, store: ReleaseStore, s3: Any
) -> None:
    (digest,) = days(store, 1)
    status, _, said = run("diff", "abcdef012345", ".")
    assert (status, said) == (1, f"error: no release in s3://{BUCKET} begins with abcdef012345\n")
    s3.put_object(Bucket=BUCKET, Key=release_key(digest), Body=b"other")
    status, _, said = run("diff", digest, ".")
    assert status == 1, said
    assert "cut off or replaced, not used" in said


def test_a_bucket_that_is_gone_is_told_in_one_sentence(run: Run) -> None:
    status, _, said = run("releases", "list")
    assert status == 1, said
    assert said.startswith(f"error: s3://{BUCKET}/releases/: cannot be listed: ")
    assert "Traceback" not in said
