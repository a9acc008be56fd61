"""Archives, unpacked as hostile input: nothing leaves the folder and nothing grows without bound."""

import errno
import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_CHUNK = 1 << 20


class ArchiveError(Exception):
    """The archive is broken, cut off, hostile or too large; the text says which."""


def is_archive(name: str) -> bool:
    """Whether the fetcher unpacks a file of this name (Mesos, src/launcher/fetcher.cpp)."""
    return name.endswith((*TAR_SUFFIXES, ".zip", ".gz"))


def extract(archive: Path, into: Path, *, max_bytes: int, name: str | None = None) -> None:
    """Unpack ``archive`` into the folder ``into``.

    Args:
        archive: the file.
        into: an existing folder.
        max_bytes: the most that all members may hold together, unpacked.
        name: the name whose suffix tells the format; the file's own by default.

    Raises:
        ArchiveError: broken, cut off, hostile (absolute paths, ``..``, links out of the folder, devices) or larger.
        OSError: the disk is full or not writable.
    """
    name = name or archive.name
    try:
        if name.endswith(TAR_SUFFIXES):
            _extract_tar(archive, into, max_bytes)
        elif name.endswith(".zip"):
            _extract_zip(archive, into, max_bytes)
        else:
            _extract_gzip(archive, into / name.removesuffix(".gz"), max_bytes)
    except (
        EOFError,
        tarfile.ReadError,
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        gzip.BadGzipFile,
    ) as error:
        raise ArchiveError(f"'{name}' is broken or cut off: {error}") from error
    except tarfile.FilterError as error:
        raise ArchiveError(f"'{name}' is refused: {error}") from error
    except OSError as error:
        if error.errno is None:  # bz2 reports broken data as a bare OSError
            raise ArchiveError(f"'{name}' is broken or cut off: {error}") from error
        raise


def _extract_tar(archive: Path, into: Path, max_bytes: int) -> None:
    left = max_bytes
    with tarfile.open(archive, mode="r:*") as tar:
        tar.errorlevel = 1  # an OSError (no space left) ends the extraction instead of being a warning
        for member in tar:
            left -= member.size
            if left < 0:
                raise ArchiveError(f"'{archive.name}' is refused: it unpacks to more than {max_bytes} bytes")
            tar.extract(member, into, set_attrs=True, filter="data")
        if not _has_end_marker(archive, tar.offset):
            raise ArchiveError(f"'{archive.name}' is broken or cut off: no end of archive marker")


def _has_end_marker(archive: Path, offset: int) -> bool:
    """Whether a plain tar ends in a block of zeros; a compressed one tells by itself that it is cut off.

    tarfile takes a file that ends between two members for a whole one.
    """
    with archive.open("rb") as file:
        if file.read(262)[257:262] != b"ustar":
            return True
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    return len(block) == tarfile.BLOCKSIZE and not block.strip(b"\0")


def _extract_zip(archive: Path, into: Path, max_bytes: int) -> None:
    left = max_bytes
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            target = into / member.filename
            mode = member.external_attr >> 16
            if not _is_inside(target, into) or member.filename.startswith("/"):
                raise ArchiveError(
                    f"'{archive.name}' is refused: '{member.filename}' would leave the sandbox"
                )
            if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise ArchiveError(f"'{archive.name}' is refused: '{member.filename}' is no file or folder")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with bundle.open(member) as source:
                left = _copy(iter(lambda s=source: s.read(_CHUNK), b""), target, left, archive.name)
            if mode & 0o100:
                target.chmod(0o755)


def _extract_gzip(archive: Path, target: Path, max_bytes: int) -> None:
    with gzip.open(archive) as source:
        _copy(iter(lambda: source.read(_CHUNK), b""), target, max_bytes, archive.name)


def _copy(chunks: Iterator[bytes], target: Path, left: int, name: str) -> int:
    with target.open("wb") as file:
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise ArchiveError(f"'{name}' is refused: it unpacks to more bytes than are allowed")
            file.write(chunk)
    return left


def _is_inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder.resolve())


def is_disk_full(error: OSError) -> bool:
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def copy_file(source: Path, target: Path) -> None:
    """A plain copy without the source's owner and times."""
    shutil.copyfile(source, target)
