"""An address that leads to another one once.

Whoever has an account on this machine can read the command lines of others, so also the address
that a browser is started with. A token in it would let them in; an address that is spent when the
browser has come does not.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Final

HOST: Final = "127.0.0.1"
_LONGEST: Final = 16 * 1024
_SECONDS: Final = 10.0


class _Invitation:
    def __init__(self, target: str) -> None:
        self._target = target
        self._spent = False
        self.path = f"/{secrets.token_urlsafe(24)}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head.decode("latin-1")).encode("ascii"))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who says nothing gets no answer
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    def _answer(self, head: str) -> str:
        verb, _, rest = head.partition(" ")
        fits = secrets.compare_digest(rest.partition(" ")[0].encode("latin-1"), self.path.encode())
        lines = ["Cache-Control: no-store", "Referrer-Policy: no-referrer", "Content-Length: 0"]
        if verb == "GET" and fits and not self._spent:
            self._spent = True
            lines = ["HTTP/1.1 302 Found", f"Location: {self._target}", *lines]
        else:
            lines = ["HTTP/1.1 404 Not Found", *lines]
        return "\r\n".join([*lines, "Connection: close", "", ""])


@contextlib.asynccontextmanager
async def invitation(target: str) -> AsyncIterator[str]:
    """Yields an address on this machine that leads to `target` once, while the block runs."""
    invited = _Invitation(target)
    server = await asyncio.start_server(invited.answer, HOST, 0, limit=_LONGEST)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}{invited.path}"
    finally:
        server.close()
