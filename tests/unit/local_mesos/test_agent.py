"""What an agent does for a task: fetch, extract, environment, working directory, image."""

import io
import os
import tarfile
import zipfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from local.mesos.agent.agent import Agent
from local.mesos.agent.archive import ArchiveError, extract
from local.mesos.agent.fetcher import Fetcher, FetchError
from local.mesos.agent.images import ImageError, build_image, find_image, tag_of
from local.mesos.agent.loopback import is_loopback
from local.mesos.agent.processes import ProcessContainerizer
from local.mesos.agent.sandbox import Sandbox, make_sandbox
from local.mesos.agent.task_info import TaskInfo, TaskState, Uri
from tests.unit.local_mesos.support import Cluster, a_cluster, a_machine, a_tarball, an_image, docker

SHOW = "pwd; env; cat hello.txt; exec sleep 60"


@asynccontextmanager
async def a_file_server(folder: Path, hits: list[str] | None = None) -> AsyncGenerator[str]:
    """Serves a folder; ``/short/NAME`` ends before its announced length."""

    async def short(request: web.Request) -> web.StreamResponse:
        body = (folder / request.match_info["name"]).read_bytes()
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def whole(request: web.Request) -> web.StreamResponse:
        if hits is not None:
            hits.append(request.path)
        return web.FileResponse(folder / request.match_info["name"])

    application = web.Application()
    application.router.add_get("/short/{name}", short)
    application.router.add_get("/{name}", whole)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def a_sandbox(folder: Path) -> Sandbox:
    return make_sandbox(folder, "agent", "framework", "executor", "container")


async def test_a_fetched_tarball_is_where_the_relative_host_path_mounts_it(tmp_path: Path) -> None:
    an_image(tmp_path / "images", "1f")
    a_tarball(tmp_path / "code.tar.gz", {"app/hello.txt": "hello from the tarball\n"})
    async with a_file_server(tmp_path) as url, a_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", cmd=SHOW, fetch=[{"uri": f"{url}/code.tar.gz"}], container=docker())
        (task,) = await cluster.running("/a", 1)
        output = await cluster.output(task["id"], "hello from the tarball")
        sandbox = cluster.sandbox(task["id"])
        assert output.splitlines()[0] == str(sandbox / "app")
        assert (sandbox / "code.tar.gz").is_file()  # without cache the archive stays beside its contents
        assert f"Fetched '{url}/code.tar.gz'" in (sandbox / "stderr").read_text()


