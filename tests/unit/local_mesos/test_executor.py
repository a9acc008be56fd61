"""Tasks under their executors: what becomes of them with and without a server."""

import asyncio
import os
import signal
from pathlib import Path

import psutil

from local.mesos.agent.containerizer import Container, ContainerSpec
from local.mesos.agent.executor import Order, unpacked
from local.mesos.agent.processes import ProcessContainerizer
from local.mesos.agent.runs import run_of
from local.mesos.agent.sandbox import make_sandbox
from local.mesos.agent.task_info import TaskInfo
from tests.unit.local_mesos.support import until

SLEEP = "exec sleep 600"


def a_containerizer(folder: Path, recovery_timeout_s: float = 60) -> ProcessContainerizer:
    return ProcessContainerizer(folder / "images", 0.2, recovery_timeout_s, folder)


def a_spec(folder: Path, command: str = SLEEP, container_id: str = "c-1") -> ContainerSpec:
    sandbox = make_sandbox(folder, "agent", "framework", container_id, container_id)
    return ContainerSpec(
        container_id, TaskInfo("t", command), sandbox, {"MESOS_CONTAINER_NAME": f"mesos-{container_id}"}
    )


def pid_of(spec: ContainerSpec) -> int:
    pid = run_of(spec.sandbox).pid()
    assert pid is not None
    return pid


async def ended(pid: int) -> None:
    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await until(gone, f"process {pid} to end")


async def recovered(folder: Path, spec: ContainerSpec) -> Container:
    container = await a_containerizer(folder).recover(spec)
    assert container is not None
    return container


async def test_another_containerizer_finds_a_task_waits_for_it_and_ends_it(tmp_path: Path) -> None:
    spec = a_spec(tmp_path)
    first = await a_containerizer(tmp_path).launch(spec)
    found = await recovered(tmp_path, spec)
    await found.kill(5)
    assert await found.wait() == -signal.SIGTERM == await first.wait()
    assert (
        await (await recovered(tmp_path, spec)).wait() == -signal.SIGTERM
    )  # and once more, when it has ended


async def test_a_task_without_a_server_ends_after_the_recovery_timeout(tmp_path: Path) -> None:
    containerizer = a_containerizer(tmp_path, recovery_timeout_s=0.3)
    container = await containerizer.launch(a_spec(tmp_path))
    await containerizer.close()
    assert await asyncio.wait_for(container.wait(), 10) == -signal.SIGTERM


async def test_a_server_that_is_back_in_time_keeps_the_task(tmp_path: Path) -> None:
    containerizer, spec = a_containerizer(tmp_path, recovery_timeout_s=0.5), a_spec(tmp_path)
    first = await containerizer.launch(spec)
    await containerizer.close()
    found = await recovered(tmp_path, spec)
    done, _ = await asyncio.wait(
        {asyncio.create_task(found.wait())}, timeout=1.2
    )  # longer than it would have waited
    assert not done
    await found.kill(0)
    await first.wait()


async def test_a_second_kill_shortens_the_grace_and_never_lengthens_it(tmp_path: Path) -> None:
    spec = a_spec(tmp_path, "trap '' TERM; echo deaf; while :; do sleep 0.05; done")
    container = await a_containerizer(tmp_path).launch(spec)

    async def deaf() -> bool:
        return "deaf" in spec.sandbox.stdout.read_text()

    await until(deaf, "the task to ignore SIGTERM")
    orders = [asyncio.create_task(container.kill(each)) for each in (60, 0.1, 60)]
    assert await asyncio.wait_for(container.wait(), 10) == -signal.SIGKILL
    await asyncio.gather(*orders)


async def test_a_task_whose_executor_is_killed_ends_with_it(tmp_path: Path) -> None:
    spec = a_spec(tmp_path)
    container = await a_containerizer(tmp_path).launch(spec)
    executor = psutil.Process(pid_of(spec)).ppid()
    os.kill(executor, signal.SIGKILL)
    assert await asyncio.wait_for(container.wait(), 10) == -signal.SIGKILL
    await ended(pid_of(spec))


async def test_of_a_task_whose_executor_was_killed_without_a_server_nothing_is_found_and_nothing_runs_on(
    tmp_path: Path,
) -> None:
    spec = a_spec(tmp_path, f"{SLEEP} & {SLEEP}")
    first = await a_containerizer(tmp_path).launch(spec)
    task = psutil.Process(pid_of(spec))
    os.kill(task.ppid(), signal.SIGKILL)
    found = await a_containerizer(tmp_path).recover(spec)
    if found is not None:  # found before it was dead
        assert await found.wait() == -signal.SIGKILL
    await ended(task.pid)
    await first.wait()


async def test_leftovers_end_and_what_is_known_stays(tmp_path: Path) -> None:
    left, known = a_spec(tmp_path, container_id="left"), a_spec(tmp_path, container_id="known")
    earlier = a_containerizer(tmp_path)
    gone = await earlier.launch(left)
    kept = await earlier.launch(known)
    left_pid = pid_of(left)
    await a_containerizer(tmp_path).end_leftovers({"known"})
    await ended(left_pid)
    await gone.wait()
    assert psutil.pid_exists(pid_of(known))
    assert await a_containerizer(tmp_path).recover(left) is None
    await kept.kill(0)


async def test_a_launch_that_is_called_off_leaves_nothing(tmp_path: Path) -> None:
    spec = a_spec(tmp_path)
    launching = asyncio.create_task(a_containerizer(tmp_path).launch(spec))
    for _ in range(100_000):  # no time passes: the executor is started, and has not answered yet
        if run_of(spec.sandbox).is_held:
            break
        await asyncio.sleep(0)
    launching.cancel()
    await asyncio.gather(launching, return_exceptions=True)
    assert launching.cancelled()
    assert not run_of(spec.sandbox).is_held


async def test_a_task_that_is_just_being_started_is_waited_for_before_it_is_said_that_there_is_none(
    tmp_path: Path,
) -> None:
    spec = a_spec(tmp_path)
    lock = run_of(spec.sandbox).make()  # as an executor holds it whose server was killed
    recovering = asyncio.create_task(a_containerizer(tmp_path).recover(spec))
    done, _ = await asyncio.wait({recovering}, timeout=0.2)
    assert not done
    os.close(lock)
    assert await asyncio.wait_for(recovering, 10) is None


def test_an_order_that_was_cut_short_is_none(tmp_path: Path) -> None:
    order = Order("/", "out", "err", "mesos-1", 1.5, 900.0, ["sh", "-c", "a\n=b"], {"A": "x=ü\n", "B": ""})
    packed = order.packed()
    whole = unpacked(packed)
    assert whole is not None
    assert vars(whole) == vars(order)
    assert not any(unpacked(packed[:length]) for length in range(len(packed)))
