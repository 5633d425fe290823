"""Proposals in memory (port `Proposals`)."""

from collections.abc import Sequence

from services.catalog.domain.proposals import Proposal, State
from services.errors import AlreadyExistsError, NotFoundError


def same_branch(one: Proposal) -> AlreadyExistsError:
    """The error where a branch is proposed already."""
    return AlreadyExistsError(
        f"that branch is proposed already: {one.name}; refresh it instead", proposal=one.name
    )


def unknown(key: str) -> NotFoundError:
    """The error where there is no such proposal."""
    return NotFoundError(f"there is no proposal {key[:100]}", name=f"proposals/{key[:100]}")


class MemoryProposals:
    """Keeps them while the process lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Proposal] = {}

    async def add(self, proposal: Proposal) -> None:
        for one in self._kept.values():
            if one.key == proposal.key:
                raise AlreadyExistsError(f"there is a proposal {one.key} already")
            if one.open and (one.url, one.branch) == (proposal.url, proposal.branch):
                raise same_branch(one)
        self._kept[proposal.key] = proposal

    async def replace(self, proposal: Proposal) -> None:
        if proposal.key not in self._kept:
            raise unknown(proposal.key)
        self._kept[proposal.key] = proposal

    async def get(self, key: str) -> Proposal:
        if key not in self._kept:
            raise unknown(key)
        return self._kept[key]

    async def page(self, *, state: State | None, limit: int, offset: int) -> Sequence[Proposal]:
        found = [one for one in reversed(self._kept.values()) if state in (None, one.state)]
        return found[offset : offset + limit]

    async def count(self, state: State) -> int:
        return sum(one.state is state for one in self._kept.values())
