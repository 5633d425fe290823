"""The gateway's settings, read from `ACKREP_GATEWAY_<FIELD>`."""

import ipaddress
from dataclasses import dataclass

from services.errors import InvalidArgumentError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
"""Host names that always mean this machine."""

_SHORTEST_SECRET = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the gateway listens, whom it asks, and what it shows."""

    catalog: str
    """Address of the catalog, `host:port`."""
    scheduler: str
    """Address of the scheduler, `host:port`."""
    token: str
    """Shared secret of the services (`ACKREP_TOKEN`). Never asked of, nor shown to, browsers."""
    address: str = "127.0.0.1:8642"
    """Where HTTP is served, `host:port`; port 0 takes a free one."""
    listener: int | None = None
    """File descriptor of a socket that listens on `address` already, kept by the parent process;
    without it the gateway listens by itself."""
    runner: str | None = None
    """Address of a runner, for its own part of the API; without it that part says UNAVAILABLE."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names that browsers may use for this gateway, besides those of loopback; `*` is any."""
    public_read: bool = False
    """Whoever reaches the gateway may read everything without a token; what changes something
    takes one. Allows an address beyond loopback."""
    public_write: bool = False
    """With `public_read`: whoever reaches the address may also start and cancel checks and steer
    the queue, e.g. where a container's port is published on the loopback interface only."""
    require_login: bool = False
    """Wants a token (`ackrep token create`) of everybody, on loopback too. Allows an address beyond
    loopback. With `public_read`, reading takes none."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies, e.g. `127.0.0.1,10.0.0.0/8`, whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed; of others they are not."""
    requests_per_second: float = 20.0
    """How often a token, or an address without one, may ask in the long run; 0 means any. Without
    login, requests on loopback are not counted."""
    anonymous_checks_per_hour: int = 60
    """How many requests that start checks an address may send without a token, where
    `public_write` allows any."""
    debug: bool | None = None
    """Whether pages show tracebacks and logs of script errors; by default on loopback only."""
    cors_origins: tuple[str, ...] = ()
    """Origins (`https://host[:port]`) whose pages may use the API, without cookies; none unless
    named."""
    cors_credentials: tuple[str, ...] = ()
    """Origins whose pages may use the API with the cookies of whoever looks at them: trust them as
    this gateway itself."""
    webhook_secret: str = ""
    """What a forge signs its deliveries to `/hooks/source` with; without it there is no such
    address."""
    log_format: str = "pretty"
    """`pretty` or `json` (`ACKREP_LOG_FORMAT`)."""

    @property
    def host(self) -> str:
        """The host part of `address`, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of `address`."""
        return int(self.address.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def shows_errors(self) -> bool:
        """Whether pages show tracebacks and logs of script errors."""
        return self.loopback if self.debug is None else self.debug

    @property
    def open(self) -> bool:
        """Whether everybody who reaches the gateway may do everything: this machine's users."""
        return self.loopback and not self.require_login

    @property
    def hosts(self) -> frozenset[str]:
        """All host names that requests may use, in lower case."""
        own = {self.host} if self.host not in {"", "0.0.0.0", "::"} else set()  # noqa: S104
        return frozenset(name.lower() for name in {*LOOPBACK_NAMES, *own, *self.allowed_hosts})

    def validate(self) -> None:
        """Refuses settings that would open the system by accident.

        Raises:
            InvalidArgumentError: The address is no `host:port`, or reaches beyond loopback without
                an explicit `public_read` or `require_login`; or settings contradict each other.
        """
        host, colon, port = self.address.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise InvalidArgumentError(
                f"ACKREP_GATEWAY_ADDRESS is {self.address!r}, which is no host:port",
                setting="ACKREP_GATEWAY_ADDRESS",
            )
        if self.webhook_secret and len(self.webhook_secret) < _SHORTEST_SECRET:
            raise InvalidArgumentError(
                f"ACKREP_GATEWAY_WEBHOOK_SECRET has fewer than {_SHORTEST_SECRET} characters; make "
                "one with `openssl rand -hex 32`",
                setting="ACKREP_GATEWAY_WEBHOOK_SECRET",
            )
        if self.requests_per_second < 0 or self.anonymous_checks_per_hour < 0:
            raise InvalidArgumentError(
                "ACKREP_GATEWAY_REQUESTS_PER_SECOND and ACKREP_GATEWAY_ANONYMOUS_CHECKS_PER_HOUR "
                "cannot be negative",
                setting="ACKREP_GATEWAY_REQUESTS_PER_SECOND",
            )
        for text in self.trusted_proxies:
            try:
                ipaddress.ip_network(text.strip())
            except ValueError as error:
                raise InvalidArgumentError(
                    f"ACKREP_GATEWAY_TRUSTED_PROXIES: {error}",
                    setting="ACKREP_GATEWAY_TRUSTED_PROXIES",
                ) from error
        if self.public_write and self.require_login:
            raise InvalidArgumentError(
                "ACKREP_GATEWAY_PUBLIC_WRITE lets everybody write, ACKREP_GATEWAY_REQUIRE_LOGIN "
                "nobody without a token: set one of them",
                setting="ACKREP_GATEWAY_PUBLIC_WRITE",
            )
        if not self.loopback and not self.public_read and not self.require_login:
            raise InvalidArgumentError(
                f"refusing to listen on {self.address}: others could reach it. Set "
                "ACKREP_GATEWAY_REQUIRE_LOGIN=1 if everybody has to show a token (`ackrep token "
                "create` makes them), ACKREP_GATEWAY_PUBLIC_READ=1 if everybody may read and only "
                "changes take a token, or listen on 127.0.0.1",
                setting="ACKREP_GATEWAY_REQUIRE_LOGIN",
            )
