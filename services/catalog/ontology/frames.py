"""Frames between the catalog and the process of its graphs: a length, then JSON."""

import json
import struct
from collections.abc import Iterator
from typing import Any, Final

_LENGTH: Final = struct.Struct("!I")


def encoded(frame: dict[str, Any]) -> bytes:
    """A frame as bytes."""
    content = json.dumps(frame, separators=(",", ":")).encode()
    return _LENGTH.pack(len(content)) + content


class FrameReader:
    """Puts frames together from bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Takes bytes; yields the frames that are whole now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            content = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield json.loads(content)
