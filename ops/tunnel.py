"""`tunnel`: Marathon, which is private, on a port of this machine, through AWS Systems Manager.

Nothing listens anywhere but on 127.0.0.1, no port of the VPC is opened, and who may do it is a matter of IAM
(`ssm:StartSession` on the masters).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from infra.aws_connection import AwsConnection
from ops.errors import MisuseError, OpsError, aws_told_plainly
from ops.stack_file import PROJECT, StackFile
from ops.waiting import Pace

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

LOOPBACK = "127.0.0.1"
DOCUMENT = "AWS-StartPortForwardingSession"
MARATHON = 8080
"""Marathon's port on a master. Whichever master it is, its Marathon asks the leader: no balancer, no certificate."""

PORT = 8080
"""Default of the setting `cluster.access.port`."""

OPEN_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0

PROGRAMS = {
    "aws": "the AWS command line (AWS documentation: Installing or updating the AWS CLI)",
    "session-manager-plugin": "AWS's Session Manager plugin (AWS Systems Manager User Guide: Install the plugin)",
}


@dataclass(frozen=True)
class Way:
    """From where to where a tunnel leads."""

    instance: str
    """The master through which it goes."""

    local_port: int

    @property
    def url(self) -> str:
        """Where Marathon is reached on this machine."""
        return f"http://{LOOPBACK}:{self.local_port}"


def find_way(file: StackFile, local_port: int | None, wait_s: float, pace: Pace) -> Way:
    """The way to a stack's Marathon, through a master that Systems Manager reaches.

    Args:
        file: the stack file. The port is told from it, not from the stack's outputs: the first update of a stack
            needs the tunnel before it has any.
        local_port: port on this machine; None takes the setting `cluster.access.port`.
        wait_s: how long to wait for a master, seconds.
        pace: how the wait goes by.

    Raises:
        MisuseError: the stack has no masters of its own, a program is missing, or the local port is taken.
        OpsError: no master is reached in time.
    """
    if not file.managed_cluster:
        raise MisuseError(
            f"{file.stack} has no masters of its own (cluster.mode is not `managed`): its Marathon is reached at "
            "`cluster.marathonUrls`, without a tunnel"
        )
    if file.is_local:
        raise MisuseError(
            f"{file.stack} stands on this machine (`aws:endpoints` is set): no tunnel leads there"
        )
    require_programs()
    port = local_port or int(file.setting("cluster.access.port", PORT))
    require_free(port)
    connection = file.connection
    ec2, ssm = connection.client("ec2"), connection.client("ssm")
    instance = pace.until(lambda: reachable_master(ec2, ssm, file.stack), wait_s)
    if instance is None:
        raise OpsError(
            f"no master of {file.stack} is running and online in Systems Manager after {wait_s:.0f} s "
            f"(instances with the tags Project={PROJECT}, Stack={file.stack}, Role=master); is the stack up?"
        )
    return Way(instance, port)


def reachable_master(ec2: EC2Client, ssm: Any, stack: str) -> str | None:
    """Id of a running master whose Systems Manager agent is online; the first of them by id."""
    tags = {"Project": PROJECT, "Stack": stack, "Role": "master"}
    filters: Any = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    filters.append({"Name": "instance-state-name", "Values": ["running"]})
    with aws_told_plainly(f"the masters of {stack} cannot be found"):
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        running = [
            i.get("InstanceId", "")
            for page in pages
            for r in page["Reservations"]
            for i in r.get("Instances", [])
        ]
        if not running:
            return None
        answer = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": running}])
    online = [i["InstanceId"] for i in answer["InstanceInformationList"] if i.get("PingStatus") == "Online"]
    return min(online, default=None)


def command(way: Way, connection: AwsConnection) -> list[str]:
    """The command line that opens it. Nothing in it is secret: credentials are the caller's environment."""
    parameters = {
        "portNumber": [str(MARATHON)],
        "localPortNumber": [str(way.local_port)],
    }
    line = ["aws", "ssm", "start-session", "--target", way.instance, "--document-name", DOCUMENT]
    line += ["--parameters", json.dumps(parameters), "--region", connection.region]
    return [*line, "--profile", connection.profile] if connection.profile else line


@contextmanager
def opened(way: Way, connection: AwsConnection) -> Generator[subprocess.Popen[bytes]]:
    """The tunnel is open, for as long as the context lasts; its process.

    Raises:
        OpsError: it does not open.
    """
    process = subprocess.Popen(
        command(way, connection),
        # The plugin would listen elsewhere if the caller's environment said so.
        env={**os.environ, "SSM_PLUGIN_LOCAL_HOST": LOOPBACK},
        stdin=subprocess.DEVNULL,
        stdout=2,
        # A group of its own: a Ctrl-C is passed on once, to the plugin beneath the command line too.
        start_new_session=True,
    )
    try:
        _await_open(way, process)
        yield process
    finally:
        _end(process)


def serve(way: Way, connection: AwsConnection, ready: Callable[[Way], None]) -> None:
    """Keep a tunnel open until Ctrl-C or SIGTERM.

    Args:
        way: from where to where.
        connection: how the stack's account is reached.
        ready: called with the way once it is open.

    Raises:
        OpsError: it did not open, or ended by itself.
        KeyboardInterrupt: it was ended.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with opened(way, connection) as process:
            ready(way)
            status = process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    raise OpsError(
        f"the session to {way.instance} ended by itself (status {status}); Systems Manager ends a session that "
        "nobody used for a while: start the tunnel again"
    )


def require_programs() -> None:
    """Raise MisuseError unless all that a tunnel needs is on PATH."""
    missing = [why for program, why in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise MisuseError(f"a tunnel needs {' and '.join(missing)} on PATH")


def require_free(port: int) -> None:
    """Raise MisuseError when something listens on that port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise MisuseError(
                f"port {port} of this machine is taken; is a tunnel open already? Another port: --port, and the "
                "setting cluster.access.port"
            ) from None


def shown(way: Way) -> dict[str, Any]:
    """A way as data."""
    return {**asdict(way), "url": way.url}


def _await_open(way: Way, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + OPEN_TIMEOUT_S
    while True:
        status = process.poll()
        if status is not None:
            raise OpsError(f"the session to {way.instance} did not open: aws ended with status {status}")
        try:
            socket.create_connection((LOOPBACK, way.local_port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise OpsError(
                    f"the session to {way.instance} opened no port {way.local_port} in {OPEN_TIMEOUT_S:.0f} s"
                ) from None
            time.sleep(0.1)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group, as Ctrl-C in a terminal would; then by force."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(END_TIMEOUT_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
