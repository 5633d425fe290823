"""Comparing two runs."""

from collections.abc import Collection

from services.scheduler.domain.check import Check
from services.scheduler.domain.comparison import Comparison, Reading, compare
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.history.readings import reading_of
from services.scheduler.ports.store import Store

STANDING = "-"
"""In place of a run: how entities stand now."""
_PAGE = 200
"""Checks that are read at once, each with its numbers."""


class Comparing:
    """Use cases of `ComparisonService`."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def compare(self, *, base: str, other: str) -> Comparison:
        """Compares two runs (ids); `STANDING` as base means how the entities of the other stand.

        Raises:
            NotFoundError: There is no such run.
        """
        if base == STANDING:
            later = await self.readings(other)
            return compare(await self.standing([one.entity for one in later]), later)
        return compare(await self.readings(base), await self.readings(other))

    async def readings(self, run: str) -> list[Reading]:
        """How each entity of a run (id) fared, oldest check first.

        Raises:
            NotFoundError: There is no such run.
        """
        await self._store.runs.get(run)
        found: list[Reading] = []
        before = ""
        while page := await self._page(run, before=before):
            found += map(reading_of, page)
            before = page[-1].id
        return found[::-1]

    async def standing(self, entities: Collection[str]) -> list[Reading]:
        """How each of these entities (keys) is, by its newest finished check, where it has one."""
        found: list[Reading] = []
        keys = sorted(set(entities))
        for first in range(0, len(keys), _PAGE):
            part = keys[first : first + _PAGE]
            verdicts = await self._store.verdicts.list_page(limit=_PAGE, entities=part)
            found += [reading_of(await self._store.checks.get(one.check)) for one in verdicts]
        return found

    async def _page(self, run: str, *, before: str) -> list[Check]:
        return await self._store.checks.list_page(CheckFilter(run=run), limit=_PAGE, before=before)
