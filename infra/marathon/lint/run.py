"""All rules over all files: every finding at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.marathon.lint.document import shown_as, taken_apart
from infra.marathon.lint.facts import Facts
from infra.marathon.lint.ids import absolute
from infra.marathon.lint.rule import App, AppRule, Finding, FolderRule, Found, Rule
from infra.marathon.lint.rules import EXCEPTION_UNUSED, EXCEPTIONS, JUDGED, RULES


@dataclass(frozen=True)
class Report:
    """What was found, file by file."""

    findings: Sequence[Finding]

    @property
    def errors(self) -> list[Finding]:
        """What stops a deployment."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """What is shown and stops nothing."""
        return [finding for finding in self.findings if finding.severity == "warning"]


def check(files: Sequence[Path], facts: Facts) -> Report:
    """Every breach of every rule in these files, the allowed ones left out.

    Args:
        files: apps' JSON; rules over a whole folder see these files only.
        facts: of the stack.
    """
    parts = [taken_apart(path, shown_as(path), facts) for path in files]
    apps = [part.app for part in parts if part.app]
    findings = [finding for part in parts for finding in part.findings]
    whole = len(apps) == len(files)
    judged = [rule for rule in JUDGED if whole or not isinstance(rule, FolderRule)]
    breaches = [breach for rule in judged for breach in _breaches(rule, apps, facts)]
    allowed = {(each.app, each.rule) for each in facts.allowed if _excepts(each.rule)}
    used = {(absolute(app.id), finding.rule) for app, finding in breaches} & allowed
    findings += [finding for app, finding in breaches if (absolute(app.id), finding.rule) not in allowed]
    if whole and not any(app.broken for app in apps):
        findings += _exceptions(facts, {absolute(app.id) for app in apps}, used)
    order = {shown_as(path): i for i, path in enumerate(files)}
    return Report(sorted(findings, key=lambda finding: order.get(finding.path, len(order))))


def _breaches(rule: Rule, apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Finding]]:
    def finding(app: App, found: Found) -> tuple[App, Finding]:
        return app, Finding(app.path, found.pointer, rule.id, rule.severity, found.what, found.do)

    if isinstance(rule, AppRule):
        for app in apps:
            if app.broken.isdisjoint(rule.reads):
                yield from (finding(app, found) for found in rule.check(app, facts))
    # A sum over a part of the apps would be wrong: one broken app, and the folder is not judged.
    elif isinstance(rule, FolderRule) and all(app.broken.isdisjoint(rule.reads) for app in apps):
        yield from (finding(app, found) for app, found in rule.check(apps, facts))


def _excepts(rule_id: str) -> bool:
    return any(rule.id == rule_id and not rule.fixed for rule in JUDGED)


def _exceptions(facts: Facts, ids: set[str], used: set[tuple[str, str]]) -> Iterator[Finding]:
    for i, each in enumerate(facts.allowed):
        where, file = f"/config/trawler:appLint/allow/{i}", Path(facts.stack_file)

        def finding(rule: Rule, what: str, do: str, where: str = where, file: Path = file) -> Finding:
            return Finding(file, where, rule.id, rule.severity, what, do)

        if not any(rule.id == each.rule for rule in RULES):
            yield finding(EXCEPTIONS, f"there is no rule '{each.rule}'", "docs/app-lint.md lists them")
        elif not _excepts(each.rule):
            what = f"'{each.rule}' allows no exception: Marathon, or this program, could not do with it"
            yield finding(EXCEPTIONS, what, "remove it, and correct the app")
        elif each.app not in ids:
            what = f"no app here has the id {each.app}"
            yield finding(
                EXCEPTIONS, what, f"correct it, or remove it: the apps are {', '.join(sorted(ids))}"
            )
        elif (each.app, each.rule) not in used:
            yield finding(EXCEPTION_UNUSED, f"{each.app} no longer breaks '{each.rule}'", "remove it")
