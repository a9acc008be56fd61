"""What keeps an image from being built, told before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra import registry
from ops.docker import Docker, DockerError
from ops.errors import MisuseError, OpsError
from ops.image import Imaged, ImageWork, summary
from ops.stack_file import ROOT, StackFile
from ops.talk import Talk


def work(tmp_path: Path, docker: str = "no-such-docker", **image: str) -> ImageWork:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump({"config": {"trawler:image": image}}))
    return ImageWork(
        StackFile.read("test", path), Talk(), Docker(lambda _: None, docker), ROOT / "workers", tmp_path
    )


def answering(monkeypatch: pytest.MonkeyPatch, answer: registry.Answer) -> None:
    def look_up(_text: str, _profile: str | None = None) -> registry.Answer:
        return answer

    monkeypatch.setattr(registry, "look_up", look_up)


def test_settings_that_cannot_be_are_told_by_key(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"Pulumi\.test\.yaml: trawler:image\.architecture"):
        work(tmp_path, architecture="sparc")


def test_what_the_registry_has_needs_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, registry.Present("sha256:" + "ab" * 32))
    done = work(tmp_path).run()
    assert (done.built, done.pushed) == (False, False)
    assert "there already" in summary(done)


def test_without_docker_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, registry.Absent())
    with pytest.raises(DockerError, match="needs a Docker daemon, and none answers here"):
        work(tmp_path).run()


def test_a_registry_that_refuses_may_lack_the_repository_so_the_push_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, registry.Unknown("quay.io does not let this machine see it", refused=True))
    with pytest.raises(DockerError):
        work(tmp_path).run()
    assert "building it all the same" in capsys.readouterr().err


def test_a_registry_that_cannot_be_reached_ends_it_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, registry.Unknown("quay.io cannot be asked: no answer in time", refused=False))
    with pytest.raises(OpsError, match=r"Nothing was built; with --no-push"):
        work(tmp_path).run()


def test_a_stand_in_for_the_base_image_never_leaves_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its image has the name of the real one."""
    program = tmp_path / "docker"
    label = '"org.opencontainers.image.base.name": "stand-in:1"'
    inspected = f'[{{"Id": "sha256:1", "Size": 7, "Config": {{"Labels": {{{label}}}}}, "RepoDigests": []}}]'
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" = version ] || echo \'{inspected}\'\n'
    )
    program.chmod(0o755)
    answering(monkeypatch, registry.Absent())
    done = work(tmp_path, str(program)).run("stand-in:1")
    assert isinstance(done, Imaged)
    assert (done.built, done.pushed, done.size_bytes) == (False, False, 7)
    assert "push" not in (tmp_path / "calls").read_text()
