"""Every rule on app manifests breaks on what it is there for, and lets pass what is close to it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.marathon.lint import Facts, Report, check
from infra.marathon.lint.page import PAGE, markdown
from infra.marathon.lint.rules import RULES
from tests.unit.infra.lint import content, form, running
from tests.unit.infra.lint.example import Breaks, Keeps

EXAMPLES = {**form.EXAMPLES, **content.EXAMPLES, **running.EXAMPLES}
BREAKS = [
    pytest.param(rule, example, id=f"{rule} {i}")
    for rule, (found, _) in EXAMPLES.items()
    for i, example in enumerate(found)
]
KEEPS = [
    pytest.param(example, id=f"{rule} {i}")
    for rule, (_, found) in EXAMPLES.items()
    for i, example in enumerate(found)
]


def checked(folder: Path, apps: Sequence[Any], facts: Facts) -> Report:
    files = [folder / f"{name}.json" for name, _ in zip("abcdef", apps, strict=False)]
    for file, app in zip(files, apps, strict=True):
        file.write_text(app if isinstance(app, str) else json.dumps(app))
    return check(files, facts)


def test_every_rule_has_an_example_that_breaks_it_and_one_that_keeps_it() -> None:
    assert [rule.id for rule in RULES] == list(dict.fromkeys(rule.id for rule in RULES)), (
        "two rules have one name"
    )
    assert set(EXAMPLES) == {rule.id for rule in RULES}
    assert all(broken and kept for broken, kept in EXAMPLES.values())


@pytest.mark.parametrize(("rule", "example"), BREAKS)
def test_an_app_that_breaks_a_rule_is_told_where_and_what_to_do(
    rule: str, example: Breaks, tmp_path: Path
) -> None:
    report = checked(tmp_path, example.apps, example.facts)
    found = [finding for finding in report.findings if finding.rule == rule]
    assert example.pointer in [finding.pointer for finding in found], [str(each) for each in report.findings]
    told = next(finding for finding in found if finding.pointer == example.pointer)
    assert example.says in str(told)
    assert re.match(r"\S+\.(json|yaml): /", str(told))
    assert "\n" not in str(told)
    assert told.severity == next(each.severity for each in RULES if each.id == rule)


@pytest.mark.parametrize("example", KEEPS)
def test_an_app_that_keeps_a_rule_breaks_no_other_either(example: Keeps, tmp_path: Path) -> None:
    assert [str(finding) for finding in checked(tmp_path, example.apps, example.facts).findings] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_says_why_and_where_that_is_written(rule: Any) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id)
    assert rule.what.endswith(".")
    assert rule.why.endswith(".")
    assert re.match(r"Marathon 1\.11|Apache Mesos|Docker|RFC|POSIX|Amazon|docs/|infra/", rule.reference)


def test_the_page_is_what_the_rules_say() -> None:
    assert PAGE.read_text() == markdown(), "run python -m infra.marathon.lint.page"
