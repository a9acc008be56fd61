"""The ``docker`` command line, called without blocking and never without a timeout."""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

CALL_TIMEOUT_S = 60.0

#: Tells its process id, which is that of a session of its own, and becomes the command.
_TELLING = 'echo $$; exec /bin/sh -c "$1" >/dev/null 2>&1'


@dataclass
class DockerError(Exception):
    """A call that failed.

    Attributes:
        command: the words after ``docker``, without anything of the task's environment.
        said: what it wrote to stderr, or why there was no answer.
        status: its exit status, None where it did not end by itself.
    """

    command: str
    said: str
    status: int | None = None

    def __str__(self) -> str:
        if self.status is None:
            return f"Failed to run 'docker {self.command}': {self.said}"
        # The words of Mesos (src/docker/docker.cpp), for which people search.
        return (
            f"Failed to run 'docker {self.command}': exited with status {self.status}; stderr='{self.said}'"
        )

    @property
    def nothing_there(self) -> bool:
        """Whether the object that was asked for does not exist."""
        return "no such " in self.said.lower()


@dataclass(frozen=True)
class DockerCli:
    """Calls of one ``docker`` program.

    Attributes:
        program: its name or path.
        environment: what it runs with: which daemon, whose credentials.
    """

    program: str = "docker"
    environment: Mapping[str, str] = field(default_factory=lambda: {**os.environ, "LC_ALL": "C"})

    async def call(
        self,
        *arguments: str,
        timeout_s: float = CALL_TIMEOUT_S,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """What the call printed, stripped. A cancelled call leaves no process behind.

        Args:
            arguments: words after ``docker``.
            timeout_s: seconds after which it is killed.
            stdin: what it reads.
            more: variables added to its environment.

        Raises:
            DockerError: there is no such program, it failed, or it took too long.
        """
        shown = " ".join(arguments[:2] if arguments[0] in {"create", "run"} else arguments)
        async with self._process(shown, arguments, stdin, more) as process:
            try:
                out, err = await asyncio.wait_for(process.communicate(), timeout_s)
            except TimeoutError:
                raise DockerError(shown, f"no answer within {timeout_s:g} s") from None
        if process.returncode:
            raise DockerError(shown, err.decode(errors="replace").strip(), process.returncode)
        return out.decode(errors="replace").strip()

    @asynccontextmanager
    async def _process(
        self, shown: str, arguments: tuple[str, ...], stdin: IO[bytes] | int, more: Mapping[str, str] | None
    ) -> AsyncGenerator[asyncio.subprocess.Process]:
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, *arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**self.environment, **(more or {})}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DockerError(shown, f"{self.program}: {error.strerror}") from error
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def attached(self, name: str, stdout: IO[bytes], stderr: IO[bytes]) -> asyncio.subprocess.Process:
        """Start a created container; the process ends with it and brings its output into the two files.

        It is in a session of its own and holds nothing of this one: the output goes on when this process is killed.

        Raises:
            DockerError: there is no such program.
        """
        try:
            return await asyncio.create_subprocess_exec(
                self.program, "start", "--attach", name,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=dict(self.environment),
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DockerError(f"start {name}", f"{self.program}: {error.strerror}") from error

    async def execute(self, name: str, command: str, timeout_s: float) -> int:
        """The exit status of ``sh -c command`` inside a running container.

        Raises:
            DockerError: there is no such program as ``docker``.
            TimeoutError: it took longer; nothing of it runs any more.
        """
        arguments = ("exec", name, "/bin/sh", "-c", _TELLING, "sh", command)
        pid = b""
        async with self._process(f"exec {name}", arguments, subprocess.DEVNULL, None) as process:
            try:
                async with asyncio.timeout(timeout_s):
                    assert process.stdout is not None  # it is piped  # noqa: S101
                    pid = (await process.stdout.readline()).strip()
                    await process.communicate()
                    return process.returncode or 0
            except TimeoutError:
                if pid.isdigit():  # the program's own end would leave the command running
                    end = ("exec", name, "/bin/sh", "-c", 'kill -9 "-$1"', "sh", pid.decode())
                    with suppress(DockerError):
                        await self.call(*end)
                raise
