"""Who may become a role: GitHub's workflows of one repository, or people with a second factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bootstrap.scope import document
from bootstrap.settings import Settings

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"

MFA_AGE_S = 3600
"""How long a second factor counts, seconds."""


def subject(settings: Settings, context: str) -> str:
    """The subject of a workflow's token, letter for letter.

    GitHub writes `repo:OWNER/REPOSITORY:…`, and in repositories that are new, renamed or moved since July 2026, or
    that chose so, `repo:OWNER@ID/REPOSITORY@ID:…`, which no later owner of the name can get.

    Args:
        settings: of the account.
        context: `pull_request`, `ref:refs/heads/BRANCH` or `environment:NAME`.

    Source: GitHub Docs, OpenID Connect reference; GitHub changelog 2026-04-23, immutable subject claims.
    """
    owner, repository = settings.repository.split("/")
    ids = settings.repository_ids
    if ids:
        return f"repo:{owner}@{ids.owner}/{repository}@{ids.repository}:{context}"
    return f"repo:{owner}/{repository}:{context}"


def workflows(settings: Settings, provider_arn: str, contexts: Sequence[str]) -> dict[str, Any]:
    """Trust in workflows of the repository in exactly these contexts.

    Args:
        settings: of the account.
        provider_arn: GitHub's identity provider in the account.
        contexts: see `subject`.
    """
    return document(
        {
            "Sid": "Workflows",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": AUDIENCE,
                    f"{ISSUER}:sub": [subject(settings, context) for context in contexts],
                }
            },
        }
    )


def people(settings: Settings) -> dict[str, Any]:
    """Trust in the account's administrators who gave their second factor within the hour."""
    return document(
        {
            "Sid": "Administrators",
            "Effect": "Allow",
            "Principal": {"AWS": sorted(settings.admins)},
            "Action": "sts:AssumeRole",
            "Condition": {
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
                "NumericLessThan": {"aws:MultiFactorAuthAge": str(MFA_AGE_S)},
            },
        }
    )
