"""Clients that others wrote for the real Marathon, against the real server process."""

from __future__ import annotations

import collections
import collections.abc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DEADLINE_S = 15.0
SMALL: dict[str, Any] = {"cmd": "exec sleep 60", "cpus": 0.1, "mem": 16}
#: Where the D/C OS command line's library is looked for; docs/local-marathon.md says how it gets there.
DCOS = Path(os.environ.get("TRAWLER_DCOS_CLIENT", ROOT / "build" / "clients" / "dcos"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of two agents."""
    folder = tmp_path_factory.mktemp("marathon")
    command = [
        sys.executable, "-m", "local.mesos", "serve", "--port", "0", "--agents", "2", "--work-dir", folder / "work",
        "--images", folder / "images", "--containerizer", "processes", "--shutdown-grace", "1",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("Marathon ready on "), (folder / "log").read_text()
        yield line.removeprefix("Marathon ready on ").strip()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=DEADLINE_S)


def until(look: Callable[[], Any], what: str) -> Any:
    """Poll until something is found."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {DEADLINE_S} s for {what}"
        time.sleep(0.05)
    return found


class MarathonPython:
    """The PyPI package ``marathon``; it hands every key to a constructor, so one key too many is an error."""

    def __init__(self, url: str) -> None:
        from marathon import MarathonClient  # noqa: PLC0415 - the package is one of the tests' only

        self.client: Any = MarathonClient(url, timeout=10)

    def app(self, app_id: str, **fields: Any) -> Any:
        from marathon.models import MarathonApp  # noqa: PLC0415

        app = self.client.create_app(app_id, MarathonApp(**{**SMALL, **fields}))
        self.settled(app.deployments[0].id)
        return self.client.get_app(app_id)

    def settled(self, deployment_id: str) -> None:
        until(
            lambda: deployment_id not in {each.id for each in self.client.list_deployments()},
            f"deployment {deployment_id} to end",
        )


@pytest.fixture
def python(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MarathonPython]:
    monkeypatch.setattr(
        collections, "Iterable", collections.abc.Iterable, raising=False
    )  # gone since Python 3.10
    found = MarathonPython(url)
    yield found
    for app in found.client.list_apps():
        found.client.delete_app(app.id, force=True)
    until(lambda: not found.client.list_apps() and not found.client.list_tasks(), "all apps to go")


def test_marathon_python_creates_reads_and_lists_apps(python: MarathonPython) -> None:
    app = python.app("/py/a", labels={"team": "x"}, constraints=[["hostname", "UNIQUE"]])
    assert (app.tasks_running, app.tasks_healthy, app.version_info is not None) == (1, 0, True)
    (task,) = app.tasks
    assert task.app_id == "/py/a"
    client = python.client
    assert [each.id for each in client.list_apps(label="team==x", cmd="SLEEP", embed_tasks=True)] == ["/py/a"]
    assert client.list_apps(label="team==y") == []
    full = client.get_app(
        "/py/a", embed_tasks=True, embed_counts=True, embed_deployments=True, embed_readiness=True,
        embed_last_task_failure=True, embed_failures=True,
    )  # fmt: skip
    assert full.readiness_check_results == []


def test_marathon_python_updates_scales_restarts_rolls_back_and_deletes(python: MarathonPython) -> None:
    from marathon.models import MarathonApp  # noqa: PLC0415

    client, first = python.client, python.app("/py/a")
    changed = client.update_app("/py/a", MarathonApp(cmd="exec sleep 61"))
    python.settled(changed["deploymentId"])
    python.settled(client.scale_app("/py/a", instances=2)["deploymentId"])
    python.settled(client.scale_app("/py/a", delta=-1)["deploymentId"])
    before = {each.id for each in client.list_tasks("/py/a")}
    python.settled(client.restart_app("/py/a")["deploymentId"])
    assert before.isdisjoint({each.id for each in client.list_tasks("/py/a")})
    versions = client.list_versions("/py/a")
    assert len(versions) == 5
    assert client.get_version("/py/a", versions[-1]).cmd == "exec sleep 60"
    python.settled(client.rollback_app("/py/a", first.version)["deploymentId"])
    assert client.get_app("/py/a").cmd == "exec sleep 60"
    python.settled(client.update_apps([MarathonApp(id="/py/a", mem=17)])["deploymentId"])
    assert client.get_app("/py/a").mem == 17
    python.settled(client.delete_app("/py/a")["deploymentId"])
    from marathon.exceptions import NotFoundError  # noqa: PLC0415

    with pytest.raises(NotFoundError, match="App '/py/a' does not exist"):
        client.get_app("/py/a")


def test_marathon_python_kills_tasks_with_scale_and_wipe(python: MarathonPython) -> None:
    client = python.client
    python.app("/py/a", instances=3)
    one, two, three = client.list_tasks("/py/a")
    client.kill_task("/py/a", one.id)
    until(lambda: one.id not in {each.id for each in client.list_tasks("/py/a")}, "the killed task to go")
    client.kill_task("/py/a", two.id, wipe=True)
    client.kill_given_tasks([three.id], scale=True)
    until(lambda: client.get_app("/py/a").instances == 2, "two instances")
    until(lambda: client.get_app("/py/a").tasks_running == 2, "two running tasks")
    assert len(client.kill_tasks("/py/a", batch_size=0)) == 2


def test_marathon_python_sees_deployments_and_stops_them(python: MarathonPython) -> None:
    from marathon.models import MarathonApp  # noqa: PLC0415

    client = python.client
    app = client.create_app("/py/stuck", MarathonApp(cmd="sleep 60", cpus=1000, mem=16))
    (deployment,) = client.list_deployments()
    assert (deployment.id, deployment.affected_apps) == (app.deployments[0].id, ["/py/stuck"])
    from marathon.exceptions import ConflictError  # noqa: PLC0415

    with pytest.raises(ConflictError, match="App is locked"):
        client.update_app("/py/stuck", MarathonApp(mem=17))
    python.settled(client.delete_deployment(deployment.id)["deploymentId"])
    assert client.list_apps() == []
    app = client.create_app("/py/stuck", MarathonApp(cmd="sleep 60", cpus=1000, mem=16))
    client.delete_deployment(app.deployments[0].id, force=True)
    assert client.list_deployments() == []
    assert client.get_app("/py/stuck").id == "/py/stuck"


def test_marathon_python_reads_and_changes_groups(python: MarathonPython) -> None:
    from marathon.models import MarathonApp, MarathonGroup  # noqa: PLC0415

    client = python.client
    made = client.create_group(MarathonGroup(id="/pyg", apps=[MarathonApp(id="a", **SMALL)]))
    python.settled(made["deploymentId"])
    assert [each.id for each in client.list_groups() if each.id == "/pyg"] == ["/pyg"]
    assert [each.id for each in client.get_group("/pyg").apps] == ["/pyg/a"]
    python.settled(client.scale_group("/pyg", 2)["deploymentId"])
    assert client.get_app("/pyg/a").instances == 2
    inner = MarathonGroup(id="inner", apps=[MarathonApp(id="b", **SMALL)])
    python.settled(client.update_group("/pyg", MarathonGroup(groups=[inner]))["deploymentId"])
    assert {each.id for each in client.list_apps()} == {"/pyg/a", "/pyg/inner/b"}
    python.settled(client.delete_group("/pyg")["deploymentId"])
    assert client.list_apps() == []


def test_marathon_python_reads_what_the_server_says_of_itself(python: MarathonPython, url: str) -> None:
    client = python.client
    assert client.ping() == b'"pong"'
    assert client.get_info().version.startswith("1.11.")
    assert client.get_leader() == {"leader": url.removeprefix("http://")}
    assert "gauges" in client.get_metrics()
    python.app("/py/a")
    (endpoint,) = client.list_endpoints()
    assert endpoint.service_port >= 10000
    assert client.delete_leader() == {"message": "Leadership abdicated"}

    def led() -> bool:
        from marathon.exceptions import InternalServerError  # noqa: PLC0415

        try:
            return bool(client.get_leader())
        except InternalServerError as error:
            assert error.status_code == 502  # noqa: PT017
            return False

    until(led, "a new leader")


def test_marathon_python_fails_on_the_queue_alone_as_on_any_marathon_since_1_9(
    python: MarathonPython,
) -> None:
    from marathon.models import MarathonApp  # noqa: PLC0415

    client = python.client
    assert client.list_queue() == []
    client.create_app("/py/stuck", MarathonApp(cmd="sleep 60", cpus=1000, mem=16))
    until(lambda: client.list_deployments()[0].current_step == 2, "the app to be scaled")
    with pytest.raises(TypeError, match="role"):
        client.list_queue()
    client.reset_delay("/py/stuck")


def test_marathon_python_follows_the_event_stream(python: MarathonPython) -> None:
    client, seen = python.client, []
    types = ["deployment_success", "status_update_event", "app_terminated_event"]

    def listen() -> None:
        for event in client.event_stream(event_types=types):
            seen.append(event)
            if event.event_type == "app_terminated_event":
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    # It reads 512 bytes at a time, so that an event is seen when later ones have come.
    deadline = time.monotonic() + DEADLINE_S
    while listener.is_alive():
        assert time.monotonic() < deadline, seen
        python.app("/py/a")
        python.settled(client.delete_app("/py/a")["deploymentId"])
    kinds = [each.event_type for each in seen]
    assert "deployment_success" in kinds
    statuses = [each for each in seen if each.event_type == "status_update_event"]
    assert {each.task_status for each in statuses} >= {"TASK_RUNNING"}
    assert {each.app_id for each in statuses} == {"/py/a"}


_DCOS_DRIVER = """
import collections, collections.abc, json, sys
for name in ("Mapping", "MutableMapping", "Callable", "Iterable"):
    setattr(collections, name, getattr(collections.abc, name))  # it was written for Python 3.5
from dcos import marathon, rpcclient
from dcos.errors import DCOSException

client = marathon.Client(rpcclient.create_client(sys.argv[1], 10))
for line in sys.stdin:
    method, arguments = json.loads(line)
    try:
        answer = {"answer": getattr(client, method)(*arguments)}
    except DCOSException as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


class DcosCli:
    """The library beneath the D/C OS command line, in a process of its own with its own dependencies."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, method: str, *arguments: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            answer = self.call(method, *arguments)
            assert "answer" in answer, answer
            return answer["answer"]

        return call


@pytest.fixture
def dcos(url: str, tmp_path: Path) -> Iterator[DcosCli]:
    if not (DCOS / "dcos").is_dir():
        pytest.skip(f"the package dcos is not in {DCOS}; docs/local-marathon.md says how it gets there")
    environment = {"PYTHONPATH": str(DCOS), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _DCOS_DRIVER, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        yield DcosCli(process)
    finally:
        process.communicate(timeout=DEADLINE_S)


def _settled(dcos: DcosCli, deployment_id: str) -> None:
    until(lambda: dcos.get_deployment(deployment_id) is None, f"deployment {deployment_id} to end")


def test_the_dcos_command_line_manages_apps(dcos: DcosCli) -> None:
    assert dcos.ping() == '"pong"'
    assert dcos.get_about()["name"] == "marathon"
    _settled(dcos, dcos.add_app({"id": "/dc/a", **SMALL}))
    assert [each["id"] for each in dcos.get_apps()] == ["/dc/a"]
    assert dcos.get_app("/dc/a")["tasksRunning"] == 1
    version = dcos.get_app_versions("/dc/a")[0]
    assert dcos.get_app("/dc/a", version)["cmd"] == SMALL["cmd"]
    _settled(dcos, dcos.update_app("/dc/a", {"mem": 17}))
    _settled(dcos, dcos.scale_app("/dc/a", 2))
    _settled(dcos, dcos.restart_app("/dc/a")["deploymentId"])
    tasks = dcos.get_tasks("/dc/a")
    assert len(tasks) == 2
    assert dcos.stop_task(tasks[0]["id"])["id"] == tasks[0]["id"]
    assert dcos.get_deployments("/dc/a") == []
    dcos.remove_app("/dc/a", True)
    until(lambda: dcos.get_apps() == [] and dcos.get_tasks("/dc/a") == [], "the app to go")
    assert dcos.call("get_app", "/dc/a") == {"error": "Error: App '/dc/a' does not exist"}


def test_the_dcos_command_line_reads_errors_queue_and_groups(dcos: DcosCli) -> None:
    stuck = dcos.add_app({"id": "/dcg/stuck", **SMALL, "cpus": 1000})
    assert dcos.call("update_app", "/dcg/stuck", {"mem": 17})["error"].startswith("Changes blocked")
    queued = until(lambda: dcos.get_queued_app("/dcg/stuck"), "the app in the queue")
    rows = {each["reason"]: each for each in queued["processedOffersSummary"]["rejectSummaryLastOffers"]}
    assert rows["InsufficientCpus"]["declined"] > 0
    assert dcos.get_group("/dcg")["apps"][0]["id"] == "/dcg/stuck"
    dcos.stop_deployment(stuck)
    assert dcos.get_apps()[0]["id"] == "/dcg/stuck"
    dcos.remove_group("/dcg", True)
    until(lambda: "/dcg" not in [each["id"] for each in dcos.get_groups()], "the group to go")
    made = dcos.create_group({"id": "/dcg", "apps": [{"id": "a", **SMALL}]})
    _settled(dcos, made)
    _settled(dcos, dcos.scale_group("/dcg", 2))
    assert dcos.get_app("/dcg/a")["instances"] == 2
    dcos.remove_group("/dcg", True)
    until(lambda: dcos.get_apps() == [] and dcos.get_tasks(None) == [], "all to go")


def test_curl_sees_the_headers_of_a_marathon(url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")

    def curl(*arguments: str) -> str:
        done = subprocess.run(
            ["curl", "-sS", "-i", "--noproxy", "*", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    made = curl(
        "-X",
        "PUT",
        f"{url}/v2/apps//curl/a/",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(SMALL),
    )
    assert made.startswith("HTTP/1.1 201 Created\n"), made
    assert "\nMarathon-Deployment-Id: " in made
    again = curl(
        "-X",
        "POST",
        f"{url}/v2/apps",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps({"id": "/curl/a", **SMALL}),
    )
    assert again.startswith("HTTP/1.1 409 Conflict\n")
    assert '{"message": "An app with id [/curl/a] already exists."}' in again
    form = curl("-X", "PUT", f"{url}/v2/apps/curl/a", "-d", "a=b")
    assert form.startswith("HTTP/1.1 415 ")
    assert curl(f"{url}/v2/nope").startswith("HTTP/1.1 500 ")
    assert curl(f"{url}/v2/tasks", "-H", "Accept: text/plain").startswith("HTTP/1.1 406 ")
    assert "\nLocation: /ui/" in curl(url)
    stopped = curl("-X", "DELETE", f"{url}/v2/apps/curl/a")
    assert "\nX-Marathon-Leader: http://127.0.0.1:" in stopped
