"""Contract of the store: equal results stand for new checks; what runners tell of environments."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2
from services.scheduler.domain.check import Artefact, Basis, Check, Folder, Run, State, Verdict
from services.scheduler.domain.environments import EnvironmentImage, RunnerReport
from services.scheduler.domain.names import new_id
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

FOLDERS = (Folder(key="AAAAA", path="models/a", tree="1" * 40),)
BASIS = Basis(closure="closure", folders=FOLDERS, image="sha256:1", runtime="1")
PAYLOAD = check_pb2.Result(remarks=["all of it"]).SerializeToString()
PLOT = Artefact(sha256="b" * 64, path="plot.png", size=3, content_type="image/png")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


def based(entity: str = "AAAAA", **basis: object) -> Check:
    """A queued check that says what it depends on."""
    return a_check(entity, basis=dataclasses.replace(BASIS, **basis))  # type: ignore[arg-type]


async def ran(store: Store, check: Check, **fields: object) -> Check:
    """The check after it ran in what was expected, with the given fields of its result."""
    created, new = await store.checks.create(check)
    assert new
    await claim(store, created)
    result: dict[str, object] = {"image": "sha256:1", "runtime": "1", "log": "c" * 64} | fields
    return await finish(store, created, **result)  # type: ignore[arg-type]  # names of fields


async def test_an_equal_check_is_born_finished(store: Store) -> None:
    """It has verdict and result of the one that ran, no attempt, and says from which it is."""
    origin = await ran(store, based(), artefacts=(PLOT,), payload=PAYLOAD)

    check, created = await store.checks.create(based())

    assert created
    assert (State.FINISHED, origin.id, 0, 0, NOW) == (
        check.state,
        check.reused_from,
        check.attempt,
        check.finished_by,
        check.finish_time,
    )
    assert check.result is not None
    assert origin.result is not None
    again = (await store.checks.get(check.id)).result
    assert again is not None
    for result in (check.result, again):
        assert (origin.result.verdict, origin.result.payload, origin.result.log) == (
            result.verdict,
            result.payload,
            result.log,
        )
    assert await store.checks.artefact("b" * 64) == PLOT


async def test_the_newest_check_says_how_an_entity_is_though_it_did_not_run(store: Store) -> None:
    """A reused result is news as any other."""
    await ran(store, based(), verdict=Verdict.INACCURATE)
    await ran(store, based(closure="another"))

    check, _ = await store.checks.create(based())

    [verdict] = await store.verdicts.list_page(limit=9)
    assert (check.id, Verdict.INACCURATE) == (verdict.check, verdict.verdict)


async def test_a_chain_of_reuse_leads_to_the_check_that_ran(store: Store) -> None:
    """However often it is asked."""
    origin = await ran(store, based())

    found = {(await store.checks.create(based()))[0].reused_from for _ in range(3)}

    assert {origin.id} == found


async def test_the_newest_of_equal_results_is_taken(store: Store) -> None:
    """Where it was forced to run again."""
    await ran(store, based())
    second = await ran(store, based(forced=True))

    check, _ = await store.checks.create(based())

    assert second.id == check.reused_from


@pytest.mark.parametrize(
    "basis",
    [
        {"closure": "another"},
        {"image": "sha256:2"},
        {"image": ""},
        {"runtime": "2"},
        {"runtime": ""},
        {"forced": True},
    ],
)
async def test_another_check_runs(store: Store, basis: dict[str, object]) -> None:
    """With another input, an unknown one, or where it is forced."""
    await ran(store, based())

    check, created = await store.checks.create(based("AAAAA", **basis))

    assert (True, State.QUEUED, "") == (created, check.state, check.reused_from)
    assert (await store.checks.get(check.id)).basis == check.basis


async def test_what_counts_is_in_what_it_ran(store: Store) -> None:
    """A result of an image that nobody expected stands for checks in that one, no others."""
    origin = await ran(store, based(), image="sha256:2")

    expected, _ = await store.checks.create(based())
    actual, _ = await store.checks.create(
        dataclasses.replace(based(image="sha256:2"), inputs_digest="another request")
    )

    assert ("", origin.id) == (expected.reused_from, actual.reused_from)


async def test_a_result_of_the_whole_revision_stands_for_that_revision(store: Store) -> None:
    """As its dependencies are not declared, any change may concern it."""
    origin = await ran(store, based(), on_revision=True)

    same, _ = await store.checks.create(based())
    other, _ = await store.checks.create(dataclasses.replace(based(), revision="b" * 40))

    assert (origin.id, "") == (same.reused_from, other.reused_from)
    assert (await store.checks.get(same.id)).result == same.result


async def test_an_active_check_comes_before_a_result(store: Store) -> None:
    """While an equal check is forced to run, that one is given."""
    await ran(store, based())
    forced, _ = await store.checks.create(based(forced=True))

    check, created = await store.checks.create(based())

    assert (forced.id, False) == (check.id, created)


async def test_a_run_reuses_what_it_can(store: Store) -> None:
    """Its checks are counted alike, whether they ran or not, and nothing is to be published."""
    await ran(store, based("AAAAA"))
    await ran(store, based("BBBBB"), verdict=Verdict.SCRIPT_ERROR)
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)

    summary, _ = await store.runs.create(run, [based("AAAAA"), based("BBBBB"), based("CCCCC")])

    changes = await store.runs.changes(run.id, after=0, limit=9)
    assert {"AAAAA": True, "BBBBB": True, "CCCCC": False} == {
        check.entity: bool(check.reused_from) for check in changes
    }
    assert ((Verdict.SUCCESS, 1), (Verdict.SCRIPT_ERROR, 1)) == summary.verdicts
    assert 3 == summary.check_count
    waiting = await store.queue.waiting(now=NOW, window=lambda *_: 9)
    assert [changes[-1].id] == [job.check for job in waiting]


async def test_a_run_of_reused_results_has_ended(store: Store) -> None:
    """From the moment on in which it was created."""
    await ran(store, based())
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)

    summary, _ = await store.runs.create(run, [based()])

    assert (True, NOW) == (summary.finished, summary.finish_time)


async def test_the_check_before_is_found(store: Store) -> None:
    """Of the same entity, and no trial of an image."""
    first, _ = await store.checks.create(based())
    await claim(store, first)
    await finish(store, first)
    await store.checks.create(a_check("BBBBB"))
    trial = a_check("AAAAA", environment="demo_environment@2", inputs_digest="trial")
    await store.checks.create(trial)
    second, _ = await store.checks.create(based(closure="another"))

    found = await store.checks.previous(second)

    assert found is not None
    assert first.id == found.id
    assert await store.checks.previous(first) is None


async def test_closures_are_kept_by_their_digest(store: Store) -> None:
    """With their folders, for explanations."""
    await store.checks.create(based())

    assert FOLDERS == await store.environments.folders("closure")
    assert () == await store.environments.folders("unknown")


async def test_an_image_is_recorded_once(store: Store) -> None:
    """What is told later changes nothing."""
    image = EnvironmentImage(
        digest=f"sha256:{'1' * 64}",
        environment="demo_environment",
        python="3.11.2",
        packages=("numpy==1.0", "scipy==1.0"),
        first_seen=NOW,
    )
    await store.environments.record(image)
    await store.environments.record(dataclasses.replace(image, packages=()))

    assert image == await store.environments.image(image.digest)
    assert image == await store.environments.find("1" * 64)
    assert [image] == await store.environments.images("demo_environment")
    assert [] == await store.environments.images("other_environment")
    assert await store.environments.image("sha256:2") is None


async def test_a_runner_says_what_it_has_ready(store: Store) -> None:
    """The last word of its present incarnation counts; before it there is none."""
    await store.runners.register(a_runner("first"))

    async def said() -> list[RunnerReport]:
        return await store.environments.reports(pool="default", since=NOW - SECOND)

    report = RunnerReport(runner="one", runtime="1", heard=NOW, environments=None)
    assert [report] == await said()
    for environments in ({"e": "sha256:1"}, {"e": "sha256:2"}):
        await store.environments.report(
            runner="one", incarnation="first", environments=environments
        )
        assert [dataclasses.replace(report, environments=environments)] == await said()
    await store.runners.register(a_runner("second"))
    assert [report] == await said()
    assert [] == await store.environments.reports(pool="other", since=NOW)
    assert [] == await store.environments.reports(pool="default", since=NOW + SECOND)
    await store.runners.register(dataclasses.replace(a_runner("second"), draining=True))
    assert [] == await said()
