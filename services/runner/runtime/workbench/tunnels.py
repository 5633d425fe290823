"""Connections of the client to the program's server, many over one stream.

Each side sends at most `WINDOW` bytes more than the other has consumed: what waits is bounded, and a
slow connection makes nobody wait but itself.
"""

from __future__ import annotations

import selectors
import socket
from typing import Any, Callable, Dict

WINDOW = 256 * 1024
PIECE = 64 * 1024
MOST = 128
"""Connections at once."""


class Tunnel:
    """One connection."""

    def __init__(self, number: int, peer: socket.socket) -> None:
        self.number = number
        self.peer = peer
        self.waiting = bytearray()
        """For the server."""
        self.credit = WINDOW
        """So much may still be sent to the client."""
        self.client_closed = False
        self.server_closed = False
        self.shut = False


class Tunnels:
    """All connections of a session.

    Args:
        address: of the server's socket in the file system.
        selector: where sockets are watched.
        send: takes a frame's header and body.
        congested: whether nothing more should be read for the client now.
    """

    def __init__(
        self,
        address: str,
        selector: selectors.BaseSelector,
        send: Callable[[Dict[str, Any], bytes], None],
        congested: Callable[[], bool],
    ) -> None:
        self._address = address
        self._selector = selector
        self._send = send
        self._congested = congested
        self._open: Dict[int, Tunnel] = {}

    def hear(self, header: Dict[str, Any], body: bytes) -> None:
        """Act on a frame of the client."""
        number = header["connection"]
        tunnel = self._open.get(number)
        if tunnel is None:
            if header["reset"] or header["closed"] or header["consumed"]:
                return  # the last words about one that is over
            tunnel = self._connect(number)
            if tunnel is None:
                self._say(number, reset=True)
                return
        if header["reset"]:
            self._drop(tunnel)
            return
        tunnel.credit += header["consumed"]
        tunnel.waiting += body
        tunnel.client_closed = tunnel.client_closed or header["closed"]
        if len(tunnel.waiting) > WINDOW:
            self._break(tunnel)
            return
        self._write(tunnel)

    def look_again(self) -> None:
        """Read again, or no more: whether there is congestion has changed."""
        for tunnel in list(self._open.values()):
            self._watch(tunnel)

    def close(self) -> None:
        """Break all."""
        for tunnel in list(self._open.values()):
            self._break(tunnel)

    def _connect(self, number: int) -> "Any":
        if len(self._open) >= MOST:
            return None
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.setblocking(False)
            peer.connect(self._address)
        except OSError:
            peer.close()
            return None
        tunnel = self._open[number] = Tunnel(number, peer)
        return tunnel

    def _ready(self, tunnel: Tunnel) -> Callable[[int], None]:
        def ready(mask: int) -> None:
            if mask & selectors.EVENT_WRITE:
                self._write(tunnel)
            if mask & selectors.EVENT_READ and tunnel.number in self._open:
                self._read(tunnel)

        return ready

    def _read(self, tunnel: Tunnel) -> None:
        try:
            data = tunnel.peer.recv(min(PIECE, tunnel.credit))
        except BlockingIOError:
            return
        except OSError:
            self._break(tunnel)
            return
        tunnel.credit -= len(data)
        tunnel.server_closed = not data
        self._say(tunnel.number, data, closed=not data)
        self._watch(tunnel)

    def _write(self, tunnel: Tunnel) -> None:
        written = 0
        try:
            while tunnel.waiting:
                count = tunnel.peer.send(memoryview(tunnel.waiting)[:PIECE])
                del tunnel.waiting[:count]
                written += count
        except BlockingIOError:
            pass
        except OSError:
            self._break(tunnel)
            return
        if written:
            self._say(tunnel.number, consumed=written)
        if tunnel.client_closed and not tunnel.waiting and not tunnel.shut:
            tunnel.shut = True
            try:
                tunnel.peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self._watch(tunnel)

    def _watch(self, tunnel: Tunnel) -> None:
        """Wait for what can go on; end what is over."""
        if tunnel.shut and tunnel.server_closed:
            self._drop(tunnel)
            return
        mask = selectors.EVENT_WRITE if tunnel.waiting else 0
        if not tunnel.server_closed and tunnel.credit > 0 and not self._congested():
            mask |= selectors.EVENT_READ
        watched = tunnel.peer in self._selector.get_map()
        if not mask:
            if watched:
                self._selector.unregister(tunnel.peer)
        elif watched:
            self._selector.modify(tunnel.peer, mask, self._ready(tunnel))
        else:
            self._selector.register(tunnel.peer, mask, self._ready(tunnel))

    def _break(self, tunnel: Tunnel) -> None:
        self._say(tunnel.number, reset=True)
        self._drop(tunnel)

    def _drop(self, tunnel: Tunnel) -> None:
        self._open.pop(tunnel.number, None)
        if tunnel.peer in self._selector.get_map():
            self._selector.unregister(tunnel.peer)
        tunnel.peer.close()

    def _say(self, number: int, body: bytes = b"", **more: Any) -> None:
        header = {"type": "tunnel", "connection": number}
        header.update(closed=False, consumed=0, reset=False)
        header.update(more)
        self._send(header, body)
