"""Runs one task and outlives the server that started it: run by its path, alone, with nothing imported from here.

    executor.py RUN SERVER LOCK < order

``RUN`` is the folder of this run (`runs`), ``SERVER`` a FIFO that every server of the work folder holds open for
writing, ``LOCK`` the number of an inherited descriptor whose lock says that this executor lives. The order comes on
standard input, its fields apart by NUL bytes, ``end`` as the last: an order that is cut short starts nothing. Once the
task has started, ``started <pid>`` is printed, or ``failed <why>``.

It holds ``RUN/alive`` open as long as it lives and reads ``RUN/control``, where ``kill <seconds>`` orders SIGTERM now
and SIGKILL after so many; a later order may shorten that. When no server has been there for the order's recovery
timeout, it ends the task by itself (``--recovery_timeout`` of a Mesos agent). When the task's first process has ended,
whatever it left behind ends too, and ``RUN/status`` holds its exit status, negative for a signal.

PR_SET_PDEATHSIG would not do to end tasks: it reaches the direct child only and fires when the *thread* that forked
ends. Few modules are imported: there is one such process for every task.
"""

import contextlib
import os
import select
import signal
import sys
import time

#: How often an executor without a server looks for one.
_LOOK_S = 0.2


def members(container: str) -> list[int]:
    """Processes that carry a container's name in their environment, in whatever group or session they are."""
    wanted = f"MESOS_CONTAINER_NAME={container}".encode()
    found: list[int] = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH112, PTH208 - pathlib is slow to import
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as environ:  # noqa: PTH123
                if wanted in environ.read().split(b"\0"):
                    found.append(int(entry))
    return found


def kill_all(leader: int | None, container: str) -> None:
    """SIGKILL to the group of ``leader`` and to whatever of the container left that group."""
    if leader is not None:
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    for pid in members(container):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


class Order:
    """What to run, as it travels to the executor.

    Args:
        cwd: working directory of the task.
        stdout, stderr: files its output is added to.
        container: the container's name.
        grace_s: SIGTERM to SIGKILL when the executor ends the task by itself.
        recovery_timeout_s: how long to wait for a server; 0 ends the task with its server.
        argv: the command.
        environment: all its variables.
    """

    def __init__(
        self,
        cwd: str,
        stdout: str,
        stderr: str,
        container: str,
        grace_s: float,
        recovery_timeout_s: float,
        argv: list[str],
        environment: dict[str, str],
    ) -> None:
        self.cwd, self.stdout, self.stderr = cwd, stdout, stderr
        self.container = container
        self.grace_s, self.recovery_timeout_s = grace_s, recovery_timeout_s
        self.argv, self.environment = argv, environment

    def packed(self) -> bytes:
        """Raises ValueError where a field holds a NUL byte, which no command and no variable may."""
        numbers = [str(self.grace_s), str(self.recovery_timeout_s), str(len(self.argv))]
        variables = [f"{key}={value}" for key, value in self.environment.items()]
        texts = [self.cwd, self.stdout, self.stderr, self.container, *numbers, *self.argv, *variables, "end"]
        fields = [os.fsencode(each) for each in texts]
        if any(b"\0" in each for each in fields):
            raise ValueError("embedded null byte")
        return b"\0".join(fields)


def unpacked(data: bytes) -> Order | None:
    """None for an order that was cut short."""
    fields = [os.fsdecode(each) for each in data.split(b"\0")]
    if len(fields) < 8 or fields[-1] != "end":
        return None
    cwd, stdout, stderr, container, *_ = fields
    count = int(fields[6])
    variables = dict(each.split("=", 1) for each in fields[7 + count : -1])
    argv = fields[7 : 7 + count]
    return Order(cwd, stdout, stderr, container, float(fields[4]), float(fields[5]), argv, variables)


