"""Every stack's configuration keeps every rule of the policy pack, with everything known as after an `up`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.rules import RULES
from tests.program.engine import ROOT, Program, Registered, run
from tests.unit.policies.judge import Declared, judge


def declared(program: Program, stack: str) -> list[Declared]:
    """What the program registered, as the engine shows it to the pack."""
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    provider = {"defaultTags": config["aws:defaultTags"]}
    return [_declared(r, stack, provider) for r in program.resources]


def _declared(resource: Registered, stack: str, provider: dict[str, Any]) -> Declared:
    of = {
        key: urn.rsplit("::", 1)[-1]
        for key, dependencies in resource.options.propertyDependencies.items()
        for urn in dependencies.urns
    }
    return Declared(
        resource.type, resource.name, resource.inputs, resource.options.protect, of, stack, provider
    )


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_the_program_keeps_every_rule(tmp_path: Path, stack: str) -> None:
    resources = declared(run(tmp_path, stack), stack)
    verdicts = {rule.name: judge(rule.name, resources) for rule in RULES}
    assert {name: v for name, v in verdicts.items() if v.messages or v.unevaluated} == {}
