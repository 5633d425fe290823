"""Bisections in memory."""

from services.errors import NotFoundError
from services.scheduler.domain.bisection import Bisection, State


class MemoryBisections:
    """The port `Bisections` in memory."""

    def __init__(self) -> None:
        self._bisections: dict[str, Bisection] = {}
        self._requests: dict[str, str] = {}

    async def create(self, bisection: Bisection, *, request_id: str = "") -> Bisection:
        if (known := await self.requested(request_id)) is not None:
            return known
        if request_id:
            self._requests[request_id] = bisection.id
        self._bisections[bisection.id] = bisection
        return bisection

    async def requested(self, request_id: str) -> Bisection | None:
        known = self._requests.get(request_id)
        return self._bisections[known] if known else None

    async def get(self, bisection_id: str) -> Bisection:
        if bisection_id not in self._bisections:
            raise NotFoundError(f"there is no bisection named bisections/{bisection_id}")
        return self._bisections[bisection_id]

    async def list_page(self, *, limit: int, before: str) -> list[Bisection]:
        newest = sorted(self._bisections.values(), key=lambda one: one.id, reverse=True)
        return [one for one in newest if not before or one.id < before][:limit]

    async def running(self) -> list[Bisection]:
        return [one for one in self._bisections.values() if one.state is State.RUNNING]

    async def update(self, bisection: Bisection) -> None:
        if self._bisections[bisection.id].state is State.RUNNING:
            self._bisections[bisection.id] = bisection
