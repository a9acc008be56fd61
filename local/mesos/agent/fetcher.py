"""Brings a task's URIs into its sandbox (Mesos, src/launcher/fetcher.cpp).

URIs are fetched one after another; the first failure ends all, and its cause is a line in the sandbox's ``stderr``.
"""

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import aiohttp

from local.mesos.agent.archive import ArchiveError, copy_file, extract, is_archive, is_disk_full
from local.mesos.agent.loopback import is_loopback
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import Uri

_CHUNK = 1 << 16


class FetchError(Exception):
    """One URI could not be brought into the sandbox; the text names it and the cause."""


@dataclass
class Fetcher:
    """Fetches into sandboxes; files asked for with ``cache`` are kept in ``cache_dir``, for ever, under their URI.

    Attributes:
        cache_dir: folder of the agent's cache, made on first use.
        stall_s: a transfer that brings nothing for so long has failed.
        max_bytes: the most one file may hold, packed or unpacked.
    """

    cache_dir: Path
    stall_s: float = 60.0
    max_bytes: int = 2 * 1024**3
    _locks: dict[Path, asyncio.Lock] = field(default_factory=dict[Path, asyncio.Lock])

    async def fetch_all(self, uris: list[Uri], sandbox: Sandbox) -> None:
        """Bring every URI, in order.

        Raises:
            FetchError: the first one that failed.
        """
        for uri in uris:
            try:
                await self._fetch(uri, sandbox)
            except (ArchiveError, aiohttp.ClientError, TimeoutError, UnicodeError, ValueError) as error:
                raise FetchError(f"Failed to fetch '{uri.value}': {_cause(error)}") from error
            except OSError as error:
                where = (
                    f"No space left on device for the sandbox '{sandbox.path}'"
                    if is_disk_full(error)
                    else str(error)
                )
                raise FetchError(f"Failed to fetch '{uri.value}': {where}") from error

    async def _fetch(self, uri: Uri, sandbox: Sandbox) -> None:
        if "\\" in uri.value or "'" in uri.value or "\0" in uri.value:
            raise FetchError(f"Failed to fetch '{uri.value}': the URI contains illegal characters")
        target = _target(uri, sandbox.path)
        sandbox.note(f"Fetching URI '{uri.value}'")
        name = target.name
        if uri.cache:
            stored = await self._cached(uri)
            name = _basename(uri.value)  # the cache names its file after the URI, whatever destPath says
            if not (uri.extract and not uri.executable and is_archive(name)):
                await asyncio.to_thread(copy_file, stored, target)
                stored = target
        else:
            await self._bring(uri.value, target)
            stored = target
        if uri.executable:
            target.chmod(0o755)
        elif uri.extract and is_archive(name):
            await asyncio.to_thread(extract, stored, sandbox.path, max_bytes=self.max_bytes, name=name)
            sandbox.note(f"Extracted '{name}' into '{sandbox.path}'")
        elif uri.extract:
            sandbox.note(f"Skipping extraction of '{name}': its suffix is not that of an archive")
        sandbox.note(f"Fetched '{uri.value}' to '{target}'")

    async def _cached(self, uri: Uri) -> Path:
        path = self.cache_dir / hashlib.sha256(uri.value.encode()).hexdigest()
        async with self._locks.setdefault(path, asyncio.Lock()):
            if not path.exists():
                self.cache_dir.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".partial")
                await self._bring(uri.value, partial)
                partial.replace(path)
        return path

    async def _bring(self, uri: str, target: Path) -> None:
        scheme = urlsplit(uri).scheme
        if scheme in {"http", "https"}:
            await self._download(uri, target)
        elif scheme in {"", "file"}:
            await self._copy(uri, target)
        else:
            raise FetchError(
                f"Failed to fetch '{uri}': the scheme {scheme}:// needs a Hadoop client, which is not here"
            )

    async def _copy(self, uri: str, target: Path) -> None:
        source = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
        if not source.is_absolute():
            raise FetchError(
                f"Failed to fetch '{uri}': a relative path needs a frameworks home; give a full one"
            )
        await asyncio.to_thread(self._copy_file, uri, source, target)

    def _copy_file(self, uri: str, source: Path, target: Path) -> None:
        if not source.is_file():
            raise FetchError(f"Failed to fetch '{uri}': no such file")
        if source.stat().st_size > self.max_bytes:
            raise FetchError(f"Failed to fetch '{uri}': larger than {self.max_bytes} bytes")
        copy_file(source, target)

    async def _download(self, uri: str, target: Path) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.stall_s, sock_read=self.stall_s)
        proxied = not is_loopback(urlsplit(uri).hostname or "")
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=proxied, auto_decompress=False) as session,
            session.get(uri) as response,
        ):
            if response.status != 200:
                raise FetchError(f"Failed to fetch '{uri}': HTTP status {response.status}, only 200 counts")
            left = self.max_bytes
            with target.open("wb") as file:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise FetchError(f"Failed to fetch '{uri}': larger than {self.max_bytes} bytes")
                    file.write(chunk)


def _basename(uri: str) -> str:
    """The text after the last slash, a query included: an archive behind a query is no archive to Mesos."""
    return uri.rstrip("/").rsplit("/", 1)[-1]


def _target(uri: Uri, sandbox: Path) -> Path:
    relative = PurePosixPath(uri.output_file or _basename(uri.value))
    target = Path(os.path.normpath(sandbox / relative))
    if relative.is_absolute() or not target.is_relative_to(sandbox) or target == sandbox:
        raise FetchError(f"Failed to fetch '{uri.value}': '{relative}' is no path inside the sandbox")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
