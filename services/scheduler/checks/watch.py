"""Watching checks and runs: streams that can be resumed, and that end with the verdict."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

from google.protobuf import json_format

from ackrep.scheduler.v1 import check_pb2
from services.errors import InvalidArgumentError, NotFoundError
from services.scheduler.domain.check import SCHEDULER_SEQUENCE, Check, RunSummary
from services.scheduler.messages import final_event, position_of, queued_event
from services.scheduler.ports.store import Artefacts, Broker, Event, Store
from services.scheduler.queue.bells import Bell, Bells
from services.scheduler.tasks import ended

log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds after which a watcher looks into the store though no bell rang."""
_LAST_EVENTS = 0.5
"""Seconds that the last events of a finished check get to arrive before the log is read."""
_TOGETHER = 0.03
"""Seconds in which changes of a run are gathered, so that many cost few queries and messages.

The first after a silence is sent at once.
"""
_CHANGES = 200
"""Changes of a run that are read at a time."""


class Watch:
    """Follows checks and runs."""

    def __init__(self, *, store: Store, broker: Broker, artefacts: Artefacts, bells: Bells) -> None:
        self._store = store
        self._broker = broker
        self._artefacts = artefacts
        self._bells = bells

    async def check(self, check_id: str, *, token: str) -> AsyncGenerator[check_pb2.CheckEvent]:
        """Streams the events of a check after a resume token, in order, each once.

        First comes *queued*, which follows from the check itself; then what its runners publish;
        at last the verdict, always from the store. Where the check is finished, or the broker
        lost some, the events come from the log that the runner stored before it finished.
        """
        position = position_of(token)
        with self._bells.of_check(check_id) as bell:
            rings = bell.rings
            check = await self._store.checks.get(check_id)
            if position < (0, 1):
                event = queued_event(check)
                position = (0, 1)
                yield event
            if not check.finished:
                async with contextlib.aclosing(
                    self._live(check_id, position, bell=bell, rings=rings)
                ) as live:
                    async for found in live:
                        if isinstance(found, Check):
                            check = found
                        else:
                            event = check_pb2.CheckEvent.FromString(found.payload)
                            if (gap := _gap(position, event)) is not None:
                                yield gap
                            position = found.position
                            yield event
        final = final_event(check)
        end = (final.attempt, final.sequence)
        if position < (final.attempt, final.sequence - 1):
            events = self._logged(check)
            if check.reused_from:
                events = _as_of(check, events)
            async with contextlib.aclosing(events) as logged:
                async for event in logged:
                    if position < (event.attempt, event.sequence) < end:
                        position = (event.attempt, event.sequence)
                        yield event
        if position < end:
            yield final

    async def _live(
        self, check_id: str, position: tuple[int, int], *, bell: Bell, rings: int
    ) -> AsyncGenerator[Event | Check]:
        """Gives the events of an unfinished check, and the check itself when it is finished.

        Args:
            check_id: Which one.
            position: Where to go on.
            bell: Rings when the check is finished.
            rings: How often it had rung when the check was last seen unfinished.
        """
        async with self._broker.events(check_id) as reader:
            coming = asyncio.ensure_future(reader.next())
            try:
                check: Check | None = None
                while True:
                    if check is None and bell.rings != rings:
                        rings = bell.rings
                        check = await self._finished(check_id)
                    if check is not None and position >= (check.attempt, check.final_sequence - 1):
                        break
                    if not await self._arrives(coming, bell, rings, finished=check is not None):
                        if check is not None:
                            break  # the rest is in the log
                        rings = -1  # no bell rang: look whether another process finished it
                        continue
                    if not coming.done():
                        continue
                    event = coming.result()
                    coming = asyncio.ensure_future(reader.next())
                    if _is_final(event):
                        check = check or await self._finished(check_id)
                        if check is not None:
                            break
                    elif event.position > position:
                        position = event.position
                        yield event
                yield check
            finally:
                await ended(coming)

    async def _arrives(
        self, coming: "asyncio.Future[Any]", bell: Bell, rings: int, *, finished: bool
    ) -> bool:
        """Waits for an event or a bell; false where neither came."""
        if coming.done():
            return True
        if finished:
            await asyncio.wait([coming], timeout=_LAST_EVENTS)
            return coming.done()
        ringing: asyncio.Future[Any] = asyncio.ensure_future(bell.wait(since=rings, timeout=_POLL))
        try:
            await asyncio.wait({coming, ringing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(ringing)
        return coming.done() or bell.rings != rings

    async def _finished(self, check_id: str) -> Check | None:
        check = await self._store.checks.get(check_id)
        return check if check.finished else None

    async def _logged(self, check: Check) -> AsyncGenerator[check_pb2.CheckEvent]:
        """Gives the events that the log of a finished check holds."""
        if check.result is None or not check.result.log:
            return
        rest = b""
        try:
            async for chunk in self._artefacts.read(check.result.log):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = _event_of(line)
                    if event is not None:
                        yield event
        except NotFoundError:
            log.warning(f"the log of checks/{check.id} is gone from the store")
        event = _event_of(rest)
        if event is not None:
            yield event

    async def run(self, run_id: str, *, token: str) -> AsyncGenerator[tuple[Check, RunSummary]]:
        """Streams the checks of a run as they change, after a change number; all of them first.

        A change that is followed by another before it could be sent is left out: what comes is
        the state of the check when it was read, and the last one is always sent.

        Raises:
            NotFoundError: There is no such run.
            InvalidArgumentError: Bad resume token.
        """
        if token and not (token.isdecimal() and len(token) < 19):
            raise InvalidArgumentError(f"bad resume token {token!r}", field="resume_token")
        after = int(token or 0)
        summary: RunSummary | None = None
        was_finished = False
        while True:
            rings = self._bells.changes.rings
            changed = await self._store.runs.changes(run_id, after=after, limit=_CHANGES)
            if not changed and was_finished:
                return
            if summary is None:  # counted once, and after the changes, so that it counts them
                summary = await self._store.runs.get(run_id)
            for check in changed:
                summary = summary.after(check)
                if summary.finished and summary.finish_time is None:
                    summary = await self._store.runs.get(run_id)  # with the time of its end
                yield check, summary
                after = check.change
            was_finished = summary.finished
            if not was_finished and len(changed) < _CHANGES:
                await asyncio.sleep(_TOGETHER)
                await self._bells.changes.wait(since=rings, timeout=_POLL)


async def _as_of(
    check: Check, events: AsyncGenerator[check_pb2.CheckEvent]
) -> AsyncGenerator[check_pb2.CheckEvent]:
    """Gives the events of the check that ran as those of one with its result, which had no attempt.

    What its state was when is left out. The places follow from the log, so that a watch resumes.
    """
    sequence = 1  # of the event that says that it was queued
    async with contextlib.aclosing(events):
        async for event in events:
            if event.WhichOneof("body") == "check_changed":
                continue
            sequence += 1
            event.check = f"checks/{check.id}"
            event.attempt, event.sequence = 0, sequence
            event.resume_token = f"0.{sequence}"
            yield event


def _gap(after: tuple[int, int], event: check_pb2.CheckEvent) -> check_pb2.CheckEvent | None:
    """Says how many events the broker lost before this one; they stand in the log at the end.

    It has the place of the last of them, so that a watch resumes after it.
    """
    if event.attempt == 0 or event.sequence >= SCHEDULER_SEQUENCE:
        return None  # the scheduler's own
    before = after[1] if after[0] == event.attempt else 0
    last = event.sequence - max(1, event.gap.events)
    lost = last - before
    if lost <= 0:
        return None
    gap = check_pb2.CheckEvent(
        check=event.check,
        attempt=event.attempt,
        sequence=last,
        resume_token=f"{event.attempt}.{last}",
        event_time=event.event_time,
    )
    gap.gap.events = lost
    return gap


def _is_final(event: Event) -> bool:
    message = check_pb2.CheckEvent.FromString(event.payload)
    return message.check_changed.state == check_pb2.Check.STATE_FINISHED


def _event_of(line: bytes) -> check_pb2.CheckEvent | None:
    if not line.strip():
        return None
    try:
        return json_format.Parse(line, check_pb2.CheckEvent(), ignore_unknown_fields=True)
    except (json_format.ParseError, json.JSONDecodeError, UnicodeDecodeError):
        return None
