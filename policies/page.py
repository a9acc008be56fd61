"""`docs/policies.md`, made from the rules: `python -m policies.page` writes it."""

from __future__ import annotations

from pathlib import Path

from policies.rules import RULES, ResourceRule, Rule

PAGE = Path(__file__).resolve().parents[1] / "docs" / "policies.md"

HEAD = """# Policies

What no environment may contain: rules of the policy pack in [`policies/`](../policies), made from the code by
`python -m policies.page`; a test holds the two together. Every rule is mandatory: a preview or an `up` that breaks
one fails (exit status 255), and a resource that breaks one is not touched.

```
pulumi preview -s prod --policy-pack policies
```

| rule | what must be true | why | judged | written in |
| --- | --- | --- | --- | --- |
"""

TAIL = """
*resource*: judged before the resource is touched, in a preview and at `up`. *stack*: judged over all resources
together, at the end of a preview; at `up` after the last change, so the preview before it is what stops it.

## What a preview cannot judge

A value that AWS has yet to give is unknown in a preview: the policy document that names the ARN of a new queue, a
new launch template's version. A rule that needs it is not evaluated for that resource; the engine says so as an
advisory, `can't run policy 'NAME' … during preview`, which fails nothing. Rules read as much as is literal, and
join resources by dependency rather than by name, so that little is left: bucket and queue policies (TLS, public
principals), IAM documents that name new ARNs, the template version, and fewer than six instance types in new
subnets. The same rules are evaluated in full at `up`, also on the local stack, and in a preview on top of it.

## What is not judged

- CloudWatch log groups and SNS topics for encryption: CloudWatch Logs always encrypts at rest; a topic stores
  nothing, and CloudWatch may not publish to one encrypted with SNS's AWS managed key.
- Deletion and replacement: a policy sees what will be, never what was. The engine's `protect` refuses them.
- Types of services that `policies/rules/taggable.py` does not list, for tags.
- Rights that a managed policy of AWS's own gives, beyond the ones whose name says full access.

## Exceptions

A rule is excepted for a resource by its logical name (`*` and `?` match), each with a reason of ten characters or
more, in a file that is reviewed like code:

```json
{"stateful-protected": {"except": {"fleet-request": "replaced under supervision by make roll"}}}
```

```
pulumi preview -s prod --policy-pack policies --policy-pack-config exceptions.json
```

`disposableStacks` of the two rules on protection names the stacks whose data may be thrown away.
"""


def markdown() -> str:
    """The page."""
    return HEAD + "".join(_row(rule) for rule in RULES) + TAIL


def _row(rule: Rule) -> str:
    judged = "resource" if isinstance(rule, ResourceRule) else "stack"
    return f"| `{rule.name}` | {rule.what} | {rule.why} | {judged} | <{rule.reference}> |\n"


if __name__ == "__main__":
    PAGE.write_text(markdown())
