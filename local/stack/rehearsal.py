"""A rehearsal: any stack's program on stand-ins alone, to see what it would do before an account sees it."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType

import yaml

from local.stack import checkout as checkouts
from local.stack import configuration, engine, pulumi, secret_entries
from local.stack.configuration import Config, Place
from local.stack.layout import Layout, Ports
from local.stack.ports import free_base
from local.stack.processes import StackError
from local.stack.supervisor import LocalStack, Options

TIMEOUT_S = 300.0
SELECT_TIMEOUT_S = 60.0
TERMINATED = 128 + signal.SIGTERM

_SPEAKS_TO_MARATHON = frozenset({"up", "refresh", "destroy"})
_LOGS_EVENTS = _SPEAKS_TO_MARATHON | {"preview"}


@dataclass(frozen=True)
class Outcome:
    """How one run of the engine ended."""

    status: int
    """The engine's own: 0 done, anything else failed; 255 also where a mandatory policy was violated."""

    stdout: str
    """Of `up` what a person reads, diagnostics included; of `preview` its JSON."""

    stderr: str
    preview_json: str | None
    """Of a preview: the engine's `--json`, also of one that failed; None where it gave none."""

    events: Path | None
    """The engine's event log, one JSON object a line, which stays readable after the rehearsal.

    Each line has `sequence`, `timestamp` and one more key that names the event. With a policy pack:

    - `policyEvent`: a violation. `resourceUrn` (the stack's own for a stack rule), `policyName`, `policyPackName`,
      `enforcementLevel`, and `message`: the rule's description, a line end, what it reported.
      A rule that met an unknown value is one as well, `advisory` whatever its level, and its `message` begins
      "can't run policy '<name>' from policy pack '<pack>@v<version>' during preview: ".
    - `policyAnalyzeSummaryEvent` (one a resource) and `policyAnalyzeStackSummaryEvent`: `passed` and `failed`, lists
      of rule names.
    """

    seconds: float


