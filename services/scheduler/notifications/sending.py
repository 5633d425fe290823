"""Posts deliveries over HTTP: to the address that was looked at, for so long, and nowhere else."""

import asyncio
import importlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from services.errors import Error, UnavailableError
from services.scheduler.domain.notifications import (
    KEPT_RESPONSE,
    Attempt,
    Delivery,
    Webhook,
    host_of,
    require_public,
    signature,
)
from services.scheduler.ports.store import Clock

_LONGEST_ERROR = 300


class HttpSender:
    """The port `Sender` over HTTP.

    A name is looked up once for each attempt. All its addresses have to be public (but for
    allowed hosts), and one of them is connected to: a name that means something else a moment
    later is of no use. Redirections are not followed, proxies of the environment not used, and of
    an answer no more is read than is kept.

    Args:
        clock: Tells the time.
        timeout: How long an attempt takes at most, from the look-up to the answer.
        allowed: Hosts, in lower case, that may be of this machine or network.
        version: Of ACKREP, for receivers to see.
        trust: Whose certificates count; the machine's by default.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        timeout: timedelta,
        allowed: Collection[str],
        version: str,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._timeout = timeout.total_seconds()
        self._allowed = allowed
        self._agent = f"ACKREP/{version}"
        self._trust = trust

    async def send(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        # Imported where it is needed, and beside the loop: few installations have webhooks, and it
        # takes a third of a second.
        await asyncio.to_thread(importlib.import_module, "httpx")
        import httpx  # noqa: PLC0415

        start, began = self._clock(), time.monotonic()
        status, response, error = 0, "", ""
        try:
            async with asyncio.timeout(self._timeout):
                status, response = await self._post(webhook, delivery)
            if not 200 <= status < 300:
                where = " elsewhere, which is not followed" if 300 <= status < 400 else ""
                error = f"the receiver answered {status}{where}"
        except TimeoutError:
            error = f"there was no answer within {self._timeout:g} s"
        except Error as failure:
            error = failure.message
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failure:
            error = str(failure) or type(failure).__name__
        return Attempt(
            number=delivery.tried,
            start_time=start,
            seconds=time.monotonic() - began,
            status=status,
            response=response,
            error=error[:_LONGEST_ERROR],
        )

    async def _post(self, webhook: Webhook, delivery: Delivery) -> tuple[int, str]:
        import httpx  # noqa: PLC0415

        host = host_of(webhook.url)
        body = delivery.body.encode()
        url = httpx.URL(webhook.url)
        address = await self._address(host, url.port or (443 if url.scheme == "https" else 80))
        headers = {
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": self._agent,
            "ackrep-event": delivery.event,
            "ackrep-delivery": delivery.id,
            "ackrep-attempt": str(delivery.tried),
            "ackrep-signature": signature(
                body, secret=webhook.secret, time=int(self._clock().timestamp())
            ),
        }
        extensions: dict[str, Any] = {}
        if url.scheme == "https":
            # The certificate has to be the name's, though the connection goes to the address.
            extensions["sni_hostname"] = host
        trust = self._trust
        if trust is None:
            trust = self._trust = await asyncio.to_thread(ssl.create_default_context)
        async with (
            httpx.AsyncClient(
                trust_env=False,
                follow_redirects=False,
                timeout=self._timeout,
                verify=trust,
            ) as client,
            client.stream(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions=extensions,
            ) as answer,
        ):
            return answer.status_code, await _beginning(answer)

    async def _address(self, host: str, port: int) -> str:
        """Looks a host up, and gives one of its addresses that may be called.

        Raises:
            UnavailableError: There is none.
            InvalidArgumentError: It is of this machine or network.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise UnavailableError(f"{host} has no address: {error.strerror}") from error
        addresses = [str(one[4][0]) for one in found]
        require_public(host, addresses, allowed=self._allowed)
        return _first(addresses)


def _first(addresses: list[str]) -> str:
    """IPv4 where there is one: more machines reach it."""
    return min(addresses, key=lambda text: ipaddress.ip_address(text.partition("%")[0]).version)


async def _beginning(answer: Any) -> str:
    """Reads the beginning of an answer as text, as it came: what is packed may grow without end."""
    body = bytearray()
    async for chunk in answer.aiter_raw(KEPT_RESPONSE):
        body += chunk
        if len(body) >= KEPT_RESPONSE:
            break
    return (
        body[:KEPT_RESPONSE].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
