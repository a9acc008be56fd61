"""The command: what it writes, what it refuses, how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import requests
from typer.testing import CliRunner

from local.shops.__main__ import app
from tests.unit.local_shops.conftest import Street, opened

TIMEOUT_S = 10


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where it is expected to refuse."""
    command = [sys.executable, "-m", "local.shops", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def raw_get(base: str, target: str) -> bytes:
    """The answer to a request line as it stands: clients tidy such paths up."""
    host, port = base.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_ready_line_and_shops_json_name_every_shop(street: Street) -> None:
    assert list(street.bases) == ["demo-jsonld", "demo-microdata", "demo-selectors", "books"]
    for name, base in street.bases.items():
        assert f"{name} {base}" in street.ready_line
        assert requests.get(base, timeout=TIMEOUT_S).status_code == 200
        assert street.truth(name).base == base


def test_every_request_is_in_the_log_in_order_with_its_times(tmp_path: Path) -> None:
    before = time.time()
    with opened(tmp_path, "--products", "30") as street:
        for path in ("robots.txt", "?utm_source=%C3%A9", "nothing"):
            url = street.bases["demo-jsonld"] + path
            requests.get(url, headers={"User-Agent": "tester/1"}, timeout=TIMEOUT_S)
    lines = (tmp_path / "access" / "demo-jsonld.jsonl").read_bytes().splitlines()
    rows = [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
    assert [row["path"] for row in rows] == ["/robots.txt", "/?utm_source=%C3%A9", "/nothing"]
    assert [row["status"] for row in rows] == [200, 200, 404]
    assert {row["user_agent"] for row in rows} == {"tester/1"}
    assert {row["method"] for row in rows} == {"GET"}
    times = [row["at"] for row in rows]
    assert times == sorted(times, key=lambda at: float(str(at)))
    assert all(before <= float(str(at)) <= time.time() for at in times)
    assert all(float(str(row["ms"])) >= 0 and "monotonic" in row for row in rows)


def test_only_reading_is_allowed(calm: Street) -> None:
    base = calm.bases["demo-jsonld"]
    assert requests.post(base, timeout=TIMEOUT_S).status_code == 405
    head = requests.head(base, timeout=TIMEOUT_S)
    assert (head.status_code, head.content) == (200, b"")


def test_saved_pages_are_served_as_they_are(street: Street, saved_pages: Path) -> None:
    base = street.bases["books"]
    assert requests.get(base, timeout=TIMEOUT_S).content == (saved_pages / "index.html").read_bytes()
    page = requests.get(base + "catalogue/one_1/index.html", timeout=TIMEOUT_S)
    assert page.content.decode() == "<h1>One – é</h1>"
    assert requests.get(base + "media/1.jpg", timeout=TIMEOUT_S).status_code == 404
    assert requests.get(base + "catalogue", timeout=TIMEOUT_S).status_code == 404
    assert requests.get(base + "x" * 5000, timeout=TIMEOUT_S).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/catalogue/..%2f..%2fsecret.txt",
        "//../secret.txt",
        "/..%5csecret.txt",
        "/link.html",
        "/index.html%00",
    ],
)
def test_nothing_outside_the_folder_of_saved_pages_is_served(street: Street, target: str) -> None:
    answer = raw_get(street.bases["books"], target)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"not for you" not in answer


def test_the_truth_of_saved_pages_is_that_of_their_site_alone(street: Street) -> None:
    truth = street.truth("books")
    (item,) = truth.items
    assert (truth.pages, truth.images_by) == (2, "file_name")
    assert item.url == truth.base + "catalogue/one_1/index.html"
    assert (item.sku, item.sku_also, item.name_also) == ("a", ("b",), ("One!",))
    assert item.unscored == ("brand",)


def test_without_the_folder_three_shops_are_served_and_a_line_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.shops", "serve", "--run-dir", str(tmp_path), "--ports", "0,0,0,0"]
    with subprocess.Popen(
        [*command, "--pages", str(tmp_path / "none")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.terminate()
        _, notice = process.communicate(timeout=TIMEOUT_S)
    assert "demo-selectors" in ready
    assert "books" not in ready
    assert notice.splitlines() == [f"books is not served: no saved pages in {tmp_path / 'none'}"]
    assert "books" not in (tmp_path / "shops.json").read_text(encoding="utf-8")


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = serve("--run-dir", str(tmp_path), "--ports", f"0,{port},0")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert f"port {port}" in line
    assert "--ports" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--ports", "1,2"], "--ports"),
        (["--ports", "a,b,c"], "--ports"),
        (["--ports", "0,0,70000"], "--ports"),
        (["--products", "5", "--ports", "0,0,0"], "--products"),
    ],
)
def test_a_misused_option_is_one_line_that_names_it(tmp_path: Path, arguments: list[str], named: str) -> None:
    refused = CliRunner().invoke(app, ["serve", "--run-dir", str(tmp_path), *arguments])
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert named in line


def test_a_run_folder_that_cannot_be_written_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = serve("--run-dir", str(tmp_path / "file"), "--ports", "0,0,0")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with opened(tmp_path, "--products", "30") as street:
        street.process.send_signal(number)
        assert street.process.wait(TIMEOUT_S) == 0


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    arguments = ["serve", "--run-dir", str(tmp_path), "--ports", "0,0,0", "--exit-with-parent"]
    parent = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'local.shops', *sys.argv[1:]], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + TIMEOUT_S
    while running(child):
        assert time.monotonic() < deadline, "the shops outlive their parent"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