def _start(order: Order) -> int:
    """The pid of the task's first process, leader of a session of its own. Raises OSError."""
    failed_read, failed_write = os.pipe()  # closed by the exec that succeeds
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.chdir(order.cwd)
            for target, name, flags in (
                (0, os.devnull, os.O_RDONLY),
                (1, order.stdout, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
                (2, order.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
            ):
                os.dup2(os.open(name, flags, 0o644), target)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            # By way of the shell, so that a program is looked for on the task's own PATH.
            os.execve("/bin/sh", ["/bin/sh", "-c", 'exec "$@"', "task", *order.argv], order.environment)  # noqa: S606
        except OSError as error:
            os.write(failed_write, f"{error.errno} {error.filename or order.cwd}".encode(errors="replace"))
        finally:
            os._exit(127)
    os.close(failed_write)
    with os.fdopen(failed_read, "rb") as failed:
        number, _, name = failed.read().decode(errors="replace").partition(" ")
    if number:
        os.waitpid(pid, 0)
        raise OSError(int(number), os.strerror(int(number)), name)
    return pid


class _Executor:
    def __init__(self, run: str, server: str, order: Order, wake: int) -> None:
        self._order = order
        self._server_path, self._wake = server, wake
        self._control = os.open(f"{run}/control", os.O_RDWR | os.O_NONBLOCK)
        self._server = os.open(server, os.O_RDONLY | os.O_NONBLOCK)
        self._pid = 0
        self._alone_since: float | None = None
        self._kill_at: float | None = None
        self._text = b""

    def begin(self) -> int:
        self._pid = _start(self._order)
        return self._pid

    def until_end(self) -> int:
        """Wait for the task's end, bring it about where that was ordered, and give its exit status."""
        while (status := self._ended()) is None:
            now = time.monotonic()
            self._look_for_server(now)
            if self._kill_at is not None and now >= self._kill_at:
                kill_all(self._pid, self._order.container)
                self._kill_at = now + 1
            waiting = [self._control, self._wake]
            if self._alone_since is None:
                waiting.append(self._server)
            readable, _, _ = select.select(waiting, [], [], self._patience(now))
            if self._wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 64)
            if self._control in readable:
                self._listen()
        return status

    def _ended(self) -> int | None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def _patience(self, now: float) -> float | None:
        moments = [] if self._kill_at is None else [max(0.0, self._kill_at - now)]
        if self._alone_since is not None:
            moments.append(_LOOK_S)
        return min(moments, default=None)

    def _look_for_server(self, now: float) -> None:
        try:
            os.read(self._server, 64)
        except BlockingIOError:  # somebody holds the other end and says nothing, as servers do
            self._alone_since = None
            return
        self._alone_since = self._alone_since or now
        if self._kill_at is None and now - self._alone_since >= self._order.recovery_timeout_s:
            self._kill(self._order.grace_s)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._text += os.read(self._control, 4096)
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, IndexError):
                self._kill(float(line.split()[1]))

    def _kill(self, grace_s: float) -> None:
        if self._kill_at is None:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        self._kill_at = deadline if self._kill_at is None else min(self._kill_at, deadline)


def _write(run: str, name: str, text: str) -> None:
    with open(f"{run}/.{name}", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.rename(f"{run}/.{name}", f"{run}/{name}")  # noqa: PTH104


def _awake(_number: int, _frame: object) -> None:
    """A handler is needed for the wake-up descriptor to be written to."""


def main(run: str, server: str, lock: int) -> None:
    os.set_inheritable(lock, False)
    # Held open as long as this process lives, by whomever it ends: that is how servers hear of it.
    os.open(f"{run}/alive", os.O_RDWR | os.O_NONBLOCK)
    order = unpacked(sys.stdin.buffer.read())
    if order is None:
        return
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _awake)
    executor = _Executor(run, server, order, wake_read)
    try:
        pid = executor.begin()
    except OSError as error:
        _write(run, "status", "125")
        print(f"failed {error}", flush=True)
        return
    _write(run, "pid", str(pid))
    with contextlib.suppress(OSError):  # a server that is gone by now finds the task again
        print(f"started {pid}", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        status = executor.until_end()
    finally:
        kill_all(pid, order.container)
    _write(run, "status", str(status))


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends when its task does
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
