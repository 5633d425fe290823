"""Proposals: branches and forks offered for inclusion, and what became of them."""

import datetime
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import NEVER
from services.errors import InvalidArgumentError

PREFIX: Final = "proposals/"
"""Begins the name of a proposal, and the `source` of a revision that is the overlay of one."""
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
KEY_LENGTH: Final = 5
LONGEST_TITLE: Final = 200
LONGEST_DESCRIPTION: Final = 10_000
KEPT_COMMITS: Final = 100
KEPT_CONFLICTS: Final = 100


class State(IntEnum):
    """Where a proposal stands; the numbers are those of the protocol."""

    OPEN = 1
    MERGED = 2
    CLOSED = 3


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A branch beside the main line, as it was when both were looked at."""

    head: str
    """Newest commit of the branch."""
    main: str
    """Commit of the main line."""
    merge_base: str
    """Commit at which the branch left it."""
    tree: str
    """Tree of the overlay: the merged one, or the branch's own where there are conflicts. Empty
    where the main line has all of it."""
    base_tree: str
    """Tree that the overlay is compared with; empty as `tree`."""
    merged: bool
    """Whether the main line has all of the branch: nothing would change."""
    conflicts: tuple[str, ...] = ()
    """The first paths that cannot be merged by themselves, in order."""
    commits: tuple[Commit, ...] = ()
    """The newest of those that the main line lacks, newest first."""
    commit_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A branch offered for inclusion."""

    key: str
    url: str
    """Empty where it is a branch of the data repository itself."""
    branch: str
    """Empty means the fork's default branch."""
    title: str
    description: str = ""
    state: State = State.OPEN
    create_time: datetime.datetime
    refresh_time: datetime.datetime = NEVER
    end_time: datetime.datetime = NEVER
    comparison: Comparison
    problem: str = ""
    """Why its branch could not be read last."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"{PREFIX}{self.key}"

    @property
    def open(self) -> bool:
        """Whether it is neither merged nor closed."""
        return self.state is State.OPEN


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What somebody wants to propose."""

    url: str = ""
    branch: str = ""
    title: str = ""
    description: str = ""

    def check(self) -> None:
        """Refuses texts that are too long or would not be shown as they are.

        Raises:
            InvalidArgumentError: The message says which and why.
        """
        for field, text, longest in (
            ("title", self.title, LONGEST_TITLE),
            ("description", self.description, LONGEST_DESCRIPTION),
        ):
            if len(text) > longest:
                raise InvalidArgumentError(
                    f"the {field} has {len(text)} characters, at most {longest} are kept",
                    field=field,
                )
        if any(not character.isprintable() for character in self.title):
            raise InvalidArgumentError("the title has control characters", field="title")


def proposal_of(source: str) -> str:
    """Name of the proposal whose overlay a revision is; empty where it is a state of the source."""
    key = source.removeprefix(PREFIX)
    is_one = key != source and len(key) == KEY_LENGTH and all(one in ALPHABET for one in key)
    return source if is_one else ""
