"""What an attempt tells its watchers, and keeps as its log.

Every event gets its number when it happens and is written to the log; the stream gets it from a
bounded queue, so that a slow broker never makes a check wait. Events that do not fit are replaced
by one gap event, which has the number of the last of them.
"""

import asyncio
import contextlib
import hashlib
import logging
import tempfile
from collections import deque
from typing import IO, Final, Self

from google.protobuf import json_format

from ackrep.scheduler.v1 import check_pb2
from services import bus
from services.errors import UnavailableError
from services.runner.checks.messages import artefact_of, now, phase_of
from services.runner.domain.attempts import Artefact, Assignment
from services.runner.ports import EventSink

log = logging.getLogger(__name__)

QUEUE_EVENTS: Final = 500
"""Events that wait for the broker at most."""
QUEUE_BYTES: Final = 8 * 1024**2
BATCH_SECONDS: Final = 0.05
BATCH_BYTES: Final = 64 * 1024
SHORTEST_PHASE: Final = 0.05
"""Seconds of a phase that watchers are told of while the check runs."""
_IN_FLIGHT = 32
_SPOOL_BYTES = 1024**2
_RETRY_SECONDS = (0.1, 0.5, 2.0)

_STREAMS = {
    "stdout": check_pb2.LogChunk.STREAM_STDOUT,
    "stderr": check_pb2.LogChunk.STREAM_STDERR,
    "system": check_pb2.LogChunk.STREAM_UNSPECIFIED,
}


class Recorder:
    """The events of one attempt. Use it as `async with`; not from several threads."""

    def __init__(self, assignment: Assignment, *, sink: EventSink, runner: str) -> None:
        self._assignment = assignment
        self._check = check_pb2.Check.FromString(assignment.message)
        self._queue = _Queue(bus.event_subject(assignment.check), sink)
        self._log: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  # closed by `__aexit__`
        self._digest = hashlib.sha256()
        self._size = 0
        self._sequence = 0
        self._text: list[str] = []
        self._text_bytes = 0
        self._stream = "stdout"
        self._timer: asyncio.TimerHandle | None = None
        self._progress = ""

    async def __aenter__(self) -> Self:
        self._queue.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._log.close()
        self._queue.close()

    @property
    def last_sequence(self) -> int:
        """Number of the last event."""
        return self._sequence

    def preparing(self) -> None:
        """The runner holds the check and makes ready."""
        self._changed(check_pb2.Check.STATE_PREPARING)

    def running(self) -> None:
        """The entity's code runs."""
        self._check.start_time.CopyFrom(now())
        self._changed(check_pb2.Check.STATE_RUNNING)

    def _changed(self, state: check_pb2.Check.State.ValueType) -> None:
        self._check.state = state
        self._add(check_pb2.CheckEvent(check_changed=self._check))

    def phase(self, name: str, seconds: float) -> None:
        """A part of the attempt is over; short ones stand in the result only."""
        if seconds < SHORTEST_PHASE:
            return
        self._add(check_pb2.CheckEvent(phase=phase_of(name, seconds)))

    def progress(self, message: str, fraction: float | None = None) -> None:
        """What is being prepared; equal messages one after the other are told once."""
        if message == self._progress:
            return
        self._progress = message
        self._add(
            check_pb2.CheckEvent(
                progress=check_pb2.Progress(message=message[:2000], fraction=fraction)
            )
        )

    def artefact(self, artefact: Artefact) -> None:
        """A file can be downloaded."""
        self._add(check_pb2.CheckEvent(artefact=artefact_of(artefact)))

    def output(self, stream: str, text: str, *, dropped: int = 0) -> None:
        """Output of the entity; collected for a moment, so that many small writes are one event."""
        if dropped:
            self._flush()
            self._number(check_pb2.CheckEvent(gap=check_pb2.Gap(bytes=dropped)))
        if stream != self._stream:
            self._flush()
            self._stream = stream
        if not text:
            return
        self._text.append(text)
        self._text_bytes += len(text)
        if self._text_bytes >= BATCH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._flush)

    def finish(self) -> tuple[IO[bytes], int, str]:
        """Ends the log; its content (at its beginning), its size and its sha256."""
        self._flush()
        self._log.seek(0)
        return self._log, self._size, self._digest.hexdigest()

    async def flush(self, seconds: float) -> None:
        """Waits until the broker has everything, at most so long."""
        self._flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.empty(), seconds)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._text:
            text = "".join(self._text)
            self._text.clear()
            self._text_bytes = 0
            for start in range(0, len(text), BATCH_BYTES):
                self._number(
                    check_pb2.CheckEvent(
                        log=check_pb2.LogChunk(
                            stream=_STREAMS.get(self._stream, _STREAMS["system"]),
                            text=text[start : start + BATCH_BYTES],
                        )
                    )
                )

    def _add(self, event: check_pb2.CheckEvent) -> None:
        self._flush()  # what was printed before comes before
        self._number(event)

    def _number(self, event: check_pb2.CheckEvent) -> None:
        self._sequence += 1
        event.check = self._assignment.check
        event.attempt = self._assignment.attempt
        event.sequence = self._sequence
        event.resume_token = f"{event.attempt}.{event.sequence}"
        event.event_time.CopyFrom(now())
        line = json_format.MessageToJson(event, indent=None).encode() + b"\n"
        self._log.write(line)
        self._digest.update(line)
        self._size += len(line)
        self._queue.put(event)


