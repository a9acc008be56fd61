"""The image's tag moves exactly when what the image is made of does; a tag that nobody built is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra import image, registry
from infra.aws_connection import AwsConnection
from infra.errors import ImageError, SettingsError
from infra.settings import ImageSettings
from infra.settings.image import BASE_IMAGE
from tests.unit.infra.test_settings import changed, settings_of

ROOT = Path(__file__).resolve().parents[3]
AWS = AwsConnection("us-east-1", None, {})
STAND_INS = AwsConnection("us-east-1", None, {"s3": "http://127.0.0.1:5599"})


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


def test_the_dockerfile_builds_upon_what_the_settings_say_by_default() -> None:
    found = re.search(r"(?m)^ARG BASE_IMAGE=(\S+)$", (ROOT / "workers" / "Dockerfile").read_text())
    assert found is not None
    assert found[1] == BASE_IMAGE


def test_the_dockerfile_and_the_lock_are_for_the_same_python() -> None:
    lock = re.search(r"--python-version (\d+)\.(\d+)", (ROOT / "workers" / "requirements.lock").read_text())
    assert lock is not None
    assert f"({lock[1]}, {lock[2]})" in (ROOT / "workers" / "Dockerfile").read_text()
    assert BASE_IMAGE.startswith(f"python:{lock[1]}.{lock[2]}-")


def test_a_protected_stack_names_its_base_image_by_digest() -> None:
    config = changed("prod", {"image.baseImage": "python:3.11-slim-bookworm"})
    with pytest.raises(SettingsError, match=r"trawler:image\.baseImage: .* names it by digest"):
        settings_of(config)
    settings_of(changed("dev", {"image.baseImage": "python:3.11-slim-bookworm"}), "dev")


@pytest.mark.parametrize(
    "repository", ["quay.io/Team/worker", "quay.io/team/worker:tag", "https://quay.io/a", "a//b"]
)
def test_a_repository_that_docker_would_not_take_is_refused(repository: str) -> None:
    with pytest.raises(SettingsError, match=r"trawler:image\.repository"):
        settings_of(changed("dev", {"image.repository": repository}), "dev")


def test_an_ecr_registry_is_recognised_by_its_name() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert ImageSettings.model_validate({"repository": f"{host}/trawler/worker"}).ecr_registry == host
    assert ImageSettings.model_validate({"repository": f"{host}.example.com/worker"}).ecr_registry is None
    assert ImageSettings().ecr_registry is None


class Told:
    """A registry's answer, and the warnings that were made of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: registry.Answer) -> None:
        self.asked: list[str] = []
        self.warnings: list[str] = []

        def look_up(text: str, profile: str | None = None) -> registry.Answer:
            assert profile is None
            self.asked.append(text)
            return answer

        monkeypatch.setattr(registry, "look_up", look_up)

    def require(self, name: str, connection: AwsConnection = AWS, **settings: object) -> None:
        given = ImageSettings.model_validate(settings)
        image.require(name, given, connection, "prod", self.warnings.append)


def test_a_tag_that_the_registry_lacks_is_refused_with_its_reasons_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ImageError) as refused:
        Told(monkeypatch, registry.Absent()).require("quay.io/trawler/worker:1f2e")
    for part in (
        "quay.io/trawler/worker:1f2e",
        "requirements.lock",
        BASE_IMAGE,
        "x86_64",
        "make image STACK=prod",
    ):
        assert part in str(refused.value)
    assert "dockerbuild" in str(refused.value)
    assert "Nothing was changed" in str(refused.value)


def test_a_registry_that_cannot_be_asked_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, registry.Unknown("quay.io cannot be asked: no answer in time", refused=False))
    told.require("quay.io/trawler/worker:1f2e")
    assert len(told.warnings) == 1
    assert "no answer in time" in told.warnings[0]


def test_nothing_is_asked_where_the_settings_say_so_or_the_stack_stands_on_stand_ins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, registry.Absent())
    told.require("quay.io/trawler/worker:1f2e", verify=False)
    told.require("quay.io/trawler/worker:1f2e", STAND_INS)
    assert (told.asked, told.warnings) == ([], [])
    with pytest.raises(ImageError):
        told.require("127.0.0.1:5000/trawler/worker:1f2e", STAND_INS)
