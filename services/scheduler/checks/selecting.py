"""Finds the entities that a run is to check."""

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.selection import Selection
from services.scheduler.ports.inputs import Catalog
from services.scheduler.ports.schedules import Changes
from services.scheduler.ports.store import Store

NEWEST = "-"
"""In place of a run: what the newest check of each entity says."""
_PAGE = 1000


class Selecting:
    """Asks the catalog and the store."""

    def __init__(self, *, store: Store, catalog: Catalog, changes: Changes) -> None:
        self._store = store
        self._catalog = catalog
        self._changes = changes

    async def keys(self, selection: Selection, *, revision: str) -> list[str]:
        """Keys of the selected entities at a revision (tree id), in order.

        Raises:
            InvalidArgumentError: None is selected, or the filter cannot be read.
            NotFoundError: There is no such revision or run.
        """
        if selection.entities and selection == Selection(entities=selection.entities):
            return list(dict.fromkeys(selection.entities))
        if selection.everything:
            keys = await self._catalog.checkable(revision=revision)
        else:
            keys = await self._changes.matching(revision=revision, condition=selection.filter)
        for chosen in (
            selection.entities or None,
            await self._affected(selection.affected_since, revision=revision),
            await self._failed(selection.failed_in),
        ):
            if chosen is not None:
                keys = sorted(set(keys) & set(chosen))
        if not keys:
            raise InvalidArgumentError(
                "the data repository holds nothing that can be checked"
                if selection.everything
                else "no entity that can be checked is selected",
                nothing_selected="true",
            )
        return keys

    async def _affected(self, base: str, *, revision: str) -> list[str] | None:
        if not base:
            return None
        return await self._changes.affected(base=base, revision=revision)

    async def _failed(self, run: str) -> list[str] | None:
        if not run:
            return None
        if run == NEWEST:
            return await self._failing()
        await self._store.runs.get(run)
        failed: list[str] = []
        after = 0
        while page := await self._store.runs.changes(run, after=after, limit=_PAGE):
            failed += [
                check.entity
                for check in page
                if check.result is not None and check.result.verdict is not Verdict.SUCCESS
            ]
            after = page[-1].change
        return failed

    async def _failing(self) -> list[str]:
        failing: list[str] = []
        after = ""
        while page := await self._store.verdicts.list_page(limit=_PAGE, after=after):
            failing += [one.entity for one in page if one.verdict is not Verdict.SUCCESS]
            after = page[-1].entity
        return failing
