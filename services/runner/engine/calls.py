"""Calls of docker-py, which block, in threads; and their failures in our words."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import requests
import urllib3.exceptions
from docker.errors import DockerException

from services.errors import UnavailableError
from services.runner.domain.engines import EngineAwayError

_T = TypeVar("_T")

_UNREACHABLE = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,  # it broke off in the middle of an answer
    urllib3.exceptions.HTTPError,
)


async def call(work: Callable[[], _T], *, seconds: float | None = None) -> _T:
    """Runs a blocking call in a thread of its own: one that hangs keeps nobody else waiting.

    Args:
        work: What is asked of the engine. Its thread goes on where the caller gives up.
        seconds: How long to wait for it; None: as long as the connection allows.

    Raises EngineAwayError if the engine cannot be reached or takes longer, UnavailableError for
    what it does not do.
    """
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
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as error:
        raise EngineAwayError(f"the Docker engine did not answer within {seconds} s") from error
    except _UNREACHABLE as error:
        raise EngineAwayError(f"the Docker engine does not answer: {error}") from error
    except (DockerException, requests.RequestException) as error:
        raise UnavailableError(f"the Docker engine failed: {error}") from error