class Rehearsal(AbstractContextManager["Rehearsal"]):
    """A local stack (stand-ins only) on which the program runs with the configuration of `Pulumi.<stack>.yaml`.

    Entered, AWS starts, and answers from the first run on; Marathon starts with the first `up`. Left, whatever the
    reason (SIGTERM too), its processes and ports are gone. What it did stays readable in the run folder: state,
    logs, event logs.
    No account, no credentials and no network are needed, and none are used.
    """

    def __init__(
        self,
        stack: str,
        run: Path,
        *,
        tasks: bool = False,
        containers: bool = False,
        port_base: int | None = None,
    ) -> None:
        """A rehearsal that has not begun.

        Args:
            stack: name of the stack, whose file each checkout must have.
            run: folder of state and logs; what an earlier rehearsal left there is thrown away.
            tasks: start the apps' tasks, which takes the workers' image; otherwise they are accepted only.
            containers: started tasks are real containers, of images that the daemon has or can pull.
            port_base: first of eight ports in a row; free ones are found otherwise.

        Raises:
            StackError: there are no free ports.
        """
        self.stack = stack
        self.layout = Layout(run.resolve(), Ports.from_base(free_base() if port_base is None else port_base))
        self._local = LocalStack(self.layout, Options(tasks=tasks), lambda _: None, docker=containers)
        self._held = ExitStack()
        self._entered = False
        self._has_mesos = False
        self._runs = 0

    def __enter__(self) -> Rehearsal:
        """Start AWS.

        Raises:
            StackError: a port is taken, or a process does not come up.
        """
        with ExitStack() as held:
            held.enter_context(_sigterm_unwinds())
            held.callback(self._local.close)
            self._local.prepare()
            self._throw_earlier_run_away()
            self._local.begin("aws")
            self._held = held.pop_all()
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""
        self._entered = False
        self._held.close()

    def up(
        self, checkout: Path, *, policy_pack: Path | None = None, policy_config: Path | None = None
    ) -> Outcome:
        """Deploy the checkout's program, without a preview.

        Args:
            checkout: a folder with the project; it may be a worktree without a virtual environment.
            policy_pack: folder of a policy pack that must agree.
            policy_config: that pack's configuration, JSON.

        Raises:
            StackError: see `run`.
        """
        return self.run(checkout, "up", "--yes", "--skip-preview", *_policies(policy_pack, policy_config))

    def preview(
        self, checkout: Path, *, policy_pack: Path | None = None, policy_config: Path | None = None
    ) -> Outcome:
        """What an `up` of the checkout's program would do; nothing is changed.

        Args and errors as of `up`.
        """
        return self.run(checkout, "preview", "--json", *_policies(policy_pack, policy_config))

    def run(self, checkout: Path, *arguments: str, timeout_s: float = TIMEOUT_S) -> Outcome:
        """Any command of the engine, in a checkout, on the rehearsal's stack.

        Args:
            checkout: as for `up`.
            arguments: of `pulumi`, stack and configuration file left out.
            timeout_s: longest time; then the engine is ended.

        Raises:
            StackError: the stack's file is missing or unusable, the engine cannot run or takes too long, or a
                process of the stack ended meanwhile.
        """
        if not self._entered:
            raise StackError("the rehearsal is not running: use it in a `with` statement")
        config = self._configure(checkout)
        if arguments[0] in _SPEAKS_TO_MARATHON:
            self._complete(config)
        else:
            self._local.ready("aws")
        self._runs += 1
        events = self.layout.logs / f"events-{self._runs}.json"
        logged = arguments[0] in _LOGS_EVENTS
        line = ["pulumi", *arguments, "--stack", self.stack, "--non-interactive"]
        line += ["--config-file", str(self.config_file)] if arguments[0] in pulumi.READ_CONFIG else []
        line += ["--event-log", str(events)] if logged else []
        with checkouts.interpreter(checkout):
            answer = engine.run(line, checkout, self.environment(checkout), timeout_s)
        self._local.check()
        is_preview = arguments[0] == "preview"
        return Outcome(
            status=answer.status,
            stdout=answer.stdout,
            stderr=answer.stderr,
            preview_json=answer.stdout if is_preview and _is_json(answer.stdout) else None,
            events=events if events.exists() else None,
            seconds=answer.seconds,
        )

    def environment(self, checkout: Path) -> dict[str, str]:
        """What a command of the engine, started by anybody, needs for the stack; on top of its own."""
        return {
            **pulumi.environment(self.layout),
            **checkouts.environment(checkout),
            # Without it the engine has no --event-log.
            "PULUMI_DEBUG_COMMANDS": "true",
        }

    @property
    def config_file(self) -> Path:
        """The stack's configuration as it is used here; written anew by each run."""
        return self._project / f"Pulumi.{self.stack}.yaml"

    @property
    def _project(self) -> Path:
        """A project of the rehearsal's own: the engine writes into a stack's file, and never into the checkout's."""
        return self.layout.run / "project"

    def _throw_earlier_run_away(self) -> None:
        for folder in (self._project, self.layout.logs):
            shutil.rmtree(folder, ignore_errors=True)
        self.layout.marathon_credentials.unlink(missing_ok=True)

    def _configure(self, checkout: Path) -> Config:
        place = Place(pulumi.endpoints(self.layout), self.layout.ports.marathon)
        config = configuration.localised(configuration.read(checkout / f"Pulumi.{self.stack}.yaml"), place)
        if not self.config_file.exists():
            self._make_stack(configuration.project_name(checkout))
        # The engine wrote the salt of its passphrase there when it made the stack.
        config["encryptionsalt"] = yaml.safe_load(self.config_file.read_text())["encryptionsalt"]
        self.config_file.write_text(yaml.safe_dump(config))
        return config

    def _make_stack(self, project: str) -> None:
        self._project.mkdir(parents=True)
        (self._project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": project, "runtime": "python"}))
        line = ["pulumi", "stack", "select", "--create", self.stack, "--non-interactive"]
        answer = engine.run(line, self._project, pulumi.environment(self.layout), SELECT_TIMEOUT_S)
        if answer.status != 0:
            raise StackError(f"pulumi stack select: {answer.stderr.strip() or answer.stdout.strip()}")

    def _complete(self, config: Config) -> None:
        """Everything runs that an `up` speaks to; a preview needs but one of AWS's processes."""
        self._local.begin("dynamodb", "sqs")
        self._local.ready("aws")
        region = str(config["config"].get("aws:region", "us-east-1"))
        credentials = secret_entries.create(self.layout, region, configuration.secret_names(config))
        if not self._has_mesos:
            self._local.options = replace(self._local.options, credentials=credentials)
            if self._local.options.tasks and not self._local.docker:
                self._local.build_image()
            self._local.begin("mesos")
        self._local.ready("dynamodb", "sqs", "mesos")
        self._has_mesos = True


def _policies(pack: Path | None, config: Path | None) -> list[str]:
    line = ["--policy-pack", str(pack.resolve())] if pack else []
    return [*line, "--policy-pack-config", str(config.resolve())] if pack and config else line


@contextmanager
def _sigterm_unwinds() -> Generator[None]:
    """SIGTERM ends this process by an exception, so that whoever holds something lets go of it.

    Not where the process has a handler of its own, nor in a thread, which cannot set one.
    """
    default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
