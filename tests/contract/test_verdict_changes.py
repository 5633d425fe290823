"""What databases promise of verdict changes: over SQLite and over PostgreSQL."""

import dataclasses
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from services.scheduler.domain import machine
from services.scheduler.domain.check import Basis, Check, Run, State, Verdict
from services.scheduler.domain.names import new_id
from services.scheduler.domain.verdict_changes import (
    ChangeCause,
    ChangeFilter,
    ChangeKind,
    VerdictChange,
)
from services.scheduler.messages import announce
from services.scheduler.ports.history import ImportedRun
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.change_lists import SqlVerdictChanges
from services.scheduler.sql.history import SqlHistory
from services.scheduler.sql.notification_tables import verdict_changes
from services.scheduler.sql.verdict_changes import fill_changes
from tests.scheduler_stores import NOW, SECOND, a_check, claim, finish

V = Verdict
KINDS = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@dataclass
class Place:
    """A database, and what is asked of it."""

    database: Database
    store: Store
    changes: SqlVerdictChanges

    async def checked(self, entity: str, verdict: Verdict, **fields: object) -> Check:
        """Runs a check to a verdict."""
        fields.setdefault("inputs_digest", new_id())
        check, _ = await self.store.checks.create(a_check(entity, **fields))
        await claim(self.store, check)
        return await finish(self.store, check, verdict=verdict)

    async def all(self, **condition: object) -> list[VerdictChange]:
        """All changes that fulfil conditions, newest first."""
        wanted = ChangeFilter(**condition)  # type: ignore[arg-type]  # names of fields
        return await self.changes.list_page(wanted, limit=1000, before=None)


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty database of each kind."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    yield Place(database, sql_store(database, announce=announce), SqlVerdictChanges(database))
    await database.close()


def brief(changes: list[VerdictChange]) -> list[tuple[str, str, str]]:
    """Entity, kind and check of each."""
    return [(change.entity, change.kind.name, change.after.check) for change in changes]


async def test_changes_are_noted_when_checks_finish(place: Place) -> None:
    """First, broken, changed, repaired: each is noted once, with both checks; no equal ones."""
    first = await place.checked("AAAAA", V.SUCCESS)
    await place.checked("AAAAA", V.SUCCESS)
    broken = await place.checked("AAAAA", V.SCRIPT_ERROR)
    changed = await place.checked("AAAAA", V.INACCURATE)
    await place.checked("AAAAA", V.INACCURATE)
    repaired = await place.checked("AAAAA", V.SUCCESS)
    found = await place.all()
    assert [
        ("AAAAA", "REPAIRED", repaired.id),
        ("AAAAA", "CHANGED", changed.id),
        ("AAAAA", "BROKEN", broken.id),
        ("AAAAA", "FIRST", first.id),
    ] == brief(found)
    assert found[3].before is None
    assert found[1].before is not None
    assert (broken.id, V.SCRIPT_ERROR) == (found[1].before.check, found[1].before.verdict)
    assert ("c" * 40, "a" * 40) == (found[1].after.commit, found[1].after.revision)


async def test_what_says_nothing_of_an_entity_changes_nothing(place: Place) -> None:
    """Our failures, cancelled checks and images on trial are passed over, as if they never were."""
    await place.checked("AAAAA", V.SUCCESS)
    await place.checked("AAAAA", V.SCRIPT_ERROR, environment="demo_environment@candidate")
    stopped, _ = await place.store.checks.create(a_check("AAAAA", inputs_digest=new_id()))
    await place.store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    failed = machine.broken(a_check("AAAAA"), message="no runner", now=NOW)
    assert failed.result is not None
    result = dataclasses.replace(failed.result, verdict=V.INFRASTRUCTURE_ERROR)
    await place.store.checks.create(dataclasses.replace(failed, result=result))
    await place.checked("AAAAA", V.SUCCESS)
    assert ["FIRST"] == [change.kind.name for change in await place.all()]


async def test_a_late_check_of_the_past_corrects_what_was_noted(place: Place) -> None:
    """A check that was asked for before, and ends after: the list is right, and nobody is told."""
    slow, _ = await place.store.checks.create(a_check("AAAAA", inputs_digest="slow"))
    await claim(place.store, slow)
    newer = await place.checked("AAAAA", V.SUCCESS)
    assert [("AAAAA", "FIRST", newer.id)] == brief(await place.all())
    last = await place.changes.last()
    await finish(place.store, slow, verdict=V.INACCURATE)
    assert {("AAAAA", "REPAIRED", newer.id), ("AAAAA", "FIRST", slow.id)} == set(
        brief(await place.all())
    )
    assert [] == await place.changes.after(last, limit=10)


