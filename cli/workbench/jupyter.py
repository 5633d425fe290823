"""JupyterLab in an environment, reached from this machine alone."""

import asyncio
import contextlib
import os
import sys
import webbrowser
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from rich.text import Text

from ackrep.runner.v1 import workbench_pb2
from cli.client import Client
from cli.context import interruptible, until
from cli.screen import Screen, harmless
from cli.workbench.changes import Changes
from cli.workbench.invitation import invitation
from cli.workbench.outgoing import Outgoing
from cli.workbench.session import Session, opened
from cli.workbench.tunnels import HOST
from services.errors import Error, InvalidArgumentError

USUAL_PORT: Final = 8888
_TAIL_BYTES: Final = 4000


async def run(
    client: Client,
    opening: workbench_pb2.OpenWorkbench,
    outgoing: Outgoing,
    changes: Changes,
    *,
    screen: Screen,
    port: int,
    browser: bool,
) -> int:
    """Runs it until Ctrl-C or its own end, and fetches what it changed; its exit status.

    Raises:
        InvalidArgumentError: The port cannot be had.
    """
    log = bytearray()

    async def keep(data: bytes) -> None:
        log.extend(data)
        del log[:-_TAIL_BYTES]

    try:
        async with (
            opened(
                client, opening, outgoing, screen=screen, on_output=keep, on_error_output=keep
            ) as (session, started),
            _listening(session, port) as bound,
            contextlib.AsyncExitStack() as stack,
            interruptible() as stop,
        ):
            folder = f"/tree/{quote(opening.folder)}" if opening.folder else ""
            url = f"http://{HOST}:{bound}/lab{folder}?token={quote(started.secret)}"
            _say(url, outgoing, opening, screen)
            if browser and _has_browser():
                address = await stack.enter_async_context(invitation(url))
                await asyncio.to_thread(webbrowser.open, address)
            status = await until(stop, session.ended())
            if status is not None:
                screen.note(f"Jupyter has ended by itself ({status})", style="yellow")
                _show(log, screen)
            screen.note("fetching what was changed")
            await session.collect(changes)
            return status or 0
    except Error:
        _show(log, screen)
        raise


def _say(
    url: str, outgoing: Outgoing, opening: workbench_pb2.OpenWorkbench, screen: Screen
) -> None:
    environment = opening.environment.removeprefix("environments/")
    screen.print(
        Text.assemble(
            ("JupyterLab", "bold"), f" in {environment}, with {outgoing.count} files, is at\n  "
        )
        + Text(url, style="cyan"),
        soft_wrap=True,
    )
    screen.note("Ctrl-C ends it and shows what was saved; twice, at once")


def _show(log: bytearray, screen: Screen) -> None:
    for line in harmless(bytes(log).decode(errors="replace"), colour=False).splitlines()[-12:]:
        screen.note(line)


@contextlib.asynccontextmanager
async def _listening(session: Session, port: int) -> AsyncIterator[int]:
    """Listens at a port; without one, at the usual one or any other."""
    async with contextlib.AsyncExitStack() as stack:
        for tried in (port,) if port else (USUAL_PORT, 0):
            try:
                bound = await stack.enter_async_context(session.tunnels.listening(tried))
            except OSError as error:
                if port:
                    raise InvalidArgumentError(
                        f"port {port} cannot be had: {error.strerror}; name another with --port"
                    ) from error
            else:
                break
        yield bound


def _has_browser() -> bool:
    """Whether a window can open; a browser for the terminal would take that away."""
    if not sys.stdout.isatty():
        return False
    return sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
