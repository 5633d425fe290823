"""Why checks ran or not, and what is in the images that they ran in."""

from dataclasses import dataclass

from services.errors import NotFoundError
from services.scheduler.domain.check import Check
from services.scheduler.domain.environments import EnvironmentImage
from services.scheduler.domain.explanation import Reason, Subject, explain
from services.scheduler.ports.store import Store


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a check ran or not."""

    subject: Subject
    previous: Check | None
    """What it was compared with."""
    reasons: tuple[Reason, ...]


class Explaining:
    """Use cases of `ExplanationService`."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def check(self, check_id: str) -> Explanation:
        """Explains a check.

        Raises:
            NotFoundError: There is none of that id.
        """
        check = await self._store.checks.get(check_id)
        if check.reused_from:
            previous: Check | None = await self._store.checks.get(check.reused_from)
        else:
            previous = await self._store.checks.previous(check)
        now = await self._subject(check)
        before = await self._subject(previous) if previous is not None else None
        packages: dict[str, tuple[str, ...]] = {}
        if before is not None and now.image != before.image:
            for digest in (now.image, before.image):
                image = await self._store.environments.image(digest)
                if image is not None:
                    packages[digest] = image.packages
        return Explanation(
            subject=now, previous=previous, reasons=explain(now, before, packages=packages)
        )

    async def image(self, digits: str) -> EnvironmentImage:
        """Gets what is in an image, by the hexadecimal digits of its digest.

        Raises:
            NotFoundError: No runner told of it.
        """
        image = await self._store.environments.find(digits)
        if image is None:
            name = f"environmentImages/{digits}"
            raise NotFoundError(f"no runner told of {name}", name=name)
        return image

    async def subject(self, check_id: str) -> Subject:
        """A check and what it depends on.

        Raises:
            NotFoundError: There is none of that id.
        """
        return await self._subject(await self._store.checks.get(check_id))

    async def packages(self, subject: Subject) -> tuple[str, ...]:
        """What was in the image that a check depends on, as far as it is known."""
        image = await self._store.environments.image(subject.image) if subject.image else None
        return image.packages if image is not None else ()

    async def _subject(self, check: Check) -> Subject:
        if check.basis is None:
            return Subject(check=check)
        return Subject(
            check=check, folders=await self._store.environments.folders(check.basis.closure)
        )
