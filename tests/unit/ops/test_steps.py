"""A preview of the engine is read as it is printed, with whatever it leaves out."""

from __future__ import annotations

import json

import pytest

from ops.steps import Preview

URN = "urn:pulumi:prod::trawler::"
QUEUE = f"{URN}trawler:infra:Queues$aws:sqs/queue:Queue::queues-fetch"
REQUEST = f"{URN}trawler:infra:Fleet$aws:ec2/spotFleetRequest:SpotFleetRequest::fleet-request"
STACK = f"{URN}pulumi:pulumi:Stack::trawler-prod"
PROVIDER = f"{URN}pulumi:providers:aws::default_7_51_1"


def test_steps_are_told_apart_by_their_component_and_those_that_change_nothing_are_left_out() -> None:
    state = {"dependencies": [QUEUE], "parent": STACK, "provider": f"{PROVIDER}::0123-4567"}
    steps = [
        {"op": "replace", "urn": REQUEST, "newState": state},
        {"op": "update", "urn": QUEUE},
        {"op": "update", "urn": PROVIDER},
        {"op": "same", "urn": STACK},
    ]
    preview = Preview.parse(json.dumps({"steps": steps, "duration": 1}))
    (request,) = preview.within(["Fleet"])
    assert (request.name, request.op) == ("fleet-request", "replace")
    assert request.needs == {QUEUE, STACK, PROVIDER}
    assert [str(step) for step in preview.outside(["Fleet"])] == [
        "update queues-fetch",
        "update default_7_51_1",
    ]
    assert [step.is_provider for step in preview.steps] == [False, False, True]


def test_an_empty_preview_has_no_step() -> None:
    assert Preview.parse('{"duration": 5}') == Preview(())


def test_what_a_program_complained_of_is_kept() -> None:
    said = [
        {"severity": "error", "message": "Pulumi.prod.yaml is not valid\n"},
        {"severity": "info", "message": "x"},
    ]
    assert Preview.parse(json.dumps({"diagnostics": said})).errors == ("Pulumi.prod.yaml is not valid",)


def test_something_else_than_a_preview_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        Preview.parse("[]")