class _Queue:
    """Events on their way to the broker, in order."""

    def __init__(self, subject: str, sink: EventSink) -> None:
        self._subject = subject
        self._sink = sink
        self._waiting: deque[check_pb2.CheckEvent] = deque()
        self._bytes = 0
        self._dropped: check_pb2.CheckEvent | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._send_all())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def empty(self) -> None:
        await self._idle.wait()

    def put(self, event: check_pb2.CheckEvent) -> None:
        size = event.ByteSize()
        full = len(self._waiting) >= QUEUE_EVENTS or self._bytes + size > QUEUE_BYTES
        if full or (self._dropped is not None and len(self._waiting) > QUEUE_EVENTS // 2):
            self._drop(event)
            return
        if self._dropped is not None:
            self._append(self._dropped)
            self._dropped = None
        self._append(event)

    def _append(self, event: check_pb2.CheckEvent) -> None:
        self._waiting.append(event)
        self._bytes += event.ByteSize()
        self._idle.clear()
        self._wake.set()

    def _drop(self, event: check_pb2.CheckEvent) -> None:
        if self._dropped is None:
            self._dropped = check_pb2.CheckEvent(check=event.check, attempt=event.attempt)
            self._dropped.gap.SetInParent()
        self._dropped.sequence = event.sequence
        self._dropped.resume_token = event.resume_token
        self._dropped.event_time.CopyFrom(event.event_time)
        self._dropped.gap.events += 1
        self._dropped.gap.bytes += len(event.log.text)

    async def _send_all(self) -> None:
        """Sends in order, several at once; after a failure one by one, until it works again."""
        while True:
            if not self._waiting:
                if self._dropped is not None:
                    self._append(self._dropped)
                    self._dropped = None
                    continue
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(_IN_FLIGHT, len(self._waiting)))]
            self._bytes -= sum(event.ByteSize() for event in batch)
            # On one connection they reach the stream in this order.
            results = await asyncio.gather(
                *(self._send(event) for event in batch), return_exceptions=True
            )
            for event, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    await self._again(event)

    async def _send(self, event: check_pb2.CheckEvent) -> None:
        await self._sink.send(
            subject=self._subject,
            message_id=f"{event.check.removeprefix('checks/')}/{event.attempt}/{event.sequence}",
            data=event.SerializeToString(),
        )

    async def _again(self, event: check_pb2.CheckEvent) -> None:
        for seconds in _RETRY_SECONDS:
            await asyncio.sleep(seconds)
            try:
                await self._send(event)
            except UnavailableError:
                continue
            return
        log.warning(f"event {event.resume_token} of {event.check} never reached the broker")
