"""Credentials that a machine asks for at boot, by its own role, and the files it keeps them in until it stops.

The files lie in memory (`/run`), readable by root alone. Characters are held to those that mean nothing in any of
the places where Mesos, Marathon and ZooKeeper want them: URLs, `user:password`, systemd's environment files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

Fetch = Callable[[str], str]
"""Name of an entry → its value."""

_ATTEMPTS = 30
_PAUSE_S = 10.0
_CALL_TIMEOUT_S = 20
_NAME = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_SECRET = re.compile(r"^[A-Za-z0-9._~-]{16,128}$")


class SecretError(Exception):
    """An entry cannot be read or used. The text names the entry, never its value."""


def pair(fetch: Fetch, entry: str, keys: tuple[str, str]) -> tuple[str, str]:
    """Name and secret that an entry holds as JSON under two keys.

    Raises:
        SecretError: unreadable, not of that form, or with characters that could be read as something else.
    """
    try:
        value = json.loads(fetch(entry))
        name, secret = value[keys[0]], value[keys[1]]
    except (ValueError, KeyError, TypeError):
        name = secret = None
    if not (
        isinstance(name, str) and isinstance(secret, str) and _NAME.match(name) and _SECRET.match(secret)
    ):
        raise SecretError(
            f'Secrets Manager entry {entry}: expected {{"{keys[0]}": …, "{keys[1]}": …}}, the first of letters, digits '
            "and . _ -, the second of 16 to 128 letters, digits and . _ ~ -"
        )
    return name, secret


def write(path: Path, text: str) -> None:
    """The file holds the text and only root can read it, at no time anybody else."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def from_secrets_manager(
    region: str, command: str = "aws", sleep: Callable[[float], None] = time.sleep
) -> Fetch:
    """Fetches by the AWS command line and the machine's role, for five minutes while the network comes up."""

    def fetch(entry: str) -> str:
        arguments = ["secretsmanager", "get-secret-value", "--secret-id", entry, "--region", region]
        error = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                sleep(_PAUSE_S)
            try:
                done = subprocess.run(
                    [command, *arguments, "--query", "SecretString", "--output", "text"],
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=_CALL_TIMEOUT_S,
                )
            except (OSError, subprocess.TimeoutExpired) as e:
                error = str(e)
                continue
            if done.returncode == 0:
                return done.stdout.strip()
            error = done.stderr.strip()[:500]
        raise SecretError(f"Secrets Manager entry {entry}: {error}")

    return fetch
