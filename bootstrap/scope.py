"""Whose things a policy names: ARNs by the names that the environments' program gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROJECT = "trawler"
"""The Pulumi project of the environments: begins names, and is the tag `Project`."""

ROLES_PATH = f"/{PROJECT}-bootstrap/"
"""Path of the roles made here: no deploy role reaches it."""


@dataclass(frozen=True)
class Scope:
    """One stack of an account, or all of them."""

    account: str
    region: str
    stack: str
    """A stack's name, or `*` for every stack."""

    domain: str

    def arn(self, service: str, resource: str) -> str:
        """ARN of a regional resource."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def ec2(self, *kinds: str) -> list[str]:
        """Every EC2 resource of these kinds; a condition on tags narrows them. Images belong to no account."""
        return [
            f"arn:aws:ec2:{self.region}::image/*" if kind == "image" else self.arn("ec2", f"{kind}/*")
            for kind in kinds
        ]

    def iam(self, kind: str) -> str:
        """Roles or instance profiles that the stack makes."""
        return f"arn:aws:iam::{self.account}:{kind}/{PROJECT}/{self.stack}/*"

    def named(self, service: str, prefix: str = "") -> str:
        """Resources whose name begins with project and stack."""
        return self.arn(service, f"{prefix}{PROJECT}-{self.stack}-*")

    def begun(self, prefix: str) -> list[str]:
        """The same where the bare project and stack are a name too."""
        return [f"{prefix}{PROJECT}-{self.stack}", f"{prefix}{PROJECT}-{self.stack}-*"]

    @property
    def made(self) -> dict[str, Any]:
        """Condition: the request tags what it makes as the stack's."""
        return self._tagged("aws:RequestTag")

    @property
    def own(self) -> dict[str, Any]:
        """Condition: the resource is tagged as the stack's."""
        return self._tagged("aws:ResourceTag")

    def _tagged(self, key: str) -> dict[str, Any]:
        # The tags that every stack file gives all its resources (aws:defaultTags).
        return {"StringLike": {f"{key}/Project": PROJECT, f"{key}/Stack": self.stack}}


def allow(
    sid: str, service: str, actions: list[str], resource: str | list[str], condition: Any = None
) -> dict[str, Any]:
    """A statement that allows actions of one service."""
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in actions],
        "Resource": resource,
    }
    return {**statement, "Condition": condition} if condition else statement


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
