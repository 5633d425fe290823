"""What all commands share: the global options, the system they use, and how they run."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import click

from cli import embedded, source
from cli.client import Client
from cli.progress import Notice
from cli.screen import Screen
from cli.source import Source
from cli.state import StateDirectory, System
from services.errors import Error, InvalidArgumentError, UnavailableError

T = TypeVar("T")


@dataclasses.dataclass
class Context:
    """The global options of one command."""

    repository: str | None = None
    ref: str = ""
    json: bool = False
    colour: bool = True
    backend: str | None = None
    slots: int = 0
    port: int = 0
    catalog: str = ""
    scheduler: str = ""
    runner: str = ""

    def __post_init__(self) -> None:
        self._screen: Screen | None = None

    @property
    def screen(self) -> Screen:
        """Where to write."""
        if self._screen is None:
            self._screen = Screen(json=self.json, colour=self.colour)
        return self._screen

    @property
    def deployed(self) -> bool:
        """True if a system that somebody else runs was named."""
        return bool(self.catalog or self.scheduler or self.runner)

    def source(self, *, start: Path | None = None) -> Source:
        """The data repository: as given, or around `start` (the current folder)."""
        return source.find(self.repository, ref=self.ref, start=start or Path.cwd())

    def local_source(self, *, start: Path | None) -> Source | None:
        """What a command is about: none where a deployed system reads its own source.

        A deployed system is given a working copy where paths (`start`) or --repository name one.
        """
        if not self.deployed:
            return self.source(start=start)
        if start is None and not self.repository:
            return None
        if start is not None and not self.repository:
            return source.find(None, ref=self.ref, start=start, environ={})
        return self.source(start=start)

    @contextlib.contextmanager
    def system(
        self,
        *,
        start: Path | None = None,
        reading: bool = False,
        stays: bool = False,
        runner: bool = False,
    ) -> Iterator[System]:
        """Uses a system while the block runs.

        Args:
            start: Where to look for the data repository.
            reading: The catalog is enough; without a running system only that is started.
            stays: The system outlives what is done now. Otherwise, and unless it ran already, the
                addresses of pages are not told: nobody would answer there.
            runner: It is a runner that is spoken to; of a deployed system, its address is enough.
        """
        if self.deployed:
            yield self._deployed_system(runner=runner)
            return
        where = self.source(start=start)
        notice = Notice(self.screen)
        options = embedded.Options(backend=self.backend or "auto", slots=self.slots, port=self.port)
        stays = stays or embedded.running(where) is not None
        opened = (
            embedded.catalog_only(where, notify=notice)
            if reading
            else embedded.joined(where, options=options, notify=notice)
        )
        try:
            with opened as system:
                notice.done()
                try:
                    yield system if stays else dataclasses.replace(system, page="")
                except UnavailableError as error:
                    reason = "" if reading else embedded.failure(StateDirectory.of(where))
                    raise UnavailableError(reason or error.message) from error
                except Error as error:
                    if type(error) is not Error:
                        raise
                    logs = StateDirectory.of(where).logs
                    raise Error(f"{error.message}; the logs are in {logs}") from error
        finally:
            notice.done()

    def _deployed_system(self, *, runner: bool) -> System:
        token = os.environ.get("ACKREP_TOKEN", "")
        if not token:
            raise InvalidArgumentError("a deployed system wants its token in ACKREP_TOKEN")
        if runner and not self.runner:
            raise InvalidArgumentError(
                "environments are a runner's: name one of the deployed system, --runner HOST:PORT "
                "(or ACKREP_RUNNER)"
            )
        if not runner and not (self.catalog and self.scheduler):
            raise InvalidArgumentError(
                "name both services of a deployed system: --catalog HOST:PORT and "
                "--scheduler HOST:PORT (or ACKREP_CATALOG and ACKREP_SCHEDULER)"
            )
        page = os.environ.get("ACKREP_PAGE", "")
        return System(
            token=token,
            catalog=self.catalog,
            scheduler=self.scheduler,
            runner=self.runner,
            page=page and page.rstrip("/") + "/",
        )

    def run(
        self,
        work: Callable[[Client], Awaitable[T]],
        *,
        start: Path | None = None,
        reading: bool = False,
        stays: bool = False,
        runner: bool = False,
    ) -> T:
        """Runs `work` with a client of a system; see `system` for the arguments."""
        with self.system(start=start, reading=reading, stays=stays, runner=runner) as system:
            return asyncio.run(self._with_client(system, work))

    async def _with_client(self, system: System, work: Callable[[Client], Awaitable[T]]) -> T:
        async with Client(system) as client:
            return await work(client)


@contextlib.asynccontextmanager
async def interruptible() -> AsyncIterator[asyncio.Event]:
    """Yields an event that the first Ctrl-C (or SIGTERM, SIGHUP) sets; the second ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """Runs `work` until it ends or `stop` is set; none in the second case."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


pass_context = click.make_pass_decorator(Context, ensure=True)


def page_of(system: System, name: str) -> str:
    """URL of a resource's page; empty where no pages are known."""
    return f"{system.page}{name}" if system.page else ""
