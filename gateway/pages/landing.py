"""`/`: the state of the repository at a glance."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.context import context_of
from gateway.pages import latest, members, words
from gateway.pages.moments import Moment, revision_named
from gateway.pages.narrowing import MOST
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_ATTENTION = 8
"""Entities that are shown with the message of their check."""
_RECENT = 6
_SUCCESS = words.VERDICTS[check_pb2.VERDICT_SUCCESS]
_BAD = [
    verdict
    for verdict in words.VERDICTS
    if verdict not in {check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_CANCELLED}
]


@dataclass(frozen=True)
class _Balance:
    """How the checkable entities are."""

    counts: Counter[words.Word]
    attention: Sequence[tuple[catalog_pb2.Entity, latest.Latest]]
    """Some of those that are not right."""
    more: int
    """How many more there are."""


async def landing(request: Request) -> Response:
    """The state of the repository at a glance."""
    upstream = context_of(request).upstream
    with remote_errors():
        revision, whole, checkable, runs = await asyncio.gather(
            revision_named(upstream, "current"),
            _search(upstream, "", size=members.PAGE),
            _search(upstream, "checkable = true", size=1),
            upstream.scheduler.ListRuns(
                scheduler_pb2.ListRunsRequest(page_size=5), timeout=_TIMEOUT
            ),
        )
        few = whole.total_size <= members.FEW_ENTITIES
        while few and whole.next_page_token:
            more = await _search(upstream, "", size=members.PAGE, token=whole.next_page_token)
            whole.results.extend(more.results)
            whole.next_page_token = more.next_page_token
        entities = [result.entity for result in whole.results]
        names = [entity.name for entity in entities if entity.checkable] if few else []
        checks = await latest.newest_checks(upstream, names)
        balance = (
            _exact(entities, checks) if few else await _counted(upstream, checkable.total_size)
        )
        await latest.complete(upstream, [found for _, found in balance.attention])
        recent = checks.recent[:_RECENT]
        known = {entity.name: entity for entity in entities} if few else {}
        lacking = [check.entity for check in recent if check.entity not in known]
        known |= await members.entities_named(upstream, lacking)
    return page(
        request,
        "landing.html",
        data={
            "revision": revision,
            "checkable": sum(balance.counts.values()),
            "verdicts": {word.slug: count for word, count in balance.counts.items() if count},
            "attention": [found.finished for _, found in balance.attention],
            "recentChecks": recent,
            "runs": runs.runs,
        },
        moment=Moment(revision, revision),
        revision=revision,
        groups=members.grouped(entities) if few else [],
        types=[] if few else _types(whole),
        checks=checks,
        recent=recent,
        shares=latest.shares(balance.counts),
        good=balance.counts[_SUCCESS],
        checkable=sum(balance.counts.values()),
        unchecked=balance.counts[words.UNCHECKED],
        attention=balance.attention,
        attention_more=balance.more,
        titles={name: entity.title for name, entity in known.items()},
        runs=runs.runs,
    )


async def _search(
    upstream: Upstream,
    condition: str,
    *,
    size: int,
    token: str = "",
    entities: Sequence[str] = (),
) -> search_pb2.SearchEntitiesResponse:
    return await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(
            filter=condition, page_size=size, page_token=token, entities=entities
        ),
        timeout=_TIMEOUT,
    )


def _types(answer: search_pb2.SearchEntitiesResponse) -> list[tuple[words.TypeWord, int]]:
    counts = {one.value: one.count for f in answer.facets if f.field == "type" for one in f.values}
    return [(word, counts[word.slug]) for word in words.TYPES.values() if word.slug in counts]


def _exact(entities: Sequence[catalog_pb2.Entity], checks: latest.Checks) -> _Balance:
    bad = [
        (entity, found)
        for entity in entities
        if entity.checkable
        and (found := checks.of(entity.name)).finished
        and found.word != _SUCCESS
    ]
    return _Balance(
        latest.verdict_counts(entities, checks),
        bad[:_ATTENTION],
        max(0, len(bad) - _ATTENTION),
    )


async def _counted(upstream: Upstream, checkable: int) -> _Balance:
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
    attention = attention[:_ATTENTION]
    return _Balance(counts, attention, bad - len(attention))


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
            here = await _search(upstream, "checkable = true", size=_ATTENTION, entities=names)
            total += here.total_size
            if not some:
                some = [result.entity for result in here.results]
                checks = await latest.known_verdicts(upstream, [entity.name for entity in some])
        token = answer.next_page_token
        if not token:
            return total, checks, some


ROUTES = [Route("/", landing, name="landing")]
