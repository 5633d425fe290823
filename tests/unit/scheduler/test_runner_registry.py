"""The registry of runners: who is listed, and from when on a drain counts."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.errors import InvalidArgumentError, RunnerDrainedError
from services.scheduler.checks.registry import Runners
from services.scheduler.domain.runners import Drain
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.queue.bells import Bells
from tests.scheduler_stores import NOW, a_runner


class World:
    """A registry over a store in memory, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = memory_store(announce=announce)
        self.runners = Runners(
            store=self.store,
            bells=Bells(),
            clock=lambda: self.now,
            memory=timedelta(seconds=60),
        )

    async def add(self, *names: str) -> None:
        """Makes runners known."""
        for name in names:
            await self.store.runners.register(dataclasses.replace(a_runner(), id=name))

    async def listed(self) -> dict[str, bool]:
        """Names of those that are listed, and whether they are lost."""
        found, _ = await self.runners.listed(size=0, token="")
        return {known.runner.id: self.runners.lost(known) for known in found}


async def test_lost_runners_are_listed_while_they_are_drained() -> None:
    """Who repairs a host finds its runner again; others are forgotten after a minute."""
    world = World()
    await world.add("one", "two")
    assert {"one": False, "two": False} == await world.listed()
    await world.runners.drain("one", reason="")
    world.now += timedelta(seconds=61)
    assert {"one": True} == await world.listed()
    await world.runners.resume("one")
    assert {} == await world.listed()


async def test_pages() -> None:
    """Each runner is on one page."""
    world = World()
    await world.add(*"abcde")
    seen, token = [], ""
    while True:
        page, token = await world.runners.listed(size=2, token=token)
        seen += [known.runner.id for known in page]
        if not token:
            break
    assert list("abcde") == seen


async def test_a_drain_counts_at_once() -> None:
    """The next claim is refused, with the reason; after a resume the next one is not."""
    world = World()
    await world.add("one", "two")
    await world.runners.require_open("one")  # which is remembered for a moment
    await world.runners.drain("one", reason="a new disk")
    with pytest.raises(RunnerDrainedError, match="runners/one is drained: a new disk"):
        await world.runners.require_open("one")
    await world.runners.require_open("two")
    await world.runners.resume("one")
    await world.runners.require_open("one")


async def test_a_claim_that_overlaps_a_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the drain was written is not remembered beyond it."""
    world = World()
    await world.add("one")
    read: Callable[[], Awaitable[list[Drain]]] = world.store.registry.drains
    reading, written = asyncio.Event(), asyncio.Event()

    async def slowly() -> list[Drain]:
        found = await read()
        reading.set()
        await written.wait()
        return found

    monkeypatch.setattr(world.store.registry, "drains", slowly)
    claim = asyncio.create_task(world.runners.require_open("one"))
    await reading.wait()
    await world.runners.drain("one", reason="")
    written.set()
    await claim  # it came first
    with pytest.raises(RunnerDrainedError):
        await world.runners.require_open("one")


async def test_a_reason_is_short() -> None:
    """At most 500 characters."""
    world = World()
    await world.add("one")
    with pytest.raises(InvalidArgumentError, match="more than 500 characters"):
        await world.runners.drain("one", reason="x" * 501)
