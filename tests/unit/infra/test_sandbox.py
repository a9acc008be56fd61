"""The end of a task's log, from an agent that may say anything."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.marathon.sandbox import LINE_CHARACTERS, TAIL_BYTES, TAIL_LINES, SandboxError, tail
from tests.unit.infra.test_client import Answer, server

STATE: dict[str, Any] = {
    "frameworks": [{"executors": [{"id": "other", "directory": "/o"}], "completed_executors": []}],
    "completed_frameworks": [{"completed_executors": [{"id": "task", "directory": "/sandboxes/task"}]}],
}


def read(log: str, state: dict[str, Any] = STATE) -> list[str]:
    """What is read of a log."""

    def answer(_method: str, path: str) -> Answer:
        query = parse_qs(urlsplit(path).query)
        if path == "/state":
            return 200, state
        assert query["path"] == ["/sandboxes/task/stderr"]
        if query["offset"] == ["-1"]:
            return 200, {"data": "", "offset": len(log)}
        start = int(query["offset"][0])
        return 200, {"data": log[start : start + int(query["length"][0])], "offset": start}

    with server(answer) as url:
        parts = urlsplit(url)
        return tail(parts.hostname or "", parts.port or 0, "task")


def test_the_last_lines_are_read_of_a_long_log_and_of_a_task_that_has_ended() -> None:
    lines = [f"line {i} {'x' * 90}" for i in range(2 * TAIL_BYTES // 100)]
    assert read("\n".join(lines)) == lines[-TAIL_LINES:]


def test_a_log_cannot_write_to_the_terminal() -> None:
    assert read("\x1b[2J\x1b]0;title\x07red\x1b[0m\x00\r\nnext") == ["]0;titlered", "next"]
    assert read("x" * 1000) == ["x" * LINE_CHARACTERS]


@pytest.mark.parametrize(
    "state",
    [{}, {"frameworks": "no list"}, {"frameworks": [7]}, {"frameworks": [{"executors": [{"id": "task"}]}]}],
)
def test_a_task_that_the_agent_does_not_know_is_told(state: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="knows no task"):
        read("", state)


def test_an_agent_that_does_not_answer_redirects_or_speaks_otherwise_is_told() -> None:
    with pytest.raises(SandboxError, match=r"127\.0\.0\.1:9/state: ConnectionError"):
        tail("127.0.0.1", 9, "task")
    answers: list[Answer] = [(302, {"Location": "http://127.0.0.1:9/"}), (200, "<html>"), (401, "")]
    for answer in answers:
        with server(lambda _m, _p, a=answer: a) as url, pytest.raises(SandboxError, match="/state: "):
            tail("127.0.0.1", urlsplit(url).port or 0, "task")
