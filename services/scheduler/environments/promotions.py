"""Which image of an environment is in use."""

import logging

from services.errors import InvalidArgumentError, PreconditionError
from services.scheduler.domain.check import Check
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.domain.promotion import (
    Findings,
    Promotion,
    hindrance,
    is_in_use,
    objection,
    obstacle,
    promoted,
    reverted,
)
from services.scheduler.environments.in_use import ImagesInUse
from services.scheduler.environments.trials import Trials
from services.scheduler.ports.store import Clock, Store

log = logging.getLogger(__name__)

_LONGEST_REASON = 500


class Promotions:
    """Use cases of `PromotionService` that put images in use."""

    def __init__(self, *, store: Store, trials: Trials, in_use: ImagesInUse, clock: Clock) -> None:
        self._store = store
        self._trials = trials
        self._in_use = in_use
        self._clock = clock

    async def promote(self, trial_id: str, *, force: bool = False, reason: str = "") -> Promotion:
        """Puts the candidate of a trial in use. Repeating it changes nothing.

        Args:
            trial_id: Which.
            force: Although there is an objection to it; wants a reason.
            reason: Why; kept.

        Raises:
            NotFoundError: There is no such trial.
            InvalidArgumentError: It is forced without a reason.
            PreconditionError: Something hinders it; the message says what.
        """
        reason = _checked(reason)
        if force and not reason:
            raise InvalidArgumentError("to force a promotion, say why", field="reason")
        found = await self._trials.findings(trial_id)
        environment = found.trial.candidate.environment
        while True:
            in_use = await self._store.promotions.in_use(environment)
            if in_use is not None and is_in_use(found, in_use=in_use):
                return in_use
            if hindered := hindrance(found):
                raise PreconditionError(hindered, trial=f"trials/{trial_id}")
            objected = objection(found, in_use=in_use)
            if objected and not force:
                raise PreconditionError(
                    f"{objected}; to promote it all the same, force it and say why",
                    trial=f"trials/{trial_id}",
                )
            promotion = promoted(
                found,
                in_use=in_use,
                promotion_id=new_id(),
                forced=bool(objected),
                reason=reason,
                now=self._clock(),
            )
            if await self._add(promotion, after=in_use):
                return promotion

    async def revert(self, environment: str, *, reason: str) -> Promotion:
        """Takes the last promotion of an environment (name) back.

        Raises:
            InvalidArgumentError: There is no reason.
            PreconditionError: There is nothing to take back.
        """
        reason = _checked(reason)
        if not reason:
            raise InvalidArgumentError("to revert a promotion, say why", field="reason")
        while True:
            in_use = await self._store.promotions.in_use(environment)
            if in_use is None or not in_use.digest:
                raise PreconditionError(
                    f"no promotion of environments/{environment} is in use: runners use the image "
                    "that they have",
                    environment=environment,
                )
            beneath = in_use.beneath
            promotion = reverted(
                in_use,
                beneath=await self._store.promotions.get(beneath) if beneath else None,
                promotion_id=new_id(),
                reason=reason,
                now=self._clock(),
            )
            if await self._add(promotion, after=in_use):
                return promotion

    async def _add(self, promotion: Promotion, *, after: Promotion | None) -> bool:
        added = await self._store.promotions.add(promotion, after=after.id if after else "")
        self._in_use.changed()
        if added:
            image = promotion.digest or "what runners have"
            log.info(f"environments/{promotion.environment}: {image} is in use now")
        return added

    async def review(self, trial_id: str) -> tuple[Findings, str]:
        """What is known of a trial, and why it cannot be promoted as it is; empty if it can.

        Raises:
            NotFoundError: There is none of that id.
        """
        found = await self._trials.findings(trial_id)
        in_use = await self._store.promotions.in_use(found.trial.candidate.environment)
        return found, obstacle(found, in_use=in_use)

    async def image_for(self, check: Check) -> Promotion | None:
        """Says which image a check has to run in: none where its runner's own will do."""
        if check.of_candidate:
            return None
        return await self._in_use.promotion(check.environment)

    async def list_page(
        self, *, environment: str, size: int, token: str
    ) -> tuple[list[tuple[Promotion, bool]], str]:
        """Lists a page of promotions, newest first, and the next one's token.

        Each with whether it says what is in use now.
        """
        limit = page_size(size)
        query = f"promotions {environment}"
        found = await self._store.promotions.list_page(
            limit=limit + 1, before=after_token(token, query=query), environment=environment
        )
        page = found[:limit]
        newest: dict[str, str] = {}
        for name in {promotion.environment for promotion in page}:
            in_use = await self._store.promotions.in_use(name)
            newest[name] = in_use.id if in_use is not None else ""
        return (
            [(one, one.id == newest[one.environment]) for one in page],
            page_token(page[-1].id, query=query) if len(found) > limit else "",
        )


def _checked(reason: str) -> str:
    if len(reason) > _LONGEST_REASON:
        raise InvalidArgumentError(
            f"the reason has more than {_LONGEST_REASON} characters", field="reason"
        )
    return reason.strip()
