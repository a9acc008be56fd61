"""Identity: least privilege in documents, roles that only those who are meant can take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .documents import ANYONE, Condition, NotADocumentError, Statement, statements
from .rule import ResourceRule, Rule, Subject
from .unscoped import is_unscoped

ROLE = "aws:iam/role:Role"
POLICY_TYPES = (
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/policy:Policy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
    ROLE,
)
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)

READING = ("Describe", "Get", "List")
"""Verbs that may be followed by a wildcard: what they reach is still bound by the statement's resources."""

GITHUB = "token.actions.githubusercontent.com"

_BROAD = re.compile(
    r":iam::aws:policy/(?:[\w/-]+/)?(?:AdministratorAccess|PowerUserAccess|IAMFullAccess|\w+FullAccess)$"
)
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide"


def _documents(resource: Subject) -> Iterator[str]:
    """The texts of the identity policies in a resource."""
    if resource.type == ROLE:
        for inline in resource.props.many("inlinePolicies"):
            yield inline.text("policy")
    else:
        yield resource.props.text("policy")


def _allowing(resource: Subject) -> Iterator[Statement | str]:
    """Each statement that allows something; a message in place of a document that is none."""
    for text in _documents(resource):
        try:
            yield from (s for s in statements(text) if s.allows)
        except NotADocumentError as e:
            yield str(e)


def _actions(resource: Subject) -> Iterator[str]:
    for statement in _allowing(resource):
        if isinstance(statement, str):
            yield statement
            continue
        if statement.not_actions:
            yield f"{statement.sid}: Allow with NotAction gives every other right; list the actions"
        for action in statement.actions:
            if _is_wide(action):
                yield f"{statement.sid}: action {action} is too wide; list the actions that are used"


def _is_wide(action: str) -> bool:
    if "*" not in action and "?" not in action:
        return False
    name = action.partition(":")[2]
    verb = re.split(r"[*?]", name, maxsplit=1)[0]
    return not verb.startswith(READING)


def _resources(resource: Subject) -> Iterator[str]:
    for statement in _allowing(resource):
        if isinstance(statement, str):
            continue  # told by the rule on actions
        if statement.not_resources:
            yield f"{statement.sid}: Allow with NotResource reaches everything else; list the resources"
        if not any(_is_everything(r) for r in statement.resources):
            continue
        if scoped := [a for a in statement.actions if not is_unscoped(a)]:
            yield (
                f"{statement.sid}: Resource * for {', '.join(scoped)}: name the ARNs, and put actions that"
                " cannot have one into a statement of their own (policies/rules/unscoped.py lists them)"
            )


def _is_everything(resource: str) -> bool:
    # arn:*:*:*:*:* and the like; arn:aws:s3:::* is every bucket there is.
    return not re.sub(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:", "", resource).strip("*/:")


def _managed(attachment: Subject) -> Iterator[str]:
    arn = attachment.props.text("policyArn")
    if _BROAD.search(arn):
        yield f"{arn.rsplit('/', 1)[-1]} gives rights to everything of a service: write a policy of what is used"


def _trust(role: Subject) -> Iterator[str]:
    try:
        document = statements(role.props.text("assumeRolePolicy"))
    except NotADocumentError as e:
        yield f"assume_role_policy: {e}"
        return
    for statement in document:
        if not statement.allows:
            continue
        if statement.not_principals or statement.anyone:
            yield f"{statement.sid}: anyone may take this role; name the principals in assume_role_policy"
        if any(GITHUB in who for who in statement.principals.get("Federated", ())):
            yield from _github(statement)


def _github(statement: Statement) -> Iterator[str]:
    subjects = [c for c in statement.conditions if c.key == f"{GITHUB}:sub"]
    if not any(_names_a_repository(c) for c in subjects):
        yield (
            f"{statement.sid}: any GitHub repository may take this role; add a StringEquals condition on"
            f" {GITHUB}:sub with repo:OWNER/NAME:environment:ENV"
        )
    if not any(c.key == f"{GITHUB}:aud" and c.operator == "StringEquals" for c in statement.conditions):
        yield f"{statement.sid}: add a StringEquals condition on {GITHUB}:aud with sts.amazonaws.com"


def _names_a_repository(condition: Condition) -> bool:
    """Whether every value has a literal owner and name: `repo:OWNER/NAME:…`."""
    return (
        condition.operator in ("StringEquals", "StringLike")
        and bool(condition.values)
        and all(re.match(r"repo:[\w.-]+/[\w.-]+:.", v) for v in condition.values)
    )


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="iam-actions-listed",
        what="Policies list the actions they allow; a wildcard may follow only Describe, Get or List.",
        why="A wildcard grows with each action that AWS adds.",
        reference=f"{_IAM}/best-practices.html#grant-least-privilege",
        types=POLICY_TYPES,
        check=_actions,
    ),
    ResourceRule(
        name="iam-resources-named",
        what="Policies name the resources they reach, wherever AWS can tell resources apart.",
        why="All tasks of an agent share its profile: what it reaches, any crawled page's exploit reaches.",
        reference="https://docs.aws.amazon.com/service-authorization/latest/reference/"
        "reference_policies_actions-resources-contextkeys.html",
        types=POLICY_TYPES,
        check=_resources,
    ),
    ResourceRule(
        name="iam-managed-policies-narrow",
        what="No AWS managed policy that gives full access is attached.",
        why="It holds far more than any machine here uses.",
        reference=f"{_IAM}/access_policies_managed-vs-inline.html",
        types=ATTACHMENTS,
        check=_managed,
    ),
    ResourceRule(
        name="role-trust-closed",
        what="Each role names who may take it; GitHub's tokens by repository.",
        why=f"Principal {ANYONE} is every AWS account, and GitHub signs tokens for every repository there is.",
        reference=f"{_IAM}/id_roles_providers_create_oidc.html",
        types=(ROLE,),
        check=_trust,
    ),
)
