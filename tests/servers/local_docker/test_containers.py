"""Tasks as real containers, through Marathon's own interface."""

import http.server
import json
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from local.mesos.agent.docker_options import WORK_DIR_LABEL
from tests.servers.local_docker.conftest import docker
from tests.unit.local_mesos.support import Cluster, a_cluster, a_tarball, until

SERVER = (
    "use IO::Socket::INET; $s = IO::Socket::INET->new(LocalAddr=>$ENV{HOST}, LocalPort=>$ENV{PORT0}, Listen=>5, "
    'ReuseAddr=>1) or die; while ($c = $s->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\n"; close $c }'
)

#: Runs until it is asked to end; a bare program as the first process of a container would not hear SIGTERM.
STAY = "trap 'exit 0' TERM; sleep 60 & wait"


@asynccontextmanager
async def docker_cluster(folder: Path, **settings: Any) -> AsyncGenerator[Cluster]:
    async with a_cluster(folder, containerizer="docker", **settings) as cluster:
        yield cluster
    assert containers(folder) == []  # whatever the test did, nothing of it is left


def containers(folder: Path) -> list[str]:
    return docker("ps", "-aq", "--filter", f"label={WORK_DIR_LABEL}={(folder / 'work').resolve()}").split()


def container(image: str, *parameters: tuple[str, str], **fields: Any) -> dict[str, Any]:
    options = [{"key": key, "value": value} for key, value in parameters]
    return {"type": "DOCKER", "docker": {"image": image, "parameters": options}, **fields}


@contextmanager
def files(folder: Path) -> Generator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base class says so
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def test_a_task_sees_its_release_its_variables_and_its_sandbox(tmp_path: Path, image: str) -> None:
    release = a_tarball(tmp_path / "code.tar.gz", {"app/hello.txt": "hello from the release\n"})
    show = "pwd; id -u; cat hello.txt; env; touch refused; ls $MESOS_SANDBOX; echo done; " + STAY
    volumes = [{"containerPath": "/var/app", "hostPath": "app", "mode": "RO"}]
    lines = "first\nsecond = 2"
    with files(tmp_path) as url:
        async with docker_cluster(
            tmp_path, executor_environment={"BELOW": "agent", "OVER": "agent"}
        ) as cluster:
            await cluster.deploy(
                "/a", cmd=show, fetch=[{"uri": f"{url}/{release.name}"}],
                env={"OVER": "app", "LINES": lines, "ODD": " a=b # c "},
                container=container(image, ("workdir", "/var/app"), ("env", "GIVEN=too"), volumes=volumes),
            )  # fmt: skip
            (task,) = await cluster.running("/a", 1)
            output = await cluster.output(task["id"], "done")
            sandbox = cluster.sandbox(task["id"])
            name = f"mesos-{sandbox.name}"
            said = json.loads(docker("inspect", name))[0]
            assert "Read-only file system" in (sandbox / "stderr").read_text()
            assert "Fetched" in (sandbox / "stderr").read_text()  # the fetcher's lines, then the task's own
    seen = output.splitlines()
    assert seen[:3] == ["/var/app", "10001", "hello from the release"]
    assert {"app", "stdout", "stderr", "code.tar.gz"} <= set(seen)
    for expected in (
        "BELOW=agent", "OVER=app", "ODD= a=b # c ", "GIVEN=too", f"MESOS_TASK_ID={task['id']}", "PATH=/bin",
        "MESOS_SANDBOX=/mnt/mesos/sandbox", f"MESOS_CONTAINER_NAME={name}", f"PORT0={task['ports'][0]}",
        f"HOST={task['host']}",
    ):  # fmt: skip
        assert expected in seen
    assert f"LINES={lines}" in output
    assert said["Config"]["Labels"]["MESOS_TASK_ID"] == task["id"]
    assert said["HostConfig"]["NetworkMode"] == "host"
    assert said["HostConfig"]["Memory"] == 32 * 1024 * 1024  # of 16 asked for: Mesos gives no less
    assert said["HostConfig"]["CpuShares"] == 102


async def test_no_value_of_the_environment_is_on_a_command_line(tmp_path: Path, image: str) -> None:
    lines: list[str] = []

    async with docker_cluster(tmp_path) as cluster:
        engine: Any = cluster.marathon.containerizer
        call = engine.containers.cli.call

        async def recorded(*arguments: str, **options: Any) -> str:
            lines.extend(arguments)
            return await call(*arguments, **options)

        object.__setattr__(engine.containers.cli, "call", recorded)
        await cluster.deploy(
            "/a", args=["sh", "-c", STAY], env={"A": "s3cret", "B": "s3cret\n2"}, container=container(image)
        )
        await cluster.running("/a", 1)
    assert "create" in lines
    assert not any("s3cret" in each for each in lines)


