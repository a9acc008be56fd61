"""The processes: servers and provider start, say what they need to, and end when they should."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore.exceptions
import grpc
import psutil
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

from local.aws.plugin import install

from .conftest import start_server

ROOT = Path(__file__).parents[3]


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        command = [sys.executable, "-m", "local.aws", "serve", "--service", "sqs", "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"port {port} is taken on 127.0.0.1; choose another with --port, or stop what holds it"
    ]


def test_a_server_ends_at_once_on_sigterm_with_a_long_poll_open() -> None:
    process, url = start_server("sqs")
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/1/us-east-1/sqs/aws4_request",
    }
    connection.request(
        "POST", "/", '{"QueueName": "q"}', {**headers, "X-Amz-Target": "AmazonSQS.CreateQueue"}
    )
    assert connection.getresponse().read()
    body = f'{{"QueueUrl": "{url}/123456789012/q", "WaitTimeSeconds": 20}}'
    connection.request("POST", "/", body, {**headers, "X-Amz-Target": "AmazonSQS.ReceiveMessage"})
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert time.monotonic() - began < 3
    connection.close()
    assert process.stdout is not None
    process.stdout.close()


def test_a_server_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'local.aws', 'serve', '--service', 'sqs', "
        "'--port', '0', '--exit-with-parent'], stdout=subprocess.PIPE, text=True); p.stdout.readline(); "
        "print(p.pid, flush=True); import time; time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert not is_gone(server)
    parent.kill()
    parent.wait(10)
    wait_until(lambda: is_gone(server))
    parent.stdout.close()


def test_a_request_for_another_processs_service_is_told_so(
    client: Callable[[str], Any], endpoints: dict[str, str]
) -> None:
    import boto3  # noqa: PLC0415

    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    lost = boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoints["s3"], **keys)  # pyright: ignore
    with pytest.raises(botocore.exceptions.ClientError, match="this process serves aws, not sqs"):
        lost.list_queues()


def test_a_connection_serves_more_than_one_request(endpoints: dict[str, str]) -> None:
    connection = HTTPConnection(endpoints["s3"].removeprefix("http://"), timeout=10)
    sockets: set[int] = set()
    for _ in range(3):
        connection.request("GET", "/no-such-bucket/key")
        answer = connection.getresponse()
        assert answer.status == 404
        answer.read()
        assert connection.sock is not None
        sockets.add(connection.sock.fileno())
    assert len(sockets) == 1
    connection.close()


def test_objects_come_back_as_they_were_written(client: Callable[[str], Any]) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="whole")
    body = os.urandom(2_000_000)
    s3.put_object(
        Bucket="whole",
        Key="a b/ü.gz",
        Body=body,
        ContentEncoding="gzip",
        IfNoneMatch="*",
    )
    head = s3.head_object(Bucket="whole", Key="a b/ü.gz")
    assert (head["ContentLength"], head["ContentEncoding"]) == (len(body), "gzip")
    assert s3.get_object(Bucket="whole", Key="a b/ü.gz")["Body"].read() == body
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="whole", Key="a b/ü.gz", Body=b"", IfNoneMatch="*")


def test_the_plugin_stands_where_the_engine_looks_and_answers_with_its_version(tmp_path: Path) -> None:
    executable = install(tmp_path, Path(sys.executable))
    version = importlib.metadata.version("pulumi_aws")
    assert executable == tmp_path / "plugins" / f"resource-aws-v{version}" / "pulumi-resource-aws"
    process = subprocess.Popen([str(executable), ""], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        provider: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        assert provider.GetPluginInfo(empty_pb2.Empty(), timeout=10).version == version
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()


def test_the_plugin_ends_when_the_engine_is_killed(tmp_path: Path) -> None:
    executable = install(tmp_path, Path(sys.executable))
    code = (
        f"import subprocess, time; p = subprocess.Popen([{str(executable)!r}], stdout=subprocess.PIPE, text=True); "
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    engine = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    provider = int(engine.stdout.readline())
    engine.kill()
    engine.wait(10)
    wait_until(lambda: is_gone(provider))
    engine.stdout.close()


def test_the_plugin_is_never_put_into_the_users_own_pulumi_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match="the user's own PULUMI_HOME"):
        install(tmp_path / ".pulumi", Path(sys.executable))