@pytest.mark.parametrize("seed", range(3))
async def test_noted_as_from_the_whole_history(place: Place, seed: int) -> None:
    """In whatever order checks finish, what is noted is what the whole history says."""
    chance = random.Random(seed)  # noqa: S311  # a history, no secret
    waiting: list[Check] = []
    for number in range(120):
        check = a_check(f"AAAA{number % 3}", inputs_digest=new_id())
        if chance.random() < 0.1:
            check = dataclasses.replace(check, environment="demo_environment@candidate")
        waiting.append((await place.store.checks.create(check))[0])
    chance.shuffle(waiting)
    for check in waiting:
        await claim(place.store, check)
        await finish(place.store, check, verdict=chance.choice([V.SUCCESS, V.INACCURATE, V(3)]))

    columns = [column for column in verdict_changes.c if column.name not in {"number", "told"}]
    query = select(*columns).order_by(verdict_changes.c.check_id)
    noted = await place.database.read(lambda c: [tuple(row) for row in c.execute(query)])
    await place.database.write(lambda c: c.execute(delete(verdict_changes)).close())
    await place.database.write(fill_changes)
    assert noted == await place.database.read(lambda c: [tuple(row) for row in c.execute(query)])
    assert len(noted) > 20


@pytest.mark.parametrize(
    ("closures", "images", "cause"),
    [
        (("1", "2"), ("x", "x"), ChangeCause.DATA),
        (("1", "1"), ("x", "y"), ChangeCause.ENVIRONMENT),
        (("1", "2"), ("x", "y"), ChangeCause.DATA_AND_ENVIRONMENT),
        (("1", "1"), ("x", "x"), ChangeCause.NEITHER),
        (("1", "1"), ("x", ""), ChangeCause.UNKNOWN),
        ((None, None), ("x", "y"), ChangeCause.ENVIRONMENT),  # the commit is the same
    ],
)
async def test_what_differs_between_two_checks_is_told(
    place: Place,
    closures: tuple[str | None, str | None],
    images: tuple[str, str],
    cause: ChangeCause,
) -> None:
    """Data, environment, both, or neither, by what was kept of the checks; else it is not known."""
    from ackrep.scheduler.v1 import check_pb2

    for closure, image, verdict in zip(closures, images, (V.SUCCESS, V.SCRIPT_ERROR), strict=True):
        basis = None if closure is None else Basis(closure=closure, runtime="1", forced=True)
        check, _ = await place.store.checks.create(
            a_check("AAAAA", inputs_digest=new_id(), basis=basis)
        )
        await claim(place.store, check)
        message = check_pb2.Result(verdict=verdict.value)  # type: ignore[arg-type]
        message.provenance.environment_digest = image
        await finish(place.store, check, verdict=verdict, payload=message.SerializeToString())
    assert cause is (await place.all())[0].cause


async def test_imported_history_is_listed_at_its_dates_and_told_to_nobody(place: Place) -> None:
    """A run of 2022 is in the list where it belongs; watchers and webhooks do not hear of it."""
    now = await place.checked("AAAAA", V.SCRIPT_ERROR)
    last = await place.changes.last()
    old = NOW - timedelta(days=1000)
    imported = [
        a_check(
            entity,
            id=f"0{index}{'0' * 30}",
            pool="imported",
            state=State.FINISHED,
            create_time=old,
            finish_time=old,
            result=machine.broken(a_check(), message="", now=old).result,
            inputs_digest=new_id(),
        )
        for index, entity in enumerate(("AAAAA", "BBBBB", "BBBBB"))
    ]
    assert imported[0].result is not None
    good = dataclasses.replace(imported[0].result, verdict=V.SUCCESS)
    imported[0] = dataclasses.replace(imported[0], result=good)
    imported[1] = dataclasses.replace(imported[1], result=good)
    run = Run(id=new_id(), title="", revision="", commit="", create_time=old)
    source = ImportedRun(
        run=run.id, file_name="f", content_digest="d", core_commit="", build_url=""
    )
    assert await SqlHistory(place.database).add(source, b"x", run=run, checks=imported)
    assert [
        ("AAAAA", "BROKEN", now.id),
        ("BBBBB", "BROKEN", imported[2].id),
        ("BBBBB", "FIRST", imported[1].id),
        ("AAAAA", "FIRST", imported[0].id),
    ] == brief(await place.all())
    assert [False, True, True, True] == [change.imported for change in await place.all()]
    assert [] == await place.changes.after(last, limit=10)


async def test_lists_are_filtered_and_paged(place: Place) -> None:
    """Conditions and pages together leave out and repeat nothing."""
    for number in range(12):
        verdict = V.SUCCESS if number % 2 else V.INACCURATE
        await place.checked(f"AAAA{number % 3}", verdict)
    everything = await place.all()
    conditions = (
        ChangeFilter(),
        ChangeFilter(entity="AAAA1"),
        ChangeFilter(kinds=frozenset({ChangeKind.BROKEN, ChangeKind.REPAIRED})),
        ChangeFilter(entity="AAAA2", kinds=frozenset({ChangeKind.REPAIRED})),
        ChangeFilter(since=NOW + 3 * SECOND),
        ChangeFilter(since=NOW + 4 * SECOND),
    )
    for condition in conditions:
        expected = [
            change
            for change in everything
            if condition.entity in ("", change.entity)
            and (not condition.kinds or change.kind in condition.kinds)
            and (condition.since is None or change.after.finish_time >= condition.since)
        ]
        seen: list[VerdictChange] = []
        while page := await place.changes.list_page(
            condition,
            limit=2,
            before=(seen[-1].after.finish_time, seen[-1].after.check) if seen else None,
        ):
            seen += page
        assert expected == seen
