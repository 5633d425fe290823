"""The attached stream of a container, read and written in the event loop."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

_STDOUT, _STDERR = 1, 2
_HEADER = struct.Struct(">BxxxL")
_KEPT_ERRORS = 8 * 1024


class ContainerChannel:
    """The attached stream of a container, demultiplexed: a `Channel` of the harness."""

    def __init__(self, response: Any) -> None:
        self._response = response  # keeps the connection alive
        raw = getattr(response, "_sock", response)
        self._plain = type(raw) is socket.socket
        self._socket: Any = raw
        if self._plain:
            raw.setblocking(False)
        else:
            raw.settimeout(None)  # TLS and SSH: read in threads
        self._pending = bytearray()
        self._left = 0
        self._stream = _STDOUT
        self._errors = bytearray()
        self._closed = False
        self._uses = 0

    @property
    def errors(self) -> str:
        """The last of what the harness itself wrote to standard error."""
        return self._errors.decode("utf-8", "replace").strip()

    @property
    def ended(self) -> bool:
        """Whether the container's end has reached us. Not to be asked while somebody reads."""
        if self._closed:
            return True
        try:
            if self._plain:
                return not self._socket.recv(1, socket.MSG_PEEK)
            if isinstance(self._socket, ssl.SSLSocket):
                return self._ended_within_tls()
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # nothing to read: it lives
        except OSError:
            return True
        return False

    def _ended_within_tls(self) -> bool:
        # TLS cannot be peeked at: what comes is kept for the next reader.
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(1)
        finally:
            self._socket.settimeout(None)
        self._pending += data
        return not data

    async def read(self, size: int, /) -> bytes:
        while True:
            if self._left == 0 and len(self._pending) >= _HEADER.size:
                self._stream, self._left = _HEADER.unpack_from(self._pending)
                del self._pending[: _HEADER.size]
            if self._left and self._pending:
                count = min(self._left, len(self._pending), size)
                data = bytes(self._pending[:count])
                del self._pending[:count]
                self._left -= count
                if self._stream != _STDERR:
                    return data
                self._errors += data
                del self._errors[:-_KEPT_ERRORS]
                continue
            data = await self._receive(size + _HEADER.size)
            if not data:
                return b""
            self._pending += data

    async def write(self, data: bytes, /) -> None:
        if self._closed:
            raise EOFError("the stream is closed")
        with self._used():
            if self._plain:
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
            else:
                await asyncio.to_thread(self._socket.sendall, data)

    async def _receive(self, size: int) -> bytes:
        if self._closed:
            return b""
        with self._used():
            if self._plain:
                return await asyncio.get_running_loop().sock_recv(self._socket, size)
            return await asyncio.to_thread(self._socket.recv, size)

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        """While somebody waits for the socket it is shut down, but not closed: that wakes them."""
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            self._settle()

    def _settle(self) -> None:
        if self._closed and not self._uses:
            with contextlib.suppress(OSError):
                self._socket.close()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._response.close()
        self._settle()
