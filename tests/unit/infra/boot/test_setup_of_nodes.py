"""What happens on a machine before its services start: credentials, attributes, the data volume."""

from __future__ import annotations

import ast
import json
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infra.boot.node import agent_setup, data_volume, master_setup, secrets
from infra.boot.node.data_volume import VolumeError
from infra.boot.node.master_setup import Master
from infra.boot.node.metadata import Metadata, MetadataError
from infra.boot.node.pull_credentials import Registries, docker_config
from infra.boot.node.secrets import SecretError
from tests.unit.infra.boot.servers import metadata, serving

AGENT_SECRET, FRAMEWORK_SECRET, PASSWORD = "a" * 20, "f" * 20, "p" * 20
ENTRIES = {
    "mesos-agent": json.dumps({"principal": "agents", "secret": AGENT_SECRET}),
    "mesos-framework": json.dumps({"principal": "marathon", "secret": FRAMEWORK_SECRET}),
    "marathon": json.dumps({"username": "deployer", "password": PASSWORD}),
}
MASTER = Master(
    region="us-east-1",
    stack="prod",
    index=2,
    hosts=["master-1.p.i", "master-2.p.i", "master-3.p.i"],
    device="/dev/sdf",
    credentials_secret="marathon",
    agent_secret="mesos-agent",
    framework_secret="mesos-framework",
)
SPOT = {
    "placement/availability-zone": "us-east-1b",
    "instance-life-cycle": "spot",
    "instance-type": "c6i.large",
    "local-ipv4": "10.20.3.4",
    "local-hostname": "ip-10-20-3-4.ec2.internal",
    "tags/instance/aws:ec2launchtemplate:version": "7",
}


@pytest.fixture
def spot() -> Iterator[Metadata]:
    """Metadata of a spot instance."""
    with serving(metadata(SPOT)) as imds:
        yield Metadata(imds.url)


