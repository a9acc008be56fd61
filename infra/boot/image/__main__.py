"""Writes an image's component document, and the archive of the node's programs to put beside the other parts.

python -m infra.boot.image agent --bucket s3://my-mirror/trawler
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.boot.image.recipe import Role, component, node_file, pack_node, read
from infra.errors import BootError


def main(
    role: Annotated[Role, typer.Argument(help="which machine the image is for")],
    bucket: Annotated[str, typer.Option(help="where the parts lie: s3://bucket/prefix")],
    out: Annotated[Path, typer.Option(help="folder that the two files are written to")] = Path("build/image"),
) -> None:
    """Write trawler-ROLE.yaml and the archive of the node's programs."""
    if not re.match(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?$", bucket):
        print(f"--bucket {bucket}: give it as s3://bucket/prefix", file=sys.stderr)
        raise typer.Exit(2)
    node = pack_node()
    try:
        document = component(role, bucket, read(), node)
    except BootError as e:
        print(e, file=sys.stderr)
        raise typer.Exit(2) from None
    out.mkdir(parents=True, exist_ok=True)
    (out / node_file(node)).write_bytes(node)
    (out / f"trawler-{role}.yaml").write_text(document)
    print(out / f"trawler-{role}.yaml")
    print(out / node_file(node))


if __name__ == "__main__":
    typer.run(main)
