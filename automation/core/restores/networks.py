"""Which network a copy of an estate gets: never the source's, for an address has to mean one node only. Pure."""

from __future__ import annotations

import zlib
from ipaddress import IPv4Network, ip_network

DEFAULT = "10.0.0.0/16"
"""Network of an estate whose config names none: the program's default."""
_BLOCKS = tuple(IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))
"""Private blocks in which a network is chosen; the last is a rehearsal's on one computer."""


def beside(network: str, name: str) -> str:
    """Return a network of the same size in the same private block, always the same one for the same name.

    Two copies seldom get the same one, and no list of networks is needed to choose it.

    Args:
        network: CIDR of the source's network.
        name: what the copy is called.

    Raises:
        ValueError: ``network`` is no IPv4 network.
    """
    own = IPv4Network(network)
    block = next((one for one in _BLOCKS if own.subnet_of(one) and own.prefixlen > one.prefixlen), _BLOCKS[0])
    places = 2 ** (own.prefixlen - block.prefixlen)
    size = own.num_addresses
    here = (int(own.network_address) - int(block.network_address)) // size
    away = 1 + zlib.crc32(name.encode()) % (places - 1)
    return f"{block.network_address + (here + away) % places * size}/{own.prefixlen}"


def apart(one: str, other: str) -> bool:
    """Tell whether two networks have no address in common; False for what is no network."""
    try:
        return not ip_network(one).overlaps(ip_network(other))
    except (ValueError, TypeError):
        return False
