"""Reading what the engine wrote."""

from __future__ import annotations

import json

import pytest

from review.errors import ReviewError
from review.machine import cleaned, without_codes, without_paths
from review.preview import read
from review.values import UNKNOWN
from tests.unit.review.support import UNKNOWN as SENTINEL
from tests.unit.review.support import a_fresh_preview, a_preview, a_step, fixture

QUEUE = "aws:sqs/queue:Queue"


def test_a_replacement_tells_which_property_forces_it_with_before_and_after() -> None:
    preview = read(*fixture("rename"))
    queue = next(step for step in preview.steps if step.name == "queues-plan")
    assert [(c.path, c.before, c.after, c.replaces) for c in queue.changes] == [
        ("name", "trawler-local-plan", "trawler-local-planx", True)
    ]


def test_a_step_knows_its_type_its_name_and_its_component() -> None:
    queue = next(step for step in read(*fixture("rename")).steps if step.name == "queues-plan")
    assert (queue.type, queue.component, queue.op) == (QUEUE, "Queues", "replace")


def test_an_unknown_value_is_known_after_up_at_any_depth() -> None:
    step = a_step(
        "update", QUEUE, "q", {"tags": {"a": "1"}, "l": ["x"]}, {"tags": {"a": SENTINEL}, "l": SENTINEL}
    )
    changes = {c.path: c.after for c in a_preview(step).steps[0].changes}
    assert changes == {"tags.a": UNKNOWN, "l": UNKNOWN}


def test_a_json_text_is_compared_by_what_it_says_and_not_by_how_it_is_written() -> None:
    same = a_step("update", QUEUE, "q", {"policy": '{"a": 1, "b": [2]}'}, {"policy": '{"b":[2],"a":1}'})
    other = a_step("update", QUEUE, "q", {"policy": '{"a": 1, "b": [2]}'}, {"policy": '{"b":[2],"a":3}'})
    assert a_preview(same).steps[0].changes == []
    assert [c.path for c in a_preview(other).steps[0].changes] == ["policy.a"]


def test_an_item_put_into_a_list_is_one_change() -> None:
    before = [{"type": "c5.large"}, {"type": "m5.large"}]
    after = [{"type": "c5.large"}, {"type": "c6i.large"}, {"type": "m5.large"}]
    changes = a_preview(a_step("update", QUEUE, "q", {"o": before}, {"o": after})).steps[0].changes
    assert [(c.path, c.before, c.after) for c in changes] == [("o[1]", None, {"type": "c6i.large"})]


def test_what_the_engine_and_the_provider_keep_for_themselves_is_no_change() -> None:
    step = a_step(
        "update",
        QUEUE,
        "q",
        {"__defaults": ["a"], "tagsAll": {"x": "1"}},
        {"__defaults": [], "tagsAll": {"x": "2"}},
    )
    assert a_preview(step).steps[0].changes == []


def test_a_name_that_the_provider_chose_is_no_change_of_a_replacement() -> None:
    policy = next(step for step in read(*fixture("mixed")).steps if step.name == "autoscaling-demand")
    assert [change.path for change in policy.changes] == ["resourceId"]


def test_what_stays_as_it_is_comes_from_the_event_log() -> None:
    text, events = fixture("mixed")
    assert read(text).unchanged is None
    assert "apps-plan" in {step.name for step in read(text, events).unchanged or ()}


def test_a_torn_line_of_the_event_log_is_left_out() -> None:
    text, events = fixture("mixed")
    whole = read(text, events).unchanged
    assert read(text, f'{events}\n{{"resourcePre').unchanged == whole


def test_an_environment_is_new_only_when_nothing_of_it_is_there() -> None:
    step = a_step("create", QUEUE, "q", None, {})
    assert a_fresh_preview(step).fresh
    assert not a_preview(step).fresh
    assert not a_preview(step, unchanged=None).fresh


@pytest.mark.parametrize("text", ["", "not JSON", "[]"])
def test_what_is_no_preview_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ReviewError, match="not the JSON of `pulumi preview --json`"):
        read(text)


def test_empty_fields_may_be_missing() -> None:
    preview = read("{}")
    assert (preview.steps, preview.errors, preview.fresh) == ((), [], True)


def test_nothing_of_the_machine_stays_in_the_document_and_the_rest_is_as_it_was() -> None:
    document = {
        "steps": [
            {
                "op": "create",
                "newState": {"stackTrace": [1], "sourcePosition": "/home/x", "inputs": {"a": 1.5}},
            }
        ],
        "diagnostics": [{"message": '\x1b[31mFile "/srv/checkout/infra/a.py"\x1b[0m of /srv/checkouts'}],
    }
    told = json.loads(cleaned(json.dumps(document), {"/srv/checkout": "."}))
    assert told == {
        "steps": [{"op": "create", "newState": {"inputs": {"a": 1.5}}}],
        "diagnostics": [{"message": 'File "./infra/a.py" of /srv/checkouts'}],
    }


def test_the_longer_of_two_folders_is_replaced_first() -> None:
    assert without_paths("/srv/me/tree/a /srv/me", {"/srv/me": "~", "/srv/me/tree": "."}) == "./a ~"


def test_terminal_sequences_go_whatever_they_are() -> None:
    assert (
        without_codes("\x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[1;31mred\x1b[0m <{%fg 1%}>x<{%reset%}>")
        == "link red x"
    )
