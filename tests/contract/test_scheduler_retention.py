"""What every store promises retention: in memory, over SQLite, over PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.scheduler.domain import machine
from services.scheduler.domain.check import Artefact, Basis, Check, Verdict
from services.scheduler.domain.retention import FinishedCheck, Use
from services.scheduler.ports.store import Store
from tests.scheduler_stores import KINDS, NOW, SECOND, a_check, claim, empty_store, finish

FINISHED = NOW + 3 * SECOND
"""When `finish` ends a check."""


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


async def checked(
    store: Store, entity: str, *digests: str, verdict: Verdict = Verdict.SUCCESS, log: str = ""
) -> Check:
    """Runs a check that leaves files."""
    check, _ = await store.checks.create(a_check(entity))
    await claim(store, check)
    files = tuple(
        Artefact(sha256=digest, path=f"{digest[0]}.png", size=3, content_type="image/png")
        for digest in digests
    )
    return await finish(store, check, artefacts=files, verdict=verdict, log=log)


A, B, C, LOG = ("a" * 64, "b" * 64, "c" * 64, "1" * 64)


async def test_finished_checks_come_oldest_first(store: Store) -> None:
    """All that are finished, cancelled ones too, and no others."""
    first = await checked(store, "AAAAA")
    second = await checked(store, "BBBBB", verdict=Verdict.INACCURATE)
    stopped, _ = await store.checks.create(a_check("AAAAA"))
    await store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    await store.checks.create(a_check("CCCCC"))

    assert [
        FinishedCheck(id=id_, entity=entity, environment="demo_environment", verdict=verdict)
        for id_, entity, verdict in (
            (first.id, "AAAAA", Verdict.SUCCESS),
            (second.id, "BBBBB", Verdict.INACCURATE),
            (stopped.id, "AAAAA", Verdict.CANCELLED),
        )
    ] == await store.retention.finished()


async def test_uses_name_every_file(store: Store) -> None:
    """Plots and logs; a file that a kept check shares with others is kept."""
    await checked(store, "AAAAA", A, B, log=LOG)
    kept = await checked(store, "BBBBB", B, C)

    at = FINISHED.timestamp()
    assert {
        A: Use(last=at),
        B: Use(last=at, kept=True),
        C: Use(last=at, kept=True),
        LOG: Use(last=at),
    } == await store.retention.uses(kept={kept.id})


async def test_marks_are_remembered(store: Store) -> None:
    """What was marked is told with its time, the newest where it went twice."""
    await checked(store, "AAAAA", A)
    later = FINISHED + timedelta(days=1)

    assert await store.retention.removed(A) is None
    assert [A, B] == await store.retention.mark_removed([A, B], chosen=later, now=later)
    assert later == await store.retention.removed(A)
    assert [A] == await store.retention.mark_removed([A], chosen=later, now=later + SECOND)
    assert later + SECOND == await store.retention.removed(A)
    assert await store.retention.removed(C) is None


async def test_results_without_their_files_are_not_reused(store: Store) -> None:
    """A new check whose equal lost its files runs, so that the last success has its own."""
    basis = Basis(closure="closure", image="sha256:1", runtime="1")
    origin, _ = await store.checks.create(a_check(basis=basis))
    await claim(store, origin)
    plot = Artefact(sha256=A, path="a.png", size=3, content_type="image/png")
    await finish(store, origin, artefacts=(plot,), image="sha256:1", runtime="1")
    reused, _ = await store.checks.create(a_check(basis=basis))
    assert origin.id == reused.reused_from

    later = FINISHED + timedelta(days=1)
    await store.retention.mark_removed([A], chosen=later, now=later)

    again, created = await store.checks.create(a_check(basis=basis))
    assert (True, False) == (created, again.finished)


async def test_what_a_new_check_uses_is_not_marked(store: Store) -> None:
    """A check that finished after the choice keeps its files, those of older checks too."""
    await checked(store, "AAAAA", A, B, log=LOG)
    chosen = FINISHED - SECOND

    assert [C] == await store.retention.mark_removed([A, B, LOG, C], chosen=chosen, now=FINISHED)
    assert await store.retention.removed(A) is None
