"""What every store promises of trials and promotions: in memory, over SQLite, over PostgreSQL."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import NotFoundError
from services.scheduler.domain.names import new_id
from services.scheduler.domain.promotion import Candidate, Promotion, Trial
from services.scheduler.ports.store import Store
from tests.scheduler_stores import KINDS, NOW, empty_store


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


def a_trial(environment: str = "demo_environment") -> Trial:
    """A trial of a candidate."""
    return Trial(
        id=new_id(),
        candidate=Candidate(environment=environment, reference="1.2.0"),
        base_run=new_id(),
        candidate_run=new_id(),
        create_time=NOW,
        entity_count=60,
        selected_count=12,
    )


def a_promotion(environment: str = "demo_environment", **fields: object) -> Promotion:
    """A promotion of an image."""
    promotion = Promotion(
        id=new_id(),
        environment=environment,
        digest="sha256:" + "a" * 64,
        tag="1.2.0",
        previous_digest="",
        trial=new_id(),
        forced=True,
        reason="scipy 1.15 is needed",
        create_time=NOW,
        beneath="",
    )
    return dataclasses.replace(promotion, **fields)  # type: ignore[arg-type]  # names of fields


async def test_a_trial_is_kept_as_it_was_made(store: Store) -> None:
    """What was created is what is got; an unknown one is an error."""
    trial = a_trial()
    assert (trial, True) == await store.trials.create(trial)
    assert trial == await store.trials.get(trial.id)
    with pytest.raises(NotFoundError, match="there is no trial named trials/0"):
        await store.trials.get("0")


async def test_a_repeated_request_makes_no_second_trial(store: Store) -> None:
    """The same request gets the same trial; requests without an id are never the same."""
    assert await store.trials.requested("once") is None
    first, _ = await store.trials.create(a_trial(), request_id="once")

    assert (first, False) == await store.trials.create(a_trial(), request_id="once")
    assert first == await store.trials.requested("once")
    assert [first] == await store.trials.list_page(limit=10, before="")
    for _ in range(2):
        assert (await store.trials.create(a_trial()))[1]


async def test_trials_are_listed_newest_first(store: Store) -> None:
    """Pages leave out and repeat nothing, of all environments or of one."""
    made = [
        (await store.trials.create(a_trial(f"{word}_environment")))[0]
        for word in ("demo", "other", "demo")
    ]
    first = await store.trials.list_page(limit=2, before="")

    assert [made[2], made[1]] == first
    assert [made[0]] == await store.trials.list_page(limit=2, before=first[-1].id)
    assert [made[2], made[0]] == await store.trials.list_page(
        limit=5, before="", environment="demo_environment"
    )


async def test_the_newest_promotion_is_in_use(store: Store) -> None:
    """Of each environment, the promotion added last; other environments have their own."""
    assert await store.promotions.in_use("demo_environment") is None
    first = a_promotion()
    other = a_promotion("other_environment")
    second = a_promotion(
        trial=first.trial, previous_digest=first.digest, beneath=first.id, forced=False
    )

    assert await store.promotions.add(first, after="")
    assert await store.promotions.add(other, after="")
    assert first == await store.promotions.in_use("demo_environment")
    assert await store.promotions.add(second, after=first.id)

    assert second == await store.promotions.in_use("demo_environment")
    assert other == await store.promotions.in_use("other_environment")
    assert first == await store.promotions.get(first.id)
    assert second == await store.promotions.of_trial(first.trial)
    assert await store.promotions.of_trial(new_id()) is None
    assert [second, other, first] == await store.promotions.list_page(limit=5, before="")
    assert [first] == await store.promotions.list_page(
        limit=5, before=second.id, environment="demo_environment"
    )
    with pytest.raises(NotFoundError, match="there is no promotion named promotions/0"):
        await store.promotions.get("0")


async def test_no_two_promotions_follow_from_the_same_state(store: Store) -> None:
    """Of promotions at the same time one wins; the others are told that the state has changed."""
    promotions = [a_promotion() for _ in range(5)]

    added = await asyncio.gather(*(store.promotions.add(one, after="") for one in promotions))

    assert 1 == sum(added)
    assert [promotions[added.index(True)]] == await store.promotions.list_page(limit=5, before="")
