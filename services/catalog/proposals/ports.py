"""What proposals need from outside: git, and a place that outlasts the index."""

from collections.abc import Sequence
from typing import Protocol

from services.catalog.domain.entities import Revision
from services.catalog.domain.proposals import Comparison, Proposal, State


class Proposals(Protocol):
    """Proposals, for good: what a rebuilt index takes with it is not here."""

    async def add(self, proposal: Proposal) -> None:
        """Keeps a new one.

        Raises:
            AlreadyExistsError: There is one of that key, or an open one of the same branch.
        """
        ...

    async def replace(self, proposal: Proposal) -> None:
        """Keeps what became of one.

        Raises:
            NotFoundError: There is none of that key.
        """
        ...

    async def get(self, key: str) -> Proposal:
        """Gets one.

        Raises:
            NotFoundError: There is none of that key.
        """
        ...

    async def page(self, *, state: State | None, limit: int, offset: int) -> Sequence[Proposal]:
        """Lists them, newest first; only those in a state if one is given."""
        ...

    async def count(self, state: State) -> int:
        """Says how many are in a state."""
        ...


class Lineage(Protocol):
    """The branches of proposals, beside the main line."""

    def check(self, url: str, branch: str) -> str:
        """Gives the address as it is kept and shown.

        Raises:
            InvalidArgumentError: Address or branch is of a kind that is refused.
        """
        ...

    async def fetch(self, key: str, *, url: str, branch: str) -> None:
        """Reads the branch of a proposal.

        Raises:
            InvalidArgumentError: The address is refused.
            SourceError: It cannot be read, and trying again would not help.
            UnavailableError: It does not answer, or takes too long.
        """
        ...

    async def compare(self, key: str, *, main: Revision) -> Comparison:
        """Compares the branch that was fetched with the main line.

        Both trees of the answer are in the object store.

        Raises:
            PreconditionError: They have no history in common, or the source has none at all.
        """
        ...

    async def forget(self, key: str) -> None:
        """Lets a branch go."""
        ...
