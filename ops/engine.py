"""The Pulumi engine, as its own command line with the caller's environment."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.engine_run import Ended, EngineRun, EventLog, environment
from ops.errors import MisuseError, OpsError
from ops.stack_file import ROOT
from ops.steps import Preview

CALL_TIMEOUT_S = 120.0
PREVIEW_TIMEOUT_S = 900.0
UPDATE_TIMEOUT_S = 3600.0
INTERRUPT_GRACE_S = 120.0
"""After Ctrl-C the engine ends the steps under way before it leaves, seconds."""

TAIL = 2000
"""Most characters of the engine's complaint that are shown."""

STDERR = 2


@dataclass(frozen=True)
class Resource:
    """A resource of the stack's state."""

    urn: str
    id: str
    protected: bool
    retained: bool


@dataclass(frozen=True)
class Engine:
    """Commands of the engine for one stack. Backend, passphrase and credentials are the caller's environment."""

    stack: str
    config: Path
    """The stack file."""

    root: Path = ROOT

    def preview(self, config: Path, targets: Iterable[str] = ()) -> Preview:
        """What an update would do.

        Args:
            config: configuration file.
            targets: URNs to which it is limited.

        Raises:
            OpsError: the engine or the program refuses; with what they said.
        """
        answer = self._call(_preview(config, targets), PREVIEW_TIMEOUT_S)
        return self.read_preview(Ended(answer.returncode, answer.stdout, answer.stderr))

    def read_preview(self, answer: Ended) -> Preview:
        """A preview that has ended.

        Raises:
            OpsError: the engine or the program refused; with what they said.
        """
        try:
            preview = Preview.parse(answer.stdout)
        except (ValueError, KeyError, TypeError):
            preview = Preview((), ())
            if answer.status == 0:
                raise OpsError(
                    f"pulumi preview of {self.stack} printed no preview:\n{answer.stdout[:TAIL]}"
                ) from None
        if answer.status != 0:
            said = "\n".join(preview.errors) or answer.stderr.strip() or answer.stdout.strip()
            raise OpsError(f"pulumi preview of {self.stack} failed:\n{said[-TAIL:]}")
        return preview

    def start_preview(self, config: Path) -> EngineRun:
        """A preview that runs beside whatever else is done; `read_preview` reads what it says.

        Args:
            config: configuration file.

        Raises:
            MisuseError: there is no engine.
        """
        return self._start(_preview(config, ()), {})

    def start_up(
        self, config: Path, targets: Iterable[str], events: EventLog, more: Mapping[str, str]
    ) -> EngineRun:
        """An update that runs beside whatever else is done; what it says goes to standard error.

        Args:
            config: configuration file.
            targets: URNs to which it is limited; `**` stands for anything in them.
            events: where it writes what it does.
            more: environment on top of the caller's.

        Raises:
            MisuseError: there is no engine.
        """
        arguments = ["up", "--yes", "--skip-preview", "--suppress-outputs", "--config-file", str(config)]
        arguments += ["--event-log", str(events.path), *_targets(targets)]
        return self._start(arguments, {**events.VARIABLES, **more}, echo=True)

    def _start(self, arguments: Sequence[str], more: Mapping[str, str], *, echo: bool = False) -> EngineRun:
        name = f"pulumi {arguments[0]} of {self.stack}"
        return EngineRun.start(self._line(arguments), self.root, environment(**more), name, echo=echo)

    def up(self, config: Path | None = None, targets: Iterable[str] = ()) -> None:
        """Update the stack; what the engine says goes to standard error.

        Args:
            config: configuration file, where it is another than the stack file.
            targets: URNs to which the update is limited.

        Raises:
            OpsError: the update failed, or its time is over.
        """
        file = str(config or self.config)
        self._run(
            ["up", "--yes", "--skip-preview", "--suppress-outputs", "--config-file", file, *_targets(targets)]
        )

    def destroy(self) -> None:
        """Delete every resource of the stack.

        Raises:
            OpsError: the engine refuses, or its time is over.
        """
        # With its preview: the engine deletes what is unprotected before it comes to what is protected, and only
        # the preview stops it before that.
        self._run(["destroy", "--yes", "--config-file", str(self.config)])

    def show_preview(self) -> None:
        """Print a preview for a person, on standard error.

        Raises:
            OpsError: the engine or the program refuses.
        """
        self._run(["preview", "--config-file", str(self.config)])

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; none before its first update.

        Raises:
            OpsError: there is no such stack.
        """
        return json.loads(self._checked(["stack", "output", "--json"]).stdout or "{}")

    def resources(self, kind: str) -> Iterator[Resource]:
        """The live resources of that type in the stack's state: not those that wait for their deletion.

        Raises:
            OpsError: there is no such stack.
        """
        state = json.loads(self._checked(["stack", "export"]).stdout)
        for each in state["deployment"].get("resources") or []:
            if each["type"] == kind and not each.get("delete"):
                yield Resource(
                    each["urn"],
                    each.get("id", ""),
                    bool(each.get("protect")),
                    bool(each.get("retainOnDelete")),
                )

    def protect(self, urn: str) -> None:
        """Mark a resource of the state as protected, as the program will at its next update.

        Raises:
            OpsError: the engine refuses.
        """
        self._checked(["state", "protect", urn, "--yes"])

    def _checked(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        answer = self._call(arguments, CALL_TIMEOUT_S)
        if answer.returncode != 0:
            said = answer.stderr.strip() or answer.stdout.strip()
            raise OpsError(f"pulumi {' '.join(arguments[:2])} of {self.stack}: {said[-TAIL:]}")
        return answer

    def _call(self, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._line(arguments),
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OpsError(f"pulumi {arguments[0]} of {self.stack}: not done in {timeout_s:.0f} s") from None

    def _run(self, arguments: Sequence[str]) -> None:
        """Run in sight of the person. A Ctrl-C reaches the engine too, which then ends in order."""
        with subprocess.Popen(
            self._line(arguments),
            cwd=self.root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=STDERR,
        ) as process:
            try:
                status = process.wait(UPDATE_TIMEOUT_S)
            except KeyboardInterrupt:
                _end(process)
                raise
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                _end(process)
                raise OpsError(
                    f"pulumi {arguments[0]} of {self.stack}: not done in {UPDATE_TIMEOUT_S:.0f} s, interrupted; "
                    f"if the stack stays locked: pulumi cancel --stack {self.stack}"
                ) from None
        if status != 0:
            raise OpsError(
                f"pulumi {arguments[0]} of {self.stack} ended with status {status}; see what it said above"
            )

    def _line(self, arguments: Sequence[str]) -> list[str]:
        program = shutil.which("pulumi")
        if program is None:
            raise MisuseError("`pulumi` is not on PATH; `make setup` says where it builds one")
        return [program, *arguments, "--stack", self.stack, "--non-interactive", "--color", "never"]


def _targets(targets: Iterable[str]) -> list[str]:
    return [part for urn in targets for part in ("--target", urn)]


def _preview(config: Path, targets: Iterable[str]) -> list[str]:
    return ["preview", "--json", "--config-file", str(config), *_targets(targets)]


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(INTERRUPT_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
