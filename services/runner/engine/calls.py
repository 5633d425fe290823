"""Calls of docker-py, which block, in threads; and their failures in our words."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import requests
from docker.errors import DockerException

from services.errors import UnavailableError

_T = TypeVar("_T")


async def call(work: Callable[[], _T]) -> _T:
    """Runs a blocking call in a thread. Raises UnavailableError for what the engine does not do."""
    try:
        return await asyncio.to_thread(work)
    except (DockerException, requests.RequestException) as error:
        raise UnavailableError(f"the Docker engine failed: {error}") from error
