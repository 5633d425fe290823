"""`/`: the state of the repository at a glance."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import search_pb2
from ackrep.scheduler.v1 import notification_pb2, scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages import latest, members, words
from gateway.pages.balance import SUCCESS, counted, exact, search
from gateway.pages.change_lines import KINDS, lines
from gateway.pages.moments import Moment, revision_named
from gateway.pages.rendering import page
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_RECENT = 6
_CHANGES = 8
_TOLD = [KINDS[kind] for kind in ("broken", "repaired", "changed")]
"""Kinds of changes that are news; first verdicts of a new repository would bury them."""


async def landing(request: Request) -> Response:
    """The state of the repository at a glance."""
    upstream = context_of(request).upstream
    with remote_errors():
        revision, whole, checkable, runs, changes = await asyncio.gather(
            revision_named(upstream, "current"),
            search(upstream, "", size=members.PAGE),
            search(upstream, "checkable = true", size=1),
            upstream.scheduler.ListRuns(
                scheduler_pb2.ListRunsRequest(page_size=5), timeout=_TIMEOUT
            ),
            upstream.notifications.ListVerdictChanges(
                notification_pb2.ListVerdictChangesRequest(page_size=_CHANGES, kinds=_TOLD),
                timeout=_TIMEOUT,
            ),
        )
        few = whole.total_size <= members.FEW_ENTITIES
        while few and whole.next_page_token:
            more = await search(upstream, "", size=members.PAGE, token=whole.next_page_token)
            whole.results.extend(more.results)
            whole.next_page_token = more.next_page_token
        entities = [result.entity for result in whole.results]
        names = [entity.name for entity in entities if entity.checkable] if few else []
        checks = await latest.newest_checks(upstream, names)
        balance = exact(entities, checks) if few else await counted(upstream, checkable.total_size)
        await latest.complete(upstream, [found for _, found in balance.attention])
        recent = checks.recent[:_RECENT]
        known = {entity.name: entity for entity in entities} if few else {}
        shown = [check.entity for check in recent] + [one.entity for one in changes.changes]
        lacking = [name for name in shown if name not in known]
        known |= await members.entities_named(upstream, lacking)
    written = lines(changes.changes, viewer=viewer_of(request), known=known)
    return page(
        request,
        "landing.html",
        data={
            "revision": revision,
            "checkable": sum(balance.counts.values()),
            "verdicts": {word.slug: count for word, count in balance.counts.items() if count},
            "attention": [found.finished for _, found in balance.attention],
            "changes": [line.change for line in written],
            "recentChecks": recent,
            "runs": runs.runs,
        },
        moment=Moment(revision, revision),
        revision=revision,
        groups=members.grouped(entities) if few else [],
        types=[] if few else _types(whole),
        checks=checks,
        recent=recent,
        changes=written,
        shares=latest.shares(balance.counts),
        good=balance.counts[SUCCESS],
        checkable=sum(balance.counts.values()),
        unchecked=balance.counts[words.UNCHECKED],
        attention=balance.attention,
        attention_more=balance.more,
        titles={name: entity.title for name, entity in known.items()},
        runs=runs.runs,
    )


def _types(answer: search_pb2.SearchEntitiesResponse) -> list[tuple[words.TypeWord, int]]:
    counts = {one.value: one.count for f in answer.facets if f.field == "type" for one in f.values}
    return [(word, counts[word.slug]) for word in words.TYPES.values() if word.slug in counts]


ROUTES = [Route("/", landing, name="landing")]
