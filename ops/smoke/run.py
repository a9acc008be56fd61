"""The way of a smoke test: who am I, preview, yes, up, checks, yes, destroy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import InfraError
from ops import tunnel
from ops.engine import Engine
from ops.errors import ConsentError, MisuseError, OpsError, aws_told_plainly
from ops.smoke import account, crawling
from ops.smoke.findings import FailedCheck, Finding, NotHere
from ops.smoke.site import Site
from ops.stack_file import StackFile
from ops.talk import Talk
from ops.waiting import Pace

MASTER_TIMEOUT_S = 900.0

CHECKS: tuple[tuple[str, Callable[[Site], str]], ...] = (
    ("the fleet has its capacity", account.fleet_is_up),
    ("Marathon answers", crawling.marathon_answers),
    ("every app runs", crawling.apps_run),
    ("metadata is guarded", account.metadata_is_guarded),
    ("disks are encrypted", account.disks_are_encrypted),
    ("buckets are private", account.buckets_are_private),
    ("queues are encrypted", account.queues_are_encrypted),
    ("plain HTTP is denied", account.plain_http_is_denied),
    ("the release is private", account.release_is_private),
    ("logs arrive", account.logs_arrive),
    ("a crawl ends", crawling.a_crawl_ends),
    ("nothing is dead", account.nothing_is_dead),
)
"""In this order: what later checks stand on comes first."""


def require_expendable(file: StackFile) -> None:
    """Raise MisuseError for a stack that a smoke test must not touch."""
    if file.stack == "prod" or file.protected:
        raise MisuseError(
            f"{file.stack} is protected: a smoke test builds a stack and destroys it; take an expendable one, as dev"
        )


def identity(file: StackFile) -> str:
    """Account and principal that AWS sees.

    Raises:
        OpsError: there are no credentials, or AWS refuses them.
    """
    with aws_told_plainly("AWS does not say who we are"):
        me = file.connection.client("sts").get_caller_identity()
    return f"account {me['Account']} as {me['Arn']}"


def checked(site: Site, talk: Talk) -> list[Finding]:
    """Every check's finding; each is told as it comes."""
    findings: list[Finding] = []
    for name, check in CHECKS:
        finding = _finding(site, name, check)
        talk.say(str(finding))
        findings.append(finding)
    return findings


def smoke(
    file: StackFile,
    engine: Engine,
    talk: Talk,
    site: Callable[[], Site],
    *,
    keep: bool,
    checks_only: bool,
    pace: Pace,
) -> list[Finding]:
    """Build an expendable stack, check it, and destroy it.

    Args:
        file: the stack file.
        engine: of the stack.
        talk: progress and questions.
        site: the stack, once it is up.
        keep: leave it standing.
        checks_only: it stands already, and is left standing.
        pace: how waits go by.

    Raises:
        MisuseError: the stack is protected.
        ConsentError: nobody said yes to building it.
        OpsError: it does not come up, or does not go.
    """
    require_expendable(file)
    who = identity(file)
    talk.say(f"{file.stack}: {who}")
    if not checks_only:
        engine.show_preview()
        talk.agree(f"Build {file.stack} in {who}? It costs money until it is destroyed.")
    with _tunnel_beside(file, talk, pace):
        if not checks_only:
            _build(engine, file.stack)
        findings = checked(site(), talk)
    if not checks_only and not keep:
        try:
            talk.agree(f"Destroy {file.stack}?")
        except ConsentError:
            talk.say(f"{file.stack} stands and is billed; pulumi destroy --stack {file.stack} ends it")
        else:
            engine.destroy()
    return findings


def _build(engine: Engine, stack: str) -> None:
    try:
        engine.up()
    except OpsError as e:
        raise OpsError(
            f"{e}\nwhat was built stands and is billed: mend it and start again, or pulumi destroy --stack {stack}"
        ) from None


def _finding(site: Site, name: str, check: Callable[[Site], str]) -> Finding:
    started = site.pace.clock()
    try:
        verdict, found, todo = "ok", check(site), ""
    except FailedCheck as e:
        verdict, found, todo = "failed", str(e), e.todo
    except NotHere as e:
        verdict, found, todo = "not here", str(e), ""
    except (OpsError, InfraError, ClientError, BotoCoreError) as e:
        verdict, found, todo = "failed", str(e), "may this principal read it, and does it exist?"
    return Finding(name, verdict, found, todo, site.pace.clock() - started)


@contextmanager
def _tunnel_beside(file: StackFile, talk: Talk, pace: Pace) -> Generator[None]:
    """Where Marathon is private and reached through a tunnel, one opens as soon as there is a master."""
    via: str = file.setting("cluster.access.via", "tunnel")
    if not file.managed_cluster or file.is_local or via != "tunnel":
        yield
        return
    # Told before anything is built.
    tunnel.require_programs()
    tunnel.require_free(int(file.setting("cluster.access.port", tunnel.PORT)))
    over = threading.Event()

    def hold() -> None:
        stopping = Pace(pace.poll_s, pace.clock, lambda seconds: _stop_or_wait(over, seconds))
        try:
            way = tunnel.find_way(file, None, MASTER_TIMEOUT_S, stopping)
            with tunnel.opened(way, file.connection):
                talk.say(f"a tunnel to Marathon is open: {way.url}")
                over.wait()
        except _OverError:
            return
        except OpsError as e:
            talk.say(f"no tunnel to Marathon: {e}")

    thread = threading.Thread(target=hold, name="tunnel")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _OverError(Exception):
    """The wait is not needed any more."""


def _stop_or_wait(over: threading.Event, seconds: float) -> None:
    if over.wait(seconds):
        raise _OverError


def failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed."""
    return any(f.verdict == "failed" for f in findings)
