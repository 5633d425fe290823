"""Changes of the data repository, from the catalog over gRPC."""

from collections.abc import AsyncIterator

import grpc

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services import rpc

_PATIENCE = 30.0
_PAGE = 1000


class GrpcChanges:
    """The port `Changes` over the catalog's service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def revisions(self) -> AsyncIterator[str]:
        request = catalog_pb2.WatchCurrentRevisionRequest()
        with rpc.remote_errors():
            async for revision in self._stub.WatchCurrentRevision(request, wait_for_ready=True):
                yield revision.name.removeprefix("revisions/")

    async def affected(self, *, base: str, revision: str) -> list[str]:
        keys: list[str] = []
        request = catalog_pb2.ListAffectedEntitiesRequest(
            base_revision=f"revisions/{base}",
            revision=f"revisions/{revision}" if revision else "",
            page_size=_PAGE,
        )
        while True:
            with rpc.remote_errors():
                page = await self._stub.ListAffectedEntities(
                    request, timeout=_PATIENCE, wait_for_ready=True
                )
            keys += [
                found.entity.removeprefix("entities/")
                for found in page.entities
                if found.change != catalog_pb2.AffectedEntity.CHANGE_REMOVED
            ]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return keys

    async def matching(self, *, revision: str, condition: str) -> list[str]:
        keys: list[str] = []
        checkable = "checkable = true"
        request = catalog_pb2.ListEntitiesRequest(
            page_size=_PAGE,
            filter=f"{condition} AND {checkable}" if condition.strip() else checkable,
            revision=f"revisions/{revision}" if revision else "",
        )
        while True:
            with rpc.remote_errors():
                page = await self._stub.ListEntities(
                    request, timeout=_PATIENCE, wait_for_ready=True
                )
            keys += [entity.name.removeprefix("entities/") for entity in page.entities]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return keys
