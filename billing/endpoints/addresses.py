"""Addresses: which an endpoint may have, and to which machine its name leads; private ones are refused."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from billing.endpoints.errors import EndpointAddressError, NotDeliveredError

MAX_LENGTH: Final = 500
_PORTS: Final = {"https": 443, "http": 80}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post: `target` is path and query."""

    host: str
    port: int
    target: str
    is_secure: bool


def read(*, url: str, allows_private: bool) -> Address:
    """Return the address behind a URL. Raises EndpointAddressError.

    It is https, without user, password and fragment; http and private networks only where the operator allows them.
    A name is judged when it is resolved, each time that something is sent.
    """
    parts = _split(url)
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not allows_private):
        raise EndpointAddressError("The address begins with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise EndpointAddressError("The address has no user, password or fragment.")
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    literal = _literal(host)
    if not host or (literal is not None and not allows_private and not is_public(literal)):
        raise EndpointAddressError("The address leads to a machine on the public Internet.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(host, port, target, is_secure=parts.scheme == "https")


def resolve(*, address: Address, allows_private: bool) -> str:
    """Return the one numeric address to connect to. Raises NotDeliveredError where a name leads, also, inside.

    Whoever connects uses this very address: the name is not asked again, so it cannot lead elsewhere the next time.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDeliveredError(f"The name {address.host} leads nowhere: {error}.") from error
    numeric = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not numeric:
        raise NotDeliveredError(f"The name {address.host} leads nowhere.")
    if not allows_private and not all(is_public(ipaddress.ip_address(one)) for one in numeric):
        raise NotDeliveredError(f"The name {address.host} leads into a private network, which is refused.")
    return numeric[0]


def is_public(address: IP) -> bool:
    """Whether a machine with this address is on the public Internet; addresses that wrap another one count as that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _split(url: str) -> SplitResult:
    if len(url) > MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise EndpointAddressError(f"The address has at most {MAX_LENGTH} ASCII characters and no spaces.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # says no to what is no port
    except ValueError as error:
        raise EndpointAddressError(f"The address is no URL: {error}.") from error
    return parts


def _literal(host: str) -> IP | None:
    """Return the address that a host is written as, in any of the ways in which a resolver reads numbers."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    except OSError:
        return None
