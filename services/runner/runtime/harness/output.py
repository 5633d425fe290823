"""What a check prints: cut into numbered frames, bounded, never in the middle of a character."""

from __future__ import annotations

import codecs
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Tuple


class Output:
    """Sends the head at once, keeps the tail for the end and counts what was between.

    Args:
        send: takes a frame's header and body.
        kept_bytes: how much is sent altogether; three quarters of it head.
    """

    def __init__(self, send: Callable[[Dict[str, Any], bytes], None], kept_bytes: int) -> None:
        self._send = send
        self._head = kept_bytes - kept_bytes // 4
        self._tail_limit = kept_bytes // 4
        self._tail: Deque[Tuple[str, bytes]] = deque()
        self._tail_bytes = 0
        self._sequence = 0
        self._decoders: Dict[str, Any] = {}
        self.total = 0
        self.dropped = 0

    def add(self, stream: str, data: bytes, final: bool = False) -> None:
        """Take what was read from a stream."""
        self.total += len(data)
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._decoders[stream] = decoder
        text = decoder.decode(data, final).encode("utf-8")
        if not text:
            return
        if self._head > 0:
            part = text if len(text) <= self._head else _cut(text, self._head)
            if part:
                self._frame(stream, part, 0)
            text = text[len(part) :]
            # Once something did not fit, the head is over, even if a few bytes would be left.
            self._head = 0 if text else self._head - len(part)
        if text:
            self._tail.append((stream, text))
            self._tail_bytes += len(text)
            while self._tail_bytes > self._tail_limit and self._tail:
                old_stream, old = self._tail.popleft()
                excess = self._tail_bytes - self._tail_limit
                kept = old[_boundary(old, excess) :] if len(old) > excess else b""
                if kept:
                    self._tail.appendleft((old_stream, kept))
                self._tail_bytes -= len(old) - len(kept)
                self.dropped += len(old) - len(kept)

    def finish(self) -> None:
        """Send the tail."""
        for stream in list(self._decoders):
            self.add(stream, b"", final=True)
        dropped = self.dropped
        for stream, text in self._tail:
            self._frame(stream, text, dropped)
            dropped = 0
        self._tail.clear()

    def _frame(self, stream: str, text: bytes, dropped: int) -> None:
        header = {
            "type": "log",
            "sequence": self._sequence,
            "stream": stream,
            "time": round(time.time(), 6),
            "dropped": dropped,
        }
        self._sequence += 1
        self._send(header, text)


def _cut(text: bytes, limit: int) -> bytes:
    """The longest beginning that ends with a whole character."""
    while limit > 0 and text[limit] & 0xC0 == 0x80:
        limit -= 1
    return text[:limit]


def _boundary(text: bytes, start: int) -> int:
    """The first beginning of a character at or after a position."""
    while start < len(text) and text[start] & 0xC0 == 0x80:
        start += 1
    return start
