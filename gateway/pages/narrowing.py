"""Narrowing a search by what the catalog's filter does not know: verdicts and concepts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2, ontology_pb2
from ackrep.scheduler.v1 import scheduler_pb2
from gateway.pages import words
from gateway.pages.choices import Choices
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream

MOST = 10_000
"""So many entities a search may be narrowed to (the limit of `SearchEntitiesRequest.entities`)."""
PATIENCE = 30.0
"""Seconds for a query: the first one at a revision waits until all is loaded."""
FEW = 1000
"""With at most so many verdicts, each verdict is counted."""


@dataclass(frozen=True)
class Narrowing:
    """The entities that a search is limited to."""

    entities: Sequence[str] | None = None
    """Their names; None for no limit."""
    cut: bool = False
    """Whether there are more than can be looked at."""

    @property
    def empty(self) -> bool:
        """Whether nothing can be found."""
        return self.entities is not None and not self.entities


async def narrowing_of(upstream: Upstream, choices: Choices, *, verdict: bool = True) -> Narrowing:
    """Finds the entities that the chosen verdict and concept leave.

    Args:
        upstream: The services.
        choices: What is asked for.
        verdict: Whether the verdict counts.
    """
    wanted = []
    if verdict and choices.verdict:
        wanted.append(_with_verdict(upstream, choices.verdict, choices.revision))
    if choices.concept:
        wanted.append(tagged(upstream, choices.concept, choices.revision))
    found = await asyncio.gather(*wanted)
    if not found:
        return Narrowing()
    names = set.intersection(*(set(one.entities or ()) for one in found))
    return Narrowing(sorted(names)[:MOST], any(one.cut for one in found))


async def _with_verdict(upstream: Upstream, slug: str, revision: str) -> Narrowing:
    if slug == words.UNCHECKED.slug:
        return await _unchecked(upstream, revision)
    verdict = next(value for value, word in words.VERDICTS.items() if word.slug == slug)
    answer = await upstream.scheduler.ListEntityVerdicts(
        scheduler_pb2.ListEntityVerdictsRequest(page_size=MOST, verdict=verdict),  # type: ignore[arg-type]
        timeout=TIMEOUT,
    )
    names = [one.entity for one in answer.verdicts]
    return Narrowing(names, bool(answer.next_page_token))


async def _unchecked(upstream: Upstream, revision: str) -> Narrowing:
    """Finds the checkable entities without a verdict, among the first 10,000 of each."""
    answer, checkable = await asyncio.gather(
        upstream.scheduler.ListEntityVerdicts(
            scheduler_pb2.ListEntityVerdictsRequest(page_size=MOST), timeout=TIMEOUT
        ),
        _checkable(upstream, revision),
    )
    checked = {one.entity for one in answer.verdicts}
    names = [name for name in checkable.entities or () if name not in checked]
    return Narrowing(names, checkable.cut or bool(answer.next_page_token))


async def _checkable(upstream: Upstream, revision: str) -> Narrowing:
    names: list[str] = []
    token = ""
    while len(names) < MOST:
        answer = await upstream.catalog.ListEntities(
            catalog_pb2.ListEntitiesRequest(
                filter="checkable = true", page_size=1000, page_token=token, revision=revision
            ),
            timeout=TIMEOUT,
        )
        names += [entity.name for entity in answer.entities]
        token = answer.next_page_token
        if not token:
            break
    return Narrowing(names, bool(token))


async def tagged(upstream: Upstream, concept: str, revision: str, *, most: int = MOST) -> Narrowing:
    """Finds the entities tagged with a concept or any subclass of it.

    Args:
        upstream: The services.
        concept: Class name.
        revision: `revisions/{id}`; empty for the current one.
        most: Number of entities after which the rest is left out.
    """
    name = "".join(character for character in concept if character.isalnum() or character in "_-.")
    if name != concept or not name:
        return Narrowing(())
    answer = await upstream.ontology.QueryOntology(
        ontology_pb2.QueryOntologyRequest(
            query=TAGGED.format(concept=name), revision=revision, max_rows=most
        ),
        timeout=PATIENCE,
    )
    names = dict.fromkeys(row.terms[0].entity for row in answer.rows if row.terms[0].entity)
    return Narrowing(list(names), answer.truncated)


TAGGED = """\
SELECT ?entity WHERE {{
  ?entity P:has_ontology_based_tag P:i{concept}.
}}"""
"""The query for the entities of a concept and its subclasses."""
