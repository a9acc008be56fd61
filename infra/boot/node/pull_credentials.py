"""How the agent's Docker logs in to the registry that the workers' image comes from.

The Mesos agent is told where a Docker configuration lies (`--docker_config`); for each pull it writes that into a
folder of the pull's own and hands it to Docker's command line as its home (Apache Mesos 1.11, `Docker::__pull`: with
a key `auths` as `.docker/config.json`). So credential helpers that it names work as they do for a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import secrets

ECR_HELPER = "ecr-login"
"""`docker-credential-ecr-login`, of Amazon Linux's package amazon-ecr-credential-helper: asks by the machine's role,
and asks again when a token has expired."""

SIZE_LIMIT = 65_536
"""Characters: the size of a Secrets Manager entry at most (Secrets Manager User Guide, Quotas)."""


@dataclass(frozen=True)
class Registries:
    """From where images are pulled, beside public registries."""

    entry: str | None = None
    """Secrets Manager entry with a Docker `config.json`."""

    ecr: str | None = None
    """Host of an Amazon ECR registry."""


PUBLIC = Registries()


def docker_config(fetch: secrets.Fetch, registries: Registries) -> str | None:
    """Docker's configuration as JSON, or None where nothing asks for credentials.

    Of the entry only `auths` is used: a helper or proxy that it names would be run, or used, by root.

    Args:
        fetch: gives the value of a Secrets Manager entry.
        registries: what to log in to.

    Raises:
        SecretError: the entry is missing or not of its form.
    """
    if registries == PUBLIC:
        return None
    config: dict[str, Any] = {"auths": _auths(fetch, registries.entry) if registries.entry else {}}
    if registries.ecr:
        config["credHelpers"] = {registries.ecr: ECR_HELPER}
    return json.dumps(config)


def _auths(fetch: secrets.Fetch, entry: str) -> dict[str, dict[str, str]]:
    value = fetch(entry)
    try:
        given = json.loads(value)["auths"] if len(value) <= SIZE_LIMIT else None
        auths = {host: {"auth": known["auth"]} for host, known in given.items()} if given else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        auths = {}
    if not auths or not all(isinstance(known["auth"], str) and known["auth"] for known in auths.values()):
        raise secrets.SecretError(
            f'Secrets Manager entry {entry}: expected a Docker config.json, {{"auths": {{"REGISTRY": {{"auth": …}}}}}}'
        )
    return auths
