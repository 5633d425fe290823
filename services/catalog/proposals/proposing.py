"""What is done with proposals: made, read again, found merged, closed."""

import asyncio
import contextlib
import datetime
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Final

from services.catalog.app import Catalog
from services.catalog.domain.entities import Revision
from services.catalog.domain.proposals import (
    ALPHABET,
    KEY_LENGTH,
    Comparison,
    Draft,
    Proposal,
    State,
)
from services.catalog.proposals.ports import Lineage, Proposals
from services.catalog.source_ports import Snapshot
from services.errors import Error, PreconditionError, ResourceExhaustedError

log = logging.getLogger(__name__)

_AT_ONCE: Final = 2
"""Branches that are read at a time."""
_PAGE: Final = 100
_LONGEST_PROBLEM: Final = 2000


class Proposing:
    """Use cases of `ProposalService`.

    Args:
        catalog: Indexes overlays.
        proposals: Where proposals are kept.
        lineage: Reads their branches.
        most_open: So many may be open at once.
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        proposals: Proposals,
        lineage: Lineage,
        most_open: int,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._catalog = catalog
        self._proposals = proposals
        self._lineage = lineage
        self._most_open = most_open
        self._clock = clock
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._reading: dict[str, asyncio.Task[Proposal]] = {}
        """By key: whoever asks meanwhile shares it."""

    async def create(self, draft: Draft) -> Proposal:
        """Fetches a branch, and keeps it as a proposal.

        Raises:
            InvalidArgumentError: Address, branch or a text is refused.
            AlreadyExistsError: The branch is proposed already.
            PreconditionError: It cannot be compared, or has nothing new; nothing is kept.
            ResourceExhaustedError: Too many are open.
            UnavailableError: The fork does not answer.
        """
        draft.check()
        url = self._lineage.check(draft.url, draft.branch)
        count = await self._proposals.count(State.OPEN)
        if count >= self._most_open:
            raise ResourceExhaustedError(
                f"{count} proposals are open, no more are taken; close some "
                "(ACKREP_CATALOG_PROPOSALS)",
                limit=str(self._most_open),
            )
        key = "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
        kept = False
        try:
            async with self._gate:
                await self._lineage.fetch(key, url=url, branch=draft.branch)
                comparison = await self._compared(key)
            if comparison.merged:
                raise PreconditionError(
                    f"{draft.branch or 'the branch'} has nothing that the data repository lacks"
                )
            now = self._clock()
            proposal = Proposal(
                key=key,
                url=url,
                branch=draft.branch,
                title=draft.title.strip() or _title(comparison, draft.branch),
                description=draft.description.strip(),
                create_time=now,
                refresh_time=now,
                comparison=comparison,
            )
            await self._index(proposal)
            await self._proposals.add(proposal)
            kept = True
        finally:
            if not kept:
                with contextlib.suppress(Error):
                    await self._lineage.forget(key)
        log.info(f"{proposal.name}: {url or 'a branch'} {draft.branch} was proposed")
        return proposal

    async def get(self, key: str) -> Proposal:
        """Gets one.

        Raises:
            NotFoundError: There is none of that key.
        """
        return await self._proposals.get(key)

    async def page(self, *, state: State | None, limit: int, offset: int) -> Sequence[Proposal]:
        """Lists them, newest first."""
        return await self._proposals.page(state=state, limit=limit, offset=offset)

    async def refresh(self, key: str) -> Proposal:
        """Reads the branch of an open one again; who asks while it is read shares the reading.

        Somebody who stops waiting does not stop it.

        Raises:
            NotFoundError: There is none of that key.
        """
        task = self._reading.get(key)
        if task is None:
            await self._proposals.get(key)
            task = self._reading.get(key)
        if task is None:
            task = asyncio.create_task(self._update(key, fetch=True))
            self._reading[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def _ended(self, key: str, task: asyncio.Task[Proposal]) -> None:
        self._reading.pop(key, None)
        if not task.cancelled():
            task.exception()  # retrieved, also where nobody waits any more

    async def close(self, key: str) -> Proposal:
        """Closes an open one.

        Raises:
            NotFoundError: There is none of that key.
        """
        running = self._reading.get(key)
        if running is not None:
            await asyncio.wait({running})
        proposal = await self._proposals.get(key)
        if not proposal.open:
            return proposal
        closed = replace(proposal, state=State.CLOSED, end_time=self._clock(), problem="")
        await self._proposals.replace(closed)
        await self._lineage.forget(key)
        return closed

    async def follow(self, revisions: AsyncGenerator[Revision, None]) -> None:
        """Compares open proposals with each main revision, as long as there are new ones."""
        async with contextlib.aclosing(revisions):
            async for main in revisions:
                tip = main.commit or main.base_commit
                for proposal in await self._open():
                    try:
                        await self._follow(proposal, tip)
                    except Error as error:
                        log.warning(f"{proposal.name}: {error.message}")

    async def stop(self) -> None:
        """Ends what is being read."""
        for task in list(self._reading.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # One proposal

    async def _open(self) -> list[Proposal]:
        found: list[Proposal] = []
        while page := await self._proposals.page(state=State.OPEN, limit=_PAGE, offset=len(found)):
            found += page
        return found

    async def _follow(self, proposal: Proposal, tip: str) -> None:
        if proposal.key in self._reading:
            return
        if proposal.comparison.main != tip:
            await self._update(proposal.key, fetch=False)
        else:  # an index that was made anew has no overlays
            await self._index(proposal)

    async def _update(self, key: str, *, fetch: bool) -> Proposal:
        async with self._gate:
            proposal = await self._proposals.get(key)
            if not proposal.open:
                return proposal
            now = self._clock()
            try:
                if fetch:
                    await self._lineage.fetch(key, url=proposal.url, branch=proposal.branch)
                comparison = await self._compared(key)
            except Error as error:
                failed = replace(proposal, problem=error.message[:_LONGEST_PROBLEM])
                await self._proposals.replace(failed)
                return failed
            if comparison.merged:
                updated = replace(proposal, state=State.MERGED, end_time=now, problem="")
                log.info(f"{proposal.name} is merged")
            else:
                updated = replace(
                    proposal,
                    comparison=comparison,
                    refresh_time=now if fetch else proposal.refresh_time,
                    problem="" if fetch else proposal.problem,
                )
            await self._index(updated)  # before: who reads it finds its revisions
            await self._proposals.replace(updated)
            return updated

    async def _compared(self, key: str) -> Comparison:
        return await self._lineage.compare(key, main=await self._catalog.revision(""))

    async def _index(self, proposal: Proposal) -> None:
        """Indexes both sides of a comparison, where they are not indexed."""
        comparison = proposal.comparison
        main = await self._catalog.revision("")
        clean = not comparison.conflicts
        before = Revision(
            tree=comparison.base_tree,
            commit=comparison.main if clean else comparison.merge_base,
            base_commit=comparison.main if clean else comparison.merge_base,
            source=main.source,
            title=main.title,
        )
        after = Revision(
            tree=comparison.tree,
            commit="" if clean else comparison.head,
            base_commit=comparison.head,
            source=proposal.name,
            ref=proposal.branch,
            title=main.title,
        )
        for revision in (before, after):
            await self._catalog.add(Snapshot(revision=revision))


def _title(comparison: Comparison, branch: str) -> str:
    subject = comparison.commits[0].subject if comparison.commits else ""
    text = "".join(one if one.isprintable() else " " for one in subject).strip()
    return text[:200] or branch or "a proposal"
