"""A daemon, and an image made from this machine's own shell without any registry; skipped where there is no daemon."""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from local.mesos.agent.choice import choose

PROGRAMS = ("sh", "sleep", "cat", "env", "ls", "id", "touch", "mkdir", "perl")

#: What perl reads for a socket, files of its library and shared objects alike.
_LOADED = "use IO::Socket::INET; print join qq(\\n), values(%INC), @DynaLoader::dl_shared_objects"


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    """What a call of ``docker`` printed."""
    line = ["docker", *arguments]
    return subprocess.run(line, input=stdin, capture_output=True, timeout=60, check=True).stdout.decode()


def _files() -> set[Path]:
    missing = [each for each in PROGRAMS if shutil.which(each, path="/usr/bin:/bin") is None]
    if missing:
        pytest.skip(f"no image can be made: this machine has no {', '.join(missing)}")
    found = {Path("/bin", each) for each in PROGRAMS}
    said = subprocess.run(["/bin/perl", "-e", _LOADED], capture_output=True, timeout=10, check=True).stdout
    found |= {Path(line) for line in said.decode().splitlines()}
    libraries: set[Path] = set()
    for each in found:
        linked = subprocess.run(
            ["ldd", str(each)], capture_output=True, timeout=10, check=False
        ).stdout.decode()
        libraries |= {Path(path) for path in re.findall(r"(/\S+) \(0x", linked)}
    return found | libraries


def _tarball(files: set[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in (("tmp", 0o1777), ("etc", 0o755), ("home", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        for path in sorted(files):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(path).lstrip("/"))
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Reference of an image with a shell and perl, whose user is 10001 and whose working directory is /home."""
    choice = choose("auto")
    if not choice.docker:
        pytest.skip(choice.why)
    reference = f"trawler-test/shell:{uuid4().hex[:12]}"
    docker(
        "import", "--change", "USER 10001", "--change", "WORKDIR /home", "--change", "ENV PATH=/bin",
        "--change", 'CMD ["/bin/sh", "-c", "echo the image says so; trap exit TERM; sleep 60 & wait"]', "-", reference,
        stdin=_tarball(_files()),
    )  # fmt: skip
    yield reference
    docker("rmi", "--force", reference)
