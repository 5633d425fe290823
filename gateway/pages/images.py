"""What is known of environments, from whoever knows it: scheduler, catalog, and runners.

A page about environments is there for those who ask what results rest on, so it also has to work
when no runner can be reached: then what runners said last, and what results name, is shown.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from ackrep.runner.v1 import environment_pb2
from ackrep.scheduler.v1 import check_pb2, explanation_pb2, promotion_pb2, scheduler_pb2
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream
from services.rpc import remote_errors

_RUNNER_TIMEOUT = 3.0
_MOST = 200


@dataclass
class Known:
    """One environment, as far as it is known."""

    name: str
    """`environments/{name}`."""
    entity: catalog_pb2.Entity | None = None
    """Its specification."""
    users: int = 0
    """Checkable entities that run in it."""
    local: environment_pb2.Environment | None = None
    """As the configured runner has it; None where none answers, or has it not."""
    runners: list[tuple[check_pb2.RunnerStatus, str]] = field(default_factory=list)
    """Runners that said it is ready, with the digest they have."""
    promotions: list[promotion_pb2.Promotion] = field(default_factory=list)
    """Newest first."""
    trials: list[promotion_pb2.Trial] = field(default_factory=list)
    """Newest first."""
    image: explanation_pb2.EnvironmentImage | None = None
    """What is in the image in use, where a check ran in it."""

    @property
    def promoted(self) -> promotion_pb2.Promotion | None:
        """The promotion that says what is in use; None where runners use what they have."""
        return next((one for one in self.promotions if one.current), None)

    @property
    def digest(self) -> str:
        """Digest of the image in use; empty where nobody has one."""
        if self.promoted and self.promoted.digest:
            return self.promoted.digest
        if self.local and self.local.digest:
            return self.local.digest
        return next((digest for _, digest in self.runners), "")

    @property
    def built(self) -> environment_pb2.Image | None:
        """The local image in use, which knows when it was built."""
        images = self.local.images if self.local else ()
        return next((one for one in images if one.digest == self.digest), None)


@dataclass(frozen=True)
class Overview:
    """All environments that anything is known of."""

    environments: Mapping[str, Known]
    """By resource name, in order."""
    unreachable: str
    """Why no runner told of its images; empty where one did."""


async def overview(upstream: Upstream) -> Overview:
    """Collects all environments."""
    with remote_errors():
        specified, users, runners, promotions, trials, (local, unreachable) = await asyncio.gather(
            _search(upstream, "type = environment_specification", size=_MOST),
            _search(upstream, "checkable = true", size=1),
            upstream.scheduler.ListRunners(
                scheduler_pb2.ListRunnersRequest(page_size=500), timeout=TIMEOUT
            ),
            upstream.promotions.ListPromotions(
                promotion_pb2.ListPromotionsRequest(page_size=500), timeout=TIMEOUT
            ),
            upstream.promotions.ListTrials(
                promotion_pb2.ListTrialsRequest(page_size=500), timeout=TIMEOUT
            ),
            _local(upstream),
        )
    found: dict[str, Known] = {}

    def known(name: str) -> Known:
        return found.setdefault(name, Known(name))

    for entity in (result.entity for result in specified.results):
        known(f"environments/{entity.title}").entity = entity
    for value in (one for f in users.facets if f.field == "environment" for one in f.values):
        known(_full(value.value)).users = value.count
    for environment in local:
        # Images that nothing here runs in, and nobody tried, are the business of the runner.
        if environment.name in found or environment.digest:
            known(environment.name).local = environment
    for runner in runners.runners:
        for ready in runner.environments:
            known(ready.environment).runners.append((runner, ready.digest))
    for promotion in promotions.promotions:
        known(promotion.environment).promotions.append(promotion)
    for trial in trials.trials:
        known(trial.environment).trials.append(trial)
    ordered = {name: one for name, one in sorted(found.items()) if name.removeprefix(_PREFIX)}
    images = await asyncio.gather(*(image(upstream, one.digest) for one in ordered.values()))
    for one, content in zip(ordered.values(), images, strict=True):
        one.image = content
    return Overview(ordered, unreachable)


_PREFIX = "environments/"


def _full(name: str) -> str:
    return name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"


async def image(upstream: Upstream, digest: str) -> explanation_pb2.EnvironmentImage | None:
    """Gets what is in an image; None where no check ran in it yet."""
    hexadecimal = digest.removeprefix("sha256:")
    if not hexadecimal:
        return None
    try:
        return await upstream.explanations.GetEnvironmentImage(
            explanation_pb2.GetEnvironmentImageRequest(name=f"environmentImages/{hexadecimal}"),
            timeout=TIMEOUT,
        )
    except grpc.aio.AioRpcError:
        return None


async def _local(upstream: Upstream) -> tuple[Sequence[environment_pb2.Environment], str]:
    """Asks the configured runner; says why it does not answer."""
    if upstream.environments is None:
        return (), "no runner is configured here"
    try:
        answer = await upstream.environments.ListEnvironments(
            environment_pb2.ListEnvironmentsRequest(page_size=500), timeout=_RUNNER_TIMEOUT
        )
    except grpc.aio.AioRpcError as failure:
        return (), failure.details() or failure.code().name
    return answer.environments, ""


async def _search(
    upstream: Upstream, condition: str, *, size: int
) -> search_pb2.SearchEntitiesResponse:
    return await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(filter=condition, page_size=size), timeout=TIMEOUT
    )


@dataclass(frozen=True)
class InUse:
    """An image of an environment, and what is known of its use."""

    digest: str
    current: bool
    local: environment_pb2.Image | None
    promotion: promotion_pb2.Promotion | None
    """The newest one that put it in use."""


def images_of(known: Known) -> list[InUse]:
    """Lists the images of an environment: the one in use, those in use before, other local ones."""
    local = {one.digest: one for one in (known.local.images if known.local else ())}
    digests = dict.fromkeys(
        filter(
            None,
            (
                known.digest,
                *_digests(known.promotions),
                *(digest for _, digest in known.runners),
                *local,
            ),
        )
    )
    by_digest: dict[str, promotion_pb2.Promotion] = {}
    for promotion in known.promotions:
        by_digest.setdefault(promotion.digest, promotion)
    return [
        InUse(digest, digest == known.digest, local.get(digest), by_digest.get(digest))
        for digest in digests
    ]


def _digests(promotions: Iterable[promotion_pb2.Promotion]) -> Iterable[str]:
    for one in promotions:
        yield one.digest
        yield one.previous_digest
