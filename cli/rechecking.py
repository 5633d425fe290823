"""Checking again at each save: only what a change affects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from rich.rule import Rule
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli.checking import Outcome
from cli.client import Client
from cli.context import interruptible, until
from cli.screen import Screen

Round = Callable[[catalog_pb2.Revision, str], Awaitable[Outcome | None]]
"""Checks a revision; with the name of the one before, only what differs from it. None for that
there was nothing to check."""


async def keep_checking(
    client: Client, first: catalog_pb2.Revision, check: Round, *, screen: Screen
) -> int:
    """Checks, and again whenever the data repository changes, until Ctrl-C.

    Args:
        client: The system; its catalog follows the data repository.
        first: What is checked first, in full.
        check: One round.
        screen: Where to write.

    Returns:
        The exit code of the last round that checked anything.
    """
    outcome = await check(first, "")
    code = outcome.code if outcome else 0
    if outcome and outcome.interrupted:
        return code
    checked = first.name
    revisions = client.watch_revisions()
    try:
        while True:
            revision = await _next(revisions, after=checked, screen=screen)
            if revision is None:
                return code
            if not screen.json:
                screen.err.print(Rule(Text("changed", style="dim"), style="dim"))
            outcome = await check(revision, checked)
            checked = revision.name
            if outcome is None:
                screen.note("no entity that is watched depends on what changed")
                continue
            code = outcome.code
            if outcome.interrupted:
                return code
    finally:
        await revisions.aclose()  # type: ignore[attr-defined]  # an asynchronous generator


async def _next(
    revisions: AsyncIterator[catalog_pb2.Revision], *, after: str, screen: Screen
) -> catalog_pb2.Revision | None:
    """The next revision that is another one; None if the user ends it."""

    async def following() -> catalog_pb2.Revision:
        async for revision in revisions:
            if revision.name != after:
                return revision
        raise asyncio.CancelledError

    async with interruptible() as stop:
        screen.note("watching for changes; Ctrl-C ends")
        return await until(stop, following())
