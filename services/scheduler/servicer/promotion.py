"""Trials and promotions: messages in, use cases, messages out."""

from typing import Any

from ackrep.scheduler.v1 import promotion_pb2, promotion_pb2_grpc
from services.errors import InvalidArgumentError
from services.scheduler.domain.names import environment_image, environment_name, trial_id
from services.scheduler.domain.promotion import Findings, Promotion, Trial, hindrance
from services.scheduler.environments.promotions import Promotions
from services.scheduler.environments.trials import Trials, TrialSummary
from services.scheduler.messages import timestamp
from services.scheduler.servicer.comparison import comparison_message


class PromotionServicer(promotion_pb2_grpc.PromotionServiceServicer):
    """`ackrep.scheduler.v1.PromotionService`."""

    def __init__(self, *, trials: Trials, promotions: Promotions) -> None:
        self._trials = trials
        self._promotions = promotions

    async def CreateTrial(
        self, request: promotion_pb2.CreateTrialRequest, context: Any
    ) -> promotion_pb2.Trial:
        environment, reference = environment_image(request.candidate)
        if not reference:
            raise InvalidArgumentError(
                f"{request.candidate!r} names no image: write "
                f"environments/{environment}@ and a tag or a digest",
                field="candidate",
            )
        trial = await self._trials.create(
            environment=environment,
            reference=reference,
            revision=request.revision.removeprefix("revisions/"),
            size=request.sample,
            request_id=request.request_id,
        )
        return _findings_message(*await self._promotions.review(trial.id))

    async def GetTrial(
        self, request: promotion_pb2.GetTrialRequest, context: Any
    ) -> promotion_pb2.Trial:
        return _findings_message(*await self._promotions.review(trial_id(request.name)))

    async def ListTrials(
        self, request: promotion_pb2.ListTrialsRequest, context: Any
    ) -> promotion_pb2.ListTrialsResponse:
        found, token = await self._trials.list_page(
            environment=_environment(request.environment),
            size=request.page_size,
            token=request.page_token,
        )
        return promotion_pb2.ListTrialsResponse(
            trials=map(_summary_message, found), next_page_token=token
        )

    async def PromoteEnvironment(
        self, request: promotion_pb2.PromoteEnvironmentRequest, context: Any
    ) -> promotion_pb2.Promotion:
        promotion = await self._promotions.promote(
            trial_id(request.trial), force=request.force, reason=request.reason
        )
        return _promotion_message(promotion, current=True)

    async def RevertEnvironment(
        self, request: promotion_pb2.RevertEnvironmentRequest, context: Any
    ) -> promotion_pb2.Promotion:
        promotion = await self._promotions.revert(
            environment_name(request.environment), reason=request.reason
        )
        return _promotion_message(promotion, current=True)

    async def ListPromotions(
        self, request: promotion_pb2.ListPromotionsRequest, context: Any
    ) -> promotion_pb2.ListPromotionsResponse:
        found, token = await self._promotions.list_page(
            environment=_environment(request.environment),
            size=request.page_size,
            token=request.page_token,
        )
        return promotion_pb2.ListPromotionsResponse(
            promotions=[_promotion_message(one, current=current) for one, current in found],
            next_page_token=token,
        )


def _environment(name: str) -> str:
    return environment_name(name) if name else ""


def _trial_message(trial: Trial, *, promotion: Promotion | None) -> promotion_pb2.Trial:
    return promotion_pb2.Trial(
        name=f"trials/{trial.id}",
        environment=f"environments/{trial.candidate.environment}",
        candidate=f"environments/{trial.candidate.name}",
        base_run=f"runs/{trial.base_run}",
        candidate_run=f"runs/{trial.candidate_run}",
        create_time=timestamp(trial.create_time),
        entity_count=trial.entity_count,
        selected_count=trial.selected_count,
        promotion=f"promotions/{promotion.id}" if promotion else "",
    )


def _summary_message(summary: TrialSummary) -> promotion_pb2.Trial:
    message = _trial_message(summary.trial, promotion=summary.promotion)
    message.finished = summary.finished
    return message


def _findings_message(found: Findings, obstacle: str) -> promotion_pb2.Trial:
    trial = found.trial
    message = _trial_message(trial, promotion=found.promotion)
    message.finished = found.finished
    message.candidate_digest = next(iter(found.candidate_images), "")
    message.base_digest = next(iter(found.base_images), "")
    message.obstacle = obstacle
    message.forcible = bool(obstacle) and not hindrance(found)
    message.comparison.CopyFrom(
        comparison_message(found.comparison, base=trial.base_run, other=trial.candidate_run)
    )
    return message


def _promotion_message(promotion: Promotion, *, current: bool) -> promotion_pb2.Promotion:
    return promotion_pb2.Promotion(
        name=f"promotions/{promotion.id}",
        environment=f"environments/{promotion.environment}",
        digest=promotion.digest,
        tag=promotion.tag,
        previous_digest=promotion.previous_digest,
        trial=f"trials/{promotion.trial}" if promotion.trial else "",
        forced=promotion.forced,
        reason=promotion.reason,
        create_time=timestamp(promotion.create_time),
        current=current,
    )
