"""An image is built once, pushed once, and holds what it must and nothing else: a real daemon, a real registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra import image
from infra.aws_connection import AwsConnection
from infra.errors import ImageError
from infra.settings import ImageSettings
from ops.errors import OpsError
from tests.servers.image.conftest import Site, docker

ON_STAND_INS = AwsConnection("us-east-1", None, {"s3": "http://127.0.0.1:1"})


def required(site: Site, name: str) -> list[str]:
    """Warnings of a preview that runs in this image."""
    warnings: list[str] = []
    settings = ImageSettings(repository=f"{site.address}/trawler/worker")
    image.require(name, settings, ON_STAND_INS, "test", warnings.append)
    return warnings


def test_an_image_is_built_and_pushed_once_and_a_preview_refuses_it_until_then(site: Site) -> None:
    work = site.work()
    with pytest.raises(ImageError, match="is not in its registry"):
        required(site, work.image)
    first = work.run()
    assert (first.built, first.pushed) == (True, True)
    assert first.digest is not None
    assert required(site, first.image) == []
    assert {"look", "build", "check", "push", "verify"} <= first.seconds.keys()

    again = site.work().run()
    assert (again.built, again.pushed, again.digest) == (False, False, first.digest)
    assert again.seconds.keys() == {"look"}

    # Another machine, which has the registry's image only.
    docker("rmi", "--force", first.image)
    docker("pull", "--quiet", first.image)
    run = ["run", "--rm", "--network", "none", first.image]
    assert docker(*run, "id", "-u").strip() == "10001"
    assert docker(*run, "python", "-c", "import msgspec, six, jstyleson; print(msgspec.__file__)").startswith(
        "/opt/venv"
    )
    found = docker(
        *run, "sh", "-c", "ls -A /var/app /build 2>/dev/null; find / -xdev -name crawler 2>/dev/null; true"
    )
    assert found.strip() in {"", "/var/app:"}
    labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", first.image)
    assert "created" not in labels


def test_a_package_that_is_not_what_the_lock_says_is_refused_and_nothing_is_built(
    site: Site, tmp_path: Path
) -> None:
    lock = site.workers / "requirements.lock"
    spoilt = re.sub(r"(six==[^\n]*\n(?:.*\n)*?.*sha256:)[0-9a-f]{8}", r"\g<1>00000000", lock.read_text())
    lock.write_text(re.sub(r"sha256:(?!0{8})[0-9a-f]{8}", "sha256:00000000", spoilt))
    work = site.work(tmp_path / "no-wheels-yet")
    with pytest.raises(OpsError, match=r"(?s)DO NOT MATCH THE HASHES.*Nothing was built"):
        work.run()
    with pytest.raises(ImageError):
        required(site, work.image)


def test_a_wheel_that_was_changed_on_this_machine_does_not_get_into_an_image(
    site: Site, tmp_path: Path
) -> None:
    kept = tmp_path / "wheels" / site.wheels().name
    kept.mkdir(parents=True)
    (kept / "wheels").mkdir()
    for source in site.wheels().rglob("*.*"):
        (kept / source.relative_to(site.wheels())).write_bytes(source.read_bytes())
    [six] = (kept / "wheels").glob("six-*.whl")
    six.write_bytes(six.read_bytes() + b"\n")
    with pytest.raises(OpsError, match="docker build failed"):
        site.work(tmp_path / "wheels").run(push=False)
    assert docker("image", "ls", "--quiet", f"{site.address}/trawler/worker") == ""


def test_an_image_that_is_not_what_it_must_be_is_not_kept(site: Site) -> None:
    """As root, with source, and without a package that the workers ask for."""
    (site.workers / "requirements.in").write_text("six\nrequests\n")
    dockerfile = site.workers / "Dockerfile"
    spoilt = dockerfile.read_text().replace("USER 10001:10001", "RUN mkdir /var/app/crawler")
    dockerfile.write_text(spoilt)
    with pytest.raises(OpsError) as refused:
        site.work().run(push=False)
    for fault in (
        "it runs as root",
        "requests is not installed",
        "/var/app, where the release is mounted, is not empty",
    ):
        assert fault in str(refused.value)
    assert docker("image", "ls", "--quiet", f"{site.address}/trawler/worker") == ""


def test_a_base_image_that_cannot_be_had_is_told_with_the_way_out(site: Site) -> None:
    site.configure(baseImage="127.0.0.1:1/python:3.11-slim-bookworm")
    with pytest.raises(OpsError, match=r"tools/base_image\.py"):
        site.work().run(push=False)


def test_a_registry_that_is_down_is_told_before_anything_is_built(site: Site) -> None:
    site.configure(repository="127.0.0.1:1/trawler/worker")
    with pytest.raises(OpsError, match="Nothing was built"):
        site.work().run()
