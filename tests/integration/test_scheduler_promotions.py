"""Trials and promotions on a real scheduler: what is tried, what is refused, what leases say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import (
    check_pb2,
    comparison_pb2,
    comparison_pb2_grpc,
    dispatch_pb2,
    promotion_pb2,
    promotion_pb2_grpc,
    scheduler_pb2,
)
from services import rpc
from services.errors import InvalidArgumentError, NotFoundError, PreconditionError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import System, running_system, until

pytestmark = pytest.mark.timeout(120)

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
CANDIDATE = "environments/demo_environment@candidate"
ENVIRONMENT = "environments/demo_environment"


class Images:
    """A runner's images: which entities succeed in which of them, and the tags they have."""

    def __init__(self) -> None:
        self.tags = {"candidate": NEW}
        self.own = OLD
        self.moved: dict[str, str] = {}
        """Images in which the candidate's checks of some entities run: its tag moved meanwhile."""
        self.good = {OLD: {"AAAAA", "BBBBB", "DDDDD"}, NEW: {"AAAAA", "CCCCC", "DDDDD"}}

    async def work(self, lease: dispatch_pb2.Lease) -> check_pb2.Result:
        """The result of a check in the image that its lease, or its environment, names."""
        key = lease.check.entity.removeprefix("entities/")
        wanted = lease.environment_image or lease.check.environment
        reference = wanted.partition("@")[2]
        if not reference:
            digest = self.own
        elif reference in self.tags:
            digest = self.moved.get(key, self.tags[reference])
        elif f"sha256:{reference}" in self.good:
            digest = f"sha256:{reference}"
        else:
            return check_pb2.Result(
                verdict=check_pb2.VERDICT_INFRASTRUCTURE_ERROR, message=f"there is no {wanted}"
            )
        good = key in self.good[digest]
        result = check_pb2.Result(
            verdict=check_pb2.VERDICT_SUCCESS if good else check_pb2.VERDICT_INACCURATE,
            message="success" if good else "too far off",
            provenance=check_pb2.Provenance(environment_digest=digest),
        )
        value = 2.0 if key == "DDDDD" and digest == NEW else 1.0
        result.quantities.add(name="error", values=[value], dtype="float64")
        return result


class Promoting:
    """A system whose runner has images, and what is asked of it."""

    def __init__(self, system: System, images: Images) -> None:
        self.system = system
        self.images = images
        self._stub = promotion_pb2_grpc.PromotionServiceStub(system.channel)
        self._comparison = comparison_pb2_grpc.ComparisonServiceStub(system.channel)

    async def create(
        self,
        candidate: str = CANDIDATE,
        *,
        revision: str = "",
        sample: int = 0,
        request_id: str = "",
    ) -> promotion_pb2.Trial:
        """Creates a trial."""
        request = promotion_pb2.CreateTrialRequest(
            candidate=candidate, revision=revision, sample=sample, request_id=request_id
        )
        with rpc.remote_errors():
            return await self._stub.CreateTrial(request, wait_for_ready=True, timeout=20)

    async def get(self, name: str) -> promotion_pb2.Trial:
        """Gets a trial."""
        with rpc.remote_errors():
            return await self._stub.GetTrial(promotion_pb2.GetTrialRequest(name=name), timeout=20)

    async def finished(self, candidate: str = CANDIDATE) -> promotion_pb2.Trial:
        """Creates a trial, and waits until it is finished."""
        trial = await self.create(candidate)

        async def done() -> bool:
            return (await self.get(trial.name)).finished

        await until(done)
        return await self.get(trial.name)

    async def promote(
        self, trial: str, *, force: bool = False, reason: str = ""
    ) -> promotion_pb2.Promotion:
        """Puts a candidate in use."""
        request = promotion_pb2.PromoteEnvironmentRequest(trial=trial, force=force, reason=reason)
        with rpc.remote_errors():
            return await self._stub.PromoteEnvironment(request, timeout=20)

    async def revert(self, reason: str) -> promotion_pb2.Promotion:
        """Goes back."""
        request = promotion_pb2.RevertEnvironmentRequest(environment=ENVIRONMENT, reason=reason)
        with rpc.remote_errors():
            return await self._stub.RevertEnvironment(request, timeout=20)

    async def history(self) -> list[promotion_pb2.Promotion]:
        """All promotions."""
        with rpc.remote_errors():
            page = await self._stub.ListPromotions(
                promotion_pb2.ListPromotionsRequest(), timeout=20
            )
        return list(page.promotions)

    async def trials(self) -> list[promotion_pb2.Trial]:
        """All trials."""
        with rpc.remote_errors():
            page = await self._stub.ListTrials(promotion_pb2.ListTrialsRequest(), timeout=20)
        return list(page.trials)

    async def compare(self, base: str, other: str) -> comparison_pb2.RunComparison:
        """Compares two runs."""
        request = comparison_pb2.CompareRunsRequest(base=base, other=other)
        with rpc.remote_errors():
            return await self._comparison.CompareRuns(request, timeout=20)

    async def image(self, key: str, *, force: bool = True) -> str:
        """Checks an entity, anew if forced; the digest of the image that it ran in."""
        with rpc.remote_errors():
            check = await self.system.users.CreateCheck(
                scheduler_pb2.CreateCheckRequest(entity=f"entities/{key}", force=force), timeout=20
            )
        done = await self.system.finished(check.name)
        return done.result.provenance.environment_digest


