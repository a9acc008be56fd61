"""The Secrets Manager entries that a stack file names, filled with values that nobody has seen."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.stack.layout import Layout

MARATHON = "credentialsSecret"
"""The setting that names Marathon's own entry."""


def create(layout: Layout, region: str, names: Mapping[str, str]) -> Path | None:
    """Every entry is there; the file with what Marathon is to ask for, readable by its owner alone, or None.

    Marathon's entry holds `username` and `password`, the same ones in each entry of a run folder; any other
    holds `principal` and `secret`, as Mesos calls them.

    Args:
        layout: of the local stack; AWS answers.
        region: where the entries are made.
        names: setting → name of its entry.
    """
    client: Any = boto3.client(
        "secretsmanager",
        endpoint_url=layout.url["aws"],
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  the stand-in takes any
        config=Config(proxies={}, connect_timeout=3, read_timeout=20),
    )
    marathon = layout.marathon_credentials
    for setting, name in names.items():
        if setting == MARATHON:
            if not marathon.exists():
                _write_private(marathon, _generated("username", "password"))
            text = marathon.read_text()
        else:
            text = _generated("principal", "secret")
        try:
            client.create_secret(Name=name, SecretString=text)
        except ClientError as e:
            if e.response.get("Error", {}).get("Code") != "ResourceExistsException":
                raise
    return marathon if MARATHON in names else None


def _generated(user: str, word: str) -> str:
    return json.dumps({user: "trawler", word: secrets.token_urlsafe(24)})


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
