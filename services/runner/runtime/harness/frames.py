"""The wire between the runner and the supervisor: length-prefixed frames, both ways.

One frame is a 4-byte big-endian length of the header, a 4-byte length of the body, the header (a
JSON object with a `type`), and the body (bytes). Both sides use this module.

Runner to supervisor (after the bootstrap, which reads a 4-byte length and a zip):

=========  ==========================================================================  =========
type       header                                                                      body
=========  ==========================================================================  =========
config     data_root, work_root, preload, shims, unavailable, clean, uids, isolated,   --
           environment, warm, confinement
tree       path, last                                                                  tar bytes
start      check, plan, limits, seed, environment                                      --
cancel     reason                                                                      --
=========  ==========================================================================  =========

Supervisor to runner:

=========  ==========================================================================  =========
type       header                                                                      body
=========  ==========================================================================  =========
hello      python, platform, runtime_version, conformance                              --
ready      confinement, shims, packages, preload_failures, preload_seconds             --
phase      name, seconds                                                               --
log        sequence, stream, time, dropped                                             utf-8 text
file       path, size, sha256, last                                                    part of it
result     see `services/runner/sessions/session.py`, class Outcome                             --
error      message (the supervisor ends after it)                                      --
=========  ==========================================================================  =========

A body larger than `PART` bytes is sent as several frames with the same header; the last one has
`last` true. Numbers that JSON does not know travel as the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, Iterator, Optional, Tuple

LENGTHS = struct.Struct(">II")
"""Lengths of header and body."""
MAXIMUM_HEADER = 32 * 1024 * 1024
"""A longer header means that the stream is not ours."""
MAXIMUM_BODY = 8 * 1024 * 1024
"""A longer body is sent in parts."""
PART = 1024 * 1024
"""What a sender puts in one frame at most."""
SHORT = 0.02
"""Seconds of a phase that nobody waits for: it is sent with the next frame."""


class FrameError(Exception):
    """What was read is not a frame."""


def encode(header: Dict[str, Any], body: bytes = b"") -> bytes:
    """One frame as bytes."""
    head = json.dumps(header, separators=(",", ":"), allow_nan=False).encode("ascii")
    return LENGTHS.pack(len(head), len(body)) + head + body


def parts(content: bytes) -> Iterator[Tuple[bool, bytes]]:
    """The bodies in which some content is sent, each with whether it is the last; at least one."""
    for first in range(0, max(1, len(content)), PART):
        yield first + PART >= len(content), content[first : first + PART]


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def next(self) -> Optional[Tuple[Dict[str, Any], bytes]]:
        """The next whole frame, or None when more must be read first. Raises FrameError."""
        buffer = self._buffer
        if len(buffer) < LENGTHS.size:
            return None
        head_length, body_length = LENGTHS.unpack_from(buffer)
        if head_length > MAXIMUM_HEADER or body_length > MAXIMUM_BODY:
            raise FrameError("a frame of %d + %d bytes is too long" % (head_length, body_length))
        start = LENGTHS.size
        end = start + head_length + body_length
        if len(buffer) < end:
            return None
        try:
            header = json.loads(bytes(buffer[start : start + head_length]))
        except (ValueError, RecursionError) as error:
            raise FrameError("a header that is no JSON: %s" % error) from error
        if not isinstance(header, dict) or not isinstance(header.get("type"), str):
            raise FrameError("a header without a type")
        body = bytes(buffer[start + head_length : end])
        del buffer[:end]
        return header, body
