"""Which environments a runner has ready, and what they are: what it tells with its heartbeats."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping

from services.errors import Error
from services.runner.domain.environments import Definition
from services.runner.environments import Environments
from services.runner.workplaces.pool import Pool

log = logging.getLogger(__name__)

_LOOK_SECONDS = 15.0
"""How often it is looked what there is beside the environments that are in use."""
_FIRST_LOOK_SECONDS = 3.0
"""How long the first heartbeat waits for the first look: an engine may be slow."""
_REFERENCES = 100
"""Images asked for by reference, of which it is remembered that they were."""


class Readiness:
    """Digests of the environments that are there; the rest has to be made or pulled first.

    Args:
        pool: Knows of each how it stands.
        environments: Their definitions.
    """

    def __init__(self, pool: Pool, environments: Environments) -> None:
        self._pool = pool
        self._environments = environments
        self._references: OrderedDict[str, None] = OrderedDict()
        self._found: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked = -_LOOK_SECONDS

    def asked_for(self, environment: str) -> None:
        """Remembers that a check wants an environment; one image of it where it has a reference."""
        name = environment.removeprefix("environments/")
        if "@" in name:
            self._references[name] = None
            self._references.move_to_end(name)
            if len(self._references) > _REFERENCES:
                self._references.popitem(last=False)

    async def digests(self) -> Mapping[str, str]:
        """Names (aliases and references too) to digests, as last seen; waits only the first time.

        Whatever checks run in already is as the pool has it now.
        """
        first = not self._found and self._looking is None
        if self._looking is None and time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looking = asyncio.create_task(self._look())
        if first and self._looking is not None:
            await asyncio.wait([self._looking], timeout=_FIRST_LOOK_SECONDS)
        for names, definition in self._all():
            if self._pool.is_ready(definition):
                digest = (await self._pool.status(definition)).digest
                self._found |= dict.fromkeys(names, digest)
        return {name: digest for name, digest in self._found.items() if digest}

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        try:
            found: dict[str, str] = {}
            for names, definition in self._all():
                found |= dict.fromkeys(names, (await self._pool.status(definition)).digest)
            self._found = found
        except Exception:  # the next look may find more; heartbeats have to go on
            log.exception("it cannot be seen which environments are there")
        finally:
            self._looked = time.monotonic()
            self._looking = None

    def _all(self) -> list[tuple[tuple[str, ...], Definition]]:
        """Every definition with the names that checks know it by."""
        try:
            found = [((one.name, *one.aliases), one) for one in self._environments.all()]
            found += [((name,), self._environments.get(name)) for name in self._references]
        except Error as error:
            log.warning(f"the environments cannot be read: {error.message}")
            return []
        return found
