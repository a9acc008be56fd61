"""`docs/app-lint.md`, made from the rules: `python -m infra.marathon.lint.page` writes it."""

from __future__ import annotations

from pathlib import Path

from infra.marathon.lint.facts import DRAIN_CAP_S, DRAIN_S, RELEASE_FOLDER
from infra.marathon.lint.rule import Rule
from infra.marathon.lint.rules import RULES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "app-lint.md"

HEAD = """# Rules on app manifests

What the JSON of `marathon_apps/` must keep to: what Marathon takes in silence, refuses late, or accepts and can never
run. Made from the code by `python -m infra.marathon.lint.page`; a test holds the two together.

A preview and an `up` check every file before the first resource is registered, and tell all findings of all files at
once. An **error** stops them; a **warning** is shown beside the plan. Without an engine, for editors and CI:

```
make check-apps STACK=prod                                # every app, the fleet of that stack included
python -m infra.marathon.lint marathon_apps/fetch.json    # one of them, and no fleet
```

Each finding is one line: file and line, severity, JSON pointer, rule, what is there, what to do. Status 0: no error;
1: some; 2: there was nothing to check. One such line:

```
marathon_apps/fetch.json:3: error: /cmd: cmd-exec: the shell stays in front of the program; write 'exec …' last
```

| rule | | what must be true | why | reference |
| --- | --- | --- | --- | --- |
"""

TAIL = f"""
Where a finding is *fixed* no exception can be made: Marathon, or this program, could do nothing with such an app.

## What is judged with which values

Rules look at the manifest filled with what the settings know: numbers of tasks, the image, the form of a release's
URI. What only the deployment makes (queue URLs, table names) is judged as the placeholder it is. Without `--stack`,
and only then, rules that need a fleet are silent.

- *The largest agent* is the largest type of `fleet.instanceTypes`, less what a Mesos agent keeps for the system: 1 GiB
  of memory, 5 GiB of disk. The memory of a family that is not listed in `infra/room.py` is not judged.
- *A worker's drain* takes {DRAIN_S} s at most: a test holds that against the workers' own constants. A machine that
  must go leaves a task {DRAIN_CAP_S} s at most (`infra/boot/node/drainer.py`).
- *The release* has one top folder, `{RELEASE_FOLDER}`.
- Agents have the attributes that `infra/boot/node/agent_setup.py` gives them.

A rule that looks at several apps is silent while the form of one of them is wrong: half a sum would mislead.

## Exceptions

A rule may be broken by one app in one stack, with a reason, in that stack's file, which is reviewed like code:

```yaml
config:
  trawler:appLint:
    allow:
      - app: /crawler/plan
        rule: kill-grace
        reason: plan holds no message for longer than a second
```

There is none over all apps, and none without a reason. An exception that names no app or no rule is an error; one
that is not needed any more is a warning.
"""


def markdown() -> str:
    """The page."""
    return HEAD + "".join(_row(rule) for rule in RULES) + TAIL


def _row(rule: Rule) -> str:
    kind = f"{rule.severity}, fixed" if rule.fixed else rule.severity
    cells = (f"`{rule.id}`", kind, rule.what, rule.why, rule.reference)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(markdown(), encoding="utf-8")
