"""Ending tasks for certain."""

import asyncio
from typing import Any


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels tasks until they are done.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which nats-py uses, forgets a
    cancellation that comes in the moment when what it waits for is done.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
