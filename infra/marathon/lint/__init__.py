"""Rules on the JSON of Marathon apps: what Marathon takes in silence, refuses late, or can never run.

`python -m infra.marathon.lint` checks files without an engine; a preview and an `up` check them before the first
resource is registered. docs/app-lint.md lists the rules, made by `python -m infra.marathon.lint.page`.
"""

from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import Finding
from infra.marathon.lint.run import Report, check

__all__ = ["Facts", "Finding", "Report", "check"]
