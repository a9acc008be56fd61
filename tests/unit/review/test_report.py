"""What a person reads."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from review import policies
from review.preview import Preview, read
from review.report import LIMIT, render
from tests.unit.review.support import FIXTURES, UNKNOWN, a_preview, a_review, a_step, rendered

QUEUE = "aws:sqs/queue:Queue"
HOSTILE = [
    "`code` ``more```",
    "</code></details><script>alert(1)</script>",
    "@everyone and @octo-org/admins",
    "[click](javascript:alert(1)) ![x](https://evil.example/p.png) https://evil.example #1 GH-1",
    "x` @octo-org https://evil.example `y",
    "```\n@octo-org https://evil.example\n```",
    "a | b | c",
    "\n\n## heading\n<!-- trawler-preview:prod -->\n",
    "\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "safe\u202egnp.exe \u2066hidden\u2069 \u200b",
    "{{ 7 * 7 }} {% raw %}",
    "\\`escaped\\`",
    "`",
    " ",
    "",
]


@pytest.mark.parametrize("name", ["mixed", "rename", "protected", "unprotected", "code"])
def test_the_report_of_a_preview_that_the_engine_made_is_the_one_that_was_agreed(name: str) -> None:
    golden = FIXTURES / f"{name}.md"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(rendered(name))
    assert rendered(name) == golden.read_text()


def test_the_marker_is_first_and_the_verdict_next() -> None:
    lines = render(a_review(a_preview(a_step("delete", QUEUE, "q", {})))).splitlines()
    assert lines[:2] == ["<!-- trawler-preview:prod -->", "## prod: 1 dangerous change needs a yes"]


def test_the_dangerous_stands_before_everything_that_is_folded() -> None:
    text = rendered("mixed")
    assert text.index("### Dangerous") < text.index("<details>")
    assert text.index("fleet-replacement") < text.index("task-restart") < text.index("iam-widening")


def test_a_report_of_the_same_changes_in_another_order_is_the_same() -> None:
    steps = [a_step("update", QUEUE, f"q{i}", {"a": 1}, {"a": 2}) for i in range(6)]
    assert render(a_review(a_preview(*steps))) == render(a_review(a_preview(*reversed(steps))))


def test_what_is_acknowledged_is_told_so_and_what_is_not_how_to() -> None:
    preview = a_preview(a_step("delete", QUEUE, "q", {}))
    assert "label `acknowledged: stateful-deletion`" in render(a_review(preview))
    said = render(a_review(preview, yes=["stateful-deletion"]))
    assert "label" not in said
    assert "(`stateful-deletion`, acknowledged)" in said


def test_a_code_only_change_is_one_line() -> None:
    text = rendered("code")
    assert "<details>" not in text
    assert "TRAWLER_" not in text
    assert "/crawler/" not in text


def test_user_data_is_shown_by_its_lines() -> None:
    def data(text: str) -> dict[str, Any]:
        return {"userData": base64.b64encode(text.encode()).decode()}

    before, after = "#!/bin/bash\nset -e\nstart old\n", "#!/bin/bash\nset -e\nstart new\n"
    text = render(
        a_review(
            a_preview(
                a_step("update", "aws:ec2/launchTemplate:LaunchTemplate", "t", data(before), data(after))
            )
        )
    )
    assert "-start old\n+start new" in text


def test_an_unknown_value_is_known_after_up() -> None:
    text = render(a_review(a_preview(a_step("update", QUEUE, "q", {"a": "x"}, {"a": UNKNOWN}))))
    assert "- `a`: `x` → _known after_ `up`" in text
    assert UNKNOWN not in text


def test_a_change_that_only_a_secret_knows_of_is_told_without_it() -> None:
    step = a_step("update", QUEUE, "q", {"a": {"b": "[secret]"}}, {"a": {"b": "[secret]"}})
    step["detailedDiff"] = {"a.b": {"kind": "update", "inputDiff": True}}
    assert "- `a.b`: `[secret]` → `[secret]`" in render(a_review(a_preview(step)))


def test_a_failed_preview_tells_first_what_went_wrong() -> None:
    text = render(a_review(a_preview(a_step("create", QUEUE, "q", None, {}), errors=["no such zone"])))
    assert text.splitlines()[1] == "## prod: the preview failed"
    assert text.index("no such zone") < text.index("<details>")


def test_rules_that_could_not_be_decided_are_listed() -> None:
    text = rendered("rename")
    assert "2 rules not decided for some resources" in text
    assert "`policy-reader`: 1 resource" in text


def hostile_previews() -> list[Preview]:
    previews: list[Preview] = []
    for text in HOSTILE:
        app = {"manifest": {"id": text, "cmd": text, "env": {text: "1"}}}
        steps = [
            a_step("update", QUEUE, f"q{text}", {"name": "x", text: "y"}, {"name": text, text: text}),
            a_step("delete", QUEUE, f"gone{text}", {}, component=f"C{text}"),
            a_step("create", QUEUE, f"new{text}", None, {"a": text}),
            a_step("update", "pulumi-python:dynamic/marathon:App", "app", {"manifest": {"id": text}}, app),
        ]
        previews.append(a_preview(*steps, errors=[text, f"traceback\n{text}"]))
    return previews


@pytest.mark.parametrize("preview", hostile_previews(), ids=range(len(HOSTILE)))
def test_foreign_text_is_shown_and_never_acted_upon(preview: Preview) -> None:
    event = {
        "policyEvent": {"policyName": HOSTILE[1], "resourceUrn": "a::" + HOSTILE[2], "message": HOSTILE[3]}
    }
    text = render(a_review(preview, policy=policies.read(json.dumps(event))))
    bare = outside_code(text)
    assert not re.search(r"@\w|javascript:|https?://|evil|<script|#\d|GH-\d|octo", bare), bare
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert text.count("<!-- trawler-preview:") - len(re.findall("heading", text)) <= 1
    assert text.count("<details>") == len(re.findall(r"^</details>$", text, re.MULTILINE))


def test_a_bar_in_a_name_makes_no_column_of_a_table() -> None:
    before, after = {"manifest": {"id": "a | b", "cmd": "x"}}, {"manifest": {"id": "a | b", "cmd": "y"}}
    text = render(
        a_review(a_preview(a_step("update", "pulumi-python:dynamic/marathon:App", "a", before, after)))
    )
    row = next(line for line in text.splitlines() if line.startswith("| `a"))
    assert re.split(r"(?<!\\)\|", row)[1:-1] == [" `a \\| b` ", " restarts ", " `cmd` "]


def outside_code(text: str) -> str:
    """What GitHub would read for links, mentions and markup: all but code, by a Markdown parser of its own."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    parts = [part for token in tokens for part in token.children or [token]]
    shown = [part.content for part in parts if part.type not in {"code_inline", "fence", "code_block"}]
    return re.sub(r"<code>[^<]*</code>", "", "\n".join(shown))


