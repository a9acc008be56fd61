"""The shops' definitions for the crawler: one TOML a shop, for the default ports."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

#: Name of each shop → the port its definition here is written for.
DEFAULT_PORTS: Final[Mapping[str, int]] = {
    "demo-jsonld": 8101,
    "demo-microdata": 8102,
    "demo-selectors": 8103,
    "books": 8104,
}

_FOLDER: Final = Path(__file__).parent


class _Definition(msgspec.Struct):
    """The part of a definition that the shops themselves need; the crawler reads and checks all of it."""

    name: str
    delay_s: float


def delay_s(shop: str) -> float:
    """The least time between two requests that the definition of `shop` asks for, in seconds."""
    text = (_FOLDER / f"{shop}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Definition).delay_s


def write(to: Path, ports: Mapping[str, int]) -> list[Path]:
    """Write the definitions of the shops in `ports` (name → port on 127.0.0.1) into the folder `to`.

    Returns the files written, one a shop; a shop without a port gets none. The folder is made if missing.

    Raises:
        ValueError: a name that is none of `DEFAULT_PORTS`.
    """
    unknown = sorted(set(ports) - set(DEFAULT_PORTS))
    if unknown:
        raise ValueError(f"no shop is called {unknown[0]!r}; there are {', '.join(DEFAULT_PORTS)}")
    to.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for shop, port in ports.items():
        text = (_FOLDER / f"{shop}.toml").read_text(encoding="utf-8")
        path = to / f"{shop}.toml"
        path.write_text(
            text.replace(f"127.0.0.1:{DEFAULT_PORTS[shop]}", f"127.0.0.1:{port}"), encoding="utf-8"
        )
        written.append(path)
    return written
