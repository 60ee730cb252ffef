"""How the network of an estate is split into subnets: arithmetic, no cloud."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

ZONES = 3
"""Zones that an estate spreads over: one can fail while two keep serving."""
SUBNET_BITS = 4
"""A sixteenth of the network per subnet: three public, three private, and ten sixteenths left for what comes later."""
PUBLIC_OFFSET = 8
FILE_SERVER_HOST = 10
"""The file server's host number in the first private subnet. Fixed, so that its replacement answers at the address
that every node has mounted; low, because the cloud keeps the first four addresses and hands out others at random."""


@dataclass(frozen=True, slots=True)
class Subnets:
    """The subnets of an estate, one of each kind per zone."""

    public: Sequence[IPv4Network]
    private: Sequence[IPv4Network]

    @property
    def file_server(self) -> IPv4Address:
        """Address of the file server."""
        return self.private[0][FILE_SERVER_HOST]


def split(network: IPv4Network) -> Subnets:
    """Split the network of a VPC into public and private subnets."""
    parts = list(network.subnets(prefixlen_diff=SUBNET_BITS))
    return Subnets(public=tuple(parts[PUBLIC_OFFSET : PUBLIC_OFFSET + ZONES]), private=tuple(parts[:ZONES]))
