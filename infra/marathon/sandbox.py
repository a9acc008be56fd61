"""The end of a task's log, read from its Mesos agent.

Source: Apache Mesos, HTTP endpoints `/state` and `/files/read` of the agent; `docs/sandbox.md`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import requests

from infra.marathon.errors import MarathonError

Json = dict[str, Any]

TIMEOUT_S = (2.0, 5.0)
STATE_LIMIT_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 4096
TAIL_LINES = 12
LINE_CHARACTERS = 200

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class SandboxError(MarathonError):
    """The log could not be read. The text says what kept it."""


def tail(host: str, port: int, task_id: str, name: str = "stderr") -> list[str]:
    """The last lines that a task wrote, without what would move a terminal's cursor.

    What an agent says is foreign: it is bounded in size and time, redirects are not followed, and no credentials
    are sent.

    Args:
        host: the task's host, as Marathon names it.
        port: of the agent.
        task_id: the task; for Marathon's apps its executor has the same id.
        name: file in the sandbox.

    Raises:
        SandboxError: no agent answers there, or it knows no such task or file.
    """
    base = f"http://{host}:{port}"
    directory = next(_directories(_json(f"{base}/state", {}), task_id), None)
    if directory is None:
        raise SandboxError(f"the agent at {base} knows no task {task_id}")
    path = f"{directory}/{name}"
    # An offset of -1 asks for the size.
    size = _json(f"{base}/files/read", {"path": path, "offset": "-1"}).get("offset")
    start = max(size - TAIL_BYTES, 0) if isinstance(size, int) else 0
    data = _json(f"{base}/files/read", {"path": path, "offset": str(start), "length": str(TAIL_BYTES)})
    lines = str(data.get("data", "")).splitlines()
    if start:
        lines = lines[1:]
    return [_CONTROL.sub("", line)[:LINE_CHARACTERS] for line in lines[-TAIL_LINES:]]


def _directories(state: Json, task_id: str) -> Iterator[str]:
    for kind in ("frameworks", "completed_frameworks"):
        for framework in _objects(state, kind):
            for which in ("executors", "completed_executors"):
                for executor in _objects(framework, which):
                    if executor.get("id") == task_id and executor.get("directory"):
                        yield str(executor["directory"])


def _objects(node: Json, key: str) -> list[Json]:
    found = node.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _json(url: str, params: dict[str, str]) -> Json:
    deadline = time.monotonic() + sum(TIMEOUT_S)
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(
                url, params=params, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as response:
                if response.status_code != 200:
                    raise SandboxError(f"GET {url}: HTTP {response.status_code}")
                data = bytearray()
                for chunk in response.iter_content(64 * 1024):
                    data += chunk
                    if len(data) > STATE_LIMIT_BYTES or time.monotonic() > deadline:
                        raise SandboxError(f"GET {url}: the answer is too large or too slow")
    except requests.RequestException as e:
        raise SandboxError(f"GET {url}: {type(e).__name__}") from None
    try:
        answer = json.loads(data)
    except ValueError:
        raise SandboxError(f"GET {url}: not JSON") from None
    return answer if isinstance(answer, dict) else {}
