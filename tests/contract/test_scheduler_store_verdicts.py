"""What every store promises of verdicts of entities: in memory, over SQLite, over PostgreSQL."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, EntityVerdict, Run, Verdict
from services.scheduler.domain.names import new_id
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from tests.scheduler_stores import KINDS, NOW, SECOND, a_check, claim, empty_store, finish


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


async def checked(store: Store, entity: str, verdict: Verdict = Verdict.SUCCESS) -> Check:
    """Runs a check of an entity to a verdict."""
    check, _ = await store.checks.create(a_check(entity))
    await claim(store, check)
    return await finish(store, check, verdict=verdict)


async def test_a_verdict_is_the_newest_finished_check(store: Store) -> None:
    """Of each entity with a finished check, one verdict is told, by entity."""
    assert [] == await store.verdicts.list_page(limit=10)
    second = await checked(store, "BBBBB")
    await checked(store, "AAAAA", Verdict.SCRIPT_ERROR)
    first = await checked(store, "AAAAA", Verdict.INACCURATE)
    queued, _ = await store.checks.create(a_check("AAAAA"))
    await claim(store, queued)
    await store.checks.create(a_check("CCCCC"))

    assert [
        EntityVerdict(
            entity=entity,
            verdict=verdict,
            check=check.id,
            finish_time=NOW + 3 * SECOND,
            revision="a" * 40,
        )
        for entity, verdict, check in (
            ("AAAAA", Verdict.INACCURATE, first),
            ("BBBBB", Verdict.SUCCESS, second),
        )
    ] == await store.verdicts.list_page(limit=10)


async def test_the_check_that_was_made_last_counts(store: Store) -> None:
    """A check of an older revision that takes longer does not hide the newer one."""
    slow, _ = await store.checks.create(a_check("AAAAA", inputs_digest="old"))
    await claim(store, slow)
    newer = await checked(store, "AAAAA", Verdict.INACCURATE)
    await finish(store, slow)

    [found] = await store.verdicts.list_page(limit=10)
    assert (newer.id, Verdict.INACCURATE) == (found.check, found.verdict)


async def test_cancelled_checks_say_nothing(store: Store) -> None:
    """Stopping a check leaves what is known of its entity as it was."""
    before = await checked(store, "AAAAA")
    for entity in ("AAAAA", "BBBBB"):
        stopped, _ = await store.checks.create(a_check(entity))
        await store.checks.update(stopped.id, partial(machine.cancel, now=NOW))

    assert [("AAAAA", before.id)] == [
        (found.entity, found.check) for found in await store.verdicts.list_page(limit=10)
    ]


async def test_checks_of_a_candidate_say_nothing(store: Store) -> None:
    """What comes out in an image that is not in use leaves what is known as it was."""
    before = await checked(store, "AAAAA")
    for entity in ("AAAAA", "BBBBB"):
        tried, _ = await store.checks.create(
            a_check(entity, environment="demo_environment@candidate")
        )
        await claim(store, tried)
        await finish(store, tried, verdict=Verdict.SCRIPT_ERROR)
    broken = a_check("CCCCC", environment="demo_environment@candidate")
    await store.checks.create(machine.broken(broken, message="dangling", now=NOW))

    assert [("AAAAA", before.id, Verdict.SUCCESS)] == [
        (found.entity, found.check, found.verdict)
        for found in await store.verdicts.list_page(limit=10)
    ]


async def test_checks_that_are_finished_from_the_beginning_count(store: Store) -> None:
    """What cannot even be queued has a verdict too, alone or in a run."""
    await store.checks.create(machine.broken(a_check("AAAAA"), message="dangling", now=NOW))
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
    await store.runs.create(run, [machine.broken(a_check("BBBBB"), message="dangling", now=NOW)])

    assert [("AAAAA", Verdict.SCRIPT_ERROR), ("BBBBB", Verdict.SCRIPT_ERROR)] == [
        (found.entity, found.verdict) for found in await store.verdicts.list_page(limit=10)
    ]


async def test_verdicts_are_filtered_and_paged(store: Store) -> None:
    """Conditions and pages together leave out and repeat nothing."""
    kinds = {
        f"A000{number}": Verdict.SUCCESS if number % 3 else Verdict.TIMED_OUT for number in range(9)
    }
    for entity, verdict in kinds.items():
        await checked(store, entity, verdict)

    conditions: tuple[tuple[Verdict | None, set[str] | None, list[str]], ...] = (
        (None, None, list(kinds)),
        (Verdict.TIMED_OUT, None, ["A0000", "A0003", "A0006"]),
        (None, {"A0001", "A0003", "ZZZZZ"}, ["A0001", "A0003"]),
        (Verdict.SUCCESS, {"A0001", "A0003"}, ["A0001"]),
        (None, set(), []),
    )
    for wanted, entities, expected in conditions:
        seen: list[str] = []
        while page := await store.verdicts.list_page(
            limit=2, after=seen[-1] if seen else "", verdict=wanted, entities=entities
        ):
            seen += [found.entity for found in page]
        assert expected == seen


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_an_older_database_is_filled(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Verdicts of checks that were finished before verdicts were kept are found at the start."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if kind == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    store = sql_store(database, announce=announce)
    await checked(store, "AAAAA", Verdict.SCRIPT_ERROR)
    await checked(store, "AAAAA")
    await checked(store, "BBBBB", Verdict.INACCURATE)
    stopped, _ = await store.checks.create(a_check("BBBBB"))
    await store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    kept = await store.verdicts.list_page(limit=10)
    await database.write(
        lambda connection: connection.execute(text("drop table entity_verdicts")).close()
    )
    await database.close()

    again = Database(url)
    for _ in range(2):
        await again.prepare()
    try:
        assert kept == await sql_store(again, announce=announce).verdicts.list_page(limit=10)
        assert ["AAAAA", "BBBBB"] == [found.entity for found in kept]
    finally:
        await again.close()