async def test_a_task_sees_marathons_variables_in_their_order_and_nothing_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    an_image(tmp_path / "images", "1f")
    ours = {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1", "MARATHON_APP_ID": "beneath", "OVER": "agent"}
    async with a_cluster(tmp_path, executor_environment=ours) as cluster:
        await cluster.deploy(
            "/crawler/fetch", cmd="env; echo done; exec sleep 60", container=docker(), cpus=0.5,
            env={"OVER": "app", "HOST": "mine"}, labels={"release": "7"},
            portDefinitions=[{"port": 10500, "name": "http-api"}],
        )  # fmt: skip
        (task,) = await cluster.running("/crawler/fetch", 1)
        output = await cluster.output(task["id"], "done")
        seen = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        sandbox = cluster.sandbox(task["id"])
    port = str(task["ports"][0])
    expected = {
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1", "OVER": "app", "HOST": "mine",
        "MESOS_TASK_ID": task["id"], "MARATHON_APP_ID": "/crawler/fetch", "MARATHON_APP_VERSION": task["version"],
        "MARATHON_APP_DOCKER_IMAGE": "registry.example:5000/team/worker:1f", "MARATHON_APP_RESOURCE_CPUS": "0.5",
        "MARATHON_APP_LABELS": "RELEASE", "MARATHON_APP_LABEL_RELEASE": "7",
        "PORT": port, "PORT0": port, "PORTS": port, "PORT_10500": port, "PORT_HTTP_API": port,
        "MESOS_SANDBOX": str(sandbox), "MESOS_CONTAINER_NAME": f"mesos-{sandbox.name}", "HOME": str(sandbox),
        "PATH": f"{tmp_path}/images/1f/venv/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
    }  # fmt: skip
    assert {key: seen.get(key) for key in expected} == expected
    assert "SECRET_OF_THE_SERVER" not in seen
    assert seen["TMPDIR"].startswith(str(sandbox))


async def test_a_command_finds_the_programs_of_its_image(tmp_path: Path) -> None:
    an_image(tmp_path / "images", "1f")
    async with a_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", cmd=None, args=["greet"], container=docker())
        (task,) = await cluster.running("/a", 1)
        await cluster.output(task["id"], "hello from the image")
        assert (
            cluster.sandbox(task["id"]) / "app"
        ).is_dir()  # nothing was fetched: Docker makes an empty folder


async def test_an_image_that_was_never_built_fails_the_task_and_is_named(cluster: Cluster) -> None:
    await cluster.put("/a", cmd="exec sleep 60", container=docker())
    failure = await cluster.failure("/a")
    assert failure["state"] == "TASK_FAILED"
    assert "Unable to find image 'registry.example:5000/team/worker:1f' locally" in failure["message"]


async def test_two_relative_paths_of_a_volume_fail_the_task(tmp_path: Path) -> None:
    an_image(tmp_path / "images", "1f")
    async with a_cluster(tmp_path) as cluster:
        both = [{"containerPath": "code", "hostPath": "code", "mode": "RO"}]
        await cluster.put("/a", cmd="exec sleep 60", container=docker(volumes=both))
        assert "are both relative to the sandbox" in (await cluster.failure("/a"))["message"]


async def test_a_task_killed_before_anything_of_it_began_is_reported_killed_and_never_runs(
    tmp_path: Path,
) -> None:
    agent = Agent("agent", a_machine(), tmp_path, "framework", ProcessContainerizer(tmp_path / "images"), {})
    reported: list[TaskState] = []
    agent.launch(TaskInfo("task", "touch ran"), lambda update: reported.append(update.state))
    assert agent.kill("task")
    await agent.shut_down(0.1)
    assert reported == [TaskState.KILLING, TaskState.KILLED]
    assert not (tmp_path / "slaves").exists()  # not even a sandbox was made


async def test_an_unknown_user_fails_the_task(cluster: Cluster) -> None:
    await cluster.put("/a", cmd="exec sleep 60", user="nobody-of-that-name")
    assert "No such user 'nobody-of-that-name'" in (await cluster.failure("/a"))["message"]


@pytest.mark.parametrize("path", ["missing.tar.gz", "short/code.tar.gz"])
async def test_what_cannot_be_fetched_fails_the_task_and_says_why_in_its_stderr(
    tmp_path: Path, path: str
) -> None:
    a_tarball(tmp_path / "code.tar.gz", {"app/noise": os.urandom(40_000).hex()})
    async with a_file_server(tmp_path) as url, a_cluster(tmp_path) as cluster:
        await cluster.put("/a", cmd="exec sleep 60", fetch=[{"uri": f"{url}/{path}"}], backoffSeconds=60)
        failure = await cluster.failure("/a")
        assert failure["message"].startswith(
            "Failed to launch container: Failed to fetch all URIs for container '"
        )
        assert failure["state"] == "TASK_FAILED"
        assert (
            f"Failed to fetch '{url}/{path}': " in (cluster.sandbox(failure["taskId"]) / "stderr").read_text()
        )


async def test_a_tarball_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = a_tarball(tmp_path / "whole.tar.gz", {"app/noise": os.urandom(40_000).hex()}).read_bytes()
    (tmp_path / "code.tar.gz").write_bytes(whole[: len(whole) // 2])
    sandbox = a_sandbox(tmp_path)
    with pytest.raises(FetchError, match=r"'code.tar.gz' is broken or cut off"):
        await Fetcher(tmp_path / "cache").fetch_all([Uri(f"file://{tmp_path}/code.tar.gz")], sandbox)


def test_a_plain_tar_that_ends_between_two_files_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "code.tar", "w") as tar:
        for name in ("one", "two"):
            tar.addfile(tarfile.TarInfo(name))
    whole = (tmp_path / "code.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:512])
    (tmp_path / "out").mkdir()
    extract(tmp_path / "code.tar", tmp_path / "out", max_bytes=100)
    with pytest.raises(ArchiveError, match="cut off"):
        extract(tmp_path / "cut.tar", tmp_path / "out", max_bytes=100)


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, size
    return member


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([_member("../out-of-it")], id="parent"),
        pytest.param([_member("link", tarfile.SYMTYPE, "../..")], id="link-out"),
        pytest.param([_member("link", tarfile.SYMTYPE, "/etc")], id="absolute-link"),
        pytest.param([_member("hard", tarfile.LNKTYPE, "../secret")], id="hard-link-out"),
        pytest.param([_member("null", tarfile.CHRTYPE)], id="device"),
        pytest.param([_member("bomb", size=5_000)], id="too-large"),
    ],
)
def test_a_hostile_tarball_is_refused_and_leaves_nothing_outside(
    tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    (tmp_path / "secret").write_text("s")
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    with tarfile.open(tmp_path / "bad.tgz", "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"\0" * member.size))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ArchiveError, match="refused"):
        extract(tmp_path / "bad.tgz", sandbox, max_bytes=1_000)
    assert sorted(tmp_path.iterdir()) == before


def test_an_absolute_path_in_a_tarball_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(_member(f"{tmp_path}/outside"))
    extract(tmp_path / "a.tar", tmp_path / "in", max_bytes=100)
    assert not (tmp_path / "outside").exists()


def _zip(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(name, text)


def test_zips_are_held_to_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _zip(tmp_path / "good.zip", "app/x", "fine")
    extract(tmp_path / "good.zip", tmp_path / "in", max_bytes=100)
    assert (tmp_path / "in/app/x").read_text() == "fine"
    _zip(tmp_path / "out.zip", "../outside", "bad")
    _zip(tmp_path / "bomb.zip", "x", "0" * 5_000)
    for bad in ("out.zip", "bomb.zip"):
        with pytest.raises(ArchiveError, match="refused"):
            extract(tmp_path / bad, tmp_path / "in", max_bytes=1_000)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (Uri("{folder}/code.tar.gz"), {"code.tar.gz", "app"}),
        (Uri("file://{folder}/code.tar.gz"), {"code.tar.gz", "app"}),
        (Uri("{folder}/code.tar.gz", extract=False), {"code.tar.gz"}),
        (Uri("{folder}/code.tar.gz", executable=True), {"code.tar.gz"}),
        (Uri("{folder}/code.tar.gz", cache=True), {"app"}),
        (Uri("{folder}/code.tar.gz", output_file="sub/c.tgz"), {"sub", "app"}),
        (Uri("{folder}/code.tar.gz", output_file="plain"), {"plain"}),
    ],
)
async def test_what_a_fetch_leaves_in_the_sandbox(tmp_path: Path, uri: Uri, expected: set[str]) -> None:
    a_tarball(tmp_path / "code.tar.gz", {"app/x": "x"})
    sandbox = a_sandbox(tmp_path)
    given = Uri(uri.value.format(folder=tmp_path), uri.extract, uri.executable, uri.cache, uri.output_file)
    await Fetcher(tmp_path / "cache").fetch_all([given], sandbox)
    assert {each.name for each in sandbox.path.iterdir()} - {"stdout", "stderr", ".tmp"} == expected


async def test_a_cached_uri_is_fetched_once_for_all_sandboxes(tmp_path: Path) -> None:
    a_tarball(tmp_path / "code.tar.gz", {"app/x": "x"})
    hits: list[str] = []
    async with a_file_server(tmp_path, hits) as url:
        fetcher = Fetcher(tmp_path / "cache")
        for number in range(2):
            sandbox = make_sandbox(tmp_path, "agent", "framework", "executor", str(number))
            await fetcher.fetch_all([Uri(f"{url}/code.tar.gz", cache=True)], sandbox)
            assert (sandbox.path / "app/x").read_text() == "x"
    assert hits == ["/code.tar.gz"]


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        (Uri("s3://bucket/code.tgz"), "Hadoop"),
        (Uri("relative/code.tgz"), "give a full one"),
        (Uri("/nowhere/code.tgz"), "no such file"),
        (Uri("http://127.0.0.1:9/code.tgz"), "Cannot connect"),
        (Uri("http://h/it's"), "illegal characters"),
        (Uri("/etc/hostname", output_file="../../x"), "no path inside the sandbox"),
        (Uri("/etc/hostname", output_file="/x"), "no path inside the sandbox"),
    ],
)
async def test_a_fetch_that_fails_names_the_uri_and_the_cause(tmp_path: Path, uri: Uri, cause: str) -> None:
    with pytest.raises(FetchError, match=cause) as raised:
        await Fetcher(tmp_path / "cache").fetch_all([uri], a_sandbox(tmp_path))
    assert uri.value in str(raised.value)


