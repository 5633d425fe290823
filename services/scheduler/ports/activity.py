"""What is asked of the store to tell that something happens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Change:
    """The last change of one check."""

    number: int
    """Greater than of any change before."""
    entity: str
    """Key."""
    finished: bool
    """Whether the check is finished since."""
    time: datetime
    """When it was asked for, began or ended: the last of these that happened."""


class Changes(Protocol):
    """The changes of all checks, in their order."""

    async def newest(self) -> int:
        """Gives the number of the last change; 0 where there was none."""

    async def after(self, number: int, *, limit: int) -> list[Change]:
        """Lists the checks that changed after a number, each with its last change, in order."""