def env(path: Path) -> dict[str, str]:
    """An environment file as a dictionary."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_an_agent_carries_what_its_machine_is(spot: Metadata, tmp_path: Path) -> None:
    agent_setup.prepare(spot, ENTRIES.__getitem__, None, tmp_path / "run", tmp_path / "work")
    assert (
        env(tmp_path / "run" / "agent.env")["MESOS_ATTRIBUTES"]
        == "zone:us-east-1b;lifecycle:spot;instance_type:c6i.large;template_version:7"
    )


def test_an_agent_whose_template_version_is_unknown_has_no_such_attribute(tmp_path: Path) -> None:
    with serving(metadata({k: v for k, v in SPOT.items() if "tags" not in k})) as imds:
        agent_setup.prepare(
            Metadata(imds.url), ENTRIES.__getitem__, None, tmp_path / "run", tmp_path / "work"
        )
    assert "template_version" not in env(tmp_path / "run" / "agent.env")["MESOS_ATTRIBUTES"]


def test_an_agent_that_cannot_learn_its_zone_does_not_start(tmp_path: Path) -> None:
    with (
        serving(metadata({})) as imds,
        pytest.raises(MetadataError, match="placement/availability-zone: missing"),
    ):
        agent_setup.prepare(
            Metadata(imds.url), ENTRIES.__getitem__, None, tmp_path / "run", tmp_path / "work"
        )


def test_an_agent_s_credential_is_root_s_alone_and_guards_its_own_api(spot: Metadata, tmp_path: Path) -> None:
    run = tmp_path / "run"
    agent_setup.prepare(spot, ENTRIES.__getitem__, "mesos-agent", run, tmp_path / "work")
    given = env(run / "agent.env")
    credential = {"principal": "agents", "secret": AGENT_SECRET}
    assert json.loads(Path(given["MESOS_CREDENTIAL"]).read_text()) == credential
    assert json.loads(Path(given["MESOS_HTTP_CREDENTIALS"]).read_text()) == {"credentials": [credential]}
    assert given["MESOS_AUTHENTICATE_HTTP_READWRITE"] == given["MESOS_AUTHENTICATE_HTTP_READONLY"] == "true"
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in run.iterdir())


PULLING = json.dumps(
    {"auths": {"quay.io": {"auth": "cm9ib3Q6cGFzcw==", "email": "a@b"}}, "credsStore": "evil"}
)


def test_an_agent_pulls_from_a_private_registry_with_credentials_that_only_root_reads(
    spot: Metadata, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    registries = Registries(entry="quay", ecr="123456789012.dkr.ecr.us-east-1.amazonaws.com")
    agent_setup.prepare(spot, {"quay": PULLING}.__getitem__, None, run, tmp_path / "work", registries)
    where = env(run / "agent.env")["MESOS_DOCKER_CONFIG"]
    assert where == f"file://{run}/docker-config.json"
    # A helper that the entry names would be run by root: none but our own gets there.
    assert json.loads((run / "docker-config.json").read_text()) == {
        "auths": {"quay.io": {"auth": "cm9ib3Q6cGFzcw=="}},
        "credHelpers": {"123456789012.dkr.ecr.us-east-1.amazonaws.com": "ecr-login"},
    }
    assert stat.S_IMODE((run / "docker-config.json").stat().st_mode) == 0o600
    assert "cm9ib3Q6cGFzcw" not in (run / "agent.env").read_text()


def test_an_agent_of_a_public_registry_has_no_docker_configuration(spot: Metadata, tmp_path: Path) -> None:
    agent_setup.prepare(spot, ENTRIES.__getitem__, None, tmp_path / "run", tmp_path / "work")
    assert "MESOS_DOCKER_CONFIG" not in env(tmp_path / "run" / "agent.env")


@pytest.mark.parametrize(
    "value",
    [
        "no JSON",
        "[]",
        "{}",
        '{"auths": {}}',
        '{"auths": {"quay.io": {}}}',
        '{"auths": {"quay.io": {"auth": ""}}}',
        '{"auths": {"quay.io": {"auth": {"secret": 1}}}}',
    ],
)
def test_an_entry_that_is_no_docker_configuration_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(SecretError, match="Secrets Manager entry quay: expected a Docker config") as refused:
        docker_config(lambda _: value, Registries(entry="quay"))
    assert "secret" not in str(refused.value)


def test_the_work_directory_is_emptied_at_boot_and_only_then(spot: Metadata, tmp_path: Path) -> None:
    run, work = tmp_path / "run", tmp_path / "work"
    work.mkdir()
    (work / "of-another-life").touch()
    agent_setup.prepare(spot, ENTRIES.__getitem__, None, run, work)
    assert list(work.iterdir()) == []
    (work / "of-this-life").touch()
    agent_setup.prepare(spot, ENTRIES.__getitem__, None, run, work)
    assert [f.name for f in work.iterdir()] == ["of-this-life"]


@pytest.mark.parametrize(
    "value",
    [
        "no JSON",
        "[]",
        '{"principal": "agents"}',
        '{"principal": "agents", "secret": "short"}',
        '{"principal": "agents", "secret": "with@sign-and-more-characters"}',
        '{"principal": "two words", "secret": "long-enough-for-anybody"}',
        '{"principal": "agents", "secret": "with\\nnewline-long-enough"}',
        '{"principal": 1, "secret": "long-enough-for-anybody"}',
    ],
)
def test_an_unusable_entry_is_named_and_its_value_is_not(value: str) -> None:
    with pytest.raises(SecretError, match="Secrets Manager entry mesos-agent: expected") as caught:
        secrets.pair(lambda _: value, "mesos-agent", ("principal", "secret"))
    assert value not in str(caught.value)


def test_secrets_are_asked_again_until_the_network_is_there(tmp_path: Path) -> None:
    command = tmp_path / "aws"
    command.write_text(
        '#!/bin/sh\necho "$@" >> "$0.asked"\n'
        '[ $(wc -l < "$0.asked") -ge 3 ] || { echo no route >&2; exit 255; }\necho the-value\n'
    )
    command.chmod(0o755)
    waited: list[float] = []
    assert secrets.from_secrets_manager("us-east-1", str(command), waited.append)("an/entry") == "the-value"
    assert len(waited) == 2
    asked = (tmp_path / "aws.asked").read_text().splitlines()
    assert "--secret-id an/entry --region us-east-1" in asked[0]


def test_secrets_are_not_asked_for_ever() -> None:
    waited: list[float] = []
    with pytest.raises(SecretError, match=r"an/entry: .*no-such-command"):
        secrets.from_secrets_manager("us-east-1", "/no-such-command", waited.append)("an/entry")
    assert 240 <= sum(waited) <= 330


def test_every_service_of_a_master_finds_its_credential(tmp_path: Path) -> None:
    master_setup.write_credentials(MASTER, ENTRIES.__getitem__, tmp_path)
    known = json.loads((tmp_path / "credentials.json").read_text())["credentials"]
    assert {k["principal"]: k["secret"] for k in known} == {
        "agents": AGENT_SECRET,
        "marathon": FRAMEWORK_SECRET,
    }
    marathon = env(tmp_path / "marathon.env")
    assert marathon["MARATHON_HTTP_CREDENTIALS"] == f"deployer:{PASSWORD}"
    assert (tmp_path / "framework-secret").read_text() == FRAMEWORK_SECRET
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())


def test_what_mesos_and_marathon_keep_in_zookeeper_is_theirs_alone(tmp_path: Path) -> None:
    master_setup.write_credentials(MASTER, ENTRIES.__getitem__, tmp_path)
    hosts = "master-1.p.i:2181,master-2.p.i:2181,master-3.p.i:2181"
    assert (tmp_path / "mesos-zk").read_text() == f"zk://marathon:{FRAMEWORK_SECRET}@{hosts}/mesos"
    marathon = env(tmp_path / "marathon.env")
    assert marathon["MARATHON_ZK"] == f"zk://marathon:{FRAMEWORK_SECRET}@{hosts}/marathon"
    assert marathon["MARATHON_MASTER"] == f"zk://{hosts}/mesos"


def test_agents_may_register_and_drain_but_run_nothing() -> None:
    rules = master_setup.acls("agents", "marathon")
    assert rules["permissive"] is False
    agents = {
        name
        for name, entries in rules.items()
        if name != "permissive" and "agents" in str(entries[0]["principals"])
    }
    assert agents == {"register_agents", "drain_agents", "mark_agents_gone"}


def test_one_principal_for_agents_and_marathon_is_refused(tmp_path: Path) -> None:
    entries = ENTRIES | {"mesos-framework": ENTRIES["mesos-agent"]}
    with pytest.raises(SecretError, match="same principal"):
        master_setup.write_credentials(MASTER, entries.__getitem__, tmp_path)
    assert list(tmp_path.iterdir()) == []


class Disk:
    """A data volume, and the commands that look at it or change it."""

    def __init__(self, folder: Path, content: bytes, signature: bool) -> None:
        self.device = folder / "sdf"
        self.device.write_bytes(content)
        self.signature = signature
        self.ran: list[str] = []

    def run(self, command: Sequence[str]) -> int:
        """Exit statuses as the real commands give them."""
        self.ran.append(command[0])
        if command[0] == "blkid":
            return 0 if self.signature else 2
        return 1 if command[0] == "mountpoint" else 0


def test_a_blank_volume_is_formatted_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path, bytes(1 << 20), signature=False)
    data_volume.mount(disk.device, tmp_path / "data", disk.run)
    assert disk.ran == ["mountpoint", "blkid", "mkfs.xfs", "mount"]


@pytest.mark.parametrize(
    ("content", "signature"),
    [
        (b"XFSB" + bytes(1 << 20), True),
        (b"data" + bytes(1 << 20), False),
        (bytes(1 << 20), True),
        (b"", False),
    ],
    ids=["a file system", "data without a signature", "a signature further in", "unreadable"],
)
def test_a_volume_that_is_not_surely_blank_is_never_formatted(
    tmp_path: Path, content: bytes, signature: bool
) -> None:
    disk = Disk(tmp_path, content, signature)
    data_volume.mount(disk.device, tmp_path / "data", disk.run)
    assert "mkfs.xfs" not in disk.ran


def test_a_volume_that_is_attached_late_is_waited_for(tmp_path: Path) -> None:
    disk = Disk(tmp_path, b"XFSB", signature=True)
    disk.device.unlink()

    def attach(_: float) -> None:
        disk.device.write_bytes(b"XFSB")

    data_volume.mount(disk.device, tmp_path / "data", disk.run, sleep=attach)
    assert disk.ran[-1] == "mount"


def test_a_volume_that_never_comes_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(VolumeError, match="not there after 900 s"):
        data_volume.mount(tmp_path / "sdf", tmp_path / "data", clock=lambda: now[0], sleep=sleep)


def test_a_volume_belongs_to_one_place_in_one_cluster(tmp_path: Path) -> None:
    data_volume.claim(tmp_path, MASTER.identity)
    data_volume.claim(tmp_path, MASTER.identity)
    for other in (
        replace(MASTER, index=3),
        replace(MASTER, stack="dev"),
        replace(MASTER, hosts=["master-solo.p.i"]),
    ):
        with pytest.raises(VolumeError, match="nothing is started on it"):
            data_volume.claim(tmp_path, other.identity)


def test_data_of_nobody_known_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "version-2").mkdir()
    with pytest.raises(VolumeError, match="says not whose"):
        data_volume.claim(tmp_path, MASTER.identity)


def test_zookeeper_finds_its_number(tmp_path: Path) -> None:
    master_setup.lay_out(MASTER, tmp_path, {"zookeeper": "", "mesos": ""})
    assert (tmp_path / "zookeeper" / "myid").read_text() == "2\n"
    master_setup.lay_out(MASTER, tmp_path, {"zookeeper": "", "mesos": ""})


def test_the_node_s_programs_run_on_the_image_s_python() -> None:
    for file in Path(agent_setup.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text(), feature_version=(3, 9))
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Match)]
        outside = [
            name
            for node in ast.walk(tree)
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [])
            if re.match(r"^(infra|pydantic|requests|boto)", name)
        ]
        assert outside == []
