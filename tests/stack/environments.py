"""A stack deployed by a rehearsal, from a copy of the project whose stack file a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.marathon.client import MarathonClient
from local.stack.layout import ROOT
from local.stack.rehearsal import Outcome, Rehearsal
from tests.stack.conftest import free_ports, local_client

PARTS = ("infra", "marathon_apps", "workers")


@dataclass
class Environment:
    """A stack on stand-ins."""

    rehearsal: Rehearsal
    checkout: Path
    tracked: dict[str, Any]

    def configure(self, **sections: Any) -> None:
        """The tracked stack file, with these values instead; those of a section are laid over its own."""
        config = dict(self.tracked["config"])
        for section, value in sections.items():
            before = config.get(f"trawler:{section}")
            merged = {**before, **value} if isinstance(before, dict) else value
            config[f"trawler:{section}"] = merged
        path = self.checkout / f"Pulumi.{self.rehearsal.stack}.yaml"
        path.write_text(yaml.safe_dump({**self.tracked, "config": config}))

    def up(self, policy_pack: Path | None = None) -> str:
        """`pulumi up`, which must succeed; with a policy pack that must agree, also to what no preview knows."""
        return self._said(self.rehearsal.up(self.checkout, policy_pack=policy_pack), 0)

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Any command of the engine, and what it said."""
        return self._said(self.rehearsal.run(self.checkout, *arguments), expect)

    def preview(self, expect: int = 0) -> tuple[dict[str, str], str]:
        """What an `up` would do, logical name → operation, what stays the same left out; and the diagnostics."""
        outcome = self.rehearsal.preview(self.checkout)
        self._said(outcome, expect)
        assert outcome.preview_json is not None
        preview = json.loads(outcome.preview_json)
        operations = {s["urn"].rsplit("::", 1)[-1]: s["op"] for s in preview["steps"] if s["op"] != "same"}
        return operations, "".join(d["message"] for d in preview.get("diagnostics", []))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return json.loads(self.run("stack", "output", "--json"))

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's AWS."""
        return local_client(self.rehearsal.layout, service)

    def marathon(self) -> MarathonClient:
        """The stack's Marathon, with the credentials that it asks for."""
        path = self.rehearsal.layout.marathon_credentials
        entry = json.loads(path.read_text()) if path.exists() else None
        credentials = (entry["username"], entry["password"]) if entry else None
        return MarathonClient([self.rehearsal.layout.url["marathon"]], credentials)

    @staticmethod
    def _said(outcome: Outcome, expect: int) -> str:
        assert outcome.status == expect, outcome.stdout + outcome.stderr
        return outcome.stdout + outcome.stderr


@contextmanager
def environment(stack: str, folder: Path) -> Generator[Environment]:
    """Stand-ins for a stack, nothing deployed, and a copy of the project without a virtual environment."""
    checkout = folder / "checkout"
    for part in PARTS:
        shutil.copytree(
            ROOT / part, checkout / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("Pulumi.yaml", f"Pulumi.{stack}.yaml"):
        shutil.copy2(ROOT / file, checkout / file)
    tracked = yaml.safe_load((checkout / f"Pulumi.{stack}.yaml").read_text())
    with Rehearsal(stack, folder / "run", port_base=free_ports()) as rehearsal:
        yield Environment(rehearsal, checkout, tracked)
