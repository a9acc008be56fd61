"""Where the local stack keeps its files and which ports it listens on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

HOST = "127.0.0.1"
SHOPS: tuple[str, ...] = ("demo-jsonld", "demo-microdata", "demo-selectors", "books")

MOTO_SERVICES = (
    "applicationautoscaling",
    "budgets",
    "cloudwatch",
    "ec2",
    "elbv2",
    "events",
    "iam",
    "kms",
    "logs",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "ssm",
    "sts",
)
"""Services of the `aws` process; sqs and dynamodb have processes of their own."""


@dataclass(frozen=True)
class Ports:
    """Ports on 127.0.0.1. The defaults are those of `Pulumi.local.yaml`."""

    aws: int = 5599
    sqs: int = 5598
    dynamodb: int = 5597
    marathon: int = 18080
    shops: tuple[int, ...] = (8101, 8102, 8103, 8104)

    @classmethod
    def from_base(cls, base: int | None) -> Ports:
        """Eight ports in a row from `base`; the defaults when there is none."""
        if base is None:
            return cls()
        return cls(base, base + 1, base + 2, base + 3, tuple(range(base + 4, base + 8)))

    def all(self) -> tuple[int, ...]:
        """Every port."""
        return (self.aws, self.sqs, self.dynamodb, self.marathon, *self.shops)


@dataclass(frozen=True)
class Layout:
    """Files of one local stack under its run folder."""

    run: Path
    ports: Ports

    @property
    def state(self) -> Path:
        """Pulumi's backend."""
        return self.run / "state"

    @property
    def pulumi_home(self) -> Path:
        """A PULUMI_HOME of its own: the stand-in provider must never be found by another project."""
        return self.run / "pulumi"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.run / "logs"

    @property
    def mesos(self) -> Path:
        """The agents' work folder: sandboxes."""
        return self.run / "mesos"

    @property
    def shops(self) -> Path:
        """Access logs and truth."""
        return self.run / "shops-run"

    @property
    def definitions(self) -> Path:
        """Shop definitions for the ports in use; `trawler:shops` names this folder."""
        return self.run / "shops"

    @property
    def config(self) -> Path:
        """The stack's configuration for ports other than the defaults."""
        return self.run / "Pulumi.local.yaml"

    @property
    def running(self) -> Path:
        """Says who runs the stack, while it runs."""
        return self.run / "running.json"

    @property
    def executor_environment(self) -> Path:
        """What Mesos agents give every task: how this machine's AWS is reached."""
        return self.run / "executor-environment.json"

    @property
    def marathon_credentials(self) -> Path:
        """What Marathon asks for, where it asks: JSON with `username` and `password`."""
        return self.run / "marathon-credentials.json"

    @property
    def url(self) -> dict[str, str]:
        """Name → base URL, as `build/demo/endpoints.json` lists them (without the shops)."""
        ports = self.ports
        return {
            "aws": f"http://{HOST}:{ports.aws}",
            "sqs": f"http://{HOST}:{ports.sqs}",
            "dynamodb": f"http://{HOST}:{ports.dynamodb}",
            "marathon": f"http://{HOST}:{ports.marathon}",
        }

    def aws_environment(self) -> dict[str, str]:
        """The AWS SDKs' own variables that lead to this machine."""
        url = self.url
        return {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url["aws"],
            "AWS_ENDPOINT_URL_SQS": url["sqs"],
            "AWS_ENDPOINT_URL_DYNAMODB": url["dynamodb"],
        }


def cache() -> Path:
    """The user's cache, shared by all checkouts: engine, images, Java archives."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trawler"
