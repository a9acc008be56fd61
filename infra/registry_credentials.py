"""What `docker login` and Docker's credential helpers know of a registry, read as the Docker command line does.

Source: Docker, `docker login` (Credential stores, Credential helpers); docker-credential-helpers, protocol.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

HELPER_TIMEOUT_S = 10.0
_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_NOTHING_KNOWN = "credentials not found"
_IDENTITY_TOKEN = "<token>"  # noqa: S105  a helper's word for "no user name, this is a token"


class CredentialsError(Exception):
    """There are credentials, and they cannot be read. The text names where they are, never what they are."""


def credentials_of(registry: str, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """User name and password for a registry, or None where Docker has none.

    Args:
        registry: `host` or `host:port`.
        environment: of the process; `DOCKER_CONFIG` names another folder than `~/.docker`.

    Raises:
        CredentialsError: Docker's configuration or a helper cannot be read.
    """
    path = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    config = _read(path)
    key = _HUB_KEY if registry == _HUB else registry
    helper = _mapping(config.get("credHelpers")).get(registry) or config.get("credsStore")
    if helper:
        return _from_helper(str(helper), key)
    entry = _mapping(
        _mapping(config.get("auths")).get(key) or _mapping(config.get("auths")).get(f"https://{key}")
    )
    auth = entry.get("auth")
    if not auth:
        return None
    try:
        user, colon, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, colon, password = "", "", ""
    if not colon:
        raise CredentialsError(
            f"{path}: auths of {registry} cannot be read; `docker login {registry}` writes it anew"
        )
    return user, password


def _read(path: Path) -> dict[str, Any]:
    try:
        return _mapping(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise CredentialsError(f"{path}: cannot be read: {type(e).__name__}") from None


def _mapping(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _from_helper(name: str, key: str) -> tuple[str, str] | None:
    if not _HELPER.match(name):
        raise CredentialsError("Docker's configuration names a credential helper that is no name")
    command = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [command, "get"], input=key, capture_output=True, text=True, timeout=HELPER_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise CredentialsError(f"{command}, which Docker's configuration names, is not installed") from None
    except (OSError, subprocess.TimeoutExpired):
        raise CredentialsError(f"{command} gives no answer for {key}") from None
    if done.returncode != 0:
        if _NOTHING_KNOWN in f"{done.stdout}{done.stderr}".lower():
            return None
        raise CredentialsError(f"{command} failed for {key} (exit status {done.returncode})")
    try:
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(f"{command} gives an answer for {key} that cannot be read") from None
    if user == _IDENTITY_TOKEN:
        raise CredentialsError(f"{command} has an identity token for {key}, which is not spoken here")
    return user, secret
