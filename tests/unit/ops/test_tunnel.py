"""A tunnel leads from a port of this machine to Marathon, and says plainly what it lacks."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws_connection import AwsConnection
from ops import tunnel
from ops.errors import MisuseError, OpsError
from ops.stack_file import StackFile
from ops.tunnel import Way
from tests.unit.ops.world import Account, Time

CONNECTION = AwsConnection("us-east-1", "operator", {})

FAKE_AWS = """#!{python}
import json, os, pathlib, signal, socket, sys
said = {{"argv": sys.argv[1:], "host": os.environ.get("SSM_PLUGIN_LOCAL_HOST")}}
pathlib.Path({record!r}).write_text(json.dumps(said))
if {fails}:
    sys.exit(254)
signal.signal(signal.SIGINT, signal.default_int_handler)
port = json.loads(sys.argv[sys.argv.index("--parameters") + 1])["localPortNumber"][0]
with socket.create_server((said["host"], int(port))) as server:
    try:
        while True:
            server.accept()[0].close()
    except KeyboardInterrupt:
        pass
"""


class FakeSsm:
    """Systems Manager, to which these instances are online."""

    def __init__(self, *online: str) -> None:
        self._online = online

    def describe_instance_information(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        asked = Filters[0]["Values"]
        status = {i: "Online" if i in self._online else "ConnectionLost" for i in asked}
        return {"InstanceInformationList": [{"InstanceId": i, "PingStatus": s} for i, s in status.items()]}


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> Path:
    """Both programs, of which `aws` writes down how it was called."""
    record = folder / "called.json"
    programs = folder / "bin"
    programs.mkdir()
    for name in ("aws", "session-manager-plugin"):
        (programs / name).write_text(FAKE_AWS.format(python=sys.executable, record=str(record), fails=fails))
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return record


@pytest.fixture
def way() -> Way:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return Way("i-0123456789abcdef0", port)


def stack_file(folder: Path, **values: Any) -> StackFile:
    path = folder / "Pulumi.dev.yaml"
    cluster = {"mode": "managed", "masters": {"generations": [1]}, "access": {"port": 18765}}
    config = {"aws:region": "us-east-1", "trawler:cluster": cluster, **values}
    path.write_text(yaml.safe_dump({"config": config}))
    return StackFile.read("dev", path)


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_an_open_tunnel_listens_on_loopback_only_and_nothing_is_left_of_it(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = put_on_path(tmp_path, monkeypatch)
    monkeypatch.setenv("SSM_PLUGIN_LOCAL_HOST", "0.0.0.0")  # noqa: S104  what must not win
    with tunnel.opened(way, CONNECTION) as process:
        assert is_open(way.local_port)
    assert process.poll() is not None
    assert not is_open(way.local_port)
    called = json.loads(record.read_text())
    assert called["host"] == "127.0.0.1"
    assert called["argv"] == [
        *("ssm", "start-session", "--target", "i-0123456789abcdef0"),
        *("--document-name", "AWS-StartPortForwardingSession", "--parameters"),
        json.dumps(
            {
                "portNumber": ["8080"],
                "localPortNumber": [str(way.local_port)],
            }
        ),
        *("--region", "us-east-1", "--profile", "operator"),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    put_on_path(tmp_path, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        tunnel.serve(way, CONNECTION, lambda _: os.kill(os.getpid(), number))
    assert not is_open(way.local_port)


def test_a_session_that_does_not_open_is_told_with_its_status(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(tmp_path, monkeypatch, fails=True)
    with pytest.raises(OpsError, match="i-0123456789abcdef0 did not open: aws ended with status 254"):
        tunnel.serve(way, CONNECTION, lambda _: None)


def test_missing_programs_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MisuseError, match=r"the AWS command line .* and AWS's Session Manager plugin .* on PATH"
    ):
        tunnel.find_way(stack_file(tmp_path), None, 0, Time().pace)


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(MisuseError, match=f"port {port} of this machine is taken.*cluster.access.port"):
            tunnel.find_way(stack_file(tmp_path), port, 0, Time().pace)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trawler:cluster": {"mode": "existing"}}, "no masters of its own"),
        ({"aws:endpoints": [{"ec2": "http://127.0.0.1:1"}]}, "stands on this machine"),
    ],
)
def test_a_stack_that_needs_no_tunnel_is_told_so(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        tunnel.find_way(stack_file(tmp_path, **values), None, 0, Time().pace)


def test_only_a_running_master_of_the_stack_that_is_online_is_taken(account: Account) -> None:
    def instance(stack: str, role: str) -> str:
        tags = {"Project": "trawler", "Stack": stack, "Role": role}
        answer = account.ec2.run_instances(
            ImageId="ami-0a1b2c3d4e5f60718",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        )
        return answer["Instances"][0]["InstanceId"]

    away, here, stopped = (instance("dev", "master") for _ in range(3))
    other, agent = instance("prod", "master"), instance("dev", "agent")
    account.ec2.stop_instances(InstanceIds=[stopped])
    ssm = FakeSsm(here, stopped, other, agent)
    assert tunnel.reachable_master(account.ec2, ssm, "dev") == here
    assert tunnel.reachable_master(account.ec2, FakeSsm(), "dev") is None
    assert away != here


def test_a_master_that_never_comes_is_told_with_the_tags_that_were_looked_for(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(tmp_path, monkeypatch)
    assert account
    with pytest.raises(OpsError, match=r"no master of dev is running .* after 900 s .*Role=master"):
        tunnel.find_way(stack_file(tmp_path), None, 900.0, Time().pace)
