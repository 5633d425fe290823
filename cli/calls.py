"""Calls to the services of a system: channels, repetitions, and errors as `services.errors`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import grpc

from cli.state import System
from services import rpc
from services.errors import Error, UnavailableError

_CALL_SECONDS = 30.0
_RECONNECT_SECONDS = 20.0
_RETRY_SECONDS = 5.0

T = TypeVar("T")


class Calls:
    """Talks to the services of one system; an async context manager."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    def channel(self, peer: str) -> grpc.aio.Channel:
        """The channel to `catalog`, `scheduler` or `runner`.

        Without an address, calls fail with a clear error instead of an attribute missing.
        """
        if peer not in self._channels:
            address = getattr(self.system, peer) or "127.0.0.1:1"
            self._channels[peer] = rpc.dial(address, token=self.system.token)
        return self._channels[peer]

    async def call(
        self,
        service: str,
        method: Callable[..., Awaitable[T]],
        request: object,
        *,
        timeout: float = _CALL_SECONDS,  # noqa: ASYNC109  # of gRPC, which passes it on as a deadline
    ) -> T:
        """Makes a call that may be repeated; a lost connection is tried again for some seconds.

        A service that crashed is back within a second or two, at the same address.
        """
        patience = Patience(_RETRY_SECONDS)
        while True:
            try:
                with errors(service):
                    return await method(request, timeout=timeout)
            except UnavailableError as error:
                # The catalog says so itself of a remote source, which a second try would not mend.
                if service == "catalog" and not lost(error):
                    raise
                await patience.wait_after(error, self.system)


class Patience:
    """How long a lost connection is tried again."""

    def __init__(self, seconds: float = _RECONNECT_SECONDS) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def renew(self) -> None:
        self._since = None

    async def wait_after(self, error: Error, system: System) -> None:
        if system.ended:
            raise UnavailableError(f"the system has ended; its logs are in {system.state}/logs")
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
        if now - self._since > self._seconds:
            raise error
        await asyncio.sleep(0.3)


@contextlib.contextmanager
def errors(service: str) -> Iterator[None]:
    """Raises what the service raised; a lost connection names the service."""
    try:
        with rpc.remote_errors():
            yield
    except UnavailableError as error:
        if not lost(error):
            raise
        raise UnavailableError(
            f"the {service} does not answer (connection lost); start the command again"
        ) from error.__cause__


def lost(error: UnavailableError) -> bool:
    """True if it was the connection that failed, not something behind the service."""
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and not cause.trailing_metadata()
