"""A local stack of the tests' own, on free ports, and the real engine against it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

from infra.marathon.client import MarathonClient
from local.stack import pulumi
from local.stack.layout import ROOT, Layout, Ports
from local.stack.ports import free_base
from local.stack.supervisor import LocalStack, Options

COMMAND_TIMEOUT_S = 180


def free_ports() -> int:
    """First of eight free ports in a row.

    Each worker process of the test run has a range of its own, so that two never choose the same at once.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    first = 15000 + worker * 4000
    return free_base(range(first, first + 4000))


def local_client(layout: Layout, service: str) -> Any:
    """A boto3 client of a local stack."""
    return boto3.client(
        service,  # pyright: ignore[reportArgumentType, reportCallIssue]  any service
        endpoint_url=layout.url.get(service, layout.url["aws"]),
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(proxies={}, connect_timeout=3, read_timeout=20),
    )


@dataclass
class Deployment:
    """The program's stack on a local stack: commands for the engine, clients for what it made."""

    layout: Layout
    tracked: dict[str, Any] = field(default_factory=dict)
    applied: str | None = None
    """The configuration that is deployed; None when that is not known."""

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run the engine; its output, standard error included.

        Args:
            arguments: of `pulumi`.
            expect: status that it must end with.
        """
        answer = subprocess.run(
            pulumi.command(self.layout, *arguments, "--non-interactive"),
            cwd=ROOT,
            env={**os.environ, **pulumi.environment(self.layout)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert answer.returncode == expect, answer.stdout
        return answer.stdout

    def up(self, *arguments: str) -> str:
        """`pulumi up` without a preview."""
        self.applied = None
        said = self.run("up", "--yes", "--skip-preview", *arguments)
        self.applied = self.layout.config.read_text()
        return said

    def disturb(self) -> None:
        """Something was or will be changed by hand: what is deployed is not what was applied."""
        self.applied = None

    def preview(self) -> dict[str, str]:
        """What an `up` would do: logical name → operation, what stays the same left out."""
        steps = json.loads(self.run("preview", "--json"))["steps"]
        return {s["urn"].rsplit("::", 1)[-1]: s["op"] for s in steps if s["op"] != "same"}

    def configure(self, **values: Any) -> None:
        """The tracked configuration with these values of the project's namespace instead."""
        config = {**self.tracked, "config": {**self.tracked["config"]}}
        for key, value in values.items():
            config["config"][f"trawler:{key}"] = value
        self.layout.config.write_text(yaml.safe_dump(config))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return json.loads(self.run("stack", "output", "--json"))

    def client(self, service: str) -> Any:
        """A boto3 client of the local stack."""
        return local_client(self.layout, service)

    def marathon(self) -> MarathonClient:
        """The local Marathon."""
        return MarathonClient([self.layout.url["marathon"]])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployment]:
    """Stand-ins with small shops; nothing deployed."""
    layout = Layout(tmp_path_factory.mktemp("stack"), Ports.from_base(free_ports()))
    pulumi.write_config(layout)
    local = LocalStack(layout, Options(seed=7, products=30), print)
    local.start()
    try:
        pulumi.select(layout)
        yield Deployment(layout, yaml.safe_load(layout.config.read_text()))
    finally:
        local.close()


@pytest.fixture
def deployed(stack: Deployment) -> Deployment:
    """The stack, up, with the tracked configuration."""
    stack.configure()
    if stack.applied != stack.layout.config.read_text():
        stack.up("--refresh")
    return stack
