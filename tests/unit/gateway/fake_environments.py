"""Images, trials, promotions and explanations of a scheduler that is made up."""

import time
from typing import Any

from ackrep.scheduler.v1 import (
    comparison_pb2,
    dispatch_pb2,
    dispatch_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    promotion_pb2,
    promotion_pb2_grpc,
)
from services.errors import InvalidArgumentError, NotFoundError, PreconditionError
from tests.unit.gateway.fake_repository import ENVIRONMENT, V, stamp
from tests.unit.gateway.fake_scheduler import FakeScheduler

IMAGE, CANDIDATE, BEFORE = ("sha256:" + pair * 32 for pair in ("9f", "c4", "1d"))
TRIAL = "trials/0199000000000000000000000000000a"
K = comparison_pb2.ChangeKind


class FakeEnvironments(
    promotion_pb2_grpc.PromotionServiceServicer,
    explanation_pb2_grpc.ExplanationServiceServicer,
    dispatch_pb2_grpc.DispatchServiceServicer,
):
    """One environment: an image in use, one before it, and a candidate that breaks something."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self._scheduler = scheduler
        self.seen: list[Any] = []
        self.images = {
            IMAGE: ["matplotlib==3.10.3", "numpy==2.2.6", "scipy==1.15.3", "sympy==1.14.0"],
            BEFORE: ["matplotlib==3.9.0", "numpy==1.26.4", "scipy==1.11.4", "sympy==1.12"],
        }
        self.promotions = [
            promotion_pb2.Promotion(
                name="promotions/2",
                environment=ENVIRONMENT,
                digest=IMAGE,
                tag="1.1.0",
                previous_digest=BEFORE,
                trial="trials/01980000000000000000000000000001",
                forced=True,
                reason="the reference values of the broken one were wrong",
                create_time=stamp(time.time() - 86_400),
                current=True,
            )
        ]
        self.trials = {TRIAL: _trial()}

    async def CreateTrial(self, request: Any, context: Any) -> promotion_pb2.Trial:
        self.seen.append(request)
        return self.trials[TRIAL]

    async def GetTrial(self, request: Any, context: Any) -> promotion_pb2.Trial:
        if request.name not in self.trials:
            raise NotFoundError(f"there is no {request.name}", name=request.name)
        return self.trials[request.name]

    async def ListTrials(self, request: Any, context: Any) -> promotion_pb2.ListTrialsResponse:
        return promotion_pb2.ListTrialsResponse(trials=self.trials.values())

    async def PromoteEnvironment(self, request: Any, context: Any) -> promotion_pb2.Promotion:
        self.seen.append(request)
        trial = self.trials[request.trial]
        if trial.obstacle and not (request.force and request.reason):
            raise PreconditionError(trial.obstacle)
        trial.promotion = "promotions/3"
        return promotion_pb2.Promotion(name="promotions/3", environment=ENVIRONMENT)

    async def RevertEnvironment(self, request: Any, context: Any) -> promotion_pb2.Promotion:
        self.seen.append(request)
        if not request.reason:
            raise InvalidArgumentError("say why: reason is empty", field="reason")
        return self.promotions[0]

    async def ListPromotions(
        self, request: Any, context: Any
    ) -> promotion_pb2.ListPromotionsResponse:
        return promotion_pb2.ListPromotionsResponse(promotions=self.promotions)

    async def ExplainCheck(self, request: Any, context: Any) -> explanation_pb2.Explanation:
        check = self._scheduler.stories[request.name].check
        told = explanation_pb2.Explanation(check=check.name, previous=check.name)
        told.reasons.add(
            kind=explanation_pb2.Reason.KIND_FOLDER_CHANGED,
            message="`system_models/lorenz` has another content",
            entity=check.entity,
            path="system_models/lorenz",
            before="aa" * 20,
            after="bb" * 20,
        )
        image = told.reasons.add(
            kind=explanation_pb2.Reason.KIND_IMAGE_CHANGED,
            message="the environment is another image",
            before=BEFORE,
            after=IMAGE,
        )
        image.packages.add(name="numpy", before="1.26.4", after="2.2.6")
        told.inputs.folders.add(entity=check.entity, path="system_models/lorenz", tree="bb" * 20)
        return told

    async def GetEnvironmentImage(
        self, request: Any, context: Any
    ) -> explanation_pb2.EnvironmentImage:
        digest = f"sha256:{request.name.removeprefix('environmentImages/')}"
        if digest not in self.images:
            raise NotFoundError(f"no runner told of {digest}")
        return explanation_pb2.EnvironmentImage(
            name=request.name,
            digest=digest,
            environment=ENVIRONMENT,
            python="3.11.2",
            packages=self.images[digest],
            first_seen_time=stamp(time.time() - 90_000),
        )

    async def FindMissingArtefacts(
        self, request: Any, context: Any
    ) -> dispatch_pb2.FindMissingArtefactsResponse:
        kept = self._scheduler.artefacts
        return dispatch_pb2.FindMissingArtefactsResponse(
            missing=[one for one in request.artefacts if one.removeprefix("artefacts/") not in kept]
        )


def _trial() -> promotion_pb2.Trial:
    trial = promotion_pb2.Trial(
        name=TRIAL,
        environment=ENVIRONMENT,
        candidate=f"{ENVIRONMENT}@candidate",
        candidate_digest=CANDIDATE,
        base_digest=IMAGE,
        base_run="runs/1",
        candidate_run="runs/2",
        create_time=stamp(time.time() - 3_600),
        entity_count=8,
        selected_count=4,
        finished=True,
        obstacle="1 entity that was a success is none in the candidate",
        forcible=True,
    )
    changes = [
        ("UXMFA", K.CHANGE_KIND_BROKEN, V.VERDICT_SUCCESS, V.VERDICT_INACCURATE),
        ("K9PND", K.CHANGE_KIND_REPAIRED, V.VERDICT_SCRIPT_ERROR, V.VERDICT_SUCCESS),
        ("B2LQR", K.CHANGE_KIND_NUMBERS, V.VERDICT_SUCCESS, V.VERDICT_SUCCESS),
        ("LRHZX", K.CHANGE_KIND_UNCHANGED, V.VERDICT_SCRIPT_ERROR, V.VERDICT_SCRIPT_ERROR),
    ]
    for key, kind, before, after in changes:
        change = trial.comparison.changes.add(
            entity=f"entities/{key}",
            kind=kind,
            base_verdict=before,
            other_verdict=after,
            base_check="checks/1",
            other_check="checks/2",
            base_seconds=0.4,
            other_seconds=0.5,
        )
        if kind == K.CHANGE_KIND_NUMBERS:
            change.numbers.add(name="final_state_errors", absolute=1.2e-9, relative=3e-3)
        trial.comparison.counts.add(kind=kind, count=1)
    return trial
