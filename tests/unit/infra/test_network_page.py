"""The prices on the network's page are those of the one file that has prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from review import prices

PAGE = Path(__file__).resolve().parents[3] / "docs" / "network.md"


@pytest.mark.parametrize(
    ("choice", "unit", "count", "a_gigabyte"),
    [
        ("a public address", "public_ipv4_hour", 1, None),
        ("`nat: one`", "nat_gateway_hour", 1, "nat_gateway_gb"),
        ("`nat: perZone`", "nat_gateway_hour", 3, "nat_gateway_gb"),
        ("one interface endpoint", "interface_endpoint_hour", 3, "interface_endpoint_gb"),
        ("the five endpoints", "interface_endpoint_hour", 15, "interface_endpoint_gb"),
    ],
)
def test_a_choice_costs_what_the_price_list_says(
    choice: str, unit: str, count: int, a_gigabyte: str | None
) -> None:
    listed = prices.load()
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {choice}")]
    _, _, month, gigabyte, _, _ = (cell.strip() for cell in row.split("|"))
    assert month == f"${listed.month(unit) * count:.2f}"
    assert float(gigabyte.removeprefix("$")) == (listed.month(a_gigabyte) if a_gigabyte else 0)
