"""Before ZooKeeper, the Mesos master and Marathon start: the data volume, and files that hold credentials.

Everybody who speaks to the cluster is asked for a name and a secret: agents and Marathon by the Mesos master,
people and deployments by Marathon. What Mesos and Marathon keep in ZooKeeper belongs to Marathon's own principal:
agents, which have none there, can read who leads and change nothing.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import data_volume, secrets

DATA = Path("/var/lib/trawler")
ANY = {"type": "ANY"}


@dataclass(frozen=True)
class Master:
    """What this machine is, as its user data says."""

    region: str
    stack: str
    index: int
    hosts: list[str]
    device: str
    credentials_secret: str
    agent_secret: str
    framework_secret: str

    @property
    def identity(self) -> dict[str, object]:
        """What the data volume must agree with."""
        return {"stack": self.stack, "index": self.index, "hosts": self.hosts}

    def zookeeper(self, path: str, credential: str = "") -> str:
        """`zk://credential@host:2181,…/path`."""
        return f"zk://{credential}{','.join(f'{host}:2181' for host in self.hosts)}/{path}"


def acls(agent: str, framework: str) -> dict[str, Any]:
    """Who may do what on the master; what is not named here nobody may.

    Agents register and drain themselves. They could drain each other, too: Mesos knows no finer right.

    Source: Apache Mesos 1.11, Authorization.
    """
    agents, frameworks = {"values": [agent]}, {"values": [framework]}
    return {
        "permissive": False,
        "register_agents": [{"principals": agents, "agents": ANY}],
        "drain_agents": [{"principals": agents, "agents": ANY}],
        "mark_agents_gone": [{"principals": agents, "agents": ANY}],
        "register_frameworks": [{"principals": frameworks, "roles": {"values": ["*"]}}],
        "run_tasks": [{"principals": frameworks, "users": {"values": ["root"]}}],
        "teardown_frameworks": [{"principals": frameworks, "framework_principals": frameworks}],
        # For a person who looks: with Marathon's own credential, on the master itself.
        "get_endpoints": [{"principals": frameworks, "paths": ANY}],
        "view_frameworks": [{"principals": frameworks, "users": ANY}],
        "view_tasks": [{"principals": frameworks, "users": ANY}],
        "view_executors": [{"principals": frameworks, "users": ANY}],
        "view_roles": [{"principals": frameworks, "roles": ANY}],
    }


def write_credentials(master: Master, fetch: secrets.Fetch, run_dir: Path) -> None:
    """`run_dir` holds what the three services read; no secret is anywhere else.

    Raises:
        SecretError: an entry is missing or not of its form.
    """
    agent, agent_secret = secrets.pair(fetch, master.agent_secret, ("principal", "secret"))
    framework, framework_secret = secrets.pair(fetch, master.framework_secret, ("principal", "secret"))
    user, password = secrets.pair(fetch, master.credentials_secret, ("username", "password"))
    if agent == framework:
        raise secrets.SecretError(
            f"{master.agent_secret} and {master.framework_secret} have the same principal: an agent could run tasks"
        )
    owner = f"{framework}:{framework_secret}@"
    known = [
        {"principal": agent, "secret": agent_secret},
        {"principal": framework, "secret": framework_secret},
    ]
    marathon = {
        "MARATHON_MASTER": master.zookeeper("mesos"),
        "MARATHON_ZK": master.zookeeper("marathon", owner),
        "MARATHON_HTTP_CREDENTIALS": f"{user}:{password}",
        "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": framework,
    }
    secrets.write(run_dir / "credentials.json", json.dumps({"credentials": known}))
    secrets.write(run_dir / "acls.json", json.dumps(acls(agent, framework)))
    secrets.write(run_dir / "mesos-zk", master.zookeeper("mesos", owner))
    secrets.write(run_dir / "framework-secret", framework_secret)
    secrets.write(run_dir / "marathon.env", "".join(f"{k}={v}\n" for k, v in marathon.items()))
    secrets.write(run_dir / "marathon-http.json", json.dumps({"username": user, "password": password}))


def lay_out(master: Master, data: Path, owner: dict[str, str]) -> None:
    """The data volume has a folder for each service, and ZooKeeper's number.

    Args:
        master: this machine.
        data: where the volume is mounted.
        owner: folder → the user it belongs to.
    """
    for name, user in owner.items():
        folder = data / name
        folder.mkdir(mode=0o750, exist_ok=True)
        if user:
            shutil.chown(folder, user, user)
    number = data / "zookeeper" / "myid"
    number.write_text(f"{master.index}\n")
    number.chmod(0o644)


def main() -> None:
    """The one argument is the file that the user data wrote."""
    master = Master(**json.loads(Path(sys.argv[1]).read_text()))
    data_volume.mount(Path(master.device), DATA)
    data_volume.claim(DATA, master.identity)
    lay_out(master, DATA, {"zookeeper": "zookeeper", "mesos": "mesos"})
    write_credentials(master, secrets.from_secrets_manager(master.region), Path("/run/trawler"))


if __name__ == "__main__":
    main()
