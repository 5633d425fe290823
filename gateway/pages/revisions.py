"""`/revisions` and `/revisions/{a}..{b}`: the states of the repository, and what changed."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import latest, words
from gateway.pages.members import entities_named
from gateway.pages.moments import Moment, revision_named
from gateway.pages.rendering import page, see_other
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_INDEX_TIMEOUT = 120.0
_PAGE_SIZE = 50
_AFFECTED = 200
_CHANGES = {
    catalog_pb2.AffectedEntity.CHANGE_ADDED: words.Word("added", "added", "It is new."),
    catalog_pb2.AffectedEntity.CHANGE_MODIFIED: words.Word(
        "modified", "affected", "What a check of it runs has another content."
    ),
    catalog_pb2.AffectedEntity.CHANGE_REMOVED: words.Word("removed", "removed", "It is gone."),
}


@dataclass(frozen=True)
class Group:
    """Entities to which the same happened."""

    change: words.Word
    entities: Sequence[catalog_pb2.AffectedEntity]


async def revisions(request: Request) -> Response:
    """The indexed revisions, newest first, each with what it changed."""
    upstream = context_of(request).upstream
    token = request.query_params.get("page", "")
    with remote_errors():
        current, answer = await asyncio.gather(
            revision_named(upstream, "current"),
            upstream.catalog.ListRevisions(
                catalog_pb2.ListRevisionsRequest(page_size=_PAGE_SIZE, page_token=token),
                timeout=_TIMEOUT,
            ),
        )
    found = list(answer.revisions)
    before = {one.name: older.name for one, older in itertools.pairwise(found)}
    return page(
        request,
        "revisions.html",
        data={
            "current": current,
            "revisions": found,
            "nextPageToken": answer.next_page_token,
        },
        moment=Moment(current, current),
        current=current,
        revisions=found,
        before=before,
        next_page=answer.next_page_token,
        first=not token,
    )


async def changes(request: Request) -> Response:
    """What changed between two revisions for checks: which entities, why, and how they are."""
    upstream = context_of(request).upstream
    one, _, other = request.path_params["pair"].partition("..")
    token = request.query_params.get("page", "")
    with remote_errors():
        base, head, current = await asyncio.gather(
            revision_named(upstream, one),
            revision_named(upstream, other or "current"),
            revision_named(upstream, "current"),
        )
        answer = await upstream.catalog.ListAffectedEntities(
            catalog_pb2.ListAffectedEntitiesRequest(
                base_revision=base.name,
                revision=head.name,
                page_size=_AFFECTED,
                page_token=token,
            ),
            timeout=_INDEX_TIMEOUT,
        )
        names = [entity.entity for entity in answer.entities]
        causes = [cause for entity in answer.entities for cause in entity.causes]
        checks, after, earlier = await asyncio.gather(
            latest.newest_checks(upstream, names),
            entities_named(upstream, causes, revision=head.name),
            entities_named(upstream, causes, revision=base.name),
        )
    groups = [
        Group(word, same)
        for change, word in _CHANGES.items()
        if (same := [entity for entity in answer.entities if entity.change == change])
    ]
    return page(
        request,
        "changes.html",
        data={
            "base": base,
            "head": head,
            "entities": answer.entities,
            "totalSize": answer.total_size,
            "nextPageToken": answer.next_page_token,
        },
        moment=Moment(current, current),
        base=base,
        head=head,
        current=current,
        groups=groups,
        # Checks run at the current revision.
        runnable=[
            entity.entity.removeprefix("entities/")
            for entity in answer.entities
            if entity.change != catalog_pb2.AffectedEntity.CHANGE_REMOVED
            and head.name == current.name
        ],
        total=answer.total_size,
        next_page=answer.next_page_token,
        checks=checks,
        titles={name: entity.title for name, entity in {**earlier, **after}.items()},
    )


async def compare(request: Request) -> Response:
    """Leads to what changed between two revisions that a form names."""
    base = request.query_params.get("base", "").strip()
    head = request.query_params.get("head", "").strip() or "current"
    upstream = context_of(request).upstream
    with remote_errors():
        found = await asyncio.gather(revision_named(upstream, base), revision_named(upstream, head))
    return see_other(f"/revisions/{_id(found[0])}..{_id(found[1])}")


async def index(request: Request) -> Response:
    """Indexes a branch, tag or commit, and leads to what is different there (a form's target)."""
    form = await read_form(request)
    upstream = context_of(request).upstream
    with remote_errors():
        made = await upstream.catalog.IndexRevision(
            catalog_pb2.IndexRevisionRequest(ref=form.get("ref", "").strip()),
            timeout=_INDEX_TIMEOUT,
        )
    return see_other(f"/revisions/{_id(made)}..current")


def _id(revision: catalog_pb2.Revision) -> str:
    return revision.name.removeprefix("revisions/")


ROUTES = [
    Route("/revisions", revisions, methods=["GET"]),
    Route("/revisions", index, methods=["POST"]),
    Route("/revisions/compare", compare),
    Route("/revisions/{pair}", changes),
]