@pytest.fixture
async def promoting(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[Promoting]:
    """A system with four entities and a runner that has two images."""
    images = Images()
    async with running_system(tmp_path, nats_server, reconcile_seconds="0.2") as system:
        system.catalog.entities = {key * 5: f"digest of {key}" for key in "ABCD"}
        async with FakeRunner(system, work=images.work, slots=4, lines=0).running():
            yield Promoting(system, images)


def changes(comparison: comparison_pb2.RunComparison) -> dict[str, str]:
    """What became of each entity."""
    return {
        change.entity.removeprefix("entities/"): comparison_pb2.ChangeKind.Name(
            change.kind
        ).removeprefix("CHANGE_KIND_")
        for change in comparison.changes
    }


async def test_a_trial_compares_the_candidate_with_what_is_in_use(promoting: Promoting) -> None:
    """Both runs check the same entities, each in its image; what differs is told by kind."""
    trial = await promoting.finished()

    assert (4, 4) == (trial.entity_count, trial.selected_count)
    assert (OLD, NEW) == (trial.base_digest, trial.candidate_digest)
    assert {
        "AAAAA": "UNCHANGED",
        "BBBBB": "BROKEN",
        "CCCCC": "REPAIRED",
        "DDDDD": "NUMBERS",
    } == changes(trial.comparison)
    assert ["entities/BBBBB", "entities/CCCCC"] == [
        change.entity for change in trial.comparison.changes[:2]
    ]
    [number] = trial.comparison.changes[2].numbers
    assert ("error", 1.0, 0.5) == (number.name, number.absolute, number.relative)
    assert ("it breaks 1 entity (BBBBB)", True) == (trial.obstacle, trial.forcible)
    assert trial.comparison == await promoting.compare(trial.base_run, trial.candidate_run)


async def test_what_comes_out_in_a_candidate_is_not_how_an_entity_is(promoting: Promoting) -> None:
    """The verdicts of entities are those of the image in use."""
    await promoting.finished()

    with rpc.remote_errors():
        page = await promoting.system.users.ListEntityVerdicts(
            scheduler_pb2.ListEntityVerdictsRequest(), timeout=20
        )
    good = {
        verdict.entity for verdict in page.verdicts if verdict.verdict == check_pb2.VERDICT_SUCCESS
    }
    assert {"entities/AAAAA", "entities/BBBBB", "entities/DDDDD"} == good
    assert 4 == len(page.verdicts)


async def test_a_promotion_that_breaks_entities_wants_force_and_a_reason(
    promoting: Promoting,
) -> None:
    """It is refused and names them; forced, it is kept with its reason and done once."""
    trial = await promoting.finished()

    with pytest.raises(PreconditionError, match=r"breaks 1 entity \(BBBBB\).*force"):
        await promoting.promote(trial.name)
    with pytest.raises(InvalidArgumentError, match="say why"):
        await promoting.promote(trial.name, force=True, reason="  ")
    assert OLD == await promoting.image("AAAAA")
    promotion = await promoting.promote(trial.name, force=True, reason="scipy 1.15 is needed")

    assert ("", NEW, "candidate", True, "scipy 1.15 is needed", True) == (
        promotion.previous_digest,
        promotion.digest,
        promotion.tag,
        promotion.forced,
        promotion.reason,
        promotion.current,
    )
    assert promotion == await promoting.promote(trial.name)
    assert [promotion] == await promoting.history()
    after = await promoting.get(trial.name)
    assert (promotion.name, "") == (after.promotion, after.obstacle)


async def test_checks_run_in_what_was_promoted_until_it_is_reverted(promoting: Promoting) -> None:
    """Leases name the digest, whatever the tag means now; a revert goes back one step at a time."""
    promoting.images.good[NEW].add("BBBBB")
    trial = await promoting.finished()
    await promoting.promote(trial.name)
    promoting.images.tags["candidate"] = OLD
    assert NEW == await promoting.image("AAAAA")
    assert NEW == await promoting.image("AAAAA", force=False)

    promoting.images.tags["next"] = OLD
    promoting.images.good[OLD].add("CCCCC")
    second = await promoting.finished(f"{ENVIRONMENT}@next")
    assert (NEW, OLD) == (second.base_digest, second.candidate_digest)
    await promoting.promote(second.name)
    assert OLD == await promoting.image("AAAAA")

    back = await promoting.revert("the next one is too slow")
    assert (NEW, OLD, "candidate", "") == (
        back.digest,
        back.previous_digest,
        back.tag,
        back.trial,
    )
    assert NEW == await promoting.image("AAAAA")
    promoting.images.own = OLD
    assert "" == (await promoting.revert("nor this one")).digest
    assert OLD == await promoting.image("AAAAA", force=False)
    with pytest.raises(PreconditionError, match=r"no promotion of .* is in use"):
        await promoting.revert("once more")
    assert [True, False, False, False] == [one.current for one in await promoting.history()]

    with pytest.raises(PreconditionError, match=r"since this trial, it was reverted"):
        await promoting.promote(second.name)


async def test_a_trial_in_which_nothing_ran_cannot_be_promoted(promoting: Promoting) -> None:
    """No force helps where the candidate does not exist, and the reason is told."""
    trial = await promoting.finished(f"{ENVIRONMENT}@missing")

    assert ("", OLD, False) == (trial.candidate_digest, trial.base_digest, trial.forcible)
    with pytest.raises(PreconditionError, match=r"nothing ran in demo_environment@missing: .*no"):
        await promoting.promote(trial.name, force=True, reason="I want it")


async def test_a_candidate_that_changed_meanwhile_cannot_be_promoted(promoting: Promoting) -> None:
    """Verdicts of several images prove none of them."""
    other = "sha256:" + "c" * 64
    promoting.images.good[other] = set()
    promoting.images.moved["DDDDD"] = other

    trial = await promoting.finished()
    with pytest.raises(PreconditionError, match="ran in 2 images"):
        await promoting.promote(trial.name, force=True, reason="I want it")


async def test_requests_that_make_no_sense_are_refused(promoting: Promoting) -> None:
    """No image, an unknown revision, an environment of nobody, no such trial, no such run."""
    for candidate in (ENVIRONMENT, f"{ENVIRONMENT}@", f"{ENVIRONMENT}@a b", "demo@1"):
        with pytest.raises(InvalidArgumentError):
            await promoting.create(candidate)
    with pytest.raises(InvalidArgumentError, match="sample is negative"):
        await promoting.create(sample=-1)
    with pytest.raises(NotFoundError, match="no such revision"):
        await promoting.create(revision="revisions/" + "f" * 40)
    with pytest.raises(PreconditionError, match="nothing in this data repository runs in"):
        await promoting.create("environments/other_environment@1")
    with pytest.raises(NotFoundError, match="there is no trial"):
        await promoting.promote("trials/" + "0" * 32)
    with pytest.raises(NotFoundError, match="there is no run"):
        await promoting.compare("runs/" + "0" * 32, "runs/" + "0" * 32)


async def test_a_repeated_request_makes_no_second_trial(promoting: Promoting) -> None:
    """Also where only the runs had been made when it was interrupted."""
    first = await promoting.create(request_id="once", sample=2)
    again = await promoting.create(request_id="once", sample=3)

    assert (first.name, 2, 4) == (again.name, again.selected_count, again.entity_count)
    assert [first.name] == [trial.name for trial in await promoting.trials()]
