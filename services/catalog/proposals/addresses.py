"""Which addresses forks are fetched from: what a stranger writes must reach nothing private.

`remotes.py` sees to it that an address means nothing else to git. Here is what it may lead to: over
https to a host with public addresses, and to just those addresses, so that a name that changes its
mind between our look and git's leads nowhere else.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from services.catalog.sources.remotes import Remote, remote_of
from services.errors import InvalidArgumentError, UnavailableError

_FILE: Final = "file://"
_HTTPS_PORT: Final = 443
_RESOLVE_SECONDS: Final = 10.0
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as networks that have IPv6 alone write them."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Asks the system for the addresses of a host.

    Raises:
        UnavailableError: There are none, or nobody knows.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise UnavailableError(f"the host {host} has no address: {error}", host=host) from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def is_public(text: str) -> bool:
    """Whether an address is one of the public network."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast and not address.is_reserved


class Addresses:
    """Judges the addresses of forks.

    Args:
        local: Whether paths of this machine may be proposed.
        hosts: The only hosts that forks are fetched from, whatever their addresses are; where
            none is named, all with public addresses.
        resolver: Tells the addresses of a host.
    """

    def __init__(
        self, *, local: bool, hosts: Collection[str] = (), resolver: Resolve = resolve
    ) -> None:
        self._local = local
        self._hosts = frozenset(host.strip().lower() for host in hosts if host.strip())
        self._resolve = resolver

    def read(self, text: str) -> Remote | Path:
        """What an address means.

        Raises:
            InvalidArgumentError: It is of a kind that is refused.
        """
        if text.startswith("-") or any(not character.isprintable() for character in text):
            raise InvalidArgumentError(f"{text[:100]!r} is no address of a fork", field="url")
        remote = remote_of(text)
        if remote is None:
            return self._path(text)
        if remote.scheme != "https":
            raise InvalidArgumentError(
                f"{remote.shown}: forks are fetched over https alone", field="url"
            )
        if remote.user or remote.password:
            raise InvalidArgumentError(
                f"{remote.shown}: an address with a secret in it is not kept; forks have to be "
                "readable for everybody",
                field="url",
            )
        host = (urlsplit(remote.url).hostname or "").rstrip(".")
        if self._hosts and host not in self._hosts:
            raise InvalidArgumentError(
                f"forks are not fetched from {host}, only from {', '.join(sorted(self._hosts))} "
                "(ACKREP_CATALOG_PROPOSAL_HOSTS)",
                field="url",
            )
        return remote

    def _path(self, text: str) -> Path:
        if not self._local:
            raise InvalidArgumentError(
                f"{text[:100]!r} is no https address; paths of the catalog's machine are proposed "
                "where its operator allows it (ACKREP_CATALOG_PROPOSAL_LOCAL)",
                field="url",
            )
        if text.lower().startswith(_FILE):
            host, slash, below = text[len(_FILE) :].partition("/")
            if host.lower() not in ("", "localhost"):
                raise InvalidArgumentError(f"{text[:100]!r} names another machine", field="url")
            text = slash + below
        path = Path(text)
        if not path.is_absolute():
            raise InvalidArgumentError(f"{text[:100]!r} is no absolute path", field="url")
        return path

    async def pinned(self, remote: Remote) -> str:
        """Where git is to find a host, as `http.curloptResolve` wants it: `host:port:address,...`.

        Empty where the address has an address instead of a name.

        Raises:
            InvalidArgumentError: The host has an address that is not public, and is not named.
            UnavailableError: It has no address.
        """
        parts = urlsplit(remote.url)
        host, port = parts.hostname or "", parts.port or _HTTPS_PORT
        found = await self._resolve(host, port)
        if host.rstrip(".") not in self._hosts:
            private = [address for address in found if not is_public(address)]
            if private or not found:
                raise InvalidArgumentError(
                    f"{host} is at {', '.join(private) or 'no address'}, which is not public: "
                    "forks are fetched from there only where the operator names the host "
                    "(ACKREP_CATALOG_PROPOSAL_HOSTS)",
                    field="url",
                )
        if ":" in host or host in found:
            return ""
        addresses = ",".join(f"[{one}]" if ":" in one else one for one in found)
        return f"{host}:{port}:{addresses}"
