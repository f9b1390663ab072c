"""Which network addresses are read from, for whom (`gitops.adapters.http_get.Reach`).

An address that stands for another one (IPv4 in IPv6, in all its forms) is held against the rules of both.
"""

import ipaddress
from collections.abc import Iterator
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# The services of clouds that tell a machine its own secrets, where they are not on link-local addresses.
_METADATA: Final = tuple(
    map(
        ipaddress.ip_network,
        ("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128"),
    )
)
_NAT64: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))


def refused(address: Address, reach: str) -> str:
    """Why an address is not read from within `reach`, or ""."""
    found = tuple(_meant(address))
    if reach == "public" and not all(one.is_global and not one.is_multicast for one in found):
        return "is not a public address"
    return "is an address of the controller's own machine" if reach != "anywhere" and any(map(_is_own, found)) else ""


def _is_own(address: Address) -> bool:
    plain = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return plain or any(address in network for network in _METADATA if network.version == address.version)


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that a gateway or the system takes it for."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if any(address in network for network in _NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
