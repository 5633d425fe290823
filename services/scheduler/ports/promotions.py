"""What trials and promotions need of the world."""

from typing import Protocol

from services.scheduler.domain.promotion import Promotion, Trial
from services.scheduler.domain.sampling import Subject


class Trials(Protocol):
    """Trials. Each method is one transaction, durable when it returns."""

    async def create(self, trial: Trial, *, request_id: str = "") -> tuple[Trial, bool]:
        """Adds a trial, and says whether it did.

        Otherwise gives the one that the same request made before.
        """

    async def requested(self, request_id: str) -> Trial | None:
        """Gets the trial that a request made before."""

    async def get(self, trial_id: str) -> Trial:
        """Gets a trial.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Trial]:
        """Lists trials older than the id `before` (all where empty), newest first.

        Args:
            limit: At most so many.
            before: Id.
            environment: Only those of this one (name); empty means all.
        """


class Promotions(Protocol):
    """Promotions. Each method is one transaction, durable when it returns."""

    async def add(self, promotion: Promotion, *, after: str) -> bool:
        """Adds a promotion, and says whether it did.

        It does so only if `after` (id; empty for none) still is the newest one of the environment:
        no two of them follow from the same state.
        """

    async def get(self, promotion_id: str) -> Promotion:
        """Gets a promotion.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def in_use(self, environment: str) -> Promotion | None:
        """Gets the newest promotion of an environment (name), which says what is in use."""

    async def of_trial(self, trial_id: str) -> Promotion | None:
        """Gets the newest promotion that follows from a trial."""

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Promotion]:
        """Lists promotions; see `Trials.list_page`."""


class Subjects(Protocol):
    """The catalog, as far as trials need it."""

    async def revision(self, name: str) -> tuple[str, str]:
        """Gets tree id and commit of a revision, of the current one where the name is empty.

        Raises:
            NotFoundError: It was never indexed.
        """

    async def subjects(self, *, environment: str, revision: str) -> list[Subject]:
        """Lists the checkable entities of a revision (tree id) that run in an environment (name).

        Raises:
            NotFoundError: The revision was never indexed.
        """
