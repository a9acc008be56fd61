"""Every rule of the policy pack breaks on what it is there for, and lets pass what is as it should be."""

from __future__ import annotations

import re
from pathlib import Path

import pulumi_aws
import pytest
from pulumi_policy import EnforcementLevel

from policies.page import markdown
from policies.rules import RULES
from policies.rules.fleet import SPOT_FLEET
from policies.rules.identity import POLICY_TYPES
from policies.rules.queues import QUEUE, QUEUE_POLICY
from policies.rules.taggable import SERVICES, TAGGABLE
from tests.unit.policies.examples import EXAMPLES, Breaks, Keeps
from tests.unit.policies.judge import RULE, UNKNOWN, Declared, judge

ROOT = Path(__file__).resolve().parents[3]

BREAKS = [pytest.param(r, e, id=f"{r}: {e.title}") for r, (found, _) in EXAMPLES.items() for e in found]
KEEPS = [pytest.param(r, e, id=f"{r}: {e.title}") for r, (_, found) in EXAMPLES.items() for e in found]


def test_every_rule_has_an_example_that_breaks_it_and_one_that_keeps_it() -> None:
    assert len(RULE) == len(RULES), "two rules have one name"
    assert set(EXAMPLES) == set(RULE)
    assert all(breaks and keeps for breaks, keeps in EXAMPLES.values())


@pytest.mark.parametrize(("rule", "example"), BREAKS)
def test_a_program_that_breaks_the_rule_is_told_what_to_change(rule: str, example: Breaks) -> None:
    verdict = judge(rule, example.resources)
    assert any(example.says in message for message in verdict.messages), verdict


@pytest.mark.parametrize(("rule", "example"), KEEPS)
def test_a_program_that_keeps_the_rule_passes(rule: str, example: Keeps) -> None:
    verdict = judge(rule, example.resources)
    assert not verdict.messages
    assert not verdict.unevaluated


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_blocks_and_says_why_and_where_that_is_written(rule: object) -> None:
    policy = RULE[getattr(rule, "name")].policy()  # noqa: B009
    assert policy.enforcement_level is EnforcementLevel.MANDATORY
    assert re.search(r"\. .+\. See https://(docs\.aws\.amazon|www\.pulumi)\.com/\S+$", policy.description)


@pytest.mark.parametrize(("rule", "example"), BREAKS)
def test_a_named_exception_lets_just_that_resource_break_the_rule(rule: str, example: Breaks) -> None:
    names = {r.name for r in example.resources}
    reason = "agreed in the review of the change"
    assert judge(rule, example.resources, {"except": dict.fromkeys(names, reason)}).messages == []
    assert judge(rule, example.resources, {"except": {"someone-else": reason}}).messages


class TestAPreviewThatCannotKnow:
    def test_a_document_is_reported_as_not_evaluated(self) -> None:
        verdict = judge("iam-actions-listed", [Declared(POLICY_TYPES[0], props={"policy": UNKNOWN})])
        assert verdict.messages == []
        assert verdict.unevaluated == "string value at .policy can't be known during preview"

    def test_what_is_not_evaluated_names_its_resources_and_hides_no_violation_of_others(self) -> None:
        queues = [Declared(QUEUE, name) for name in ("b", "a", "open")]
        policies = [
            Declared(QUEUE_POLICY, f"{name}-policy", {"policy": UNKNOWN}, of={"queueUrl": name})
            for name in "ba"
        ]
        verdict = judge("queue-tls-only", [*queues, *policies])
        assert len(verdict.messages) == 1
        assert verdict.messages[0].startswith("open: no policy")
        assert verdict.unevaluated == "a, b: string value at .policy can't be known during preview"

    def test_pools_in_unknown_subnets_count_as_one_or_more_never_as_certain(self) -> None:
        overrides = [{"instanceType": f"c{i // 2}.large", "subnetId": UNKNOWN} for i in range(6)]
        fleet = Declared(SPOT_FLEET, props={"launchTemplateConfigs": [{"overrides": overrides}]})
        verdict = judge("fleet-pools", [fleet])
        assert verdict.messages == []
        assert "overrides.subnetId" in verdict.unevaluated


def test_the_stacks_that_may_be_thrown_away_are_configured() -> None:
    table = Declared("aws:dynamodb/table:Table", stack="dev")
    assert judge("stateful-protected", [table]).messages == []
    assert judge("stateful-protected", [table], {"disposableStacks": ["scratch"]}).messages
    assert judge("stateful-protected", [table], {"disposableStacks": []}).messages
    assert not judge(
        "stateful-protected", [Declared(table.type, stack="scratch")], {"disposableStacks": ["scratch"]}
    ).messages


def test_the_types_that_take_tags_are_those_of_the_provider() -> None:
    package = Path(pulumi_aws.__path__[0])
    found: set[str] = set()
    for service in SERVICES:
        for module in (package / service).glob("*.py"):
            text = module.read_text()
            token = re.search(r"__self__\)\.__init__\(\s*'(aws:[^']+)'", text)
            inputs = text.partition("def _internal_init")[2].partition("@staticmethod")[0]
            if token and re.search(r"^\s+tags: \S*Optional\[Mapping", inputs, re.MULTILINE):
                found.add(token[1])
    assert found == set(TAGGABLE)
    assert QUEUE in found


def test_the_page_of_the_rules_is_made_from_them() -> None:
    assert (ROOT / "docs" / "policies.md").read_text() == markdown(), "run `python -m policies.page`"