async def test_a_host_port_answers_health_checks(tmp_path: Path, image: str) -> None:
    check = {"protocol": "HTTP", "path": "/", "portIndex": 0, "intervalSeconds": 1, "gracePeriodSeconds": 10}
    async with docker_cluster(tmp_path) as cluster:
        await cluster.deploy(
            "/a", args=["perl", "-e", SERVER], container=container(image), healthChecks=[check]
        )
        assert (await cluster.app("/a"))["tasksHealthy"] == 1


async def test_a_command_that_fails_tells_its_status(tmp_path: Path, image: str) -> None:
    async with docker_cluster(tmp_path) as cluster:
        await cluster.put("/a", cmd="echo broken >&2; exit 3", container=container(image), backoffSeconds=60)
        failure = await cluster.failure("/a")
        assert failure["message"] == "Container exited with status 3"
        assert "broken" in (cluster.sandbox(failure["taskId"]) / "stderr").read_text()


async def test_the_images_own_command_runs_where_the_app_has_none(tmp_path: Path, image: str) -> None:
    async with docker_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", container=container(image))
        (task,) = await cluster.running("/a", 1)
        await cluster.output(task["id"], "the image says so")


async def test_an_image_that_is_nowhere_is_named_with_what_docker_said(tmp_path: Path, image: str) -> None:
    missing = "127.0.0.1:9/nowhere/worker:none"
    async with docker_cluster(tmp_path) as cluster:
        await cluster.put("/a", cmd=STAY, container=container(missing), backoffSeconds=60)
        message = (await cluster.failure("/a"))["message"]
    assert message.startswith(
        f"Failed to launch container: Failed to run 'docker pull {missing}': exited with status 1"
    )
    assert "connection refused" in message


async def test_a_program_that_is_not_in_the_image_is_a_launch_that_failed(tmp_path: Path, image: str) -> None:
    async with docker_cluster(tmp_path) as cluster:
        await cluster.put("/a", args=["no-such-program"], container=container(image), backoffSeconds=60)
        message = (await cluster.failure("/a"))["message"]
    assert message.startswith("Failed to launch container: Failed to run container: ")
    assert "no-such-program" in message


@pytest.mark.parametrize(
    ("handler", "grace_s", "least_s", "most_s"),
    [("", 1, 1.0, 10.0), ("echo asked; exit 0", 30, 0.0, 10.0)],
    ids=["deaf", "hears"],
)
async def test_a_kill_is_sigterm_then_sigkill_after_the_grace(
    tmp_path: Path, image: str, handler: str, grace_s: int, least_s: float, most_s: float
) -> None:
    cmd = f"trap '{handler}' TERM; echo up; while :; do sleep 0.05; done"
    async with docker_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", cmd=cmd, container=container(image), taskKillGracePeriodSeconds=grace_s)
        (task,) = await cluster.running("/a", 1)
        await cluster.output(task["id"], "up")
        sandbox, started = cluster.sandbox(task["id"]), monotonic()
        await cluster.call("DELETE", f"/v2/apps/a/tasks/{task['id']}")

        async def ended() -> bool:
            return task["id"] not in {each["id"] for each in await cluster.tasks("/a")}

        await until(ended, "the task to end")
        assert least_s < monotonic() - started < most_s
        assert ("asked" in (sandbox / "stdout").read_text()) == bool(handler)


async def test_more_memory_than_the_limit_ends_the_task(tmp_path: Path, image: str) -> None:
    hungry = ["perl", "-e", "$x = 'a' x 400_000_000; print length $x; sleep 60"]
    async with docker_cluster(tmp_path) as cluster:
        await cluster.put(
            "/a", args=hungry, mem=32, backoffSeconds=60,
            container=container(image, ("memory-swap", str(32 * 1024 * 1024))),
        )  # fmt: skip
        failure = await cluster.failure("/a")
        assert failure["message"] == "Container exited with status 137"
        assert "Memory limit exceeded" in (cluster.sandbox(failure["taskId"]) / "stderr").read_text()


async def test_a_parameter_that_reaches_beyond_the_container_is_refused_by_name(
    tmp_path: Path, image: str
) -> None:
    async with docker_cluster(tmp_path) as cluster:
        await cluster.put("/a", cmd=STAY, container=container(image, ("pid", "host")), backoffSeconds=60)
        assert "docker parameter 'pid' is refused" in (await cluster.failure("/a"))["message"]


async def test_a_task_without_an_image_runs_as_a_process_beside_them(tmp_path: Path, image: str) -> None:
    async with docker_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", cmd=STAY)
        await cluster.running("/a", 1)
        assert containers(tmp_path) == []
