"""Contract of the store: what checks of proposals may not do to those of the main line."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.scheduler.domain.check import UNTRUSTED_POOL, Basis, Check, Run, State
from services.scheduler.domain.inputs import inputs_digest
from services.scheduler.domain.names import new_id
from services.scheduler.history.comparing import STANDING, Comparing
from services.scheduler.ports.store import Store
from tests.scheduler_stores import (
    KINDS,
    NOW,
    SECOND,
    a_check,
    a_runner,
    claim,
    empty_store,
    finish,
)

BASIS = Basis(closure="closure", image="sha256:1", runtime="1")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


def of_main(entity: str = "AAAAA") -> Check:
    """A check of the main line."""
    return _asked(a_check(entity, basis=BASIS))


def of_proposal(entity: str = "AAAAA") -> Check:
    """The same check of a proposal."""
    return _asked(a_check(entity, basis=BASIS, pool=UNTRUSTED_POOL))


def _asked(check: Check) -> Check:
    digest = inputs_digest(
        entity=check.entity,
        closure="closure",
        environment=check.environment,
        runtime="1",
        limits=check.limits,
        untrusted=check.untrusted,
    )
    return dataclasses.replace(check, inputs_digest=digest)


async def ran(store: Store, check: Check) -> Check:
    """The check after it ran."""
    created, new = await store.checks.create(check)
    assert new
    await claim(store, created)
    return await finish(store, created, image="sha256:1", runtime="1", log="c" * 64)


async def test_no_result_crosses_over(store: Store) -> None:
    """Equal inputs are not enough: each side reuses its own results alone, in both directions."""
    proposed = await ran(store, of_proposal())
    main, _ = await store.checks.create(of_main())
    assert (State.QUEUED, "") == (main.state, main.reused_from)
    again, _ = await store.checks.create(of_proposal())
    assert (State.FINISHED, proposed.id) == (again.state, again.reused_from)


async def test_no_request_joins_the_other_side(store: Store) -> None:
    """A check that is active on one side is not handed out on the other."""
    proposed, _ = await store.checks.create(of_proposal())
    main, created = await store.checks.create(of_main())
    assert created
    assert proposed.id != main.id
    assert (proposed.id, False) == ((await store.checks.create(of_proposal()))[0].id, False)


async def test_verdicts_are_of_the_main_line(store: Store) -> None:
    """How an entity stands, and what a check is compared with, is nothing that a proposal says."""
    main = await ran(store, of_main())
    proposed = await ran(store, of_proposal())
    changed = dataclasses.replace(BASIS, closure="another")
    later, _ = await store.checks.create(
        dataclasses.replace(of_main(), inputs_digest="other", basis=changed)
    )
    [verdict] = await store.verdicts.list_page(limit=10)
    assert main.id == verdict.check
    previous = await store.checks.previous(later)
    assert previous is not None
    assert main.id == previous.id
    beside = await store.checks.previous(proposed)
    assert beside is not None
    assert main.id == beside.id


async def test_retention_keeps_what_main_needs(store: Store) -> None:
    """No success of a proposal takes the place of the last one of the main line."""
    main = await ran(store, of_main())
    await ran(store, of_proposal())
    assert [main.id] == [one.id for one in await store.retention.finished()]


async def test_a_run_beside_main(store: Store) -> None:
    """`-` in place of a run is how each of its entities stands; runs go by revision."""
    await ran(store, of_main())
    revision = "b" * 40
    run = Run(id=new_id(), title="t", revision=revision, commit="", create_time=NOW)
    other = Run(id=new_id(), title="o", revision="c" * 40, commit="", create_time=NOW)
    checks = [dataclasses.replace(of_proposal(key), run=run.id) for key in ("AAAAA", "BBBBB")]
    await store.runs.create(run, checks)
    await store.runs.create(other, [dataclasses.replace(a_check("CCCCC"), run=other.id)])
    found = await store.runs.list_page(limit=10, before="", revision=revision)
    assert [run.id] == [one.run.id for one in found]
    comparison = await Comparing(store=store).compare(base=STANDING, other=run.id)
    assert {"AAAAA": True, "BBBBB": False} == {
        change.entity: change.base is not None for change in comparison.changes
    }


async def test_runners_of_several_pools(store: Store) -> None:
    """What a runner says counts for each of its pools, and for no other with a similar name."""
    await store.runners.register(dataclasses.replace(a_runner(), pool="default,untrusted"))
    since = NOW - SECOND
    for pool, expected in (("default", 1), ("untrusted", 1), ("trusted", 0), ("default,u", 0)):
        assert expected == len(await store.environments.reports(pool=pool, since=since))
