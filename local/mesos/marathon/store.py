"""Keeps what Marathon knows in a file, so that a server which was killed at any point goes on where it was.

One row for each app, instance, agent, delay, failure and running deployment, in SQLite with a write-ahead log. `keep`
writes whatever differs from what was written last, in one transaction. It is called at the end of every change, and
nothing that the change causes happens before (`state.Pulse`). A transaction outlives the death of the process; after a
loss of power the last ones may be missing, never a part of one.

The rows are the JSON of the dataclasses of `state`, `plan` and `agents`: who changes a field there raises `FORMAT`.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from local.mesos.marathon.agents import Agents, Standing
from local.mesos.marathon.backoff import Delay
from local.mesos.marathon.deployments import Deployment, Deployments
from local.mesos.marathon.plan import Plan
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import AppVersion, Health, Instance, KnownAgent, State, TaskFailure

_log = logging.getLogger(__name__)

FORMAT = 1
_FILE = "marathon.sqlite3"
_LOCK_WAIT_S = 0.5
"""A watchdog that looks whether a server came back holds the lock for a moment."""


class StoreError(Exception):
    """The state cannot be had; the text names the folder, the cause and what to do."""


@dataclass(frozen=True)
class Identity:
    """Who the server is, whatever process it runs in.

    Attributes:
        framework_id: under which its tasks run.
        work_dir: where its tasks' sandboxes are.
    """

    framework_id: str
    work_dir: str


@dataclass(frozen=True)
class _StoredDeployment:
    plan: Plan
    step: int
    before: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class _Kind:
    """One kind of row.

    Attributes:
        fingerprints: for every key that is there, what differs as soon as its document would.
        document: what a key stands for.
        form: how that is written.
    """

    fingerprints: Callable[[], dict[str, tuple[Any, ...]]]
    document: Callable[[str], object]
    form: TypeAdapter[Any]


def exclusive(folder: Path) -> int:
    """A descriptor that no other process has for this folder until it is closed.

    The folder is made where it is missing, for nobody else to read.

    Raises:
        StoreError: another server has it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; choose another folder") from error
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            os.close(lock)
            raise StoreError(
                f"{folder}: another server works there; end that one, or choose another folder"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{uuid4()}\n".encode())  # whoever reads it later sees that another server was here
        return lock


class Store:
    """The state of one server, in one folder, which no other server has at the same time.

    Args:
        folder: made where it is missing, for nobody else to read: values of apps' variables are in it.

    Raises:
        StoreError: another server has it, it is of another format, or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[str, _Kind] = {}
        self._written: dict[str, dict[str, tuple[Any, ...]]] = {}
        self._lock = exclusive(folder)
        try:
            self._database = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> sqlite3.Connection:
        path = self._folder / _FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(path, isolation_level=None)
        try:
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found not in {0, FORMAT}:
                raise StoreError(
                    f"{path}: its format is {found}, this server's is {FORMAT}; "
                    "use the server that wrote it, or another folder"
                )
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(
                "CREATE TABLE IF NOT EXISTS rows (place INTEGER PRIMARY KEY, kind TEXT, key TEXT, document TEXT, "
                "UNIQUE (kind, key))"
            )
            database.execute(f"PRAGMA user_version = {FORMAT}")
        except sqlite3.Error as error:
            database.close()
            raise StoreError(f"{path}: {error}; move it away to start anew") from error
        except StoreError:
            database.close()
            raise
        return database

    # Reading

    def identity(self, fresh: Identity) -> Identity:
        """Who the server was at its first start; ``fresh`` where this is that.

        Raises:
            StoreError: its sandboxes were in another folder, where this one would not find its tasks.
        """
        found = next(iter(self._read("identity", Identity).values()), None)
        if found is None:
            self._kinds["identity"] = _Kind(lambda: {"": (fresh,)}, lambda _: fresh, TypeAdapter(Identity))
            self.keep()
            return fresh
        if found.work_dir != fresh.work_dir:
            raise StoreError(
                f"{self._folder}: the tasks of this state have their sandboxes in {found.work_dir}, "
                f"not in {fresh.work_dir}; give that work folder, or another folder for the state"
            )
        return found

    def restore(self, scheduler: Scheduler, master: Agents) -> list[Deployment]:
        """Fill empty state with what was kept; the deployments that were running are left to be resumed.

        Raises:
            StoreError: a row cannot be read.
        """
        state = scheduler.state
        state.versions.update(self._read("app", list[AppVersion]))
        state.groups.update(self._read("group", str))
        state.instances.update(self._read("instance", Instance))
        state.last_failures.update(self._read("failure", TaskFailure))
        state.agents.update(self._read("agent", KnownAgent))
        state.agents_ever = self._read("count", int).get("agents", 0)
        master.standings.update(self._read("standing", Standing))
        for key, delay in self._read("delay", Delay).items():
            app_id, _, version = key.partition(" ")
            scheduler.limiter.delays[app_id, version] = delay
        stored: Iterable[_StoredDeployment] = self._read("deployment", _StoredDeployment).values()
        return [Deployment(each.plan, each.step, dict(each.before)) for each in stored]

    def _read(self, kind: str, form: Any) -> dict[str, Any]:
        adapter: TypeAdapter[Any] = TypeAdapter(form)
        found: dict[str, Any] = {}
        key = ""
        try:
            rows = self._database.execute(
                "SELECT key, document FROM rows WHERE kind = ? ORDER BY place", (kind,)
            ).fetchall()
            for key, document in rows:
                found[key] = adapter.validate_json(document)
        except (sqlite3.Error, ValidationError) as error:
            # Not in a validation error's own words: they quote what was kept.
            why = (
                str(error) if isinstance(error, sqlite3.Error) else f"{error.error_count()} fields do not fit"
            )
            raise StoreError(
                f"{self._folder / _FILE}: {kind} {key} cannot be read: {why}; move it away to start anew"
            ) from None
        return found

    # Writing

    def follow(self, scheduler: Scheduler, master: Agents, deployments: Deployments) -> None:
        """Keep these from now on, at every change."""
        self._kinds |= _kinds(scheduler, master, deployments)
        rows = self._database.execute("SELECT kind, key FROM rows").fetchall()
        for kind, key in rows:  # there, and not known to be as it was
            self._written.setdefault(kind, {}).setdefault(key, ())
        scheduler.state.changed.keep = self._keep_or_die
        self._keep_or_die()

    def keep(self) -> None:
        """Write what differs from what was written last. Raises sqlite3.Error, and nothing is written then."""
        now = {name: kind.fingerprints() for name, kind in self._kinds.items()}
        rows: list[tuple[str, str, str]] = []
        gone: list[tuple[str, str]] = []
        for name, prints in now.items():
            kind, before = self._kinds[name], self._written.get(name, {})
            for key, print_ in prints.items():
                if before.get(key) != print_:
                    rows.append((name, key, kind.form.dump_json(kind.document(key)).decode()))
            gone += [(name, key) for key in before.keys() - prints.keys()]
        if not rows and not gone:
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("DELETE FROM rows WHERE kind = ? AND key = ?", gone)
            self._database.executemany(
                "INSERT INTO rows (kind, key, document) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET document = excluded.document",
                rows,
            )
            self._database.execute("COMMIT")
        except sqlite3.Error:
            self._database.execute("ROLLBACK")
            raise
        self._written = now

    def _keep_or_die(self) -> None:
        """A server that cannot write down what it does must not do it; the next start finds its tasks."""
        try:
            self.keep()
        except sqlite3.Error as error:
            _log.critical(
                "%s: %s: the server ends here, for its state cannot be kept; its tasks run on until the next start",
                self._folder / _FILE, error,
            )  # fmt: skip
            os._exit(1)

    def close(self) -> None:
        """Let the folder go."""
        self._database.close()
        os.close(self._lock)


def latest_version(state: State, deployments: Iterable[Deployment]) -> str | None:
    """The latest version that was ever given and is still known; None where none is."""
    of_apps = [each.version for versions in state.versions.values() for each in versions]
    return max([*of_apps, *(each.plan.version for each in deployments)], default=None)


def _kinds(scheduler: Scheduler, master: Agents, deployments: Deployments) -> dict[str, _Kind]:
    state, delays = scheduler.state, scheduler.limiter.delays
    running = deployments.by_id
    return {
        "app": _Kind(
            lambda: {key: tuple(each) for key, each in state.versions.items()},
            lambda key: state.versions[key], TypeAdapter(list[AppVersion]),
        ),
        "group": _Kind(lambda: dict.fromkeys(state.groups, ()), lambda key: key, TypeAdapter(str)),
        "instance": _Kind(
            lambda: {key: _print_of(each) for key, each in state.instances.items()},
            lambda key: state.instances[key], TypeAdapter(Instance),
        ),
        "failure": _Kind(
            lambda: {key: (each,) for key, each in state.last_failures.items()},
            lambda key: state.last_failures[key], TypeAdapter(TaskFailure),
        ),
        "agent": _Kind(
            lambda: {key: (each,) for key, each in state.agents.items()},
            lambda key: state.agents[key], TypeAdapter(KnownAgent),
        ),
        "count": _Kind(
            lambda: {"agents": (state.agents_ever,)}, lambda _: state.agents_ever, TypeAdapter(int)
        ),
        "standing": _Kind(
            lambda: {
                key: (each.registered_at, each.deactivated, each.drain)
                for key, each in master.standings.items() if key in state.agents
            },
            lambda key: master.standings[key], TypeAdapter(Standing),
        ),
        "delay": _Kind(
            lambda: {" ".join(key): (each.seconds, each.until, each.last_failure) for key, each in delays.items()},
            lambda key: delays[(key.partition(" ")[0], key.partition(" ")[2])], TypeAdapter(Delay),
        ),
        "deployment": _Kind(
            lambda: {key: (each.plan, each.step, each.before) for key, each in running.items()},
            lambda key: _StoredDeployment(running[key].plan, running[key].step, running[key].before),
            TypeAdapter(_StoredDeployment),
        ),
    }  # fmt: skip


def _print_of(instance: Instance) -> tuple[Any, ...]:
    """Moments of single health results are left out: they change with each, and only what follows from them counts."""
    task = instance.task
    return (
        instance.run_spec, instance.goal, instance.attempts, instance.ready, instance.since,
        *(_print_of_health(index, each) for index, each in instance.health.items()),
        task and (task.id, task.agent_id, task.host, *task.ports, task.state, task.staged_at, task.started_at),
    )  # fmt: skip


def _print_of_health(index: int, health: Health) -> tuple[Any, ...]:
    return index, health.alive, health.first_success, health.consecutive_failures
