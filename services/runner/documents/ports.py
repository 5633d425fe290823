"""What documents need of the catalog, and whom they tell how it goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Member:
    """An entity as the catalog knows it at one revision."""

    key: str
    type: str
    title: str
    description: str
    path: str
    """Its folder in the data repository."""
    tree: str
    """Git tree id of that folder."""
    environment: str
    """`environments/{name}`; empty where unknown."""


class Catalog(Protocol):
    """The catalog, as far as documents ask it. Each call raises NotFoundError."""

    async def revision(self, name: str) -> str:
        """The full name of a revision; an empty one means the current one."""
        ...

    async def member(self, entity: str, revision: str) -> Member:
        """One entity, by `entities/{KEY}`."""
        ...

    async def models(self, revision: str) -> Sequence[Member]:
        """All system models, ordered by key."""
        ...


class Listener(Protocol):
    """Told what happens while a document is made. Called in the event loop; must not block."""

    def progress(self, text: str, fraction: float | None = None) -> None: ...

    def warning(self, text: str) -> None: ...
