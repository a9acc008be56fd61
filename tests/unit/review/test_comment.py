"""The sticky comment, against a server that speaks GitHub's REST API."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stamina
from typer.testing import CliRunner

from review.comment import AUTHOR, app
from review.comment_text import LIMIT, comment, disarmed, marker

REPO = "example-org/trawler"
HEAD = "a" * 40
REPORT = f"{marker('prod')}\n## prod: nothing dangerous\n"


@dataclass
class Server:
    """What a GitHub that holds one repository knows, and how it misbehaves."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    head: str = HEAD
    fails: list[int] = field(default_factory=list)
    """Statuses of the next answers, before it behaves again."""

    loses_answers: int = 0
    """So many comments are made, but the answer is an error."""

    page_size: int = 30
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens_at_storage: list[str | None] = field(default_factory=list)
    url: str = ""
    next_elsewhere: str = ""

    def bodies(self) -> list[str]:
        return [c["body"] for c in self.comments]


class _Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/storage":
            self.state.tokens_at_storage.append(self.headers.get("Authorization"))
            self._answer(200, raw=self.state.artifacts[query["name"][0]])
        elif not self._misbehaves():
            self._repository(parts.path.removeprefix(f"/repos/{REPO}/"), int(query.get("page", ["1"])[0]))

    def _repository(self, path: str, page: int) -> None:
        match path.split("/"):
            case ["issues", "7", "comments"]:
                self._page(self.state.comments, page)
            case ["actions", "runs", "99", "artifacts"]:
                names = [{"id": i, "name": n, "expired": False} for i, n in enumerate(self.state.artifacts)]
                self._answer(200, {"total_count": len(names), "artifacts": names})
            case ["actions", "artifacts", number, "zip"]:
                name = list(self.state.artifacts)[int(number)]
                self._answer(302, location=f"{self.state.url}/storage?name={name}")
            case ["pulls", "7"]:
                self._answer(200, {"head": {"sha": self.state.head}})
            case _:
                self._answer(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        if self._misbehaves():
            return
        made = {"id": len(self.state.comments) + 1, "user": {"login": AUTHOR}, **self._body()}
        self.state.comments.append(made)
        if self.state.loses_answers:
            self.state.loses_answers -= 1
            self._answer(502, {"message": "lost"})
        else:
            self._answer(201, {**made, "html_url": f"https://github.example/{made['id']}"})

    def do_PATCH(self) -> None:
        if self._misbehaves():
            return
        number = int(self.path.rsplit("/", 1)[-1])
        [there] = [c for c in self.state.comments if c["id"] == number]
        there.update(self._body())
        self._answer(200, {**there, "html_url": f"https://github.example/{number}"})

    def _misbehaves(self) -> bool:
        self.state.requests.append((self.command, self.path))
        assert self.headers["Authorization"] == "Bearer secret-token"
        if self.state.fails:
            self._answer(self.state.fails.pop(0), {"message": "no"})
            return True
        return False

    def _body(self) -> dict[str, Any]:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _page(self, entries: list[dict[str, Any]], page: int) -> None:
        start, size = (page - 1) * self.state.page_size, self.state.page_size
        base = self.state.next_elsewhere or self.state.url
        more = f'<{base}{urlsplit(self.path).path}?page={page + 1}>; rel="next"'
        self._answer(200, entries[start : start + size], link=more if len(entries) > start + size else "")

    def _answer(
        self, status: int, content: Any = None, *, raw: bytes = b"", location: str = "", link: str = ""
    ) -> None:
        data = raw or json.dumps(content).encode()
        self.send_response(status)
        for name, value in (("Location", location), ("Link", link)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the server's own name
        """Nothing: the tests say what went wrong."""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's own, to which the command line talks."""
    state = Server()
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("GITHUB_API_URL", state.url)
    monkeypatch.setenv("GITHUB_TOKEN", "secret-token")
    with stamina.set_testing(True, attempts=3):
        yield state
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and everything said."""
    result = CliRunner().invoke(app, ["--repository", REPO, *arguments])
    return result.exit_code, result.output


def post(tmp_path: Path, text: str = REPORT, *arguments: str) -> tuple[int, str]:
    file = tmp_path / "report.md"
    file.write_text(text)
    return run("--number", "7", "--file", str(file), *arguments)


def a_comment(body: str, login: str = "somebody", number: int = 500) -> dict[str, Any]:
    return {"id": number, "user": {"login": login}, "body": body}


def an_artifact(number: str = "7", report: str = REPORT, name: str = "report.md") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("number", number)
        archive.writestr(name, report)
    return packed.getvalue()


def from_run() -> tuple[int, str]:
    return run("--run", "99", "--head-sha", HEAD)


def test_the_first_report_makes_a_comment_and_the_next_one_changes_it(github: Server, tmp_path: Path) -> None:
    assert post(tmp_path)[0] == 0
    assert post(tmp_path, REPORT + "changed\n")[0] == 0
    assert github.bodies() == [REPORT + "changed\n"]


def test_the_comment_is_found_behind_many_others(github: Server, tmp_path: Path) -> None:
    github.comments = [a_comment("chat", number=i) for i in range(1000, 1095)]
    github.comments.append(a_comment(REPORT, AUTHOR))
    assert post(tmp_path, REPORT + "new\n")[0] == 0
    assert [c["body"] for c in github.comments if c["id"] == 500] == [REPORT + "new\n"]
    assert len(github.comments) == 96


def test_a_marker_in_somebody_elses_comment_is_left_alone(github: Server, tmp_path: Path) -> None:
    github.comments = [a_comment(REPORT, "somebody"), a_comment(f"see\n{REPORT}", AUTHOR, 501)]
    assert post(tmp_path)[0] == 0
    assert len(github.comments) == 3


def test_each_stack_has_a_comment_of_its_own(github: Server, tmp_path: Path) -> None:
    post(tmp_path)
    post(tmp_path, REPORT.replace("prod", "dev"))
    assert [b.splitlines()[0] for b in github.bodies()] == [marker("prod"), marker("dev")]


def test_a_comment_whose_answer_was_lost_is_not_made_twice(github: Server, tmp_path: Path) -> None:
    github.loses_answers = 1
    assert post(tmp_path)[0] == 0
    assert len(github.comments) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_that_asks_for_patience_is_asked_again(github: Server, tmp_path: Path, status: int) -> None:
    github.fails = [status, status]
    assert post(tmp_path)[0] == 0
    assert len(github.comments) == 1


def test_patience_has_an_end_and_the_reason_is_told(github: Server, tmp_path: Path) -> None:
    github.fails = [503] * 9
    status, said = post(tmp_path)
    assert (status, "503" in said) == (1, True)
    assert len(github.requests) == 3


@pytest.mark.parametrize(
    ("status", "told"), [(401, "GITHUB_TOKEN"), (403, "pull-requests: write"), (404, "exist")]
)
def test_a_refusal_is_not_repeated_and_says_what_to_look_at(
    github: Server, tmp_path: Path, status: int, told: str
) -> None:
    github.fails = [status] * 9
    code, said = post(tmp_path)
    assert code == 1
    assert told in said
    assert "secret-token" not in said
    assert len(github.requests) == 1


def test_the_token_does_not_follow_a_next_page_to_another_host(github: Server, tmp_path: Path) -> None:
    github.comments = [a_comment("chat", number=i) for i in range(60)]
    github.next_elsewhere = "http://127.0.0.2:1"
    status, said = post(tmp_path)
    assert (status, "the token is not sent there" in said) == (1, True)


def test_a_report_longer_than_a_comment_is_cut_at_a_line_with_a_word_and_its_folds_closed(
    github: Server, tmp_path: Path
) -> None:
    long = REPORT + "<details>\n\n```diff\n" + "+ a line of forty characters or even more\n" * 3000
    assert post(tmp_path, long)[0] == 0
    [body] = github.bodies()
    assert len(body) <= LIMIT
    assert "longer than a comment" in body
    assert body.count("<details>") == body.count("</details>")
    assert body.count("```") % 2 == 0
    assert "+ a line of forty characters or even more\n```" in body


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--number", "7"], "either --number and --file"),
        (["--run", "99"], "either --number and --file"),
        (["--number", "7", "--file", "/nowhere/report.md"], "No such file"),
        (["--number", "0", "--file", "x"], "Invalid value"),
    ],
)
def test_misuse_is_told_and_ends_with_two(github: Server, arguments: list[str], told: str) -> None:
    status, said = run(*arguments)
    assert (status, told in said) == (2, True), said
    assert github.requests == []


def test_without_a_token_nothing_is_tried(
    github: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    status, said = post(tmp_path)
    assert (status, "GITHUB_TOKEN is not set" in said) == (2, True)


def test_a_file_that_is_no_report_is_refused(github: Server, tmp_path: Path) -> None:
    status, said = post(tmp_path, "# hello\n")
    assert (status, "trawler-preview" in said) == (1, True)
    assert github.comments == []


def test_the_reports_of_a_run_are_posted_and_a_real_preview_goes_before(github: Server) -> None:
    github.artifacts = {
        "report-prod": an_artifact(report=f"{marker('prod')}\nlocal\n"),
        "real-report-prod": an_artifact(report=f"{marker('prod')}\nreal\n"),
        "report-dev": an_artifact(report=f"{marker('dev')}\nlocal\n"),
        "logs": b"not a report",
    }
    assert from_run()[0] == 0
    assert github.bodies() == [f"{marker('dev')}\nlocal\n", f"{marker('prod')}\nreal\n"]


def test_the_token_is_not_sent_to_where_artifacts_are_kept(github: Server) -> None:
    github.artifacts = {"report-prod": an_artifact()}
    from_run()
    assert github.tokens_at_storage == [None]


@pytest.mark.parametrize(
    ("artifact", "told"),
    [
        (an_artifact(number="8"), "404"),
        (an_artifact(number="../7"), "names no pull request"),
        (an_artifact(number="7" * 13), "more than 12 bytes"),
        (an_artifact(report="# hello"), "trawler-preview"),
        (an_artifact(report=f"{marker('dev')}\n"), "report of another stack"),
        (an_artifact(name="../report.md"), "cannot be read"),
        (an_artifact(report=REPORT + "x" * 1_000_001), "refused"),
        (b"not a zip", "no ZIP file"),
        (b"x" * 1_000_001, "larger than"),
    ],
    ids=[
        "another number",
        "a path",
        "long",
        "no marker",
        "other stack",
        "no report",
        "bomb",
        "no zip",
        "large",
    ],
)
def test_an_artifact_of_another_form_is_refused(github: Server, artifact: bytes, told: str) -> None:
    github.artifacts = {"report-prod": artifact}
    status, said = from_run()
    assert (status, told in said) == (1, True), said
    assert github.comments == []


def test_an_artifact_cannot_name_a_pull_request_whose_commit_was_not_run(github: Server) -> None:
    github.artifacts, github.head = {"report-prod": an_artifact()}, "b" * 40
    status, said = from_run()
    assert (status, "nothing is written" in said) == (1, True)
    assert github.comments == []


HOSTILE = "\n".join(
    [
        "hello @octocat and @example-org/owners, see #1 and other/repo#2 and GH-3",
        "![pixel](https://tracker.example/x.png) [docs](https://evil.example) <https://evil.example>",
        "[a]: https://evil.example",
        "<img src=x onerror=alert(1)><script>alert(1)</script><a href='https://evil.example'>x</a>",
        "www.evil.example \u202egnihtemos\u202c \x1b[31mred\x07",
        marker("dev"),
        "<details><summary>more</summary>",
        "> quoted",
        "</details>",
    ]
)


def test_in_a_strangers_text_no_mention_reference_link_image_or_tag_works() -> None:
    body = comment(f"{marker('prod')}\n{HOSTILE}", untrusted=True).split("\n", 1)[1]
    assert not re.search(r"@\w", body)
    assert not re.search(r"#\d", body)
    assert "GH-3" not in body
    assert "](" not in body
    assert "![" not in body
    assert "://" not in body
    assert "www." not in body
    assert re.findall(r"<[^>]*>", body) == ["<details>", "<summary>", "</summary>", "</details>"]
    assert not re.search("[\u202e\u202c\x1b\x07]", body)
    assert "trawler-preview:dev -->" not in body
    assert "made by code of a fork" in body
    assert "\n> quoted\n" in body


def test_a_text_of_our_own_is_posted_as_it_is() -> None:
    text = f"{marker('prod')}\n`<b>` [run](https://github.com/x/y) > 3\n"
    assert comment(text) == text


def test_a_second_marker_in_a_report_is_taken_out() -> None:
    assert marker("dev") not in comment(f"{REPORT}{marker('dev')}\n")


def test_disarming_twice_changes_nothing_more_of_plain_text() -> None:
    assert (
        disarmed("| a | b |\n| --- | --- |\n**bold** `code`\n")
        == "| a | b |\n| --- | --- |\n**bold** `code`\n"
    )
