"""What the store keeps, what it writes, and what it refuses."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.mesos.agent.task_info import TaskState
from local.mesos.marathon.agents import Agents, Drain, Standing
from local.mesos.marathon.definition import App
from local.mesos.marathon.deployments import Deployment, Deployments
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.plan import make_plan
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import (
    AppVersion,
    Goal,
    Health,
    Instance,
    KnownAgent,
    State,
    Task,
    TaskFailure,
)
from local.mesos.marathon.store import FORMAT, Identity, Store, StoreError, latest_version
from local.mesos.marathon.timestamps import VersionClock, now

ME = Identity("f-0000", "/somewhere")


@dataclass
class Kept:
    store: Store
    scheduler: Scheduler
    master: Agents
    deployments: Deployments
    left: list[Deployment]

    @property
    def state(self) -> State:
        return self.scheduler.state

    def changed(self) -> None:
        self.state.changed.notify()


@contextmanager
def kept(folder: Path) -> Generator[Kept]:
    """A state that is kept in a folder, as whoever starts a server there finds it."""
    store = Store(folder)
    try:
        store.identity(ME)
        scheduler = Scheduler(State(), EventBus())
        master, deployments = Agents(scheduler), Deployments(scheduler)
        left = store.restore(scheduler, master)
        store.follow(scheduler, master, deployments)
        yield Kept(store, scheduler, master, deployments, left)
    finally:
        store.close()


def an_app(app_id: str = "/g/a", **fields: object) -> AppVersion:
    document = {
        "id": app_id, "cmd": "run", "env": {"A": "ü\n", "S": {"secret": "s"}}, "constraints": [["zone", "UNIQUE"]],
        "container": {"docker": {"image": "i:1"}, "volumes": [{"containerPath": "/a", "hostPath": "a", "mode": "RO"}]},
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}}], "unreachableStrategy": "disabled",
        "fetch": [{"uri": "http://127.0.0.1/a"}], "cpus": 1, "portDefinitions": [{"port": 10000}], **fields,
    }  # fmt: skip
    return AppVersion.first(App.model_validate(document), "2026-01-02T03:04:05.006Z")


def an_instance(spec: AppVersion, number: int = 0) -> Instance:
    task = Task(
        f"g_a.instance-{number}._app.2", "f-S0", "127.0.1.1", [31000, 31001], TaskState.RUNNING, now(), now(), "r", "r1"
    )  # fmt: skip
    health = {0: Health(first_success=now(), last_success=now())}
    return Instance(f"g_a.instance-{number}", spec, now(), Goal.RUNNING, 2, task, health, ready=False)


def _fill(to: Kept) -> None:
    spec = an_app()
    newer = spec.changed_to(an_app(instances=3).app, "2026-01-02T03:04:06.000Z")
    to.state.store({"/g/a": spec})
    to.state.store({"/g/a": newer})
    to.state.instances.update({each.id: each for each in (an_instance(newer, 2), an_instance(spec, 1))})
    to.state.last_failures["/g/a"] = TaskFailure(
        "/g/a", "h", "m", "TASK_FAILED", "t", now(), spec.version, None
    )
    to.state.agents["f-S0"] = KnownAgent("f-S0", "ip-1", {"zone": "a"}, "127.0.1.1", (31000, 31049))
    to.state.agents_ever = 7
    to.master.standings["f-S0"] = Standing(now(), deactivated=True, drain=Drain(3.5, mark_gone=True))
    to.scheduler.limiter.failed(spec.app, spec.version)
    plan = make_plan("2026-01-02T03:04:07.000Z", {"/g/a": spec}, {"/g/a": newer}, kill_first={"/g/a": ("x",)})
    to.deployments.by_id[plan.id] = Deployment(plan, 1, {"/g/a": frozenset({"x", "y"})})


def test_what_is_kept_is_what_the_next_server_finds_in_the_same_order(tmp_path: Path) -> None:
    with kept(tmp_path) as first:
        _fill(first)
        first.changed()
    with kept(tmp_path) as second:
        for name in ("versions", "groups", "instances", "last_failures", "agents", "agents_ever"):
            assert getattr(second.state, name) == getattr(first.state, name), name
        assert list(second.state.instances) == list(first.state.instances)
        assert second.master.standings == first.master.standings
        assert second.scheduler.limiter.delays == first.scheduler.limiter.delays
        (left,), (was,) = second.left, first.deployments.running()
        assert (left.plan, left.step, left.before) == (was.plan, was.step, was.before)
        assert VersionClock(latest_version(second.state, second.left)).next() > left.plan.version


def test_a_change_writes_what_has_changed_and_nothing_else(tmp_path: Path) -> None:
    with kept(tmp_path) as it:
        _fill(it)
        it.changed()
    with kept(tmp_path) as it, sqlite3.connect(tmp_path / "marathon.sqlite3") as reader:
        written: list[str] = []

        def keys() -> dict[str, str]:
            return dict(reader.execute("SELECT kind || key, document FROM rows").fetchall())

        for change in (
            lambda: None,
            lambda: setattr(it.state.instances["g_a.instance-1"], "goal", Goal.DECOMMISSIONED),
            lambda: it.state.instances.pop("g_a.instance-1"),
            lambda: it.scheduler.limiter.clear("/g/a"),
        ):
            before = keys()
            change()
            it.changed()
            after = keys()
            written.append(
                " ".join(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
            )
    one = "instanceg_a.instance-1"
    assert written == ["", one, one, "delay/g/a 2026-01-02T03:04:05.006Z"]


def test_a_change_is_kept_whole_or_not_at_all_and_where_it_is_not_the_server_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    with kept(tmp_path) as it, sqlite3.connect(tmp_path / "marathon.sqlite3") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON rows WHEN NEW.kind = 'failure' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        other.commit()
        _fill(it)
        it.changed()
        assert ends == [1]
        assert other.execute("SELECT count(*) FROM rows WHERE kind = 'app'").fetchone() == (0,)


def test_many_changes_in_a_block_are_one_and_an_error_leaves_what_was_done_before_it_kept(
    tmp_path: Path,
) -> None:
    with kept(tmp_path) as it, sqlite3.connect(tmp_path / "marathon.sqlite3") as reader:

        def groups() -> int:
            (found,) = reader.execute("SELECT count(*) FROM rows WHERE kind = 'group'").fetchone()
            return found

        with it.state.changed.together(), it.state.changed.together():
            it.state.groups.add("/a")
            it.changed()
            assert groups() == 1
        assert groups() == 2


def test_another_format_is_refused_by_its_name(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "marathon.sqlite3") as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(StoreError, match=f"its format is {FORMAT + 1}, this server's is {FORMAT}"):
        Store(tmp_path)


def test_a_folder_belongs_to_one_server_and_to_one_work_folder(tmp_path: Path) -> None:
    with kept(tmp_path) as it:
        with pytest.raises(StoreError, match="another server works there"):
            Store(tmp_path)
        assert it.store.identity(Identity("other", ME.work_dir)) == ME
        with pytest.raises(StoreError, match=r"sandboxes in /somewhere, not in /elsewhere"):
            it.store.identity(Identity("other", "/elsewhere"))


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "marathon.sqlite3"
    with kept(tmp_path) as it:
        _fill(it)
        it.changed()
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE rows SET document = '{}' WHERE kind = 'instance'")
    else:
        for each in tmp_path.glob("marathon.sqlite3*"):
            each.unlink()
        path.write_bytes(content)
    with pytest.raises(StoreError, match=f"{path}: .*move it away to start anew"), kept(tmp_path):
        pass


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with kept(folder):
        assert [each.stat().st_mode & 0o077 for each in (folder, *folder.iterdir())] == [0] * 5
