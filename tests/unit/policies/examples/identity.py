"""Identity."""

from __future__ import annotations

from typing import Any

from policies.rules.identity import ATTACHMENTS, GITHUB, POLICY_TYPES, ROLE
from tests.unit.policies.examples.example import Breaks, Examples, Keeps, allow, document
from tests.unit.policies.judge import Declared

QUEUE = "arn:aws:sqs:us-east-1:1:work"
AWS = "arn:aws:iam::aws:policy"


def policy(**parts: Any) -> list[Declared]:
    return [Declared(POLICY_TYPES[0], props={"policy": document(allow(Sid="S", **parts))})]


def attached(name: str) -> list[Declared]:
    return [Declared(ATTACHMENTS[0], props={"policyArn": f"{AWS}/{name}"})]


def trust(principal: Any, condition: dict[str, Any] | None = None) -> list[Declared]:
    statement = allow(Sid="T", Principal=principal, Action="sts:AssumeRole", Condition=condition or {})
    return [Declared(ROLE, props={"assumeRolePolicy": document(statement)})]


def github(
    sub: str | None, operator: str = "StringEquals", aud: str | None = "sts.amazonaws.com"
) -> list[Declared]:
    condition: dict[str, dict[str, str]] = {"StringEquals": {f"{GITHUB}:aud": aud}} if aud else {}
    if sub:
        condition.setdefault(operator, {})[f"{GITHUB}:sub"] = sub
    return trust({"Federated": f"arn:aws:iam::1:oidc-provider/{GITHUB}"}, condition)


EXAMPLES: Examples = {
    "iam-actions-listed": (
        [
            Breaks("every action", policy(Action="*", Resource=QUEUE), "S: action * is too wide"),
            Breaks("a service's", policy(Action=["s3:GetObject", "sqs:*"], Resource=QUEUE), "sqs:* is too"),
            Breaks("a verb that writes", policy(Action="s3:Put*", Resource=QUEUE), "s3:Put* is too wide"),
            Breaks("all but one", policy(NotAction="iam:*", Resource=QUEUE), "NotAction"),
            Breaks("no statement", [Declared(POLICY_TYPES[1], props={"policy": "{}"})], "no Statement"),
            Breaks(
                "inside a role",
                [Declared(ROLE, props={"inlinePolicies": [{"policy": document(allow(Action="*"))}]})],
                "too wide",
            ),
        ],
        [
            Keeps("listed", policy(Action=["sqs:SendMessage"], Resource=QUEUE)),
            Keeps("reading", policy(Action="dynamodb:Describe*", Resource="arn:aws:dynamodb:::table/t")),
            Keeps(
                "a Deny of everything",
                [Declared(POLICY_TYPES[0], props={"policy": document({"Effect": "Deny", "Action": "*"})})],
            ),
        ],
    ),
    "iam-resources-named": (
        [
            Breaks("everything", policy(Action="sqs:SendMessage", Resource="*"), "* for sqs:SendMessage"),
            Breaks("every bucket", policy(Action="s3:GetObject", Resource="arn:aws:s3:::*"), "s3:GetObject"),
            Breaks("every queue", policy(Action="sqs:SendMessage", Resource="arn:aws:sqs:*:*:*"), "sqs:Send"),
            Breaks(
                "mixed with what has no resource",
                policy(Action=["cloudwatch:PutMetricData", "ec2:RunInstances"], Resource="*"),
                "Resource * for ec2:RunInstances:",
            ),
            Breaks("all but one", policy(Action="sqs:SendMessage", NotResource=QUEUE), "NotResource"),
        ],
        [
            Keeps("one queue", policy(Action="sqs:SendMessage", Resource=QUEUE)),
            Keeps("a prefix", policy(Action="s3:GetObject", Resource="arn:aws:s3:::data/releases/*")),
            Keeps("what has no resource", policy(Action="cloudwatch:putmetricdata", Resource="*")),
        ],
    ),
    "iam-managed-policies-narrow": (
        [
            Breaks("everything", attached("AdministratorAccess"), "AdministratorAccess gives"),
            Breaks("a whole service", attached("AmazonS3FullAccess"), "AmazonS3FullAccess gives"),
            Breaks("in a folder", attached("job-function/PowerUserAccess"), "PowerUserAccess gives"),
        ],
        [
            Keeps("Session Manager's", attached("AmazonSSMManagedInstanceCore")),
            Keeps("Spot Fleet's", attached("service-role/AmazonEC2SpotFleetTaggingRole")),
        ],
    ),
    "role-trust-closed": (
        [
            Breaks("everyone", trust("*"), "T: anyone may take this role"),
            Breaks("every account", trust({"AWS": "*"}), "anyone may take this role"),
            Breaks("no subject", github(None), "any GitHub repository"),
            Breaks("every subject", github("repo:*", "StringLike"), "any GitHub repository"),
            Breaks(
                "every repository of an owner", github("repo:us/*", "StringLike"), "any GitHub repository"
            ),
            Breaks("no audience", github("repo:us/it:environment:prod", aud=None), f"{GITHUB}:aud"),
        ],
        [
            Keeps("a service", trust({"Service": "ec2.amazonaws.com"})),
            Keeps("a repository's environment", github("repo:us/it:environment:prod")),
            Keeps("any branch of a repository", github("repo:us/it:ref:refs/heads/*", "StringLike")),
        ],
    ),
}
