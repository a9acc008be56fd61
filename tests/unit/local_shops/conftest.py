"""Shops as a crawler meets them: a process of their own, on ports the system chose."""

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from local.shops import truth
from local.shops.access_log import Access
from local.shops.access_log import read as read_log
from local.shops.truth import ShopTruth

READY = "shops ready: "


@dataclass(frozen=True)
class Street:
    """A running `python -m local.shops serve`."""

    process: subprocess.Popen[str]
    run_dir: Path
    bases: dict[str, str]
    ready_line: str

    def truth(self, shop: str) -> ShopTruth:
        return truth.read(self.run_dir / "truth" / f"{shop}.json")

    def log(self, shop: str) -> list[Access]:
        return read_log(self.run_dir / "access" / f"{shop}.jsonl")

    def corner(self, shop: str, kind: str, place: int = 0) -> str:
        """The URL of a corner, of the first of its kind unless `place` says otherwise."""
        path = [corner.path for corner in self.truth(shop).corners if corner.kind == kind][place]
        return self.bases[shop].rstrip("/") + path


@contextmanager
def opened(run_dir: Path, *arguments: str) -> Generator[Street]:
    """The shops on free ports while the context lasts."""
    command = [sys.executable, "-m", "local.shops", "serve", "--run-dir", str(run_dir), "--exit-with-parent"]
    with subprocess.Popen(
        [*command, "--ports", "0,0,0,0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(READY), line
            bases = msgspec.json.decode((run_dir / "shops.json").read_bytes(), type=dict[str, str])
            yield Street(process, run_dir, bases, line)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="package")
def saved_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site of saved pages with its truth beside it."""
    beside = tmp_path_factory.mktemp("pages")
    folder = beside / "books.example"
    (folder / "catalogue" / "one_1").mkdir(parents=True)
    (folder / "index.html").write_text("<a href='catalogue/one_1/index.html'>One</a>", encoding="utf-8")
    (folder / "catalogue" / "one_1" / "index.html").write_text("<h1>One – é</h1>", encoding="utf-8")
    (beside / "secret.txt").write_text("not for you", encoding="utf-8")
    (folder / "link.html").symlink_to(beside / "secret.txt")
    row = {
        "site": "books.example",
        "path": "books.example/catalogue/one_1/index.html",
        "name": "One",
        "name_also": ["One!"],
        "price": "51.77",
        "currency": "GBP",
        "availability": "in_stock",
        "image": "http://books.example/media/1.jpg",
        "brand": None,
        "sku": ["a", "b"],
        "category": "Poetry",
    }
    elsewhere = {**row, "site": "other.example", "path": "other.example/index.html"}
    lines = [msgspec.json.encode(one) for one in (row, elsewhere)]
    (beside / "truth.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    manifest = [{"site": one["site"], "path": one["path"]} for one in (row, elsewhere)]
    manifest.append({"site": "books.example", "path": "books.example/index.html"})
    (beside / "manifest.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, manifest)) + b"\n")
    return folder


@pytest.fixture(scope="package")
def street(tmp_path_factory: pytest.TempPathFactory, saved_pages: Path) -> Iterator[Street]:
    """Shops whose corners are untouched: a test asks for the corner that is its own, and for nothing else."""
    with opened(tmp_path_factory.mktemp("street"), "--products", "30", "--pages", str(saved_pages)) as street:
        yield street


@pytest.fixture(scope="package")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Shops shared between tests that do not care what was asked for before."""
    with opened(tmp_path_factory.mktemp("calm"), "--products", "99") as street:
        yield street
