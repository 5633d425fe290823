"""Checks with the events that tell of them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from ackrep.scheduler.v1 import check_pb2
from tests.unit.gateway.fake_repository import S, stamp


@dataclass
class Story:
    """A check and its events."""

    check: check_pb2.Check
    events: list[check_pb2.CheckEvent] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, **body: Any) -> None:
        """Adds an event, and wakes whoever watches."""
        sequence = len(self.events) + 1
        event = check_pb2.CheckEvent(
            check=self.check.name,
            attempt=self.check.attempt,
            sequence=sequence,
            resume_token=f"{self.check.attempt}.{sequence}",
            event_time=stamp(time.time()),
            **body,
        )
        async with self.grown:
            self.events.append(event)
            self.grown.notify_all()

    @property
    def done(self) -> bool:
        """Whether there will be no more events."""
        return self.check.state == S.STATE_FINISHED
