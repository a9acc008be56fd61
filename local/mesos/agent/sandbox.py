"""The folder a task lives in, laid out as a Mesos agent does.

``<work_dir>/slaves/<agent>/frameworks/<framework>/executors/<task>/runs/<container>`` with a link ``latest`` beside the
runs. Source: Mesos, docs/sandbox.md.
"""

from dataclasses import dataclass
from pathlib import Path


class SandboxError(Exception):
    """The sandbox cannot be made; the text names the folder and the cause."""


@dataclass(frozen=True)
class Sandbox:
    """An existing sandbox; `stdout` and `stderr` hold the fetcher's lines, then the task's own output."""

    path: Path

    @property
    def stdout(self) -> Path:
        return self.path / "stdout"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr"

    @property
    def temporary(self) -> Path:
        return self.path / ".tmp"

    @property
    def work_dir(self) -> Path:
        return self.path.parents[7]

    def note(self, line: str) -> None:
        """Append a line to stderr, where the agent's own words about the task go."""
        with self.stderr.open("a", encoding="utf-8", errors="replace") as log:
            log.write(line + "\n")


def _runs(work_dir: Path, agent_id: str, framework_id: str, executor_id: str) -> Path:
    return work_dir / "slaves" / agent_id / "frameworks" / framework_id / "executors" / executor_id / "runs"


def latest_sandbox(work_dir: Path, agent_id: str, framework_id: str, executor_id: str) -> Sandbox | None:
    """The sandbox of the newest run; None where none was ever made, or made to its end."""
    link = _runs(work_dir, agent_id, framework_id, executor_id) / "latest"
    try:
        return Sandbox(link.resolve(strict=True))
    except OSError:
        return None


def make_sandbox(
    work_dir: Path, agent_id: str, framework_id: str, executor_id: str, container_id: str
) -> Sandbox:
    """Make the folders, the two log files and the ``latest`` link of a run.

    Raises:
        SandboxError: no space, no permission, or the path is too long.
    """
    runs = _runs(work_dir, agent_id, framework_id, executor_id)
    sandbox = Sandbox(runs / container_id)
    try:
        sandbox.path.mkdir(parents=True)
        sandbox.temporary.mkdir(mode=0o700)
        sandbox.stdout.touch()
        sandbox.stderr.touch()
        link, fresh = runs / "latest", runs / f".latest-{container_id}"
        fresh.symlink_to(container_id)
        fresh.replace(link)
    except OSError as error:
        raise SandboxError(f"Failed to create sandbox '{sandbox.path}': {error.strerror}") from error
    return sandbox
