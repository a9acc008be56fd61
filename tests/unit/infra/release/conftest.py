"""A small workers' folder."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = {
    "crawler/__main__.py": "print('hello')\n",
    "crawler/stages/fetch.py": "x = 1\n",
    "crawler/py.typed": "",
    "shops/one.toml": "name = 'of the folder'\n",
    "Dockerfile": "FROM scratch\n",
    "requirements.lock": "boto3==1\n",
    "README.md": "for people\n",
    "crawler/__pycache__/x.cpython-311.pyc": "cache",
    "crawler/tests/test_fetch.py": "assert False\n",
    "crawler/stages/test_parse.py": "assert False\n",
}


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """A workers' folder, with things beside the source that must stay out."""
    root = tmp_path / "workers"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """The definitions that the release carries."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "two.toml").write_text("name = 'two'\n")
    return folder
