"""The "image" of a task that runs as a process: a virtual environment named by the image's tag.

``<images>/<tag>/venv`` holds exactly what a hashed lock names, so that what the lock lacks is missing for the task too.
``<images>/<tag>/complete`` is written last: without it the folder counts as nothing and is built again.
"""

import fcntl
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
_BUILD_TIMEOUT_S = 1800


class ImageError(Exception):
    """The image cannot be built or found; the text says why and what to do."""


def tag_of(image: str) -> str:
    """``registry:5000/team/worker:1f2e`` → ``1f2e``; an image without a tag has the tag ``latest``."""
    last = image.split("@", 1)[0].rsplit("/", 1)[-1]
    return last.partition(":")[2] or "latest"


def checked_tag(tag: str) -> str:
    """The tag itself.

    Raises:
        ImageError: it is none that Docker would take.
    """
    if not _TAG.match(tag):
        raise ImageError(
            f"'{tag}' is no image tag: up to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-'"
        )
    return tag


def find_image(images: Path, image: str) -> Path:
    """The virtual environment of an image.

    Raises:
        ImageError: it was never built, or its build did not end.
    """
    tag = tag_of(image)
    folder = images / checked_tag(tag)
    if not (folder / "complete").is_file():
        raise ImageError(
            f"Unable to find image '{image}' locally: no complete '{folder}'; "
            f"build it with: python -m local.mesos image --lock FILE --tag {tag} --images {images}"
        )
    return folder / "venv"


def build_image(images: Path, tag: str, lock: Path, tell: Callable[[str], None]) -> bool:
    """Build the image of a tag from a hashed requirements file; True when it was built, False when it stood already.

    Two builds of one tag at a time: the second waits, then finds the image of the first. A failed or killed build
    leaves nothing that counts as an image.

    Args:
        images: folder of all images, made when missing.
        tag: the image's tag.
        lock: requirements file with a hash for every package.
        tell: called with a progress line at a time.

    Raises:
        ImageError: pip failed; the text holds its last lines.
    """
    folder = images / checked_tag(tag)
    if not lock.is_file():
        raise ImageError(f"no lock file '{lock}'")
    images.mkdir(parents=True, exist_ok=True)
    with _exclusive(images / f".{tag}.lock"):
        if (folder / "complete").is_file():
            tell(f"image {tag}: there already")
            return False
        shutil.rmtree(folder, ignore_errors=True)
        try:
            # Built where it will stay: a virtual environment holds its own path.
            tell(f"image {tag}: making the virtual environment")
            venv.create(folder / "venv", with_pip=False, symlinks=True)
            _install(folder / "venv", lock, lambda line: tell(f"image {tag}: {line}"))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / "complete").touch()
        tell(f"image {tag}: complete")
        return True


def _install(environment: Path, lock: Path, tell: Callable[[str], None]) -> None:
    command = [
        sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install",
        "--require-hashes", "--no-compile", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
        "-r", str(lock),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None  # it is piped  # noqa: S101
        tail: list[str] = []
        for line in pip.stdout:
            tail = [*tail[-14:], line.rstrip()]
            if line.startswith(("Collecting", "Installing", "Successfully")):
                tell(line.strip()[:100])
        try:
            status = pip.wait(timeout=_BUILD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pip.kill()
            raise ImageError(f"pip did not end within {_BUILD_TIMEOUT_S} s") from None
    if status:
        raise ImageError(f"pip could not install '{lock}' (exit status {status}):\n" + "\n".join(tail))


@contextmanager
def _exclusive(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
