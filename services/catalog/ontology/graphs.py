"""The graphs of revisions in Oxigraph, in a process of their own (port `Graphs`).

Their own process, because a query can take any time and memory, and is ended by killing it.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, Final, Self

from services.catalog.domain.ontology.answers import Answer, Term, TermKind, UnknownGraphError
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.triples import Tagged, ontology_triples, vocabulary_of
from services.catalog.ontology.frames import FrameReader, encoded
from services.errors import (
    DeadlineExceededError,
    Error,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 3.0
"""How much longer than a query's limit its answer may take before the process is ended."""
LOAD_SECONDS: Final = 120.0
MEBIBYTE: Final = 1024 * 1024
_UNBOUND: Final = Term(TermKind.UNBOUND)


class OxigraphGraphs:
    """Graphs in a child process, started with the first of them; close it, or use `async with`.

    Args:
        seconds: Time that a query may take.
        memory: MiB that a query may take beyond the graph itself.
        slots: Queries at a time; further ones wait for as long as a query may take.
    """

    def __init__(self, *, seconds: float = 10.0, memory: int = 512, slots: int = 2) -> None:
        self._seconds = seconds
        self._memory = memory
        self._slots = asyncio.Semaphore(slots)
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            await self._end(self._process)

    async def load(
        self, tree: str, ontology: Ontology, entities: AsyncIterator[Sequence[Tagged]]
    ) -> None:
        process = await self._started()
        vocabulary = vocabulary_of(ontology)
        begin = {
            "do": "begin",
            "tree": tree,
            "vocabulary": asdict(vocabulary),
            "triples": ontology_triples(ontology),
        }
        await self._send(process, begin)
        async for batch in entities:
            await self._send(process, {"do": "add", "tree": tree, "entities": batch})
        answer = await self._ask(process, {"do": "ready", "tree": tree}, LOAD_SECONDS)
        log.info(f"graph of revision {tree[:10]}: {answer['triples']} triples")

    async def query(self, tree: str, query: str, *, max_rows: int) -> Answer:
        if self._process is None:
            raise UnknownGraphError("no graph is loaded")
        try:
            async with asyncio.timeout(self._seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise ResourceExhaustedError("too many queries at once; try again later") from error
        try:
            process = await self._started()
            frame = {
                "do": "query",
                "tree": tree,
                "query": query,
                "rows": max_rows,
                "seconds": self._seconds,
                "memory": self._memory * MEBIBYTE,
            }
            found = await self._ask(process, frame, self._seconds + GRACE_SECONDS)
        finally:
            self._slots.release()
        return self._answer(found)

    def _answer(self, found: dict[str, Any]) -> Answer:
        error = found.get("error")
        if error == "unknown":
            raise UnknownGraphError("the graph is not loaded")
        if error == "query":
            raise InvalidArgumentError(found["message"], **found.get("facts", {}))
        if error == "time":
            raise self._overdue()
        if error is not None:
            raise ResourceExhaustedError(
                f"the query needs more than {self._memory} MiB of memory: ask for less at once"
            )
        return Answer(
            variables=tuple(found.get("variables", ())),
            rows=tuple(
                tuple(_UNBOUND if term is None else _term(term) for term in row)
                for row in found.get("rows", ())
            ),
            truth=found.get("truth"),
            truncated=found.get("truncated", False),
            elapsed=found["elapsed"],
        )

    def _overdue(self) -> Error:
        return DeadlineExceededError(
            f"the query took longer than {self._seconds:g} s and was ended: "
            "ask for less, or add patterns that narrow it down"
        )

    # The process

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "services.catalog.ontology.worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=_environment(),
                )
                self._reading = asyncio.create_task(self._read(self._process))
            return self._process

    async def _send(self, process: asyncio.subprocess.Process, frame: dict[str, Any]) -> None:
        assert process.stdin is not None  # noqa: S101  # it was started with a pipe
        try:
            process.stdin.write(encoded(frame))
            await process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise _lost() from error

    async def _ask(
        self, process: asyncio.subprocess.Process, frame: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send(process, {**frame, "id": number})
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError as error:
            log.warning("the process of the graphs does not answer; it is ended")
            await self._end(process)
            raise self._overdue() from error
        except asyncio.CancelledError:
            with contextlib.suppress(Error):
                await self._send(process, {"do": "cancel", "id": number})
            raise
        finally:
            del self._waiting[number]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  # it was started with a pipe
        frames = FrameReader()
        while data := await process.stdout.read(1 << 20):
            for frame in frames.feed(data):
                future = self._waiting.get(frame["id"])
                if future is not None and not future.done():
                    future.set_result(frame)
        if self._process is process:
            self._process = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_lost())
        await process.wait()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if self._reading is not None:
            await asyncio.wait([self._reading])


def _environment() -> dict[str, str]:
    """That of ours without settings: the other process has no use for tokens and addresses."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ACKREP_")}
    return {**own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _term(fields: list[Any]) -> Term:
    kind, value, datatype, language, key, label = fields
    return Term(TermKind(kind), value, datatype, language, key, label)


def _lost() -> UnavailableError:
    return UnavailableError("the process of the graphs has ended; try again")
