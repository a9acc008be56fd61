"""The recipe of the images: nothing unknown goes into one."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.boot.image.recipe import Parts, Role, component, node_file, pack_node, read
from infra.errors import BootError

BUCKET = "s3://mirror/trawler"
DIGEST = "ab" * 32


def whole() -> Parts:
    """The parts as somebody wrote them down who has them."""
    parts = read()
    known = [part.model_copy(update={"sha256": DIGEST}) for part in parts.parts]
    return parts.model_copy(update={"releasever": "2023.9.20251027", "parts": known})


def steps(role: Role) -> dict[str, Any]:
    """Step name → its inputs."""
    document: dict[str, Any] = yaml.safe_load(component(role, BUCKET, whole(), pack_node()))
    return {step["name"]: step["inputs"] for phase in document["phases"] for step in phase["steps"]}


def test_an_image_of_parts_without_checksums_is_refused_and_every_one_is_named() -> None:
    with pytest.raises(BootError) as caught:
        component("master", BUCKET, read(), pack_node())
    for name in ("releasever", "mesos 1.11.0", "zookeeper", "marathon 1.11.24"):
        assert name in str(caught.value)


def test_the_command_says_what_is_missing_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "infra.boot.image",
            "agent",
            "--bucket",
            BUCKET,
            "--out",
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "sha256 of mesos" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("role", ["agent", "master"])
def test_every_file_that_is_fetched_is_checked_before_anything_is_installed(role: Role) -> None:
    told = steps(role)
    assert list(told)[:3] == ["fetch", "check", "install"]
    fetched = [entry["source"].rpartition("/")[2] for entry in told["fetch"]]
    sums = told["check"]["commands"][0]
    assert sums.startswith("set -euo pipefail\n")
    assert [
        line.split()[1] for line in sums.splitlines() if line[:1].isalnum() and len(line.split()[0]) == 64
    ] == fetched


def test_masters_have_marathon_and_zookeeper_and_agents_do_not() -> None:
    assert "marathon" in str(steps("master")["fetch"])
    assert "marathon" not in str(steps("agent")["fetch"])


@pytest.mark.parametrize("role", ["agent", "master"])
def test_images_have_cgroup_v1_and_no_ssh(role: Role) -> None:
    install = steps(role)["install"]["commands"][0]
    assert "systemd.unified_cgroup_hierarchy=0" in install
    assert "systemctl mask sshd.service" in install


def test_the_programs_archive_is_the_same_for_the_same_sources_and_named_by_them() -> None:
    node = pack_node()
    assert node == pack_node()
    assert hashlib.sha256(node).hexdigest()[:12] in node_file(node)
    with tarfile.open(fileobj=io.BytesIO(node)) as tar:
        assert "trawler/node/drainer.py" in tar.getnames()


def test_a_checksum_of_the_wrong_form_is_named(tmp_path: Path) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(
        "releasever: null\npackages: {agent: [], master: []}\n"
        "parts: [{name: m, version: 1.1, file: m.rpm, sha256: beef, roles: [agent], install: rpm}]\n"
    )
    with pytest.raises(BootError, match=r"parts\.0\.sha256"):
        read(file)


@pytest.mark.parametrize("role", ["agent", "master"])
def test_the_recipe_s_shell_is_valid(role: Role, tmp_path: Path) -> None:
    scripts = {n: i["commands"][0] for n, i in steps(role).items() if "commands" in i}
    assert set(scripts) == {"check", "install", "works"}
    for name, script in scripts.items():
        file = tmp_path / f"{name}.sh"
        file.write_text(f"#!/bin/bash\n{script}")
        assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", str(file)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
