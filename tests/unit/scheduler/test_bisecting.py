"""Bisections over a store in memory: what is named, and how many checks it takes."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.errors import NotFoundError, PreconditionError, ResourceExhaustedError
from services.scheduler.bisections.bisecting import Bisecting
from services.scheduler.domain.bisection import Axis, Bisection, State
from services.scheduler.domain.check import Check, Result, Verdict
from services.scheduler.domain.check import State as CheckState
from services.scheduler.domain.environments import EnvironmentImage
from services.scheduler.domain.names import new_id
from services.scheduler.domain.ordering import Priority
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.ports.bisections import Commit
from services.scheduler.queue.bells import Bell

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD, BAD = Verdict.SUCCESS, Verdict.SCRIPT_ERROR
COMMITS = [f"{n:040x}" for n in range(1, 41)]
IMAGES = [f"{n:064x}" for n in range(1, 9)]


class World:
    """A repository of 40 commits and 8 images, and a truth about every pair of them."""

    def __init__(self, truth: Callable[[int, int], Verdict]) -> None:
        self.truth = truth
        self.touching = list(range(len(COMMITS)))
        """Commits that change what the check sees."""
        self.checks = 0
        self.store = memory_store(announce=announce)
        self.changes = Bell()
        self.bisecting = Bisecting(
            store=self.store, past=self, checking=self, changes=self.changes, clock=lambda: NOW
        )
        self.made: dict[str, Check] = {}

    async def commits(self, *, since: str, until: str, paths: Sequence[str]) -> list[Commit]:
        first, last = COMMITS.index(since), COMMITS.index(until)
        return [
            Commit(id=COMMITS[n], subject=f"commit {n}") for n in self.touching if first < n <= last
        ]

    async def index(self, commit: str) -> str:
        return commit

    async def closure_paths(self, *, entity: str, revision: str) -> list[str]:
        return ["models/x"]

    async def create_check(
        self,
        *,
        entity: str,
        revision: str,
        environment: str,
        request_id: str,
        requester: str,
        priority: Priority,
    ) -> Check:
        assert Priority.BACKGROUND is priority
        if request_id not in self.made:
            self.checks += 1
            self.made[request_id] = await self.ran(
                COMMITS.index(revision), IMAGES.index(environment.partition("@")[2]), trial=True
            )
        return self.made[request_id]

    async def ran(self, commit: int, image: int, *, trial: bool = False) -> Check:
        """Stores a finished check as the truth has it."""
        verdict = self.truth(commit, image)
        check = Check(
            id=new_id(),
            entity="AAAAA",
            revision=COMMITS[commit],
            commit=COMMITS[commit],
            environment="x_environment" + (f"@{IMAGES[image]}" if trial else ""),
            inputs_digest=new_id(),
            create_time=NOW,
            finish_time=NOW,
            state=CheckState.FINISHED,
            result=Result(verdict=verdict, image=f"sha256:{IMAGES[image]}"),
        )
        return (await self.store.checks.create(check))[0]

    async def knows_images(self) -> None:
        for number, image in enumerate(IMAGES):
            await self.store.environments.record(
                EnvironmentImage(
                    digest=f"sha256:{image}",
                    environment="x_environment",
                    python="3",
                    packages=(),
                    first_seen=NOW + timedelta(days=number),
                )
            )

    async def to_the_end(self, bisection: Bisection) -> Bisection:
        for _ in range(200):
            if bisection.state is not State.RUNNING:
                return bisection
            bisection = await self.bisecting.step(bisection)
        raise AssertionError("it does not end")


@pytest.mark.parametrize("first_bad", [1, 7, 20, 38, 39])
async def test_the_commit_that_broke_it(first_bad: int) -> None:
    """With one image, the commit is named in ceil(log2 n) checks."""
    world = World(lambda commit, _: BAD if commit >= first_bad else GOOD)
    await world.ran(0, 0)
    await world.ran(39, 0)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert (State.FINISHED, Axis.COMMIT) == (done.state, done.axis)
    assert [COMMITS[first_bad]] == [point.commit for point in done.culprits]
    assert f"commit {first_bad}" in done.message
    assert world.checks <= 6


@pytest.mark.parametrize("first_bad", [1, 4, 7])
async def test_the_image_that_broke_it(first_bad: int) -> None:
    """Commits changed too: one check more says that it was the image, and which one."""
    world = World(lambda _, image: BAD if image >= first_bad else GOOD)
    await world.knows_images()
    await world.ran(3, 0)
    await world.ran(30, 7)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert (State.FINISHED, Axis.ENVIRONMENT) == (done.state, done.axis)
    assert [f"x_environment@{IMAGES[first_bad]}"] == [p.environment for p in done.culprits]
    assert world.checks <= 3 + 1


async def test_a_commit_among_changes_of_the_image() -> None:
    """The image changed as well, but the commit explains it alone."""
    world = World(lambda commit, _: BAD if commit >= 25 else GOOD)
    await world.knows_images()
    await world.ran(3, 0)
    await world.ran(30, 7)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert (Axis.COMMIT, [COMMITS[25]]) == (done.axis, [p.commit for p in done.culprits])
    assert {f"x_environment@{IMAGES[0]}"} == {p.point.environment for p in done.probes}
    assert world.checks <= 5 + 1


async def test_only_commits_that_the_check_sees_are_tried() -> None:
    """Others cannot have broken it."""
    world = World(lambda commit, _: BAD if commit >= 20 else GOOD)
    world.touching = [5, 20, 33]
    await world.ran(0, 0)
    await world.ran(39, 0)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert [COMMITS[20]] == [point.commit for point in done.culprits]
    assert world.checks <= 2


async def test_commits_that_cannot_be_tried() -> None:
    """A time-out says nothing: those beside the flip stay suspects, and the message says so."""
    verdicts = {19: Verdict.TIMED_OUT, 20: Verdict.TIMED_OUT}
    world = World(lambda commit, _: verdicts.get(commit, BAD if commit >= 20 else GOOD))
    await world.ran(0, 0)
    await world.ran(39, 0)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert COMMITS[19:22] == [point.commit for point in done.culprits]
    assert "could not be told apart" in done.message


async def test_an_entity_that_a_commit_does_not_have() -> None:
    """What does not exist cannot be tried; the search goes on around it."""
    world = World(lambda commit, _: BAD if commit >= 30 else GOOD)
    plain = world.create_check

    async def create_check(**asked: object) -> Check:
        if asked["revision"] in COMMITS[10:25]:
            raise NotFoundError("no such entity")
        return await plain(**asked)  # type: ignore[arg-type]

    world.create_check = create_check  # type: ignore[method-assign]
    await world.ran(0, 0)
    await world.ran(39, 0)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert [COMMITS[30]] == [point.commit for point in done.culprits]


async def test_nothing_that_the_check_sees_changed() -> None:
    """Then it is not deterministic, and that is said."""
    world = World(lambda commit, _: BAD if commit >= 20 else GOOD)
    world.touching = []
    await world.ran(0, 0)
    await world.ran(39, 0)
    done = await world.to_the_end(await world.bisecting.create(entity="AAAAA"))
    assert (State.FINISHED, ()) == (done.state, done.culprits)
    assert "not deterministic" in done.message


async def test_what_cannot_be_bisected() -> None:
    """Never checked, never good, good now, or of no commit: each says why."""
    world = World(lambda commit, _: BAD if commit == 0 else GOOD)
    with pytest.raises(PreconditionError, match="never checked"):
        await world.bisecting.create(entity="AAAAA")
    await world.ran(0, 0)
    with pytest.raises(PreconditionError, match="never a success"):
        await world.bisecting.create(entity="AAAAA")
    await world.ran(5, 0)
    with pytest.raises(PreconditionError, match="is a success"):
        await world.bisecting.create(entity="AAAAA")
    dirty = await world.ran(0, 0)
    await world.store.checks.create(
        dataclasses.replace(dirty, id=new_id(), inputs_digest=new_id(), commit="")
    )
    with pytest.raises(PreconditionError, match="no commit holds"):
        await world.bisecting.create(entity="AAAAA")


async def test_repeating_a_request_gives_the_same_bisection() -> None:
    """With one request id there is one bisection, which can be listed and got."""
    world = World(lambda commit, _: BAD if commit >= 20 else GOOD)
    await world.ran(0, 0)
    await world.ran(39, 0)
    first = await world.bisecting.create(entity="AAAAA", request_id="r")
    again = await world.bisecting.create(entity="AAAAA", request_id="r")
    assert first.id == again.id
    await world.ran(0, 0)  # the newest is a success: nothing could begin now
    assert first == await world.bisecting.create(entity="AAAAA", request_id="r")
    assert ([first], "") == await world.bisecting.list_page(size=5, token="")
    assert first == await world.bisecting.get(first.id)


async def test_a_full_queue_puts_a_probe_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bisection neither fails nor tries another state; it goes on when there is room."""
    world = World(lambda commit, _: BAD if commit >= 20 else GOOD)
    await world.ran(0, 0)
    await world.ran(39, 0)
    begun = await world.bisecting.create(entity="AAAAA")
    on_axis = await world.bisecting.step(begun)
    await world.store.bisections.update(on_axis)
    refused = asyncio.Event()

    async def refuse(**_: object) -> Check:
        refused.set()
        raise ResourceExhaustedError("9 checks would wait")

    with monkeypatch.context() as full:
        full.setattr(world, "create_check", refuse)
        carrying = asyncio.create_task(world.bisecting.run())
        async with asyncio.timeout(5):
            await refused.wait()
    assert on_axis == await world.store.bisections.get(begun.id)
    async with asyncio.timeout(10):
        while (await world.store.bisections.get(begun.id)).state is State.RUNNING:
            await world.changes.wait(since=world.changes.rings, timeout=0.05)
    carrying.cancel()
    assert State.FINISHED is (await world.store.bisections.get(begun.id)).state
