"""User data of agents and masters: the templates of this folder, filled in and held to EC2's limit.

User data can be read by every process of the machine (instance metadata), so none of it is secret: it names the
Secrets Manager entries that the machine asks for at boot, by its own role.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jinja2

from infra.errors import BootError

USER_DATA_LIMIT = 16_384
"""Bytes before base64 (Amazon EC2 User Guide, Run commands when you launch an EC2 instance)."""

HEALTH_PORT = 8081
"""Where a master says whether its Marathon reaches the leader: Marathon itself asks everyone for credentials."""

VOLUME_DEVICE = "/dev/sdf"
"""Device name of a master's data volume (Amazon EC2 User Guide, Device names on Linux instances: f to p)."""

_CLOUDWATCH_CTL = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
_NODE_LOG = "/var/log/trawler/node.log"
_SANDBOXES = "/var/lib/mesos/agent/slaves/*/frameworks/*/executors/*/runs/*-*-*-*-*"

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class AgentBoot:
    """What an agent must know to start."""

    region: str
    stack: str
    zookeeper: str
    """Where the leading Mesos master is found, `zk://host:2181,…/mesos`."""

    agent_secret: str | None
    """Secrets Manager entry with `principal` and `secret`, or None where the master asks for nothing."""

    log_group: str | None
    """Log group of the node's journal; None ships nothing."""

    task_network: Literal["host", "bridge"]
    task_log_group: str | None = None
    """Log group of the tasks' stdout and stderr; None leaves them on the machine."""

    pull_secret: str | None = None
    """Secrets Manager entry with the credentials of a private image registry."""

    ecr_registry: str | None = None
    """Host of an ECR registry that images are pulled from by the machine's role."""


@dataclass(frozen=True)
class MasterBoot:
    """What a master must know to start."""

    region: str
    stack: str
    index: int
    """Place in `hosts`, from 1; ZooKeeper's `myid`."""

    hosts: tuple[str, ...]
    """DNS names of all masters, this one's included: one or three."""

    credentials_secret: str
    """Entry with Marathon's `username` and `password`."""

    agent_secret: str
    """Entry with the agents' `principal` and `secret`."""

    framework_secret: str
    """Entry with the `principal` and `secret` of Marathon towards Mesos; ZooKeeper's nodes are theirs, too."""

    log_group: str | None
    """Log group of the journal; None ships nothing."""

    @property
    def host(self) -> str:
        """This master's DNS name."""
        return self.hosts[self.index - 1]

    @property
    def quorum(self) -> int:
        """Masters that must agree: more than half (Mesos, Operational guide)."""
        return len(self.hosts) // 2 + 1


def agent_user_data(boot: AgentBoot) -> str:
    """cloud-config of an agent.

    Raises:
        BootError: it is over EC2's limit.
    """
    files = [
        _log_file(boot.log_group, _NODE_LOG),
        # `latest` is a link to one of these folders and would send everything twice: their names are UUIDs.
        *(_log_file(boot.task_log_group, f"{_SANDBOXES}/{name}", each=True) for name in ("stdout", "stderr")),
    ]
    units = ["docker", "mesos-agent", "trawler-agent-setup", "trawler-drainer"]
    return _rendered("agent.yaml.j2", boot, {"log_files": [f for f in files if f], "journal_units": units})


def master_user_data(boot: MasterBoot) -> str:
    """cloud-config of a master.

    Raises:
        BootError: it is over EC2's limit.
    """
    services = ["zookeeper", "mesos-master", "marathon", "trawler-leader-health"]
    more = {
        "device": VOLUME_DEVICE,
        "health_port": HEALTH_PORT,
        "units": [f"{service}.service" for service in services],
        "journal_units": ["trawler-master-setup", *services],
        "log_files": [f for f in [_log_file(boot.log_group, _NODE_LOG)] if f],
    }
    return _rendered("master.yaml.j2", boot, more)


def _log_file(group: str | None, path: str, *, each: bool = False) -> dict[str, Any] | None:
    """What the CloudWatch agent ships from a path; with `each`, every file that fits goes to a stream of its own.

    Source: Amazon CloudWatch User Guide, CloudWatch agent configuration file; `publish_multi_logs` is in its schema.
    """
    if group is None:
        return None
    one = {"file_path": path, "log_group_name": group, "log_stream_name": "{instance_id}"}
    return one | {"publish_multi_logs": True} if each else one


def _rendered(template: str, boot: AgentBoot | MasterBoot, more: Mapping[str, Any]) -> str:
    environment = _environment()
    values: dict[str, Any] = {"boot": boot, "cloudwatch_ctl": _CLOUDWATCH_CTL, **more}

    def file(path: str, name: str) -> str:
        """An entry of write_files, its content made of another template."""
        content = environment.get_template(name).render(values)
        entry = {"path": path, "owner": "root:root", "permissions": "0644", "content": content}
        return "\n".join(
            f"{'- ' if i == 0 else '  '}{key}: {json.dumps(entry[key])}" for i, key in enumerate(entry)
        )

    text = environment.get_template(template).render(values, file=file)
    size = len(text.encode())
    if size > USER_DATA_LIMIT:
        raise BootError(
            f"user data made of {template} for stack {boot.stack} has {size} bytes; EC2 takes {USER_DATA_LIMIT}: "
            "shorten the names in the settings, or move files of the template into the image (infra/boot/image)"
        )
    return text


@functools.cache
def _environment() -> jinja2.Environment:
    """One for all machines of a run: each template is compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  YAML and unit files, not HTML: the settings hold values to safe forms
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = lambda value: json.dumps(value, sort_keys=True)
    return environment
