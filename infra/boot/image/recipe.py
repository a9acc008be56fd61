"""The component document of an image: read the parts, pack the node's programs, refuse what has no checksum.

Source: EC2 Image Builder User Guide, Component documents and action modules.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Annotated, Literal

import jinja2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.errors import BootError

Role = Literal["agent", "master"]

PARTS = Path(__file__).with_name("parts.yaml")
NODE = Path(__file__).parents[1] / "node"
NODE_FOLDER = "/usr/local/lib/trawler"


class Part(BaseModel):
    """A file of the mirror bucket."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: Annotated[str, Field(coerce_numbers_to_str=True)]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    roles: list[Role]
    install: Annotated[str, Field(pattern=r"^(rpm|/[a-z/]+)$")]
    """`rpm`, or the folder that an archive is unpacked into without its top folder."""


class Parts(BaseModel):
    """All that the images are made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    releasever: Annotated[str, Field(pattern=r"^2023\.\d+\.\d{8}$")] | None
    packages: dict[Role, list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]]]
    parts: list[Part]


def read(path: Path = PARTS) -> Parts:
    """The parts as the file lists them.

    Raises:
        BootError: it is not of that form; names the key.
    """
    try:
        return Parts.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BootError(f"{path}: {key}: {first['msg']}") from None


def pack_node(folder: Path = NODE) -> bytes:
    """The node's programs as an archive, the same bytes for the same sources."""
    archive = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in sorted(folder.glob("*.py")):
            # Unpacked without its top folder, as the other archives are: `node` is what remains.
            entry = tarfile.TarInfo(f"trawler/node/{file.name}")
            entry.size, entry.mode = file.stat().st_size, 0o644
            tar.addfile(entry, io.BytesIO(file.read_bytes()))
    return archive.getvalue()


def component(role: Role, bucket: str, parts: Parts, node: bytes) -> str:
    """Component document of a role, YAML.

    Args:
        role: which machine the image is for.
        bucket: `s3://bucket/prefix` where every part lies.
        parts: see `read`.
        node: see `pack_node`.

    Raises:
        BootError: a part of this role has no checksum, or the release version is not pinned; names all that lack.
    """
    needed = [part for part in parts.parts if role in part.roles]
    lacking = [
        f"sha256 of {part.name} {part.version} ({part.file})" for part in needed if part.sha256 is None
    ]
    if parts.releasever is None:
        lacking.insert(0, "releasever (the Amazon Linux 2023 release that is built on)")
    if lacking:
        raise BootError(
            f"{PARTS.name} does not say: {', '.join(lacking)}. Put the files into the mirror bucket, check them, and "
            "write their checksums down; an image of unknown parts is not built"
        )
    digest = hashlib.sha256(node).hexdigest()
    programs = Part(
        name="node",
        version=digest[:12],
        file=node_file(node),
        sha256=digest,
        roles=[role],
        install=NODE_FOLDER,
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  YAML and shell: every value is held to a safe form above
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = json.dumps
    return environment.get_template("component.yaml.j2").render(
        role=role,
        bucket=bucket.rstrip("/"),
        parts=[*needed, programs],
        packages=parts.packages[role],
        releasever=parts.releasever,
    )


def node_file(node: bytes) -> str:
    """Name of the archive in the bucket: other programs, another name."""
    return f"node-{hashlib.sha256(node).hexdigest()[:12]}.tar.gz"
