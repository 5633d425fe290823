"""What a check has said so far: its events, read up to now."""

import asyncio
import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.upstream import Upstream

MAX_CHARACTERS = 256 * 1024
"""So much of a log a page shows; the rest is behind a link."""

_SECONDS = 5.0
_LIVE_SECONDS = 0.6
_QUIET_SECONDS = 0.1


@dataclass(frozen=True)
class Passage:
    """Consecutive output of one stream."""

    stream: str
    """`stdout`, `stderr` or `gap`."""
    text: str


@dataclass
class Transcript:
    """The events of a check's last attempt, by kind."""

    passages: list[Passage] = field(default_factory=list)
    phases: list[check_pb2.Phase] = field(default_factory=list)
    artefacts: list[check_pb2.Artefact] = field(default_factory=list)
    progress: check_pb2.Progress | None = None
    check: check_pb2.Check | None = None
    """As the last event that carries it says."""
    resume_token: str = ""
    """Where to go on; a page that watches begins there."""
    truncated: bool = False
    """Whether there is more output than is shown."""
    unavailable: str = ""
    """Why it could not be read."""

    def without_output(self) -> "Transcript":
        """Leaves the log out."""
        return dataclasses.replace(self, passages=[], truncated=False)


class _Reader:
    def __init__(self) -> None:
        self.transcript = Transcript()
        self._attempt = 0
        self._characters = 0

    def take(self, event: check_pb2.CheckEvent) -> None:
        """Takes the next event into account. A new attempt begins from nothing."""
        transcript = self.transcript
        if event.attempt > self._attempt:
            self._attempt = event.attempt
            self._characters = 0
            self.transcript = transcript = Transcript()
        transcript.resume_token = event.resume_token
        kind = event.WhichOneof("body")
        if kind == "log":
            stderr = event.log.stream == check_pb2.LogChunk.STREAM_STDERR
            self._add("stderr" if stderr else "stdout", event.log.text)
        elif kind == "phase":
            transcript.phases.append(event.phase)
        elif kind == "artefact":
            transcript.artefacts.append(event.artefact)
        elif kind == "progress":
            transcript.progress = event.progress
        elif kind == "check_changed":
            transcript.check = event.check_changed
        elif kind == "gap":
            self._add("gap", f"[{event.gap.bytes} bytes left out]\n")

    def _add(self, stream: str, text: str) -> None:
        passages = self.transcript.passages
        room = MAX_CHARACTERS - self._characters
        if len(text) > room:
            self.transcript.truncated = True
            text = text[: max(room, 0)]
        if not text:
            return
        self._characters += len(text)
        if passages and passages[-1].stream == stream:
            passages[-1] = Passage(stream, passages[-1].text + text)
        else:
            passages.append(Passage(stream, text))


async def transcribe(upstream: Upstream, name: str, *, finished: bool) -> Transcript:
    """Reads a check's events: all of a finished one, of an active one those up to now.

    Raises:
        AioRpcError: They cannot be read.
    """
    call: Any = upstream.scheduler.WatchCheck(
        scheduler_pb2.WatchCheckRequest(name=name), timeout=_SECONDS
    )
    reader = _Reader()
    # "Up to now" ends with the first event of later than now, or where the stream falls silent:
    # what happened before is replayed faster than that.
    now = time.time()
    patience = _SECONDS if finished else _QUIET_SECONDS
    try:
        async with asyncio.timeout(_SECONDS if finished else _LIVE_SECONDS):
            while True:
                event = await asyncio.wait_for(call.read(), patience)
                if event is grpc.aio.EOF:
                    break
                reader.take(event)
                if not finished and event.event_time.ToNanoseconds() > now * 1e9:
                    break
    except TimeoutError:
        pass
    finally:
        call.cancel()
    return reader.transcript
