"""Where a request comes from, as far as it can be believed.

`X-Forwarded-*` is what anybody may write: it counts only where a proxy that the settings name sent
the request, and of the addresses only the last one that is no such proxy.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEY = "ackrep.client"
_SITE_BITS = 64
"""Bits of an IPv6 address that one client usually has all the rest of."""


@dataclass(frozen=True)
class Client:
    """Who is at the other end."""

    address: str
    """IP address; empty where there is none, as on a Unix socket."""
    secure: bool
    """Whether the browser speaks HTTPS."""

    @property
    def site(self) -> str:
        """The address, or of IPv6 the network, that counts as one client."""
        found = _address(self.address)
        if isinstance(found, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((found, _SITE_BITS), strict=False))
        return self.address


def note(connection: Scope, client: Client) -> None:
    """Notes who is at the other end of a request."""
    connection[_KEY] = client


def known_client(connection: Scope) -> Client:
    """Tells who is at the other end of a request that has passed the gate."""
    found: Client = connection[_KEY]
    return found


def networks(texts: Iterable[str]) -> Sequence[Network]:
    """Reads addresses and networks, e.g. `127.0.0.1` and `10.0.0.0/8`, as settings have them."""
    return [ipaddress.ip_network(text.strip()) for text in texts]


def client_of(scope: Scope, headers: Headers, *, proxies: Sequence[Network]) -> Client:
    """Tells who sent a request."""
    peer = scope.get("client")
    address = peer[0] if peer else ""
    secure = scope.get("scheme") == "https"
    if not proxies or not _within(address, proxies):
        return Client(address, secure)
    hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
    for hop in reversed(hops):
        if _address(hop) is None:
            break
        address = hop
        if not _within(hop, proxies):
            break
    schemes = ",".join(headers.getlist("x-forwarded-proto")).split(",")
    return Client(address, secure or schemes[-1].strip().lower() == "https")


def _within(text: str, proxies: Sequence[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in proxies)


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
