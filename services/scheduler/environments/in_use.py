"""Which image each environment was promoted to, remembered for a moment: each claim asks for it."""

from datetime import datetime, timedelta

from services.scheduler.domain.promotion import Promotion
from services.scheduler.ports.promotions import Promotions
from services.scheduler.ports.store import Clock

_KEPT = timedelta(seconds=1)
"""How late a promotion that another scheduler process made is noticed."""


class ImagesInUse:
    """What is in use now, by environment."""

    def __init__(self, *, promotions: Promotions, clock: Clock) -> None:
        self._promotions = promotions
        self._clock = clock
        self._known: dict[str, tuple[datetime, Promotion | None]] = {}

    async def promotion(self, environment: str) -> Promotion | None:
        """The promotion of an environment (name) whose image is in use; none for runners' own."""
        now = self._clock()
        known = self._known.get(environment)
        if known is None or now - known[0] > _KEPT:
            found = await self._promotions.in_use(environment)
            known = self._known[environment] = now, found if found and found.digest else None
        return known[1]

    async def image(self, environment: str) -> str:
        """Digest of the image that an environment (name) was promoted to; or nothing."""
        found = await self.promotion(environment)
        return found.digest if found is not None else ""

    def changed(self) -> None:
        """Forgets what is remembered."""
        self._known.clear()
