"""Who must say yes, and what the status is."""

from __future__ import annotations

import pytest

from review import dangers, gate, policies
from review.dangers import Kind
from review.errors import MisuseError
from review.gate import Status, Verdict
from review.preview import Preview, read
from tests.unit.review.support import a_fresh_preview, a_preview, a_step, fixture

QUEUE = "aws:sqs/queue:Queue"
GONE = a_step("delete", QUEUE, "q", {})


def verdict(preview: Preview, *yes: str, events: str | None = None, failed: bool | None = None) -> Verdict:
    found = dangers.find(preview)
    failed = bool(preview.errors) if failed is None else failed
    return gate.judge(preview, policies.read(events), found, gate.acknowledged(yes), failed)


def test_a_danger_needs_a_yes() -> None:
    assert verdict(a_preview(GONE)) == Verdict("1 dangerous change needs a yes", Status.NEEDS_YES)


def test_a_danger_that_is_acknowledged_passes_and_another_still_waits() -> None:
    fleet = a_step("delete", "aws:ec2/spotFleetRequest:SpotFleetRequest", "f", {})
    assert verdict(a_preview(GONE), "stateful-deletion").status is Status.DONE
    assert verdict(a_preview(GONE, fleet), "stateful-deletion") == Verdict(
        "1 dangerous change needs a yes", Status.NEEDS_YES
    )


def test_nothing_new_environments_and_harmless_changes_are_told_apart() -> None:
    harmless = a_step("update", QUEUE, "q", {"a": 1}, {"a": 2})
    assert verdict(a_preview()).words == "nothing changes"
    assert verdict(a_preview(harmless)).words == "changes, none of them dangerous"
    assert verdict(a_fresh_preview(a_step("create", QUEUE, "q", None, {}))).words == "a new environment"


def test_a_code_only_change_is_one_line_and_done() -> None:
    assert verdict(read(*fixture("code"))) == Verdict(
        "apps roll to new release 72d6d7921f29… → 5288d9027dac…; no configuration changed", Status.DONE
    )


def test_a_failed_preview_fails_and_an_open_danger_in_it_still_needs_a_yes() -> None:
    assert verdict(a_preview(errors=["boom"])) == Verdict("the preview failed", Status.FAILED)
    assert verdict(a_preview(GONE, errors=["boom"])).status is Status.NEEDS_YES
    assert verdict(a_preview(GONE, errors=["boom"]), "stateful-deletion").status is Status.FAILED


def test_an_engine_that_failed_without_a_word_fails() -> None:
    assert verdict(a_preview(), failed=True).status is Status.FAILED


def test_a_refusal_of_the_engine_stays_one_whatever_is_acknowledged() -> None:
    said = verdict(read(*fixture("protected")), "stateful-replacement")
    assert said.status is Status.FAILED
    assert said.words.startswith("refused by the engine")


def test_a_mandatory_rule_that_is_violated_fails() -> None:
    text, events = fixture("rename")
    said = verdict(read(text, events), *[kind.value for kind in Kind], events=events)
    assert said.status is Status.FAILED
    assert said.words.startswith("refused by the policy pack")


def test_labels_count_however_they_are_written_and_foreign_ones_are_ignored() -> None:
    labels = ["Acknowledged:  task-restart ", "acknowledged: everything", "bug", "not acknowledged: masters"]
    assert gate.acknowledged([], labels) == {Kind.TASK_RESTART}


def test_a_flag_that_names_no_danger_is_a_mistake() -> None:
    with pytest.raises(
        MisuseError, match="--acknowledge everything: no such danger; there are stateful-replacement,"
    ):
        gate.acknowledged(["everything"])


def test_what_the_pack_found_comes_from_the_event_log() -> None:
    results = policies.read(fixture("rename")[1])
    assert [(f.rule, f.resource, f.mandatory) for f in results.violations] == [
        ("blue-queues", "queues-plan", True),
        ("blue-queues", "queues-plan-dead", True),
    ]
    assert {f.rule for f in results.not_evaluated} == {"hats", "policy-reader"}
    assert results.refused


def test_a_pack_that_was_not_asked_has_found_nothing_and_says_so() -> None:
    assert not policies.read(None).ran
    assert policies.read(fixture("rename")[1]).ran
