"""Answers that depend on the revision of the data repository alone, kept until it is another.

The catalog tells each revision that becomes current (`WatchCurrentRevision`). While that stream is
open, an answer that was made since its last event is right; while it is not, nothing is kept. What
passes this gateway and changes something empties the store as well, so that whoever changed it sees
the change at once.
"""

import asyncio
import contextlib
import functools
import logging
import re
from collections import OrderedDict
from typing import Any

import grpc
from google.protobuf.message import Message

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from gateway.answers import CHANGES, NEVER_CHANGES, Answer

log = logging.getLogger(__name__)

LIMIT_BYTES = 32 * 1024 * 1024
"""So much is kept; what was not asked for longest goes first."""

LARGEST_BYTES = 1024 * 1024
"""Answers larger than this are not kept."""

_CATALOG = "/ackrep.catalog.v1.CatalogService/"
_ONTOLOGY = "/ackrep.catalog.v1.OntologyService/"
BY_REVISION = frozenset(
    {
        f"{_CATALOG}GetEntity",
        f"{_CATALOG}ListEntities",
        f"{_CATALOG}ListDiagnostics",
        f"{_CATALOG}GetClosure",
        f"{_ONTOLOGY}ListConcepts",
    }
)
"""Methods whose answer is a matter of the request and the revision, whoever asks and whenever.

`SearchEntities` is none: a revision is current before its full text is indexed.
"""

_WHOLE_ID = re.compile(r"revisions/[0-9a-f]{40}")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

Key = tuple[bytes, bytes]
"""Path and query, as they came."""


def cache_control(method: str, request: Message) -> str:
    """What clients are told about keeping an answer.

    With the whole id of a revision it never changes, but a closure, which also says whose proposal
    the revision is at present.
    """
    fixed = (
        method in BY_REVISION
        and not method.endswith("/GetClosure")
        and _WHOLE_ID.fullmatch(getattr(request, "revision", ""))
    )
    return NEVER_CHANGES if fixed else CHANGES


class Cache:
    """The kept answers of one gateway. Empty and closed until `renew`."""

    def __init__(self, *, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._size = 0
        self._open = False
        self._generation = 0

    @property
    def generation(self) -> int:
        """What an answer has to be made in to be kept: read it before asking."""
        return self._generation

    def find(self, key: Key) -> Answer | None:
        """Returns what is kept for a request."""
        answer = self._kept.get(key)
        if answer is not None:
            self._kept.move_to_end(key)
        return answer

    def keep(self, key: Key, answer: Answer, *, generation: int) -> None:
        """Keeps an answer, unless something happened since it was asked for."""
        if not self._open or generation != self._generation or len(answer.body) > LARGEST_BYTES:
            return
        if key not in self._kept:
            self._size += _weight(key, answer)
        self._kept[key] = answer
        while self._size > self._limit:
            oldest, dropped = self._kept.popitem(last=False)
            self._size -= _weight(oldest, dropped)

    def forget(self) -> None:
        """Drops everything, and what is being asked for as well."""
        self._generation += 1
        self._kept.clear()
        self._size = 0

    def renew(self) -> None:
        """Begins anew: the catalog told of a revision."""
        self.forget()
        self._open = True

    def suspend(self) -> None:
        """Keeps nothing until `renew`: the catalog tells nothing."""
        self._open = False
        self.forget()


def _weight(key: Key, answer: Answer) -> int:
    # Compressed forms come later, and are smaller than the body.
    return 2 * len(answer.body) + len(key[0]) + len(key[1]) + 1024


def _cancel(call: Any, _: object) -> None:
    call.cancel()


async def follow(channel: grpc.aio.Channel, cache: Cache, closing: asyncio.Event) -> None:
    """Keeps a cache true to the catalog until `closing` is set; comes back when it was cut off."""
    stub = catalog_pb2_grpc.CatalogServiceStub(channel)
    stopped = asyncio.ensure_future(closing.wait())
    pause = _FIRST_PAUSE
    try:
        while not stopped.done():
            call = stub.WatchCurrentRevision(catalog_pb2.WatchCurrentRevisionRequest())
            stopped.add_done_callback(functools.partial(_cancel, call))
            try:
                async for _ in call:
                    cache.renew()
                    pause = _FIRST_PAUSE
            except grpc.aio.AioRpcError as failure:
                log.debug(f"the catalog tells no revisions: {failure.details()}")
            except asyncio.CancelledError:
                if not stopped.done():
                    raise
            finally:
                cache.suspend()
                call.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stopped), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    finally:
        stopped.cancel()
