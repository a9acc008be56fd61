"""User data: what a machine is told at its first boot, and what it must not be told."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from infra.boot.cloud_init import USER_DATA_LIMIT, AgentBoot, MasterBoot, agent_user_data, master_user_data
from infra.errors import BootError

HOSTS = tuple(f"master-{i}.prod.trawler.internal" for i in (1, 2, 3))
AGENT = AgentBoot(
    region="us-east-1",
    stack="prod",
    zookeeper=f"zk://{','.join(f'{h}:2181' for h in HOSTS)}/mesos",
    agent_secret="trawler/prod/mesos-agent",
    log_group="/trawler/prod/agents",
    task_network="host",
    task_log_group="/trawler/prod/tasks",
)
MASTER = MasterBoot(
    region="us-east-1",
    stack="prod",
    index=2,
    hosts=HOSTS,
    credentials_secret="trawler/prod/marathon",
    agent_secret="trawler/prod/mesos-agent",
    framework_secret="trawler/prod/mesos-framework",
    log_group="/trawler/prod/masters",
)
SOLO = replace(MASTER, index=1, hosts=("master-solo.dev.trawler.internal",), log_group=None)
QUIET = replace(AGENT, agent_secret=None, log_group=None, task_log_group=None, task_network="bridge")

ALL = [
    pytest.param(agent_user_data(AGENT), id="agent"),
    pytest.param(agent_user_data(QUIET), id="agent without logs and credentials"),
    pytest.param(master_user_data(MASTER), id="one of three masters"),
    pytest.param(master_user_data(SOLO), id="single master"),
]


def files(text: str) -> dict[str, str]:
    """Path → content of what cloud-init writes."""
    return {f["path"]: f["content"] for f in yaml.safe_load(text)["write_files"]}


def settings(text: str, path: str) -> dict[str, str]:
    """An environment file as a dictionary."""
    return dict(line.split("=", 1) for line in files(text)[path].splitlines())


@pytest.mark.parametrize("text", ALL)
def test_user_data_is_cloud_config_that_writes_root_s_files_and_runs_commands(text: str) -> None:
    assert text.startswith("#cloud-config\n")
    config: dict[str, Any] = yaml.safe_load(text)
    for file in config["write_files"]:
        assert PurePosixPath(file["path"]).is_absolute()
        assert (file["owner"], file["permissions"]) == ("root:root", "0644")
        assert file["content"].endswith("\n")
        assert "{{" not in file["content"]
        assert "{%" not in file["content"]
    assert all(isinstance(word, str) for command in config["runcmd"] for word in command)


def test_an_agent_is_told_the_names_of_its_pull_credentials_and_no_more() -> None:
    host = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    told = agent_user_data(replace(AGENT, pull_secret="trawler/prod/registry", ecr_registry=host))
    given = settings(told, "/etc/trawler/node.env")
    assert (given["TRAWLER_PULL_SECRET"], given["TRAWLER_ECR_REGISTRY"]) == ("trawler/prod/registry", host)
    assert "TRAWLER_PULL_SECRET" not in settings(agent_user_data(AGENT), "/etc/trawler/node.env")


@pytest.mark.parametrize("text", ALL)
def test_every_unit_that_is_started_is_written(text: str) -> None:
    config: dict[str, Any] = yaml.safe_load(text)
    started = {word for command in config["runcmd"] if "enable" in command for word in command if "." in word}
    written = {PurePosixPath(path).name for path in files(text)}
    assert started <= written


@pytest.mark.parametrize("text", ALL)
def test_user_data_leaves_room_below_the_limit_of_ec2(text: str) -> None:
    assert len(text.encode()) < USER_DATA_LIMIT * 2 // 3


def test_user_data_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(BootError, match=r"agent\.yaml\.j2 for stack prod has \d{5} bytes; EC2 takes 16384"):
        agent_user_data(replace(AGENT, zookeeper="zk://" + "h" * 20_000))


@pytest.mark.parametrize("text", ALL)
@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
def test_cloud_init_itself_accepts_user_data(text: str, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text(text)
    done = subprocess.run(
        ["cloud-init", "schema", "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", ALL)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_every_unit(text: str, tmp_path: Path) -> None:
    for path, content in files(text).items():
        if path.endswith(".service"):
            (tmp_path / PurePosixPath(path).name).write_text(content)
    units = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    # The programs are in the image, not here.
    complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    ours = [line for line in complaints if any(line.startswith((unit.name, str(unit))) for unit in units)]
    assert ours == []


def test_machines_are_told_names_of_secrets_and_no_more() -> None:
    assert (
        settings(agent_user_data(AGENT), "/etc/trawler/node.env")["TRAWLER_AGENT_SECRET"]
        == AGENT.agent_secret
    )
    told = json.loads(files(master_user_data(MASTER))["/etc/trawler/master.json"])
    assert told["framework_secret"] == "trawler/prod/mesos-framework"
    for text in (agent_user_data(AGENT), master_user_data(MASTER)):
        assert "MARATHON_HTTP_CREDENTIALS" not in text
        assert "MESOS_CREDENTIAL=" not in text


def test_an_agent_without_a_credential_is_told_of_none() -> None:
    assert "TRAWLER_AGENT_SECRET" not in agent_user_data(QUIET)


def test_agents_follow_the_masters_and_give_tasks_their_region() -> None:
    agent = settings(agent_user_data(AGENT), "/etc/trawler/mesos-agent.env")
    assert agent["MESOS_MASTER"] == AGENT.zookeeper
    executors = json.loads(agent["MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"].strip("'"))
    assert executors["AWS_REGION"] == executors["AWS_DEFAULT_REGION"] == "us-east-1"


@pytest.mark.parametrize(("network", "bridge"), [("host", "none"), ("bridge", None)])
def test_a_bridge_exists_only_where_tasks_stand_on_one(network: Any, bridge: str | None) -> None:
    docker = json.loads(
        files(agent_user_data(replace(AGENT, task_network=network)))["/etc/docker/daemon.json"]
    )
    assert docker.get("bridge") == bridge


def test_a_drained_agent_does_not_come_back_as_a_new_one() -> None:
    unit = files(agent_user_data(AGENT))["/etc/systemd/system/mesos-agent.service"]
    assert "ConditionPathExists=!/run/trawler/leaving" in unit


def test_the_journal_and_each_task_s_output_are_shipped_within_seconds() -> None:
    shipped = json.loads(files(agent_user_data(AGENT))["/etc/trawler/cloudwatch.json"])["logs"]
    assert shipped["force_flush_interval"] == 5
    journal, *tasks = shipped["logs_collected"]["files"]["collect_list"]
    assert journal["log_group_name"] == "/trawler/prod/agents"
    assert [PurePosixPath(task["file_path"]).name for task in tasks] == ["stdout", "stderr"]
    for task in tasks:
        assert task["publish_multi_logs"]
        assert task["log_group_name"] == "/trawler/prod/tasks"
        container = "slaves/a-b/frameworks/c-d/executors/e/runs/12345678-1234-1234-1234-123456789012"
        work_dir = PurePosixPath("/var/lib/mesos/agent")
        assert (work_dir / container / "stdout").match(task["file_path"].replace("stderr", "stdout"))
        assert not (work_dir / "slaves/a/frameworks/c/executors/e/runs/latest/stdout").match(
            task["file_path"]
        )


def test_without_log_groups_nothing_is_shipped() -> None:
    assert not any("cloudwatch" in path or "journal" in path for path in files(agent_user_data(QUIET)))


def test_three_masters_are_one_ensemble_with_a_majority() -> None:
    text = master_user_data(MASTER)
    ensemble = files(text)["/etc/zookeeper/zoo.cfg"]
    for i, host in enumerate(HOSTS, 1):
        assert f"server.{i}={host}:2888:3888\n" in ensemble
    mesos = settings(text, "/etc/trawler/mesos-master.env")
    assert mesos["MESOS_QUORUM"] == "2"
    assert (
        mesos["MESOS_HOSTNAME"]
        == settings(text, "/etc/trawler/marathon.env")["MARATHON_HOSTNAME"]
        == HOSTS[1]
    )


def test_a_single_master_is_a_quorum_of_its_own() -> None:
    text = master_user_data(SOLO)
    assert "server." not in files(text)["/etc/zookeeper/zoo.cfg"]
    assert settings(text, "/etc/trawler/mesos-master.env")["MESOS_QUORUM"] == "1"


def test_a_mesos_master_asks_everybody_for_credentials() -> None:
    mesos = settings(master_user_data(MASTER), "/etc/trawler/mesos-master.env")
    for who in ("AGENTS", "FRAMEWORKS", "HTTP_READONLY", "HTTP_READWRITE", "HTTP_FRAMEWORKS"):
        assert mesos[f"MESOS_AUTHENTICATE_{who}"] == "true"
    assert mesos["MESOS_ACLS"]
