"""Where the messages of a stream come from, and how much of it is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc


@dataclass(frozen=True, kw_only=True)
class Source:
    """One stream of one resource."""

    key: str
    """The same for all who want the same stream."""
    open: Callable[[str], Any]
    """Calls the service, to go on after a resume token (empty: from the beginning)."""
    resumes: bool
    """Whether it can be resumed. Where not, each message is the present state, and a reader that
    comes late or falls behind wants only the newest."""
    from_now: bool = False
    """Whether no token means from now on, and not from the beginning."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much the streams of a gateway may take. Tests make them small."""

    ring_bytes: int = 1024 * 1024
    """Encoded messages that are kept for each resource."""
    batch_bytes: int = 64 * 1024
    """Most that one reader gets, and has in memory, at a time."""
    catching_up: int = 16
    """Calls that readers who fell behind may have open at a time, over all resources."""
    linger_seconds: float = 2.0
    """So long the call of a resource goes on without readers: they may only be reloading."""
    hold_seconds: float = 1.0
    """So long a call waits for its fastest reader, before what it brings goes on without."""
    stall_seconds: float = 30.0
    """A reader that takes nothing for so long is disconnected."""
    retry_seconds: float = 60.0
    """So long a service that went away is asked again before its readers are told."""


def transient(failure: grpc.aio.AioRpcError) -> bool:
    """Whether a call that went well until then may go well again."""
    return failure.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
