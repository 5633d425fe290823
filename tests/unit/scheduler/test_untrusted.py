"""Checks of proposals: apart, tighter, behind others, and of no consequence for the main line."""

import dataclasses
from pathlib import Path

import pytest

from services import bus
from services.scheduler.checks.placing import Placing
from services.scheduler.domain.check import UNTRUSTED_POOL, Verdict, entity_verdict
from services.scheduler.domain.explanation import Kind, Subject, explain
from services.scheduler.domain.ordering import Priority
from services.scheduler.domain.window import window
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.settings import Settings
from tests.reusable_checks import a_check, ran, stands_for
from tests.scheduler_stores import a_runner


def test_runners_know_the_pool_by_the_same_name() -> None:
    """Scheduler and runner mean the same pool."""
    assert bus.UNTRUSTED == UNTRUSTED_POOL


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.INACCURATE, Verdict.SCRIPT_ERROR])
def test_results_stand_for_nothing_on_main(verdict: Verdict) -> None:
    """Even where every input is the same: not as a result, and not as a verdict of the entity."""
    trusted, untrusted = a_check(), a_check(pool=UNTRUSTED_POOL)
    assert stands_for(ran(trusted, verdict=verdict), trusted)
    assert stands_for(ran(untrusted, verdict=verdict), untrusted)
    assert not stands_for(ran(untrusted, verdict=verdict), trusted)
    assert not stands_for(ran(trusted, verdict=verdict), untrusted)
    assert not stands_for(ran(untrusted, verdict=verdict, on_revision=True), trusted)
    assert entity_verdict(ran(trusted, verdict=verdict)) is not None
    assert entity_verdict(ran(untrusted, verdict=verdict)) is None


def test_explained() -> None:
    """Who asks why it ran is told that it is of a proposal."""
    untrusted = Subject(check=a_check(id="2" * 32, pool=UNTRUSTED_POOL))
    [reason] = explain(untrusted, Subject(check=ran(a_check())))
    assert Kind.UNTRUSTED is reason.kind


async def test_behind_all_others() -> None:
    """A run of a proposal is background work; one check of it is not waited for."""
    placing = Placing(store=memory_store(announce=announce), pool="default", limit=100)
    check = a_check(pool=UNTRUSTED_POOL)
    [placed] = await placing.of_run([check], requester="me", priority=None)
    assert Priority.BACKGROUND == placed.priority
    single = await placing.single(check, requester="me", priority=None)
    assert Priority.BULK == single.priority


def test_limits_are_never_wider(tmp_path: Path) -> None:
    """An installation that bounds all checks tightly bounds proposals as tightly."""
    settings = Settings(token="t", database="sqlite://", artefacts=tmp_path)
    usual, tighter = settings.limits, settings.untrusted_limits
    for field in dataclasses.fields(usual):
        assert getattr(tighter, field.name) <= getattr(usual, field.name)
    assert tighter.memory_bytes < usual.memory_bytes
    tight = dataclasses.replace(settings, wall_seconds=5.0).untrusted_limits
    assert 5.0 == tight.wall_seconds


def test_a_runner_of_two_pools_counts_in_both() -> None:
    """Its free slots are room for the jobs of each."""
    runner = dataclasses.replace(a_runner(), pool="default,untrusted", slots=9, free_slots=9)
    for pool, expected in (("default", 18), ("untrusted", 18), ("other", 4), ("trusted", 4)):
        assert expected == window([runner], pool=pool, minimum=4)
