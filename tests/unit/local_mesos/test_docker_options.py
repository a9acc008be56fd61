"""What `docker create` is told of a task, and whether Docker is taken at all."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from local.mesos.agent.choice import ChoiceError, choose
from local.mesos.agent.containerizer import ContainerSpec, LaunchError
from local.mesos.agent.docker_options import PARAMETERS, Create, create_options
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import PublishedPort, TaskInfo, VolumeMount

TASK = TaskInfo("task", "exec serve", image="team/worker:1f", cpus=0.5, mem_mb=64)


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    return folder


def created(sandbox: Path, environment: dict[str, str] | None = None, **fields: object) -> Create:
    task = replace(TASK, **fields)  # type: ignore[arg-type]
    return create_options(ContainerSpec("c1", task, Sandbox(sandbox), environment or {}), sandbox.parent)


def options(create: Create, name: str) -> list[str]:
    words = list(create.arguments)
    return [words[at + 1] for at, word in enumerate(words) if word == name]


def test_a_task_is_named_limited_and_labelled_as_mesos_does(sandbox: Path) -> None:
    create = created(sandbox)
    assert options(create, "--name") == ["mesos-c1"]
    assert options(create, "--cpu-shares") == ["512"]
    assert options(create, "--memory") == [str(64 * 1024 * 1024)]
    assert options(create, "--net") == ["host"]
    assert options(create, "--label") == ["MESOS_TASK_ID=task", f"trawler.work-dir={sandbox.parent}"]
    assert options(create, "-v") == [f"{sandbox}:/mnt/mesos/sandbox"]
    assert options(create, "-p") == []
    assert create.arguments[-5:] == ["--entrypoint", "/bin/sh", "team/worker:1f", "-c", "exec serve"]


def test_arguments_keep_the_images_entrypoint_and_little_is_never_less_than_mesos_gives(
    sandbox: Path,
) -> None:
    create = created(sandbox, command=None, arguments=("-v", "a b"), cpus=0.001, mem_mb=1)
    assert create.arguments[-3:] == ["team/worker:1f", "-v", "a b"]
    assert "--entrypoint" not in create.arguments
    assert options(create, "--cpu-shares") == ["2"]
    assert options(create, "--memory") == [str(32 * 1024 * 1024)]


def test_a_bridged_port_is_published_on_the_machines_own_address_only(sandbox: Path) -> None:
    ports = (PublishedPort("127.0.1.1", 31000, 8080), PublishedPort("127.0.1.1", 31001, 53, "udp"))
    create = created(sandbox, network="bridge", ports=ports)
    assert options(create, "--net") == ["bridge"]
    assert options(create, "-p") == ["127.0.1.1:31000:8080/tcp", "127.0.1.1:31001:53/udp"]


def test_values_go_through_a_file_and_those_of_several_lines_through_the_environment(sandbox: Path) -> None:
    create = created(
        sandbox, {"A": "s3cret", "KEY": "s3cret\nof two lines", "MESOS_SANDBOX": "/on/the/agent"}
    )
    assert not any("s3cret" in each for each in create.arguments)
    assert create.env_file.decode().splitlines() == ["A=s3cret", "MESOS_SANDBOX=/mnt/mesos/sandbox"]
    assert create.passed == {"KEY": "s3cret\nof two lines"}
    assert options(create, "-e") == ["KEY"]


@pytest.mark.parametrize("name", ["A B", "", "A=B", "#A"])
def test_a_name_that_no_variable_can_have_is_refused(sandbox: Path, name: str) -> None:
    with pytest.raises(LaunchError, match="cannot be a variable"):
        created(sandbox, {name: "1"})


@pytest.mark.parametrize("name", ["PATH", "DOCKER_HOST", "LD_PRELOAD", "https_proxy"])
def test_a_variable_that_leads_docker_itself_never_reaches_it_from_a_task(sandbox: Path, name: str) -> None:
    with pytest.raises(LaunchError, match=f"variable '{name}'"):
        created(sandbox, {name: "1\n2"})


def test_volumes_follow_mesos_rules(sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    volumes = (
        VolumeMount("/var/app", "app", "RO"),
        VolumeMount("data", str(tmp_path / "mine"), "RW"),
        VolumeMount("/etc/passwd", "/etc/passwd", "RO"),
    )
    binds = options(created(sandbox, volumes=volumes), "-v")[1:]
    assert binds == [
        f"{sandbox}/app:/var/app:ro",
        f"{tmp_path}/mine:/mnt/mesos/sandbox/data:rw",
        "/etc/passwd:/etc/passwd:ro",
    ]
    assert (sandbox / "app").is_dir()  # nothing was fetched: it is ours all the same, not root's


def test_a_volume_that_cannot_be_is_refused(sandbox: Path, tmp_path: Path) -> None:
    (sandbox / "link").symlink_to("/etc")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "a.sock"))
    try:
        for volume, why in (
            (VolumeMount("app", "app", "RO"), "both relative"),
            (VolumeMount("/app", "../x", "RO"), "leaves the sandbox"),
            (VolumeMount("/app", "link", "RO"), "leaves the sandbox"),
            (VolumeMount("/app", "a:b", "RO"), "cannot hold a colon"),
            (VolumeMount("/app", str(tmp_path / "none"), "RO"), "No such file"),
            (VolumeMount("/app", str(tmp_path / "a.sock"), "RW"), "is refused"),
        ):
            with pytest.raises(LaunchError, match=why):
                created(sandbox, volumes=(volume,))
    finally:
        listening.close()


def test_what_belongs_to_another_user_is_mounted_only_as_a_file_to_read(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    created(sandbox, volumes=(VolumeMount("/etc/passwd", "/etc/passwd", "RO"),))
    for volume in (VolumeMount("/host", "/", "RO"), VolumeMount("/etc/passwd", "/etc/passwd", "RW")):
        with pytest.raises(LaunchError, match="belongs to another user"):
            created(sandbox, volumes=(volume,))


def test_parameters_are_options_and_short_names_are_known(sandbox: Path) -> None:
    create = created(sandbox, parameters=(("workdir", "/var/app"), ("u", "1000"), ("env", "A=1")))
    assert "--workdir=/var/app" in create.arguments
    assert "--user=1000" in create.arguments
    assert b"A=1\n" in create.env_file


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("privileged", "true"), ("pid", "host"), ("ipc", "host"), ("cap-add", "SYS_ADMIN"), ("device", "/dev/sda"),
        ("volume", "/:/host"), ("v", "/:/host"), ("mount", "type=bind,src=/,dst=/host"), ("publish", "80:80"),
        ("name", "x"), ("rm", "true"), ("restart", "always"), ("env-file", "/etc/shadow"), ("network", "host"),
        ("userns", "host"), ("cgroup-parent", "/"), ("no-such-option", "1"), ("security-opt", "seccomp=unconfined"),
        ("label", "trawler.work-dir=/x"), ("oom-score-adj", "-1000"), ("env", "HOME"), ("runtime", "x"),
    ],
)  # fmt: skip
def test_a_parameter_that_reaches_beyond_the_container_is_refused_by_name(
    sandbox: Path, key: str, value: str
) -> None:
    with pytest.raises(LaunchError, match=f"docker parameter '{key}"):
        created(sandbox, parameters=((key, value),))


def test_a_privileged_container_is_refused(sandbox: Path) -> None:
    with pytest.raises(LaunchError, match="'privileged' is refused"):
        created(sandbox, privileged=True)


def test_every_parameter_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "local-stack.md").read_text()
    assert [each for each in sorted(PARAMETERS) if f"`{each}`" not in page] == []


def a_docker(folder: Path, endpoint: str, info: str, status: int = 0) -> str:
    """A program that answers as `docker` does."""
    program = folder / "docker"
    program.write_text(
        f"#!/bin/sh\ncase $1 in\ncontext) echo '{endpoint}' ;;\n"
        f"info) echo '{info}'; echo 'Cannot connect to the Docker daemon' >&2; exit {status} ;;\nesac\n"
    )
    program.chmod(0o755)
    return str(program)


LOCAL = "unix:///var/run/docker.sock"


def test_a_daemon_that_answers_is_taken(tmp_path: Path) -> None:
    choice = choose("auto", a_docker(tmp_path, LOCAL, '{"ServerVersion": "20.10"}'))
    assert (choice.docker, choice.why) == (True, "tasks run as containers: Docker 20.10 answers")


@pytest.mark.parametrize(
    ("endpoint", "info", "status", "why"),
    [
        (LOCAL, "", 1, "Cannot connect to the Docker daemon"),
        (LOCAL, '{"ServerErrors": ["Cannot connect"]}', 0, "Cannot connect"),
        (
            "tcp://10.0.0.1:2376",
            '{"ServerVersion": "20.10"}',
            0,
            "tcp://10.0.0.1:2376 is not of this machine",
        ),
        (LOCAL, '{"ServerVersion": "28", "OperatingSystem": "Docker Desktop"}', 0, "Docker Desktop"),
    ],
)
def test_without_a_daemon_of_this_machine_tasks_are_processes_and_it_says_why(
    tmp_path: Path, endpoint: str, info: str, status: int, why: str
) -> None:
    program = a_docker(tmp_path, endpoint, info, status)
    choice = choose("auto", program)
    assert not choice.docker
    assert why in choice.why
    with pytest.raises(ChoiceError, match="tasks cannot run as containers"):
        choose("docker", program)


def test_without_the_program_tasks_are_processes(tmp_path: Path) -> None:
    assert "there is no program" in choose("auto", str(tmp_path / "docker")).why


def test_processes_that_were_asked_for_ask_no_daemon(tmp_path: Path) -> None:
    assert not choose("processes", str(tmp_path / "docker")).docker
