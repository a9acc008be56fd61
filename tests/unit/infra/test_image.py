"""The image's tag moves exactly when what the image is made of does."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import image
from infra.settings import ImageSettings


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Dockerfile, lock and a source file."""
    for name in ("Dockerfile", "requirements.lock", "code.py"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "moves"), [("Dockerfile", True), ("requirements.lock", True), ("code.py", False)]
)
def test_dependencies_move_the_tag_and_source_does_not(workers: Path, name: str, moves: bool) -> None:
    before = image.tag(workers, ImageSettings())
    (workers / name).write_text("changed")
    assert (image.tag(workers, ImageSettings()) != before) is moves


def test_base_image_and_architecture_move_the_tag(workers: Path) -> None:
    settings = [
        ImageSettings(),
        ImageSettings.model_validate({"baseImage": "python:3.12"}),
        ImageSettings.model_validate({"architecture": "arm64"}),
    ]
    assert len({image.tag(workers, s) for s in settings}) == 3
