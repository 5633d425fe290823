"""The outbox in memory."""

from collections.abc import Sequence

from services.scheduler.ports.store import Message


class MemoryOutbox:
    """The port `Outbox` over messages in memory.

    Args:
        messages: By number; others add to them.
    """

    def __init__(self, messages: dict[int, Message]) -> None:
        self._messages = messages

    async def pending(self, *, after: int = 0, limit: int) -> list[Message]:
        messages = sorted(self._messages.items())
        return [message for number, message in messages if number > after][:limit]

    async def remove(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._messages.pop(number, None)
