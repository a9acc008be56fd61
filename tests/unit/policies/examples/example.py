"""What an example of a rule is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.unit.policies.judge import Declared


@dataclass(frozen=True)
class Breaks:
    """A program that breaks a rule, and a part of what the rule says of it."""

    title: str
    resources: list[Declared]
    says: str


@dataclass(frozen=True)
class Keeps:
    """A program that keeps a rule."""

    title: str
    resources: list[Declared]


Examples = dict[str, tuple[list[Breaks], list[Keeps]]]
"""Rule → programs that break it, programs that keep it."""


def document(*statements: dict[str, Any]) -> str:
    """A policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(**parts: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", **parts}


def tls_only(service: str) -> dict[str, Any]:
    """The statement that shuts plain HTTP out."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": "arn",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
