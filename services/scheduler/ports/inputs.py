"""What creating a check needs beside the store: the catalog, and which image is in use."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.scheduler.domain.check import Folder
from services.scheduler.domain.environments import EnvironmentImage, RunnerReport

InUse = Callable[[str], Awaitable[str]]
"""Tells the digest of the image that an environment (plain name) was promoted to; or nothing."""


class Environments(Protocol):
    """What runners told of environments. Each method is one transaction."""

    async def record(self, image: EnvironmentImage) -> None:
        """Notes what is in an image; one that is known stays as it is."""

    async def image(self, digest: str) -> EnvironmentImage | None:
        """Gets what is in an image."""

    async def find(self, digits: str) -> EnvironmentImage | None:
        """Gets what is in an image by the hexadecimal digits of its digest."""

    async def images(self, environment: str) -> list[EnvironmentImage]:
        """Lists the images that were told of as an environment (plain name), first seen first."""

    async def report(
        self, *, runner: str, incarnation: str, environments: Mapping[str, str]
    ) -> None:
        """Notes which environments a runner has ready, with their digests; instead of before."""

    async def reports(self, *, pool: str, since: datetime) -> list[RunnerReport]:
        """Lists what the runners of a pool said last, those that were heard of since a time.

        Runners that drain are left out: they take no new checks.
        """

    async def folders(self, closure: str) -> tuple[Folder, ...]:
        """Gets the folders of a closure by its digest; none where it is not known."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the catalog says about the closure of a checkable entity."""

    entity: str
    """Key."""
    revision: str
    """Tree id."""
    commit: str
    environment: str
    """Name of the environment that the entity asks for."""
    digest: str
    """Digest of the closure's content."""
    folders: tuple[Folder, ...] = ()
    """The closure, the entity's own folder first."""
    untrusted: bool = False
    """Whether the revision is the overlay of a proposal."""


class Catalog(Protocol):
    """The catalog, as far as checks need it."""

    async def inputs(self, *, entity: str, revision: str) -> Inputs:
        """Gets what a check of an entity depends on, at a revision or the current one.

        Raises:
            NotFoundError: There is no such entity or revision.
            NotCheckableError: It has the wrong type, a dangling reference, or no environment.
        """

    async def revision(self, name: str) -> tuple[str, str]:
        """Gets tree id and commit of a revision, of the current one where the name is empty.

        Raises:
            NotFoundError: It was never indexed.
        """

    async def untrusted(self, *, revision: str) -> bool:
        """Whether a revision (tree id) is the overlay of a proposal.

        Raises:
            NotFoundError: It was never indexed.
        """

    async def checkable(self, *, revision: str) -> list[str]:
        """Lists the keys of all checkable entities of a revision, in order."""
