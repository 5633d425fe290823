"""How a service process lives: started by its composition root, stopped by a signal.

In embedded mode the parent starts its children with `ACKREP_PARENT_PIPE=1` and keeps the write
end of their standard input; end of file there means that the parent is gone, however it went, and
the child stops too. This holds on every Unix, also after a SIGKILL of the parent.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import uvloop

from services.errors import Error

PARENT_PIPE = "ACKREP_PARENT_PIPE"
"""Environment variable that makes a process stop at the end of its standard input."""


def run(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs `serve(stop)` until it returns; `stop` is set by SIGTERM, SIGINT or a lost parent.

    A second signal ends the process at once. An `Error` at start is printed in one line and
    exits with 3.
    """
    try:
        uvloop.run(_serve(serve))
    except Error as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201  # logging may not be up yet
        sys.exit(3)


async def _serve(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    if os.environ.get(PARENT_PIPE) == "1":
        threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True).start()
    await serve(stop)


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed already: nothing left to stop
        loop.call_soon_threadsafe(stop.set)