async def test_a_full_disk_is_called_that(tmp_path: Path) -> None:
    a_tarball(tmp_path / "code.tar.gz", {"app/x": "x"})
    sandbox = a_sandbox(tmp_path)
    (sandbox.path / "code.tar.gz").symlink_to("/dev/full")
    async with a_file_server(tmp_path) as url:
        with pytest.raises(FetchError, match="No space left on device for the sandbox"):
            await Fetcher(tmp_path / "cache").fetch_all([Uri(f"{url}/code.tar.gz")], sandbox)


async def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"0" * 5_000)
    async with a_file_server(tmp_path) as url:
        for uri in (f"{url}/big", str(tmp_path / "big")):
            with pytest.raises(FetchError, match="larger than 1000 bytes"):
                await Fetcher(tmp_path / "cache", max_bytes=1_000).fetch_all(
                    [Uri(uri)], a_sandbox(tmp_path / uri[-9:])
                )


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.3.4.5", True), ("localhost", True), ("::1", True), ("example.com", False)],
)
def test_no_proxy_stands_before_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("worker:1f", "1f"),
        ("registry:5000/a/worker:1f", "1f"),
        ("registry:5000/a/worker", "latest"),
        ("w:1@sha256:0", "1"),
    ],
)
def test_an_images_tag_names_its_environment(image: str, tag: str) -> None:
    assert tag_of(image) == tag


@pytest.mark.parametrize("tag", ["../..", "", ".hidden", "a/b"])
def test_a_tag_that_is_none_is_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(ImageError, match="is no image tag"):
        build_image(tmp_path / "images", tag, tmp_path / "lock", lambda _: None)


def test_an_image_is_built_from_its_lock_once_and_a_failed_build_leaves_none(tmp_path: Path) -> None:
    images, lock, told = tmp_path / "images", tmp_path / "requirements.lock", list[str]()
    lock.write_text("no-such-package-anywhere==1.0 --hash=sha256:" + "0" * 64 + "\n")
    tell: Callable[[str], None] = told.append
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        with pytest.raises(ImageError, match="no-such-package-anywhere"):
            build_image(images, "t", lock, tell)
    assert not (images / "t").exists()
    with pytest.raises(ImageError, match="Unable to find image"):
        find_image(images, "worker:t")
    lock.write_text("# an image of Python alone\n")
    assert build_image(images, "t", lock, tell)
    assert (find_image(images, "worker:t") / "bin" / "python").exists()
    assert not build_image(images, "t", lock, tell)
    assert told[-1] == "image t: there already"
