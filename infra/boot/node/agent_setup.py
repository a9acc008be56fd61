"""Before the Mesos agent starts: its attributes, its credentials, and a work directory that nobody used before.

An agent's attributes come from the machine it is, so none of them can be recovered by another machine, and what a
stopped spot instance left behind is of no use to anybody: the work directory is emptied once at each boot.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from . import pull_credentials, secrets
from .metadata import Metadata

ATTRIBUTES = {
    "zone": "placement/availability-zone",
    "lifecycle": "instance-life-cycle",
    "instance_type": "instance-type",
}
"""Attribute of the agent → where its machine's metadata says it. `lifecycle` is `on-demand` or `spot`."""

TEMPLATE_VERSION = "tags/instance/aws:ec2launchtemplate:version"
"""Set by EC2 on what a launch template started; left out of the attributes where it cannot be read."""

_TEXT = re.compile(r"[^A-Za-z0-9_/.-]")
"""What a text attribute must not hold (Apache Mesos, Attributes and resources)."""


def prepare(
    metadata: Metadata,
    fetch: secrets.Fetch,
    entry: str | None,
    run_dir: Path,
    work_dir: Path,
    registries: pull_credentials.Registries = pull_credentials.PUBLIC,
) -> None:
    """`run_dir` holds `agent.env` and whatever credentials were asked for; `work_dir` is empty after a boot.

    Args:
        metadata: of this machine.
        fetch: gives the value of a Secrets Manager entry.
        entry: its name, or None where the master asks for nothing.
        run_dir: lies in memory, so it is empty after a boot.
        work_dir: the agent's.
        registries: from where images are pulled.

    Raises:
        MetadataError: the machine cannot learn what it is.
        SecretError: the entry is missing or not of its form.
    """
    attributes = {name: metadata.require(path) for name, path in ATTRIBUTES.items()}
    version = metadata.get(TEMPLATE_VERSION)
    if version:
        attributes["template_version"] = version
    lines = {
        "MESOS_ATTRIBUTES": ";".join(f"{name}:{_TEXT.sub('_', text)}" for name, text in attributes.items()),
        "MESOS_IP": metadata.require("local-ipv4"),
        "MESOS_HOSTNAME": metadata.require("local-hostname"),
    }
    if entry:
        principal, secret = secrets.pair(fetch, entry, ("principal", "secret"))
        credential = {"principal": principal, "secret": secret}
        secrets.write(run_dir / "agent-credential.json", json.dumps(credential))
        secrets.write(run_dir / "agent-http-credentials.json", json.dumps({"credentials": [credential]}))
        lines |= {
            "MESOS_CREDENTIAL": str(run_dir / "agent-credential.json"),
            # Tasks share the host's network: without this any of them could command the agent.
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
            "MESOS_HTTP_CREDENTIALS": str(run_dir / "agent-http-credentials.json"),
        }
    config = pull_credentials.docker_config(fetch, registries)
    if config:
        secrets.write(run_dir / "docker-config.json", config)
        lines["MESOS_DOCKER_CONFIG"] = f"file://{run_dir / 'docker-config.json'}"
    wiped = run_dir / "work-dir-wiped"
    if not wiped.exists():
        shutil.rmtree(work_dir, ignore_errors=True)
        work_dir.mkdir(parents=True)
        secrets.write(wiped, "")
    secrets.write(run_dir / "agent.env", "".join(f"{name}={value}\n" for name, value in lines.items()))


def main() -> None:
    """`TRAWLER_REGION`; `TRAWLER_AGENT_SECRET` where the master asks for credentials, `TRAWLER_PULL_SECRET` and
    `TRAWLER_ECR_REGISTRY` where the image's registry does.
    """
    prepare(
        Metadata(),
        secrets.from_secrets_manager(os.environ["TRAWLER_REGION"]),
        os.environ.get("TRAWLER_AGENT_SECRET"),
        Path("/run/trawler"),
        Path("/var/lib/mesos/agent"),
        pull_credentials.Registries(
            os.environ.get("TRAWLER_PULL_SECRET"), os.environ.get("TRAWLER_ECR_REGISTRY")
        ),
    )


if __name__ == "__main__":
    main()
