"""A checkout of the project that need not be the one this runs from: a worktree of another revision, a copy."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from local.stack.layout import ROOT


@contextmanager
def interpreter(checkout: Path) -> Generator[None]:
    """The checkout has a virtual environment: its own, or for the time being the one of this installation.

    The engine's language host looks for `infra/.venv`, a link to `../.venv`.
    """
    link = checkout / ".venv"
    if link.exists():
        yield
        return
    link.unlink(missing_ok=True)  # one that leads nowhere
    link.symlink_to(ROOT / ".venv", target_is_directory=True)
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


def environment(checkout: Path) -> dict[str, str]:
    """What makes `infra` and `policies` the checkout's own in every process of the engine.

    An editable installation leads elsewhere, and stands behind PYTHONPATH in Python's search.
    """
    return {"PYTHONPATH": str(checkout.resolve())}