def big(resources: int, text: int) -> Preview:
    return a_preview(
        *(
            a_step("update", QUEUE, f"q{i:04}", {"a": "x" * text}, {"a": "y" * text}, component=f"C{i % 7}")
            for i in range(resources)
        ),
        *(a_step("delete", QUEUE, f"gone{i:04}" + "z" * text, {}) for i in range(resources)),
        errors=["e" * text for _ in range(resources)],
    )


@pytest.mark.parametrize(("resources", "text"), [(10, 10), (300, 400), (400, 3000)])
def test_a_report_fits_into_a_comment_and_keeps_its_dangers(resources: int, text: int) -> None:
    said = render(a_review(big(resources, text)))
    assert len(said.encode()) <= LIMIT
    assert f"{resources} dangerous changes need a yes" in said
    assert "`gone0000" in said
    assert ("Cut for want of room" in said) == (resources > 10)
    assert said.count("```") % 2 == 0
    assert said.count("<details>") == said.count("</details>")


def test_what_was_cut_is_named_with_where_all_of_it_is() -> None:
    said = render(a_review(big(300, 400)))
    cut = said[said.index("_Cut for want of room") :]
    assert "Changes of 43 resources of C0" in cut
    assert "build/preview/prod.json" in cut


def test_a_value_that_is_too_long_is_shortened_and_says_so() -> None:
    text = render(a_review(a_preview(a_step("update", QUEUE, "q", {"a": "x"}, {"a": "y" * 1000}))))
    assert "… (1,000 characters)" in text


def test_the_fixtures_hold_no_machine(tmp_path: Path) -> None:
    for path in FIXTURES.iterdir():
        found = re.search(r"/(?:root|(?:home|work|tmp|Users)/)", path.read_text())
        assert found is None, (path.name, found)


def test_a_report_of_nothing_reads_so() -> None:
    assert "nothing changes" in render(a_review(read("{}")))
