"""How the checkable entities of the repository are, in numbers."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.pages import latest, words
from gateway.pages.narrowing import MOST
from gateway.upstream import Upstream

SUCCESS = words.VERDICTS[check_pb2.VERDICT_SUCCESS]
ATTENTION = 8
"""Entities that are not right of which more than their number is told."""

_TIMEOUT = latest.TIMEOUT
_BAD = [
    verdict
    for verdict in words.VERDICTS
    if verdict not in {check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_CANCELLED}
]


@dataclass(frozen=True)
class Balance:
    """How the checkable entities are."""

    counts: Counter[words.Word]
    attention: Sequence[tuple[catalog_pb2.Entity, latest.Latest]]
    """Some of those that are not right."""
    more: int
    """How many more there are."""


def exact(entities: Sequence[catalog_pb2.Entity], checks: latest.Checks) -> Balance:
    """Looks at all entities, which are at hand."""
    bad = [
        (entity, found)
        for entity in entities
        if entity.checkable and (found := checks.of(entity.name)).finished and found.word != SUCCESS
    ]
    return Balance(
        latest.verdict_counts(entities, checks),
        bad[:ATTENTION],
        max(0, len(bad) - ATTENTION),
    )


async def counted(upstream: Upstream, checkable: int) -> Balance:
    """Counts verdict by verdict, in one call for each 10,000 entities."""
    verdicts = [v for v in words.VERDICTS if v != check_pb2.VERDICT_CANCELLED]
    found = await asyncio.gather(*(_with_verdict(upstream, verdict) for verdict in verdicts))
    counts: Counter[words.Word] = Counter()
    attention: list[tuple[catalog_pb2.Entity, latest.Latest]] = []
    for verdict, (count, known, some) in zip(verdicts, found, strict=True):
        counts[words.VERDICTS[verdict]] = count
        if verdict in _BAD:
            attention += [(entity, known.of(entity.name)) for entity in some]
    counts[words.UNCHECKED] = max(0, checkable - sum(counts.values()))
    bad = sum(counts[words.VERDICTS[verdict]] for verdict in _BAD)
    attention = attention[:ATTENTION]
    return Balance(counts, attention, bad - len(attention))


async def passing(upstream: Upstream) -> tuple[int, int, int]:
    """Counts the entities that are a success, those that were checked, and all checkable ones."""
    whole = await search(upstream, "checkable = true", size=1)
    found = await counted(upstream, whole.total_size)
    checkable = whole.total_size
    return found.counts[SUCCESS], checkable - found.counts[words.UNCHECKED], checkable


async def search(
    upstream: Upstream,
    condition: str,
    *,
    size: int,
    token: str = "",
    entities: Sequence[str] = (),
) -> search_pb2.SearchEntitiesResponse:
    """Finds entities by a filter, among some where any are given."""
    return await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(
            filter=condition, page_size=size, page_token=token, entities=entities
        ),
        timeout=_TIMEOUT,
    )


async def _with_verdict(
    upstream: Upstream, verdict: int
) -> tuple[int, latest.Checks, Sequence[catalog_pb2.Entity]]:
    """Counts the present entities of a verdict, and gets some of them."""
    checks = latest.Checks([], {})
    some: Sequence[catalog_pb2.Entity] = ()
    total, token = 0, ""
    while True:
        answer = await upstream.scheduler.ListEntityVerdicts(
            scheduler_pb2.ListEntityVerdictsRequest(
                page_size=MOST,
                page_token=token,
                verdict=verdict,  # type: ignore[arg-type]
            ),
            timeout=_TIMEOUT,
        )
        names = [one.entity for one in answer.verdicts]
        if names:
            # Those that left the repository have verdicts still.
            here = await search(upstream, "checkable = true", size=ATTENTION, entities=names)
            total += here.total_size
            if not some:
                some = [result.entity for result in here.results]
                checks = await latest.known_verdicts(upstream, [entity.name for entity in some])
        token = answer.next_page_token
        if not token:
            return total, checks, some
