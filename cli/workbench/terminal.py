"""The user's terminal, handed to a session, and given back as it was whatever happens."""

import asyncio
import contextlib
import os
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from ackrep.runner.v1 import workbench_pb2

_READ: Final = 16 * 1024
_SANE: Final = b"\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?25h\x1b[0m\r\n"
"""Ends modes that a program which could not end itself has left: pasting, mouse, hidden cursor."""
_LEAVE_SCREEN: Final = b"\x1b[?1049l"
_ENTER_SCREEN: Final = b"\x1b[?1049h"

Feed = Callable[[bytes], Awaitable[None]]


class Terminal:
    """Standard input and output, where both are a terminal."""

    def __init__(self) -> None:
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._other_screen = False

    @classmethod
    def here(cls) -> "Terminal | None":
        """The terminal, if there is one."""
        try:
            both = sys.stdin.isatty() and sys.stdout.isatty()
        except (AttributeError, ValueError):  # closed, or none
            return None
        return cls() if both else None

    def size(self) -> workbench_pb2.TerminalSize:
        """Its size in characters."""
        try:
            found = os.get_terminal_size(self._out)
        except OSError:
            return workbench_pb2.TerminalSize(rows=24, columns=80)
        return workbench_pb2.TerminalSize(rows=found.lines or 24, columns=found.columns or 80)

    @contextlib.contextmanager
    def raw(self) -> Iterator[Callable[[], None]]:
        """Passes every key on while the block runs; call what it yields if all went well.

        Otherwise modes that the session may have left on are ended, too.
        """
        before = termios.tcgetattr(self._in)
        good = False

        def went_well() -> None:
            nonlocal good
            good = True

        try:
            tty.setraw(self._in, termios.TCSADRAIN)
            yield went_well
        finally:
            if not good or self._other_screen:
                with contextlib.suppress(OSError):
                    os.write(self._out, (_LEAVE_SCREEN if self._other_screen else b"") + _SANE)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._in, termios.TCSADRAIN, before)

    async def show(self, data: bytes) -> None:
        """Writes what the session says."""
        entered, left = data.rfind(_ENTER_SCREEN), data.rfind(_LEAVE_SCREEN)
        if entered != left:
            self._other_screen = entered > left
        await write(self._out, data)

    async def read(self, feed: Feed) -> None:
        """Passes on what is typed, until the terminal is gone."""
        while True:
            await _readable(self._in)
            try:
                data = os.read(self._in, _READ)
            except OSError:  # hung up
                return
            if not data:
                return
            await feed(data)


async def write(handle: int, data: bytes) -> None:
    """Writes all of it, without making anybody else wait."""

    def write_all() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    await asyncio.to_thread(write_all)


async def read_input(feed: Feed) -> None:
    """Passes on standard input, which is no terminal, and at last its end as no bytes."""
    async for data in _input():
        await feed(data)
    await feed(b"")


async def _input() -> AsyncIterator[bytes]:
    """Standard input, read ahead by one piece in a thread that nobody has to wait for."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore(2)

    def read() -> None:
        while True:
            wanted.acquire()
            try:
                data = os.read(0, _READ)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, data)
            except RuntimeError:
                return  # the loop is over
            if not data:
                return

    threading.Thread(target=read, daemon=True).start()
    while data := await pieces.get():
        yield data
        wanted.release()


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def on_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(handle, on_ready)
    try:
        await ready
    finally:
        loop.remove_reader(handle)
