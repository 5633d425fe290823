"""A shell or a command in an environment, at the user's terminal or without one."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from ackrep.runner.v1 import workbench_pb2
from cli.client import Client
from cli.screen import Screen
from cli.workbench.changes import Changes
from cli.workbench.outgoing import Outgoing
from cli.workbench.session import Request, Session, opened
from cli.workbench.terminal import Terminal, read_input, write

VARIABLES: Final = ("TERM", "COLORTERM", "NO_COLOR", "TZ")
"""What a session is told of the user's surroundings."""


class Interrupted(Exception):  # noqa: N818  # no error: somebody wanted it
    """A signal ended the session; what it changed is lost."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


async def run(
    client: Client,
    opening: workbench_pb2.OpenWorkbench,
    outgoing: Outgoing,
    changes: Changes,
    *,
    screen: Screen,
) -> int:
    """Runs it to its end and fetches what it changed; its exit status.

    Raises:
        Interrupted: A signal ended it.
    """
    terminal = Terminal.here()
    opening.variables.update({name: os.environ[name] for name in VARIABLES if name in os.environ})
    if terminal is not None:
        opening.size.CopyFrom(terminal.size())
    out, err = sys.stdout.fileno(), sys.stderr.fileno()
    async with opened(
        client,
        opening,
        outgoing,
        screen=screen,
        on_output=terminal.show if terminal else lambda data: write(out, data),
        on_error_output=lambda data: write(err, data),
    ) as (session, started):
        if terminal is None:
            status = await _without_terminal(session)
        else:
            ends = "" if opening.command else "; exit or Ctrl-D ends it"
            screen.note(f"{outgoing.count} files in {started.container}{ends}")
            status = await _at_terminal(session, terminal)
        await session.collect(changes)
        return status


async def _at_terminal(session: Session, terminal: Terminal) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    resized = asyncio.Event()
    resized.set()  # since it was asked for

    def stop(number: int) -> None:
        if not stopped.done():
            stopped.set_result(number)

    handlers: dict[int, Callable[[int], object]] = {
        signal.SIGTERM: stop,
        signal.SIGHUP: stop,
        signal.SIGWINCH: lambda _: resized.set(),
    }

    async def resize() -> None:
        while True:
            await resized.wait()
            resized.clear()
            await session.send(Request(resize=terminal.size()))

    with terminal.raw() as went_well, _handling(handlers):
        status = await _first(session, stopped, terminal.read(session.feed), resize())
        went_well()
        return status


async def _without_terminal(session: Session) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    signals: asyncio.Queue[int] = asyncio.Queue()
    heard = 0

    def hear(number: int) -> None:
        nonlocal heard
        heard += 1
        signals.put_nowait(number)
        if heard > 1 and not stopped.done():  # the first one was not enough
            stopped.set_result(number)

    async def pass_on() -> None:
        while True:
            await session.send(Request(signal=await signals.get()))

    async def type_ahead() -> None:
        await read_input(session.feed)
        await asyncio.Event().wait()  # its end is not the session's

    with _handling(dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), hear)):
        return await _first(session, stopped, type_ahead(), pass_on())


async def _first(
    session: Session, stopped: "asyncio.Future[int]", *work: Coroutine[Any, Any, None]
) -> int:
    """The program's status; raises Interrupted, or what fails meanwhile."""
    ended = asyncio.ensure_future(session.ended())
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        waiting: set[asyncio.Future[Any]] = {ended, stopped, *tasks}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
        if stopped.done():
            raise Interrupted(stopped.result())
        for task in tasks:
            if task.done():
                task.result()
        raise Interrupted(signal.SIGHUP)  # the terminal is gone
    finally:
        ended.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(ended, *tasks, return_exceptions=True)


@contextlib.contextmanager
def _handling(handlers: Mapping[int, Callable[[int], object]]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler, number)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
