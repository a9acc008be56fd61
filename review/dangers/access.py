"""Who may do what: IAM documents, protection, what is open to the world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from review.dangers.kinds import Danger, Kind
from review.iam import public_grants, widening
from review.preview import Preview, Step
from review.values import UNKNOWN, document, shown

DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "aws:iam/role:Role": ("assumeRolePolicy",),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    "aws:iam/policy:Policy": ("policy",),
}
"""Documents that give a role something, by type."""

RESOURCE_POLICIES: Mapping[str, str] = {
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "policy",
    "aws:dynamodb/resourcePolicy:ResourcePolicy": "policy",
}
"""Documents on a resource, which say who may reach it."""

ATTACHMENTS = frozenset(
    {"aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/policyAttachment:PolicyAttachment"}
)
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
WORLD = frozenset({"0.0.0.0/0", "::/0"})
_OWNERS = ("queueUrl", "bucket", "arn", "resourceArn")
"""Inputs by which a policy names what it belongs to."""


def iam_widening(preview: Preview) -> Iterator[Danger]:
    """Roles and resources that allow more than before.

    In a new environment there is no before: what it allows is the policy pack's to judge.
    """
    if preview.fresh:
        return
    gone = _deleted_ids(preview)
    for step in preview.steps:
        lines = list(_role_lines(step)) or list(_resource_policy_lines(step, gone))
        if lines:
            yield Danger(Kind.IAM_WIDENING, step.name, tuple(lines))


def _role_lines(step: Step) -> Iterator[str]:
    if step.op == "delete":
        return
    for key in DOCUMENTS.get(step.type, ()):
        before, after = document(step.before.get(key)), document(step.after.get(key))
        if after is UNKNOWN and before != after:
            yield f"{key} is known only after up: it names something that would be created or replaced"
        elif after is not UNKNOWN:
            yield from (f"{key} {line}" for line in widening(before, after))
    if step.type == "aws:iam/role:Role":
        yield from _role_settings(step)
    if step.type in ATTACHMENTS and step.before.get("policyArn") != step.after.get("policyArn"):
        yield f"attaches {shown(step.after.get('policyArn'))}"


def _role_settings(step: Step) -> Iterator[str]:
    boundary = step.before.get("permissionsBoundary")
    if boundary and step.after.get("permissionsBoundary") != boundary:
        yield f"permissionsBoundary: {shown(boundary)} → {shown(step.after.get('permissionsBoundary'))}"
    managed = set(map(shown, step.after.get("managedPolicyArns") or []))
    for arn in sorted(managed - set(map(shown, step.before.get("managedPolicyArns") or []))):
        yield f"attaches {arn}"
    if step.after.get("inlinePolicies") not in (None, step.before.get("inlinePolicies")):
        yield f"inlinePolicies: {shown(step.after['inlinePolicies'])}"


def _resource_policy_lines(step: Step, gone: frozenset[str]) -> Iterator[str]:
    key = RESOURCE_POLICIES.get(step.type)
    if key is None or step.op == "create" or any(step.before.get(owner) in gone for owner in _OWNERS):
        return
    before, after = document(step.before.get(key)), document(step.after.get(key))
    # Known only after up means that what it belongs to is new: nothing is reached that was not.
    if after is not UNKNOWN:
        yield from widening(before, after)


def _deleted_ids(preview: Preview) -> frozenset[str]:
    deleted = [step.old for step in preview.steps if step.op == "delete" and step.old]
    names = [state.outputs.get(key) for state in deleted for key in ("url", "arn", "bucket", "id")]
    return frozenset({state.id for state in deleted} | {n for n in names if isinstance(n, str)})


def protection_removed(preview: Preview) -> Iterator[Danger]:
    """Resources that stay and lose their protection. Without an event log only those that change otherwise too."""
    for step in preview.all():
        if not step.old or not step.new or step.op == "delete":
            continue
        lost = [
            word
            for word, before, after in (
                ("protect", step.old.protect, step.new.protect),
                ("retainOnDelete", step.old.retain_on_delete, step.new.retain_on_delete),
            )
            if before and not after
        ]
        if lost:
            yield Danger(Kind.PROTECTION_REMOVED, step.name, tuple(f"{word} → false" for word in lost))


def exposure(preview: Preview) -> Iterator[Danger]:
    """What would be reachable by anyone."""
    for step in preview.steps:
        lines = list(_exposed(step))
        if lines:
            yield Danger(Kind.DATA_EXPOSURE, step.name, tuple(lines))


def _exposed(step: Step) -> Iterator[str]:
    if step.type == INGRESS:
        for key in ("cidrIpv4", "cidrIpv6"):
            if step.after.get(key) in WORLD and step.before.get(key) not in WORLD:
                ports = f"{shown(step.after.get('fromPort'))}–{shown(step.after.get('toPort'))}"
                yield f"ports {ports} from {step.after[key]}"
    elif step.type == PUBLIC_ACCESS_BLOCK:
        for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            if step.before.get(key) is True and step.after.get(key) is not True:
                yield f"{key}: true → {shown(step.after.get(key))}"
    elif step.type == ENCRYPTION and step.op == "delete":
        yield "the bucket's encryption setting would be deleted"
    elif key := RESOURCE_POLICIES.get(step.type):
        yield from public_grants(_documents(step.before, key), _documents(step.after, key))


def _documents(inputs: Mapping[str, Any], key: str) -> Any:
    return document(inputs.get(key))
