"""The definitions that the crawler reads."""

import tomllib
from pathlib import Path

import pytest

from local.shops import definitions


def test_definitions_are_written_for_the_ports_of_the_run(tmp_path: Path) -> None:
    ports = {"demo-jsonld": 40001, "books": 40004}
    written = definitions.write(tmp_path / "shops", ports)
    assert sorted(path.name for path in written) == ["books.toml", "demo-jsonld.toml"]
    assert sorted(path.name for path in (tmp_path / "shops").iterdir()) == ["books.toml", "demo-jsonld.toml"]
    for path in written:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        port = ports[read["name"]]
        assert path.stem == read["name"]
        assert read["seeds"] == [f"http://127.0.0.1:{port}/"]
        assert read["hosts"] == [f"127.0.0.1:{port}"]


def test_a_shop_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'demo-jsonl'"):
        definitions.write(tmp_path, {"demo-jsonl": 1})


@pytest.mark.parametrize("shop", definitions.DEFAULT_PORTS)
def test_every_shop_has_a_definition_with_a_short_delay(shop: str) -> None:
    assert 0.05 <= definitions.delay_s(shop) <= 0.2
