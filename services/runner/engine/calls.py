"""Calls of docker-py, which block, in threads; and their failures in our words."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import requests
from docker.errors import DockerException

from services.errors import UnavailableError

_T = TypeVar("_T")


async def call(work: Callable[[], _T]) -> _T:
    """Runs a blocking call in a thread. Raises UnavailableError for what the engine does not do."""
    return await _translated(asyncio.to_thread(work))


async def call_apart(work: Callable[[], _T]) -> _T:
    """As `call`, for what may hang: nobody waits for its thread any more once it is given up."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(how: Callable[[Any], None], value: object) -> None:
        def unless_given_up() -> None:
            if not future.done():
                how(value)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(unless_given_up)

    def run() -> None:
        try:
            settle(future.set_result, work())
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            settle(future.set_exception, error)

    threading.Thread(target=run, name="engine", daemon=True).start()
    return await _translated(future)


async def _translated(work: Awaitable[_T]) -> _T:
    try:
        return await work
    except (DockerException, requests.RequestException) as error:
        raise UnavailableError(f"the Docker engine failed: {error}") from error
