"""Trials and promotions in memory."""

from collections.abc import Sequence
from typing import TypeVar

from services.errors import NotFoundError
from services.scheduler.domain.promotion import Promotion, Trial

T = TypeVar("T", Trial, Promotion)


class MemoryTrials:
    """The port `Trials` in memory."""

    def __init__(self) -> None:
        self._trials: dict[str, Trial] = {}
        self._requests: dict[str, str] = {}

    async def create(self, trial: Trial, *, request_id: str = "") -> tuple[Trial, bool]:
        if request_id and (known := await self.requested(request_id)) is not None:
            return known, False
        self._trials[trial.id] = trial
        if request_id:
            self._requests[request_id] = trial.id
        return trial, True

    async def requested(self, request_id: str) -> Trial | None:
        return self._trials.get(self._requests.get(request_id, ""))

    async def get(self, trial_id: str) -> Trial:
        return _present(self._trials, trial_id, collection="trials")

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Trial]:
        found = [
            trial
            for trial in self._trials.values()
            if environment in ("", trial.candidate.environment)
        ]
        return _page(found, limit=limit, before=before)


class MemoryPromotions:
    """The port `Promotions` in memory."""

    def __init__(self) -> None:
        self._promotions: dict[str, Promotion] = {}

    async def add(self, promotion: Promotion, *, after: str) -> bool:
        newest = await self.in_use(promotion.environment)
        if (newest.id if newest is not None else "") != after:
            return False
        self._promotions[promotion.id] = promotion
        return True

    async def get(self, promotion_id: str) -> Promotion:
        return _present(self._promotions, promotion_id, collection="promotions")

    async def in_use(self, environment: str) -> Promotion | None:
        return next(iter(await self.list_page(limit=1, before="", environment=environment)), None)

    async def of_trial(self, trial_id: str) -> Promotion | None:
        found = [one for one in self._promotions.values() if one.trial == trial_id]
        return next(iter(_page(found, limit=1, before="")), None)

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Promotion]:
        found = [one for one in self._promotions.values() if environment in ("", one.environment)]
        return _page(found, limit=limit, before=before)


def _present(known: dict[str, T], wanted: str, *, collection: str) -> T:
    if wanted not in known:
        name = f"{collection}/{wanted}"
        raise NotFoundError(f"there is no {collection.removesuffix('s')} named {name}", name=name)
    return known[wanted]


def _page(found: Sequence[T], *, limit: int, before: str) -> list[T]:
    older = [one for one in found if not before or one.id < before]
    return sorted(older, key=lambda one: one.id, reverse=True)[:limit]
