"""Revisions, entities, diagnostics and closures."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from ackrep.catalog.v1 import catalog_pb2 as pb
from ackrep.catalog.v1 import catalog_pb2_grpc as rpc
from services.catalog.app import Catalog
from services.catalog.domain.entities import OBJECT_ID
from services.catalog.domain.filters import parse_filter
from services.catalog.domain.proposals import proposal_of
from services.catalog.index.history import History
from services.catalog.index.synchronisation import Announcement, Synchronisation
from services.catalog.servicer.messages import (
    affected_message,
    codes_of,
    commit_message,
    count_messages,
    diagnostic_message,
    entity_message,
    environment_name,
    folder_message,
    revision_message,
    view_message,
)
from services.catalog.servicer.requests import (
    Context,
    PageToken,
    key_of,
    page_size_of,
    tree_of,
)
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["CatalogService"].full_name
MAX_TREES: Final = 1000


class CatalogServicer(rpc.CatalogServiceServicer):
    """Answers calls to the catalog."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        history: History,
        synchronisation: Synchronisation,
        announcement: Announcement,
    ) -> None:
        self._catalog = catalog
        self._history = history
        self._synchronisation = synchronisation
        self._announcement = announcement

    async def SyncRevision(self, request: pb.SyncRevisionRequest, context: Context) -> pb.Revision:
        return revision_message(await self._synchronisation.sync())

    async def GetRevision(self, request: pb.GetRevisionRequest, context: Context) -> pb.Revision:
        if not request.name:
            raise InvalidArgumentError("name is required: revisions/{tree id} or revisions/current")
        return revision_message(await self._catalog.revision(tree_of(request.name)))

    async def ListRevisions(
        self, request: pb.ListRevisionsRequest, context: Context
    ) -> pb.ListRevisionsResponse:
        size = page_size_of(request.page_size, default=50, largest=500)
        token = PageToken.read(request.page_token, kind="revisions")
        found = await self._catalog.revisions(limit=size + 1, offset=token.offset)
        return pb.ListRevisionsResponse(
            revisions=[revision_message(revision) for revision in found[:size]],
            next_page_token=token.next(offset=token.offset + size) if len(found) > size else "",
        )

    async def ListCommits(
        self, request: pb.ListCommitsRequest, context: Context
    ) -> pb.ListCommitsResponse:
        if not request.since:
            raise InvalidArgumentError(
                "since is required: the commit after which the list begins", field="since"
            )
        found = await self._history.commits(
            since=request.since, until=request.until, paths=list(request.paths)
        )
        return pb.ListCommitsResponse(commits=[commit_message(commit) for commit in found])

    async def GetEntity(self, request: pb.GetEntityRequest, context: Context) -> pb.Entity:
        key = key_of(request.name, field="name")
        return view_message(await self._catalog.entity(key, tree=tree_of(request.revision)))

    async def ListEntities(
        self, request: pb.ListEntitiesRequest, context: Context
    ) -> pb.ListEntitiesResponse:
        size = page_size_of(request.page_size, default=100, largest=1000)
        token = PageToken.read(
            request.page_token, kind=f"entities {request.revision} {request.filter}"
        )
        filter_ = parse_filter(request.filter)
        tree = token.pinned(tree_of(request.revision))
        revision = await self._catalog.revision(tree)
        page = await self._catalog.page(
            filter_, tree=revision.tree, after=token.after, limit=size + 1
        )
        shown = page.entities[:size]
        more = len(page.entities) > size
        return pb.ListEntitiesResponse(
            entities=[entity_message(placed, revision) for placed in shown],
            next_page_token=token.next(after=shown[-1].entity.key, tree=revision.tree)
            if more
            else "",
            total_size=page.total,
        )

    async def ListDiagnostics(
        self, request: pb.ListDiagnosticsRequest, context: Context
    ) -> pb.ListDiagnosticsResponse:
        size = page_size_of(request.page_size, default=100, largest=1000)
        asked = f"{request.revision} {request.entity} {request.severity} {request.code}"
        token = PageToken.read(request.page_token, kind=f"diagnostics {asked}")
        key = key_of(request.entity, field="entity") if request.entity else ""
        revision = await self._catalog.revision(token.pinned(tree_of(request.revision)))
        page = await self._catalog.diagnostics(
            key,
            tree=revision.tree,
            limit=size,
            offset=token.offset,
            codes=codes_of(request.severity, request.code),
        )
        end = token.offset + len(page.diagnostics)
        return pb.ListDiagnosticsResponse(
            diagnostics=[diagnostic_message(diagnostic) for diagnostic in page.diagnostics],
            next_page_token=token.next(offset=end, tree=revision.tree) if end < page.total else "",
            total_size=page.total,
            counts=count_messages(page.counts),
        )

    async def GetClosure(self, request: pb.GetClosureRequest, context: Context) -> pb.Closure:
        key = key_of(request.entity, field="entity")
        closure, revision = await self._catalog.closure(key, tree=tree_of(request.revision))
        return pb.Closure(
            entity=f"entities/{closure.key}",
            revision=f"revisions/{revision.tree}",
            commit=revision.commit,
            digest=closure.digest,
            environment=environment_name(closure.environment),
            folders=[folder_message(placed) for placed in closure.folders],
            proposal=proposal_of(revision.source),
        )

    async def IndexRevision(
        self, request: pb.IndexRevisionRequest, context: Context
    ) -> pb.Revision:
        if not request.ref:
            raise InvalidArgumentError("ref is required: a branch, tag or commit of the source")
        return revision_message(await self._catalog.index(request.ref))

    async def WatchCurrentRevision(
        self, request: pb.WatchCurrentRevisionRequest, context: Context
    ) -> AsyncIterator[pb.Revision]:
        async with contextlib.aclosing(self._announcement.revisions()) as revisions:
            async for revision in revisions:
                yield revision_message(revision)

    async def ListAffectedEntities(
        self, request: pb.ListAffectedEntitiesRequest, context: Context
    ) -> pb.ListAffectedEntitiesResponse:
        if not request.base_revision:
            raise InvalidArgumentError(
                "base_revision is required: the revision to compare with",
                field="base_revision",
            )
        size = page_size_of(request.page_size, default=100, largest=1000)
        kind = f"affected {request.base_revision} {request.revision}"
        token = PageToken.read(request.page_token, kind=kind)
        base = await self._catalog.revision(token.base or tree_of(request.base_revision))
        revision = await self._catalog.revision(token.pinned(tree_of(request.revision)))
        found = await self._catalog.affected(base, revision)
        end = token.offset + size
        return pb.ListAffectedEntitiesResponse(
            entities=[affected_message(one) for one in found[token.offset : end]],
            next_page_token=token.next(offset=end, tree=revision.tree, base=base.tree)
            if end < len(found)
            else "",
            total_size=len(found),
        )

    async def FetchTrees(
        self, request: pb.FetchTreesRequest, context: Context
    ) -> AsyncIterator[pb.FetchTreesResponse]:
        if not request.trees or len(request.trees) > MAX_TREES:
            raise InvalidArgumentError(f"trees takes 1 to {MAX_TREES} git tree ids")
        for tree in request.trees:
            if not OBJECT_ID.fullmatch(tree):
                raise InvalidArgumentError(f"{tree[:100]!r} is no git tree id", tree=tree[:100])
        async for part in self._catalog.trees(request.trees):
            if part.chunk is None:
                yield pb.FetchTreesResponse(tree=part.tree, tree_end=True)
            else:
                yield pb.FetchTreesResponse(
                    tree=part.tree,
                    path=part.path,
                    mode=part.mode,
                    data=part.chunk.data,
                    more=part.chunk.more,
                )
