"""Waiting for another service that is away for a moment, as while it restarts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from services.errors import DeadlineExceededError, Error, UnavailableError

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0
"""How long an attempt waits before it counts as a failure: restarts cost no attempts."""
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


async def patiently(
    work: Callable[[], Awaitable[T]],
    *,
    tell: Callable[[Error], None],
    seconds: float = PATIENCE_SECONDS,
) -> T:
    """Does the work, again and again while a service that it asks does not answer.

    Args:
        work: What may be repeated.
        tell: Told each time what it waits for.
        seconds: After so long the error is raised.

    Raises:
        UnavailableError: The service was away all the time.
        DeadlineExceededError: It took too long to answer all the time.
    """
    end = time.monotonic() + seconds
    pause = _SHORTEST_PAUSE
    while True:
        try:
            return await work()
        except (UnavailableError, DeadlineExceededError) as error:
            if time.monotonic() + pause > end:
                raise
            tell(error)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)
