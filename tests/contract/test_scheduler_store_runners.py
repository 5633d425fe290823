"""What every store promises of the registry of runners, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.scheduler.domain.runners import Drain, KnownRunner
from services.scheduler.ports.store import Store
from tests.scheduler_stores import KINDS, NOW, SECOND, a_check, a_runner, claim, empty_store


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


async def test_what_is_known_of_runners(store: Store) -> None:
    """All by id, with what they hold and what their present incarnation said is ready."""
    other = dataclasses.replace(a_runner("x"), id="another", engine_version="20.10.24")
    for runner in (a_runner(), other):
        await store.runners.register(runner)
    check, _ = await store.checks.create(a_check())
    await claim(store, check)
    ready = {"demo_environment": "sha256:1"}
    await store.environments.report(runner="one", incarnation="first", environments=ready)
    await store.environments.report(runner="another", incarnation="gone", environments=ready)

    found = await store.registry.runners()
    assert [
        KnownRunner(runner=other),
        KnownRunner(runner=a_runner(), checks=(check.id,), environments=ready),
    ] == found


async def test_a_drained_runner_stays_drained(store: Store) -> None:
    """Registering again, as after a restart, changes nothing; the newest reason counts."""
    await store.runners.register(a_runner())
    first = Drain(runner="one", reason="a new disk", create_time=NOW)
    again = Drain(runner="one", reason="", create_time=NOW + SECOND)
    assert await store.registry.drain(first)
    assert [first] == await store.registry.drains()
    assert await store.registry.drain(again)
    await store.runners.register(a_runner("second"))

    assert [again] == await store.registry.drains()
    assert again == (await store.registry.runners())[0].drain


async def test_resuming(store: Store) -> None:
    """It says whether there was anything to end."""
    await store.runners.register(a_runner())
    assert not await store.registry.resume("one")
    await store.registry.drain(Drain(runner="one", reason="", create_time=NOW))
    assert [True] == [known.runner.draining for known in await store.registry.runners()]
    assert await store.registry.resume("one")
    assert [False] == [one.draining for one in await store.runners.list_all(since=NOW)]
    assert not await store.registry.resume("one")
    assert [] == await store.registry.drains()
    assert (await store.registry.runners())[0].drain is None


async def test_a_runner_that_was_never_heard_of(store: Store) -> None:
    """It cannot be drained: the name is a mistake."""
    assert not await store.registry.drain(Drain(runner="oen", reason="", create_time=NOW))
    assert [] == await store.registry.drains()
