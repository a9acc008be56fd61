"""Addresses of a VPC's subnets: arithmetic only."""

from __future__ import annotations

import ipaddress
from typing import Literal

Placement = Literal["private", "public"]

_BLOCKS = 16
_RESERVED = 5
"""Addresses AWS keeps in every subnet (Amazon VPC User Guide, Subnet CIDR blocks)."""


def subnet_cidr(vpc_cidr: str, zone: str, placement: Placement) -> str:
    """The subnet's sixteenth of the VPC, by the zone's letter: another zone never moves it.

    Args:
        vpc_cidr: addresses of the VPC.
        zone: Availability Zone, such as `us-east-1a`; letters a to h have a place.
        placement: private subnets lie in the lower half, public ones in the upper.

    Raises:
        ValueError: the zone's letter has no place.
    """
    place = ord(zone[-1]) - ord("a")
    if not 0 <= place < _BLOCKS // 2:
        raise ValueError(f"zone {zone} has no place in the VPC: letters a to h have one")
    if placement == "public":
        place += _BLOCKS // 2
    blocks = ipaddress.IPv4Network(vpc_cidr).subnets(prefixlen_diff=4)
    return str(next(block for i, block in enumerate(blocks) if i == place))


def usable_addresses(vpc_cidr: str) -> int:
    """Addresses that machines can have in one subnet of such a VPC."""
    return ipaddress.IPv4Network(vpc_cidr).num_addresses // _BLOCKS - _RESERVED


def host(cidr: str, number: int) -> str:
    """An address of a subnet by its number, counted from the network's own (0). AWS keeps 0 to 3 and the last."""
    return str(ipaddress.IPv4Network(cidr)[number])
